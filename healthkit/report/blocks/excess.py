"""Of one chapter: which groups of orders carry the excess, and what may follow for a measure that stays off target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.report import charts, wording
from healthkit.report.blocks import findings
from healthkit.report.blocks.findings import Measure

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport

MAX_GROUPS = 5
"""So many groups stand in a chart: those that stand out, then those that have at least one order more than the rest."""

CaptionedChart = tuple[dict[str, Any], dict[str, Any]]
"""A figure's id, title and caption, and its Vega-Lite."""


def captioned_chart(row: Measure, name: str, title: str, chart: Any, caption: list[str]) -> CaptionedChart:
    """One figure of a chapter."""
    return {"id": f"{row.anchor}-{name}", "title": title, "caption": caption}, charts.vega_lite_spec(chart)


def excess_figure(report: MonthlyReport, row: Measure, faults: pd.DataFrame) -> tuple[list[CaptionedChart], str]:
    """The groups that stand out as a figure, or the sentence that none does; neither where nobody looked."""
    held = report.drivers.get((row.metric, row.channel, row.window))
    if held is None or held.empty:
        return [], ""
    groups = _labelled_groups(held, faults)
    loud = groups[groups["stands_out"]]
    if loud.empty:
        return [], wording.account.no_group_sentence(held["dimension"])
    noun = row.noun
    title = wording.account.groups_title(list(loud["label"])[:3], loud["excess"].iloc[0], noun)
    near = groups[groups["stands_out"] | (groups["excess"] >= 1)]
    chart = charts.excess_by_group(near.head(max(MAX_GROUPS, len(loud))), description=title)
    told = [_group_caption(group, noun) for group in findings.records(loud.head(MAX_GROUPS))]
    return [captioned_chart(row, "groups", title, chart, [*told, wording.account.GROUPS_CAPTION])], ""


def _labelled_groups(driver_rows: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """DRIVERS that are held against a rest, each under its label; of a product known by two names the first."""
    rows = driver_rows[driver_rows["excess"].notna()]
    products = dict(zip(faults["sku"], faults["product"], strict=True))
    label = [
        wording.account.group_label(kind, name, findings.text_or_empty(products.get(name)))
        for kind, name in zip(rows["dimension"], rows["group"], strict=True)
    ]
    same = rows["dimension"].map(wording.account.GROUP_KIND_LABELS)
    twice = rows.assign(same=same).duplicated(["same", "counted", "at_fault"]) & (same == "product")
    return rows.assign(label=label)[~twice].reset_index(drop=True)


def _group_caption(group: findings.Row, noun: str) -> str:
    """One group that stands out, in a sentence with its counts."""
    mine = wording.format_count(int(group["counted"]), int(group["at_fault"]))
    rest = wording.format_count(int(group["rest_counted"]), int(group["rest_at_fault"]))
    return wording.account.group_sentence(
        group["label"], mine, rest, wording.account.format_excess(group["low"], group["high"]), noun
    )


def streak_consequence(report: MonthlyReport, row: Measure) -> str:
    """For how long a measure is off target, and what the rule's text says of that or of longer; empty otherwise."""
    held = report.standings.get((row.metric, row.channel, row.window))
    if held is None or held.since is None:
        return ""
    sure = wording.CERTAINTY_LABELS.get(getattr(row.rule, "sure", ""), "")
    if held.stage is not None:
        return wording.account.current_stage_sentence(
            held.days, held.may_be_longer, held.stage.stage, held.stage.says, held.source, sure
        )
    later = [stage for stage in getattr(row.rule, "stages", ()) if stage.days > held.days]
    if not later:
        return ""
    next_one = min(later, key=lambda stage: stage.days)
    return wording.account.later_stage_sentence(
        held.days, held.since, next_one.days, next_one.stage, next_one.says, held.source, sure
    )
