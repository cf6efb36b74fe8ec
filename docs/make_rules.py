"""Write docs/rules.md, every rule of every policy: python docs/make_rules.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from healthkit import policy, wording
from healthkit.policy import FOR_EVER, Policy, Rule, Silence

PAGE = ROOT / "docs" / "rules.md"
HEADS = ["Measure", "Asked", "Window", "Channel", "Placed by", "Since", "Until", "Consequence", "Source", "How sure"]
OPENING = """\
# The rules

What each marketplace asks of a seller, and what it asked before. This page is written by `python docs/make_rules.py`
from `healthkit/policies/*.yaml`; change the rules there. A test fails when the page and the files differ.

A rate is held against the rules of its own day. An empty *Until* means that no end is known. A row that asks *nothing*
says from which day on nothing is asked, or nothing is known, and why. *How sure* says whose number it is:
{sure}.
"""


def rules_page() -> str:
    """The page: one table for each policy, in the order of its metrics, the oldest rule first."""
    held = [policy.load(name) for name in policy.files()]
    sure = "; ".join(f"*{words}*" for words in wording.SURE.values())
    contents = "\n".join(f"- [{one.title}](#{one.name})" for one in held)
    return "\n".join([OPENING.format(sure=sure), contents, "", "\n\n".join(map(_section, held)), ""])


def provisos(rule: Rule) -> str:
    """What a rule says beyond its share, least number and window, in words; empty where it says no more.

    >>> rule = {"policy": "p", "metric": "late_shipment_rate", "since": "2026-01-01", "channels": ["seller"]}
    >>> rule |= {"windows": [90], "at_most": "7/100", "source": "a page", "sure": "I"}
    >>> provisos(Rule(**rule, and_at_least=8, fallback={"under": 400, "window": 365}, judged_on=20))
    'a breach only from 8 orders at fault on; of under 400 orders, 365 days are judged; judged on day 20 of the month'
    """
    noun = wording.metric(rule.metric).noun
    said = []
    if rule.and_at_least is not None:
        few = "" if rule.while_under is None else f", while under {wording.things(rule.while_under, noun)} are counted"
        said.append(f"a breach only from {wording.things(rule.and_at_least, noun)} at fault on{few}")
    if rule.fallback is not None:
        said.append(f"of under {wording.things(rule.fallback.under, noun)}, {rule.fallback.window} days are judged")
    if rule.judged_on is not None:
        said.append(f"judged on day {rule.judged_on} of the month")
    return "; ".join(said)


def _section(held: Policy) -> str:
    """One policy: where it holds, what is to be known of it, and its table."""
    judges = f"Judges {', '.join(held.marketplaces)}" if held.marketplaces else f"Chosen with `--policy {held.name}`"
    zone = "days in the marketplace's zone" if held.zone == "marketplace" else f"days in {held.zone}"
    rows = sorted([*held.rules, *held.silences], key=lambda row: (_place(held, row.metric), row.since))
    return "\n".join([
        f'<a id="{held.name}"></a>', "", f"## {held.title}", "",
        f"{judges}; {zone}; read on {wording.long_day(held.read, 0)}. {_cell(held.note)}".rstrip(), "",
        _row(HEADS), _row(["---"] * len(HEADS)),
        *(_row(_rule(row) if isinstance(row, Rule) else _silence(row)) for row in rows),
    ])  # fmt: skip


def _place(held: Policy, metric: str) -> int:
    """Where a metric stands in the policy's order."""
    return [name for name, _ in held.begins].index(metric)


def _rule(rule: Rule) -> list[str]:
    """The cells of one rule."""
    side, share = (rule.target.side, rule.target.share) if rule.target is not None else ("", None)
    words = wording.metric(rule.metric)
    asked = [wording.rule_in_words(side, share, rule.minimum, words.noun), provisos(rule)]
    if rule.part_of is not None:
        asked = [f"shown as a part of {wording.inside(wording.metric(rule.part_of).label)}"]
    return [
        words.label, "; ".join(filter(None, asked)), wording.window_in_words(rule.windows, rule.lag),
        _channels(rule.channels), _placed(rule), str(rule.since), "" if rule.until == FOR_EVER else str(rule.until),
        rule.consequence, rule.source, wording.SURE[rule.sure],
    ]  # fmt: skip


def _silence(row: Silence) -> list[str]:
    """The cells of a row that asks nothing."""
    label = wording.metric(row.metric).label
    return [label, "*nothing*", "", _channels(row.channels), "", str(row.since), "", "", row.source, ""]


def _placed(rule: Rule) -> str:
    """The day that places an order, where the file names one, and the options by which it is counted."""
    clock = wording.CLOCKS[rule.clock] if "clock" in rule.model_fields_set else ""
    options = [f"`{name}={value}`" for name, value in rule.basis.options]
    return "; ".join(filter(None, [clock, ", ".join(options)]))


def _channels(channels: tuple[str, ...]) -> str:
    """Channels in words."""
    return wording.listed([wording.CHANNELS[channel] for channel in channels])


def _row(cells: list[str]) -> str:
    """Cells as a row of a table."""
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """A text on one line, in which nothing ends a cell or begins a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(rules_page(), encoding="utf-8")
