"""HTML block that compares our counts with the marketplace's own figures and lists the causes of differences."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.metrics.policy import JUDGED_STATUSES
from healthkit.report import charts
from healthkit.report.html import measures
from healthkit.report.html.block import HtmlBlock, render_template
from healthkit.report.text import figures, labels, sentences
from healthkit.report.text import reconciliation as reconciliation_text

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport


def reconciliation(report: MonthlyReport) -> HtmlBlock:
    """Return the HTML block with our and the marketplace's count, rate and status of each measure, and why they differ.

    It is empty if the marketplace reported no figures.
    """
    rows = sorted(report.reconciled, key=_reconciliation_sort_key)
    if not rows:
        return HtmlBlock("")
    company = labels.company_of(report.marketplace)
    other_status = [_measure_label(one) for one in rows if _is_judged_otherwise(one)]
    chart = _comparison_figure(rows, company)
    html = render_template(
        "reconciliation.html.j2",
        title=reconciliation_text.reconciliation_title(
            len(rows), other_status, sum(not one.agrees for one in rows), company
        ),
        theirs=labels.capitalise_first(labels.possessive(company)),
        rows=[_reconciliation_row(one, report.as_of.year) for one in rows],
        figure=chart[0] if chart else None,
        missing_figures=reconciliation_text.missing_figures_sentence(
            _measures_without_figure(report), max(one.as_of for one in rows), report.as_of.year, company
        ),
    )
    return HtmlBlock(html, {chart[0]["id"]: chart[1]} if chart else {})


def _reconciliation_sort_key(pair: Any) -> tuple[bool, bool, int, str]:
    """Return a sort key: measures with different statuses first, then different counts, then as in METRIC_WORDS."""
    return (
        not _is_judged_otherwise(pair),
        pair.agrees,
        list(labels.METRIC_WORDS).index(pair.metric),
        pair.channel,
    )


def _is_judged_otherwise(pair: Any) -> bool:
    return pair.status != pair.their_status and {pair.status, pair.their_status} <= set(JUDGED_STATUSES)


def _measure_label(pair: Any) -> str:
    """Return the label of a measure, with its window if the rule has several and its channel if not the seller's."""
    company = labels.company_of(pair.marketplace)
    label = sentences.measure_heading(pair.metric, pair.window if len(pair.rule.windows) > 1 else 0, company)
    return label if pair.channel in ("seller", "all") else f"{label}, {labels.channel_label(pair.channel, company)}"


def _reconciliation_row(pair: Any, year: int) -> dict[str, Any]:
    """Return the table row of one measure as template values: both sides, and the reasons of the difference."""
    side, share = measures.target_side_and_share(pair.rule)
    return {
        "label": _measure_label(pair),
        "days": figures.format_day_range(pair.first_day, pair.last_day, year),
        "sides": [
            {"rate": figures.format_rate(n, k, side, share), "count": figures.format_count(n, k, side) if n else "",
             "status": labels.STATUS_STYLES[status] if _is_judged_otherwise(pair) else None}
            for (n, k), status in ((pair.ours, pair.status), (pair.theirs, pair.their_status))
        ],
        "proxy": pair.proxy,
        "why": _difference_lines(pair, year),
        "contradiction": reconciliation_text.contradiction_sentence(
            pair.contradiction, labels.company_of(pair.marketplace)
        ) if pair.contradiction else "",
    }  # fmt: skip


def _difference_lines(pair: Any, year: int) -> list[tuple[str, tuple[str, ...], str]]:
    """Return the reasons of a difference, each with its first order ids and a note on how many more there are."""
    noun, company = labels.metric_words(pair.metric).noun, labels.company_of(pair.marketplace)
    last = pair.as_of - timedelta(days=pair.rule.lag)
    first = last - timedelta(days=pair.window - 1)
    lines = []
    for cause, counted, at_fault, ids in pair.differences:
        cause_text = reconciliation_text.difference_sentence(
            cause,
            counted,
            at_fault,
            noun,
            uncertain=cause in pair.uncertain_causes,
            missing=pair.missing,
            company=company,
        )
        if cause == "window":
            # These are all orders of whole days, so the days are named instead of the order ids.
            cause_text, ids = (
                f"{cause_text} "
                f"{reconciliation_text.counted_days_sentence(pair.first_day, pair.last_day, first, last, year)}",
                (),
            )
        lines.append(
            (cause_text, ids[: reconciliation_text.MAX_NAMED_ORDERS], reconciliation_text.more_orders_note(len(ids)))
        )
    lines += [
        (reconciliation_text.cause_counts_sentence(cause, ours, theirs, company), (), "")
        for cause, ours, theirs in pair.parts
    ]
    return lines or [(reconciliation_text.NO_DIFFERENCE, (), "")]


def _measures_without_figure(report: MonthlyReport) -> list[str]:
    """Return the names of the judged measures without a figure in the marketplace's report."""
    reconciled = {(one.metric, one.channel, one.window) for one in report.reconciled}
    reported_metrics = set(report.reported["metric"]) if "metric" in report.reported else set()
    rows = [
        row for row in measures.measures(report)
        if row.status in JUDGED_STATUSES and (row.metric, row.channel, row.window) not in reconciled
        and (row.is_rate or row.metric not in reported_metrics) and row.theirs is None
    ]  # fmt: skip
    windows: dict[tuple[str, str], list[int]] = {}
    company = labels.company_of(report.marketplace)
    for row in rows:
        standing = row.standing
        windows.setdefault((row.metric, standing.channel), []).extend([standing.window] if standing.window else [])
    return [sentences.measure_over_windows(*key, of_measure, company) for key, of_measure in windows.items()]


def _comparison_figure(rows: list[Any], company: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the figure of our and the marketplace's rates as shares of the limit used; None without such rates."""
    comparable = [one for one in rows if one.rule.target is not None and one.ours[0] and one.theirs[0]]
    if not comparable:
        return None
    sides = pd.DataFrame([_comparison_row(one) for one in comparable])
    furthest = sides.loc[(sides["ours"] - sides["theirs"]).abs().idxmax()]
    title = reconciliation_text.furthest_apart_title(
        furthest["label"],
        furthest["ours_rate"],
        furthest["theirs_rate"],
        furthest["limit"],
        furthest["ours"] == furthest["theirs"],
        company,
    )
    chart = charts.our_and_marketplace_rates(sides, company=company, description=title)
    return {
        "id": "beside-chart",
        "title": title,
        "caption": [reconciliation_text.both_rates_caption(company)],
    }, charts.vega_lite_spec(chart)


def _comparison_row(pair: Any) -> dict[str, Any]:
    """Return both rates of one measure: as shares of the limit used, and as text."""
    side, share = measures.target_side_and_share(pair.rule)
    (n, k), (their_n, their_k) = pair.ours, pair.theirs
    return {
        "label": _measure_label(pair), "limit": figures.format_limit(side, share),
        "ours": pair.rule.target.share_used(n, k) or 0.0, "ours_rate": figures.format_rate(n, k, side, share),
        "theirs": pair.rule.target.share_used(their_n, their_k) or 0.0,
        "theirs_rate": figures.format_rate(their_n, their_k, side, share),
    }  # fmt: skip
