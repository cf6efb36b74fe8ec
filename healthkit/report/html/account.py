"""HTML blocks on the account as a whole: buyer messages, account status, policy violations and health rating."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.report.html import drivers, measures
from healthkit.report.html.block import HtmlBlock, render_template
from healthkit.report.html.measures import Measure, Row
from healthkit.report.html.sparklines import rating_scale
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport


# -- buyer messages -------------------------------------------------------------------------------------------


def buyer_messages(report: MonthlyReport) -> HtmlBlock:
    """Return the HTML block of buyer messages: by window the number answered in time, late and not at all.

    The block also has the average time to an answer. It is empty if the report has no counted messages.
    """
    rows = [row for row in measures.records(report.scores) if row["metric"] == "late_response_rate" and row["counted"]]
    if not rows:
        return HtmlBlock("")
    message_rows = [_message_row(report, row) for row in sorted(rows, key=lambda row: row["window"])]
    middle = message_rows[len(message_rows) // 2]
    rule = next((rule for rule in report.rules if rule.metric == "late_response_rate"), None)
    hours = rule.basis.option("within_hours", 24) if rule is not None else 24
    title = account_text.contacts_title(middle["late"], middle["waiting"], middle["counted"], middle["window"])
    return HtmlBlock(
        render_template(
            "buyer_messages.html.j2", title=title, rows=message_rows, head=account_text.in_time_column_head(hours)
        )
    )


def _message_row(report: MonthlyReport, row: Row) -> dict[str, Any]:
    """Return the table row of one window of buyer messages."""
    window = int(row["window"])
    faults = report.at_fault
    late_or_unanswered = faults[(faults["metric"] == "late_response_rate") & (faults["window"] == window)]
    waiting = int(late_or_unanswered["causes"].str.contains("unanswered").sum())
    late = int(row["at_fault"]) - waiting
    counted = int(row["counted"])
    return {
        "window": window, "counted": counted, "late": late, "waiting": waiting, "in_time": counted - late - waiting,
        "share": figures.format_rate(counted, counted - late - waiting),
        "average": _average_answer_time(report, window),
        "days": figures.format_day_range(measures.as_date(row["first_day"]), measures.as_date(row["last_day"]),
            report.as_of.year),
    }  # fmt: skip


def _average_answer_time(report: MonthlyReport, window: int) -> str:
    """Return the average time to an answer in one window as text; a dash if it is unknown."""
    rows = [
        row for row in measures.records(report.scores)
        if row["metric"] == "average_response_time" and row["window"] == window
    ]  # fmt: skip
    average = measures.float_or_none(rows[0]["value"]) if rows else None
    return labels.DASH if average is None else account_text.format_value("average_response_time", average)


# -- violations and rating -------------------------------------------------------------------------------------


def account_state(report: MonthlyReport) -> HtmlBlock:
    """Return the HTML block of account status, warnings, open policy violations by category, and health rating.

    It is empty if none of these is known. The rating is the number that the marketplace reported; if it reported none,
    the estimate, labelled as an estimate.
    """
    violations = [_category_row(row, report.as_of.year) for row in measures.records(report.violations)]
    opened = sum(row["open"] for row in violations) if violations else None
    row = next((one for one in measures.measures(report) if one.metric == "account_health_rating"), None)
    has_rule = row is not None and getattr(row.rule, "points", None) is not None  # A policy may have no rating rule.
    rating = _rating_section(report, row) if row is not None and has_rule and row.value is not None else None
    states = _account_state_rows(report)
    if not violations and rating is None and not states:
        return HtmlBlock("")
    company = labels.company_of(report.marketplace)
    html = render_template(
        "account.html.j2",
        title=account_text.account_title(
            opened,
            row.value if row else None,
            row.previous_value if row else None,
            bool(row and not row.reported_on),
            company,
        ),
        states=states,
        company=company,
        violations=violations,
        one_by_one=any(one["note"] for one in violations),
        rating=rating,
        consequences=_consequence_notes(report),
    )
    return HtmlBlock(html)


def _account_state_rows(report: MonthlyReport) -> list[dict[str, Any]]:
    """Return the account status and the warnings of the marketplace as rows, warnings last."""
    state_rows = []
    for row in measures.records(report.states):
        if row["kind"] == "checklist":
            continue
        name = "Account status" if row["kind"] == "account" else labels.capitalise_first(row["name"].replace("_", " "))
        count = measures.int_or_none(row["count"])
        state_rows.append({
            "name": name, "warning": row["kind"] == "warning", "count": count or 0,
            "status": account_text.account_state_style(measures.text_or_empty(row["state"]) or "not said"),
            "on": figures.format_long_day(measures.as_date(row["as_of"]), report.as_of.year),
        })  # fmt: skip
    return sorted(state_rows, key=lambda row: row["warning"])


def _category_row(category_row: Row, year: int) -> dict[str, Any]:
    """Return the list entry of a violation category: the number of open violations, the name and a note."""
    days: list[date | None] = [
        None if pd.isna(category_row[name]) else category_row[name] for name in ("opened_on", "resolved_on")
    ]
    note = account_text.category_note(
        int(category_row["open"]),
        measures.text_or_empty(category_row["severity"]),
        days[0],
        int(category_row["resolved"]),
        days[1],
        year,
    )
    return {
        "open": int(category_row["open"]),
        "name": account_text.category_label(category_row["category"]),
        "note": note,
    }


def _rating_section(report: MonthlyReport, row: Measure) -> dict[str, Any]:
    """Return the section of the health rating: title, scale, bands and a caption that names its source."""
    points, rating, year = row.rule.points, row.value or 0.0, report.as_of.year
    bands = account_text.rating_bands(points.on_from, points.off_under)
    previous_text = "" if row.previous_value is None else (
        f"({account_text.format_value(row.metric, row.previous_value)} on {figures.format_day(report.before, year)})"
    )  # fmt: skip
    return {
        "title": account_text.rating_title(rating, points.on_from, points.most),
        "drawn": rating_scale(rating, points.off_under, points.on_from, points.most, previous_text),
        "bands": [(labels.STATUS_STYLES[name], text) for name, text in bands],
        "caption": account_text.rating_caption(
            row.reported_on, year, points.start, points.gain, points.per_orders, row.company
        ),
    }  # fmt: skip


def _consequence_notes(report: MonthlyReport) -> list[str]:
    """Return a sentence on the consequence of open violations, and one of a health rating off target."""
    rows = [row for row in measures.measures(report) if row.metric in ("policy_violations", "account_health_rating")]
    notes = []
    for row in rows:
        streak = report.standings.get((row.metric, row.channel, row.window))
        if row.status == "off target" and streak is not None and streak.days and streak.stage is not None:
            label = row.standing.words.label
            notes.append(f"{label}: {labels.lowercase_first(drivers.streak_consequence(report, row))}")
    return notes
