"""Write docs/rules.md, every rule of every policy: python docs/make_rules.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from healthkit.metrics.policy import OPEN_END, EndedRule, Policy, Rule
from healthkit.metrics.policy_files import find_policy_files, load_policy
from healthkit.report.text import figures, labels, sentences
from healthkit.report.text import rules as rules_text

PAGE = ROOT / "docs" / "rules.md"
HEADS = ["Measure", "Asked", "Window", "Channel", "Placed by", "Since", "Until", "If missed", "Source", "How sure"]
OPENING = """\
# The rules

What each marketplace asks of a seller, and what it asked before. This page is written by `python docs/make_rules.py`
from `healthkit/metrics/policies/*.yaml`; change the rules there. A test fails when the page and the files differ.

A rate is held against the rules of its own day. An empty *Until* means that no end is known. A row that asks *nothing*
says from which day on nothing is asked, and why; one with *no published target found* says what was looked for. What is
*inferred* rests on our inference, such as the rule of another store. *If missed* tells what follows, as far as the
source says: from the first day off target on, or from the day in a row that is named. Where a rule is judged on one day
of the month, the rate of any other day is a forecast of it. *How sure* says whose number it is:
{sure}.

Orders in a store that is not listed here are kept and counted, and judged by no rule; every answer names them. To
judge them, add a policy file, as "Add a marketplace" in [CONTRIBUTING.md](../CONTRIBUTING.md) says, or judge every
store by one policy with `--policy`. A store that the kit does not know at all needs a block `new_marketplace` in that
file; import the files with its rows again afterwards.
"""


def rules_page() -> str:
    """The page: one table for each policy, in the order of its metrics, the oldest rule first."""
    held = [load_policy(name) for name in find_policy_files()]
    sure = "; ".join(f"*{words}*" for words in labels.CERTAINTY_LABELS.values())
    contents = "\n".join(f"- [{one.title}](#{one.name})" for one in held)
    return "\n".join([OPENING.format(sure=sure), contents, "", "\n\n".join(map(_section, held)), ""])


def provisos(rule: Rule) -> str:
    """What a rule says beyond its share, least number and window, in words; empty where it says no more.

    >>> rule = {"policy": "p", "metric": "late_shipment_rate", "since": "2026-01-01", "channels": ["seller"]}
    >>> rule |= {"windows": [90], "at_most": "7/100", "source": "a page", "sure": "I"}
    >>> provisos(Rule(**rule, and_at_least=8, fallback={"under": 400, "window": 365}, judged_on=20))
    'a breach only from 8 orders at fault on; of under 400 orders, 365 days are judged; judged on day 20 of the month'
    """
    fallback = None if rule.fallback is None else (rule.fallback.under, rule.fallback.window)
    noun = labels.metric_words(rule.metric).noun
    return rules_text.rule_conditions(noun, rule.and_at_least, rule.while_under, fallback, rule.judged_on)


def asked(rule: Rule) -> str:
    """What a rule asks: its share, or the points of a rating, with all that it says beside."""
    if rule.part_of is not None:
        return f"shown as a part of {labels.lowercase_first(labels.metric_words(rule.part_of).label)}"
    if rule.points is not None:
        points = rule.points
        earned = rules_text.points_earned_phrase(points.start, points.gain, points.per_orders)
        return f"{rules_text.rating_target_phrase(points.on_from, points.off_under, points.most)}; {earned}"
    side, share = (rule.target.side, rule.target.share) if rule.target is not None else ("", None)
    said = sentences.rule_phrase(side, share, rule.minimum, labels.metric_words(rule.metric).noun)
    mark = f"*{labels.INFERRED_MARK}*" if rule.is_inferred else ""
    note = f"note: {rule.note}" if rule.note else ""
    return "; ".join(filter(None, [said, provisos(rule), mark, note]))


def follows(rule: Rule) -> str:
    """What the source says of a measure off target: stage by stage where it does, else its consequence."""
    return rules_text.stages_sentence([(one.stage, one.days, one.says) for one in rule.stages]) or rule.consequence


def _section(held: Policy) -> str:
    """One policy: where it holds, what is to be known of it, and its table."""
    judges = f"Judges {', '.join(held.marketplaces)}" if held.marketplaces else f"Chosen with `--policy {held.name}`"
    zone = "days in the marketplace's zone" if held.zone == "marketplace" else f"days in {held.zone}"
    company = labels.company_of(*held.marketplaces)
    rows = sorted([*held.rules, *held.ended_rules], key=lambda row: (_place(held, row.metric), row.since))
    return "\n".join([
        f'<a id="{held.name}"></a>', "", f"## {held.title}", "",
        f"{judges}; {zone}; read on {figures.format_long_day(held.read_on, 0)}. {_cell(held.note)}".rstrip(), "",
        _row(HEADS), _row(["---"] * len(HEADS)),
        *(_row(_rule(row, company) if isinstance(row, Rule) else _silence(row, row.metric in held.metrics(), company))
          for row in rows),
    ])  # fmt: skip


def _place(held: Policy, metric: str) -> int:
    """Where a metric stands in the policy's order."""
    return list(held.first_days).index(metric)


def _rule(rule: Rule, company: str) -> list[str]:
    """The cells of one rule."""
    return [
        labels.metric_words(rule.metric, company).label, asked(rule),
        sentences.window_phrase(rule.windows, rule.lag),
        _channels(rule.channels, company), _placed(rule), str(rule.since),
        "" if rule.until == OPEN_END else str(rule.until), follows(rule), rule.source,
        labels.CERTAINTY_LABELS[rule.sure],
    ]  # fmt: skip


def _silence(row: EndedRule, is_asked_ever: bool, company: str) -> list[str]:
    """The cells of a row that asks nothing, or of a metric that never has a rule: none was found, or none computes."""
    label, why = labels.metric_words(row.metric, company).label, "nothing" if is_asked_ever else labels.NO_TARGET_FOUND
    return [
        label,
        f"*{labels.NOT_COMPUTED if row.not_computed else why}*",
        "",
        _channels(row.channels, company),
        "",
        str(row.since),
        "",
        "",
        row.source,
        "",
    ]


def _placed(rule: Rule) -> str:
    """The day that places an order, where the file names one, and the options by which it is counted."""
    clock = labels.CLOCK_LABELS[rule.clock] if "clock" in rule.model_fields_set else ""
    options = [f"`{name}={value}`" for name, value in rule.basis.options]
    return "; ".join(filter(None, [clock, ", ".join(options)]))


def _channels(channels: tuple[str, ...], company: str) -> str:
    """Channels in words."""
    return labels.join_words([labels.channel_label(channel, company) for channel in channels])


def _row(cells: list[str]) -> str:
    """Cells as a row of a table."""
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """A text on one line, in which nothing ends a cell or begins a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(rules_page(), encoding="utf-8")
