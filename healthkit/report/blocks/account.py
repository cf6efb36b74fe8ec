"""The account as a whole: buyers' messages, what the marketplace calls it, its policy violations and its rating."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.report import wording
from healthkit.report.blocks import findings
from healthkit.report.blocks.block import HtmlBlock, render_template
from healthkit.report.blocks.findings import Measure, Row
from healthkit.report.blocks.sparklines import rating_scale

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport


# -- buyers' messages ------------------------------------------------------------------------------------------


def buyer_messages(report: MonthlyReport) -> HtmlBlock:
    """Buyers' messages by window: answered in time, late, not at all, the average time; empty if none is told."""
    rows = [row for row in findings.records(report.scores) if row["metric"] == "late_response_rate" and row["counted"]]
    if not rows:
        return HtmlBlock("")
    made = [_message_row(report, row) for row in sorted(rows, key=lambda row: row["window"])]
    middle = made[len(made) // 2]
    rule = next((rule for rule in report.rules if rule.metric == "late_response_rate"), None)
    hours = rule.basis.option("within_hours", 24) if rule is not None else 24
    title = wording.account.contacts_title(middle["late"], middle["waiting"], middle["counted"], middle["window"])
    return HtmlBlock(
        render_template("contacts.html.j2", title=title, rows=made, head=wording.account.in_time_column_head(hours))
    )


def _message_row(report: MonthlyReport, row: Row) -> dict[str, Any]:
    """One window of messages."""
    window = int(row["window"])
    held = report.at_fault
    behind = held[(held["metric"] == "late_response_rate") & (held["window"] == window)]
    waiting = int(behind["causes"].str.contains("unanswered").sum())
    late = int(row["at_fault"]) - waiting
    counted = int(row["counted"])
    return {
        "window": window, "counted": counted, "late": late, "waiting": waiting, "in_time": counted - late - waiting,
        "share": wording.format_rate(counted, counted - late - waiting),
        "average": _average_answer_time(report, window),
        "days": wording.format_day_range(findings.as_date(row["first_day"]), findings.as_date(row["last_day"]),
            report.as_of.year),
    }  # fmt: skip


def _average_answer_time(report: MonthlyReport, window: int) -> str:
    """The average time to an answer over one window."""
    rows = [
        row for row in findings.records(report.scores)
        if row["metric"] == "average_response_time" and row["window"] == window
    ]  # fmt: skip
    held = findings.float_or_none(rows[0]["value"]) if rows else None
    return wording.DASH if held is None else wording.account.format_value("average_response_time", held)


# -- violations and rating -------------------------------------------------------------------------------------


def account_state(report: MonthlyReport) -> HtmlBlock:
    """Account status and warnings, open violations by category, and the rating on its scale; empty if nothing is known.

    The rating is the marketplace's own number where it gave one, else the estimate, labelled so.
    """
    violations = [_category_row(row, report.as_of.year) for row in findings.records(report.violations)]
    opened = sum(row["open"] for row in violations) if violations else None
    row = next((one for one in findings.measures(report) if one.metric == "account_health_rating"), None)
    has_rule = row is not None and getattr(row.rule, "points", None) is not None  # A policy may have no rule of it.
    rating = _rating_section(report, row) if row is not None and has_rule and row.value is not None else None
    states = _account_state_rows(report)
    if not violations and rating is None and not states:
        return HtmlBlock("")
    html = render_template(
        "account.html.j2",
        title=wording.account.account_title(
            opened, row.value if row else None, row.previous_value if row else None, bool(row and not row.reported_on)
        ),
        states=states,
        violations=violations,
        one_by_one=any(one["told"] for one in violations),
        rating=rating,
        follows=_consequence_notes(report),
    )
    return HtmlBlock(html)


def _account_state_rows(report: MonthlyReport) -> list[dict[str, Any]]:
    """What the marketplace says of the account as a whole, and of what it warns."""
    made = []
    for row in findings.records(report.states):
        if row["kind"] == "checklist":
            continue
        name = "Account status" if row["kind"] == "account" else wording.capitalise_first(row["name"].replace("_", " "))
        count = findings.int_or_none(row["count"])
        made.append({
            "name": name, "warning": row["kind"] == "warning", "count": count or 0,
            "status": wording.account.account_state_style(findings.text_or_empty(row["state"]) or "not said"),
            "on": wording.format_long_day(findings.as_date(row["as_of"]), report.as_of.year),
        })  # fmt: skip
    return sorted(made, key=lambda one: one["warning"])


def _category_row(category_row: Row, year: int) -> dict[str, Any]:
    """One category: how many are open, and what a file tells of them."""
    days: list[date | None] = [
        None if pd.isna(category_row[name]) else category_row[name] for name in ("opened_on", "resolved_on")
    ]
    told = wording.account.category_note(
        int(category_row["open"]),
        findings.text_or_empty(category_row["severity"]),
        days[0],
        int(category_row["resolved"]),
        days[1],
        year,
    )
    return {
        "open": int(category_row["open"]),
        "name": wording.account.category_label(category_row["category"]),
        "told": told,
    }


def _rating_section(report: MonthlyReport, row: Measure) -> dict[str, Any]:
    """The rating with its scale, and whose number it is."""
    points, held, year = row.rule.points, row.value or 0.0, report.as_of.year
    bands = wording.account.rating_bands(points.on_from, points.off_under)
    was = "" if row.previous_value is None else (
        f"({wording.account.format_value(row.metric, row.previous_value)} on {wording.format_day(report.before, year)})"
    )  # fmt: skip
    return {
        "title": wording.account.rating_title(held, points.on_from, points.most),
        "drawn": rating_scale(held, points.off_under, points.on_from, points.most, was),
        "bands": [(wording.STATUS_STYLES[name], text) for name, text in bands],
        "caption": wording.account.rating_caption(
            row.reported_on, year, points.start, points.gain, points.per_orders
        ),
    }  # fmt: skip


def _consequence_notes(report: MonthlyReport) -> list[str]:
    """What the rules say of open violations and of a rating off target."""
    rows = [row for row in findings.measures(report) if row.metric in ("policy_violations", "account_health_rating")]
    told = []
    for row in rows:
        held = report.standings.get((row.metric, row.channel, row.window))
        if row.status == "off target" and held is not None and held.days and held.stage is not None:
            label = wording.metric_words(row.metric).label
            sure = wording.CERTAINTY_LABELS.get(getattr(row.rule, "sure", ""), "")
            said = wording.account.current_stage_sentence(
                held.days, held.may_be_longer, held.stage.stage, held.stage.says, held.source, sure
            )
            told.append(f"{label}: {wording.lowercase_first(said)}")
    return told
