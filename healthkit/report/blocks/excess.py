"""Of one chapter: which groups of orders carry the excess, and what may follow for a measure that stays off target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.report import charts, wording
from healthkit.report.blocks import findings
from healthkit.report.blocks.findings import Measure

if TYPE_CHECKING:
    from healthkit.report.model import Monthly

SHOWN = 5
"""So many groups stand in a chart: those that stand out, then those that have at least one order more than the rest."""

Figure = tuple[dict[str, Any], dict[str, Any]]
"""A figure's id, title and caption, and its Vega-Lite."""


def drawn(row: Measure, name: str, title: str, chart: Any, caption: list[str]) -> Figure:
    """One figure of a chapter."""
    return {"id": f"{row.anchor}-{name}", "title": title, "caption": caption}, charts.spec(chart)


def figure(monthly: Monthly, row: Measure, faults: pd.DataFrame) -> tuple[list[Figure], str]:
    """The groups that stand out as a figure, or the sentence that none does; neither where nobody looked."""
    held = monthly.drivers.get((row.metric, row.channel, row.window))
    if held is None or held.empty:
        return [], ""
    groups = _groups(held, faults)
    loud = groups[groups["stands_out"]]
    if loud.empty:
        return [], wording.account.no_group(held["dimension"])
    noun = row.noun
    title = wording.account.groups_title(list(loud["label"])[:3], loud["excess"].iloc[0], noun)
    near = groups[groups["stands_out"] | (groups["excess"] >= 1)]
    chart = charts.groups_beside_rest(near.head(max(SHOWN, len(loud))), finding=title)
    told = [_told(group, noun) for group in findings.records(loud.head(SHOWN))]
    return [drawn(row, "groups", title, chart, [*told, wording.account.GROUPS_CAPTION])], ""


def _groups(held: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """DRIVERS that are held against a rest, each under its label; of a product known by two names the first."""
    rows = held[held["excess"].notna()]
    products = dict(zip(faults["sku"], faults["product"], strict=True))
    label = [
        wording.account.group_name(kind, name, findings.text(products.get(name)))
        for kind, name in zip(rows["dimension"], rows["group"], strict=True)
    ]
    same = rows["dimension"].map(wording.account.KINDS)
    twice = rows.assign(same=same).duplicated(["same", "counted", "at_fault"]) & (same == "product")
    return rows.assign(label=label)[~twice].reset_index(drop=True)


def _told(group: findings.Row, noun: str) -> str:
    """One group that stands out, in a sentence with its counts."""
    mine = wording.count(int(group["counted"]), int(group["at_fault"]))
    rest = wording.count(int(group["rest_counted"]), int(group["rest_at_fault"]))
    return wording.account.group_in_words(
        group["label"], mine, rest, wording.account.excess(group["low"], group["high"]), noun
    )


def what_follows(monthly: Monthly, row: Measure) -> str:
    """For how long a measure is off target, and what the rule's text says of that or of longer; empty otherwise."""
    held = monthly.standings.get((row.metric, row.channel, row.window))
    if held is None or held.since is None:
        return ""
    sure = wording.SURE.get(getattr(row.rule, "sure", ""), "")
    if held.stage is not None:
        return wording.account.what_follows(
            held.days, held.at_least, held.stage.stage, held.stage.says, held.source, sure
        )
    later = [stage for stage in getattr(row.rule, "stages", ()) if stage.days > held.days]
    if not later:
        return ""
    next_one = min(later, key=lambda stage: stage.days)
    return wording.account.follows_later(
        held.days, held.since, next_one.days, next_one.stage, next_one.says, held.source, sure
    )
