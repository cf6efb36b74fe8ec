"""Parts of a chapter on causes and consequences: groups of orders with excess faults, and consequences of a streak."""

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
"""Groups in a chart: those that stand out, then those with an excess of at least one order at fault."""

CaptionedChart = tuple[dict[str, Any], dict[str, Any]]
"""Id, title and caption of a figure as template values, and its Vega-Lite spec."""


def captioned_chart(row: Measure, name: str, title: str, chart: Any, caption: list[str]) -> CaptionedChart:
    """Return the template values of a figure with its caption, and its Vega-Lite spec.

    The id of the figure joins the anchor of the measure and `name`.
    """
    return {"id": f"{row.anchor}-{name}", "title": title, "caption": caption}, charts.vega_lite_spec(chart)


def excess_figure(report: MonthlyReport, row: Measure, faults: pd.DataFrame) -> tuple[list[CaptionedChart], str]:
    """Return the figure of groups with excess faults and "", or no figure and a sentence that no group stands out.

    Both are empty if the report has no drivers of the measure.
    """
    driver_rows = report.drivers.get((row.metric, row.channel, row.window))
    if driver_rows is None or driver_rows.empty:
        return [], ""
    groups = _labelled_groups(driver_rows, faults)
    outliers = groups[groups["stands_out"]]
    if outliers.empty:
        return [], account_text.no_group_sentence(driver_rows["dimension"])
    noun = row.noun
    title = account_text.groups_title(list(outliers["label"])[:3], outliers["excess"].iloc[0], noun)
    drawn = groups[groups["stands_out"] | (groups["excess"] >= 1)]
    chart = charts.excess_by_group(drawn.head(max(MAX_GROUPS, len(outliers))), description=title)
    captions = [_group_caption(group, noun) for group in measures.records(outliers.head(MAX_GROUPS))]
    return [captioned_chart(row, "groups", title, chart, [*captions, account_text.GROUPS_CAPTION])], ""


def _labelled_groups(driver_rows: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of DRIVERS that have an excess, with a column `label`.

    Of a product in two dimensions (SKU and ASIN) with equal counts, only the first row is kept.
    """
    rows = driver_rows[driver_rows["excess"].notna()]
    products = dict(zip(faults["sku"], faults["product"], strict=True))
    label = [
        account_text.group_label(kind, name, measures.text_or_empty(products.get(name)))
        for kind, name in zip(rows["dimension"], rows["group"], strict=True)
    ]
    same = rows["dimension"].map(account_text.GROUP_KIND_LABELS)
    duplicates = rows.assign(same=same).duplicated(["same", "counted", "at_fault"]) & (same == "product")
    return rows.assign(label=label)[~duplicates].reset_index(drop=True)


def _group_caption(group: measures.Row, noun: str) -> str:
    """Return a sentence on one group that stands out, with its counts and those of the other orders."""
    own = figures.format_count(int(group["counted"]), int(group["at_fault"]))
    rest = figures.format_count(int(group["rest_counted"]), int(group["rest_at_fault"]))
    return account_text.group_sentence(
        group["label"], own, rest, account_text.format_excess(group["low"], group["high"]), noun
    )


def streak_consequence(report: MonthlyReport, row: Measure) -> str:
    """Return a sentence on the consequence that the rule names for the length of a streak off target; "" if none."""
    streak = report.standings.get((row.metric, row.channel, row.window))
    if streak is None:
        return ""
    certainty = labels.CERTAINTY_LABELS.get(getattr(row.rule, "sure", ""), "")
    return account_text.consequence_sentence(streak, getattr(row.rule, "stages", ()), certainty)
