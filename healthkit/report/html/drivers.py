"""Of one chapter: which groups of orders carry the excess, and what may follow for a measure that stays off target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.report import charts
from healthkit.report.html import measures
from healthkit.report.html.measures import Measure
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport

MAX_GROUPS = 5
"""Groups in a chart: those that stand out, then those with at least one order at fault more than the rest."""

CaptionedChart = tuple[dict[str, Any], dict[str, Any]]
"""A figure's id, title and caption, and its Vega-Lite."""


def captioned_chart(row: Measure, name: str, title: str, chart: Any, caption: list[str]) -> CaptionedChart:
    """Return one figure of a chapter."""
    return {"id": f"{row.anchor}-{name}", "title": title, "caption": caption}, charts.vega_lite_spec(chart)


def excess_figure(report: MonthlyReport, row: Measure, faults: pd.DataFrame) -> tuple[list[CaptionedChart], str]:
    """Return the groups that stand out as a figure, or the sentence that none does; neither where nobody looked."""
    held = report.drivers.get((row.metric, row.channel, row.window))
    if held is None or held.empty:
        return [], ""
    groups = _labelled_groups(held, faults)
    loud = groups[groups["stands_out"]]
    if loud.empty:
        return [], account_text.no_group_sentence(held["dimension"])
    noun = row.noun
    title = account_text.groups_title(list(loud["label"])[:3], loud["excess"].iloc[0], noun)
    near = groups[groups["stands_out"] | (groups["excess"] >= 1)]
    chart = charts.excess_by_group(near.head(max(MAX_GROUPS, len(loud))), description=title)
    told = [_group_caption(group, noun) for group in measures.records(loud.head(MAX_GROUPS))]
    return [captioned_chart(row, "groups", title, chart, [*told, account_text.GROUPS_CAPTION])], ""


def _labelled_groups(driver_rows: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """Return DRIVERS that are held against a rest, each under its label; of a product known by two names the first."""
    rows = driver_rows[driver_rows["excess"].notna()]
    products = dict(zip(faults["sku"], faults["product"], strict=True))
    label = [
        account_text.group_label(kind, name, measures.text_or_empty(products.get(name)))
        for kind, name in zip(rows["dimension"], rows["group"], strict=True)
    ]
    same = rows["dimension"].map(account_text.GROUP_KIND_LABELS)
    twice = rows.assign(same=same).duplicated(["same", "counted", "at_fault"]) & (same == "product")
    return rows.assign(label=label)[~twice].reset_index(drop=True)


def _group_caption(group: measures.Row, noun: str) -> str:
    """Return one group that stands out, in a sentence with its counts."""
    mine = figures.format_count(int(group["counted"]), int(group["at_fault"]))
    rest = figures.format_count(int(group["rest_counted"]), int(group["rest_at_fault"]))
    return account_text.group_sentence(
        group["label"], mine, rest, account_text.format_excess(group["low"], group["high"]), noun
    )


def streak_consequence(report: MonthlyReport, row: Measure) -> str:
    """Return what a rule's source says about a measure that is off target this long, or longer; empty otherwise."""
    streak = report.standings.get((row.metric, row.channel, row.window))
    if streak is None:
        return ""
    certainty = labels.CERTAINTY_LABELS.get(getattr(row.rule, "sure", ""), "")
    return account_text.consequence_sentence(streak, getattr(row.rule, "stages", ()), certainty)
