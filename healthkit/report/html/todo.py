"""HTML block and summary line of what to do, in order: the first action of each measure, with its orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from healthkit.report import todo_list
from healthkit.report.html import measures
from healthkit.report.html.block import HtmlBlock, render_template
from healthkit.report.text import figures, labels
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import todo as todo_text
from healthkit.report.text.sentences import Sentence
from healthkit.report.todo_list import TodoRow

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport

MAX_ROWS, MAX_IDS = 4, 3
"""Actions that the page shows, and orders that each of them names; the command `todo` lists all."""


@measures.cached_per_report
def rows_of_report(report: MonthlyReport) -> list[TodoRow]:
    """Return all rows of a report's list (see `todo_list`)."""
    return todo_list.report_todo(report)


def first_row(report: MonthlyReport) -> TodoRow | None:
    """Return the first row of the list that asks for an action; None without one."""
    rows = todo_list.leading_rows(rows_of_report(report), MAX_ROWS)
    return next((one for one in rows if one.kind != "none"), None)


def step_sentence(row: TodoRow) -> Sentence:
    """Return a row as a sentence of the verdict."""
    about = "; ".join(filter(None, (row.measure, row.orders_phrase, row.until)))
    return labels.Strong(row.action), f" ({about})."


def what_to_do(report: MonthlyReport) -> HtmlBlock:
    """Return the HTML block of what to do, in order: the first rows of the list; empty if there is nothing to do."""
    rows = rows_of_report(report)
    if not rows:
        return HtmlBlock("")
    shown = todo_list.leading_rows(rows, MAX_ROWS)
    more = todo_text.more_phrase(len(rows) - len(shown))
    notes = (f"{labels.capitalise_first(more)}." if more else "", *todo_text.notes(shown, report.as_of, short=True))
    html = render_template(
        "todo.html.j2",
        title=todo_text.HEADING,
        rows=[_row_cells(row) for row in shown],
        notes=" ".join(filter(None, notes)),
    )
    return HtmlBlock(html)


def _likely_sentence(row: TodoRow) -> str:
    """Return what is likely without the action, for one whose best case is stated; else ""."""
    names_best_case = row.likely and row.kind not in ("due", "file")
    return outlook_text.as_it_goes_on_sentence(row.likely) if names_best_case else ""


def _sentence(row: TodoRow) -> str:
    """Return one row in a summary: what to do, what it brings, and what is likely without it."""
    step = todo_text.step_sentence(row.action, row.measure, row.orders_phrase, row.until, row.brings)
    return " ".join(filter(None, (step, _likely_sentence(row))))


def _row_cells(row: TodoRow) -> dict[str, Any]:
    """Return one row as template values."""
    ids = [(one.order_id, one.link) for one in row.first_orders]
    likely = _likely_sentence(row)
    brings = labels.capitalise_first("; ".join(filter(None, (row.brings, row.past))))
    return {
        "action": row.action,
        "about": ", ".join(filter(None, (row.measure, row.orders_phrase, row.until))),
        "orders": ids[:MAX_IDS],
        "more_orders": f" and {figures.format_number(len(ids) - MAX_IDS)} more" if len(ids) > MAX_IDS else "",
        "brings": " ".join(filter(None, (f"{brings}." if brings else "", likely))),
    }


def summary_line(report: MonthlyReport) -> list[list[str]]:
    """Return what to do as a pair of heading and text for summaries, a step a line; empty if there is nothing to do."""
    rows = rows_of_report(report)
    shown = todo_list.leading_rows(rows, MAX_ROWS)
    steps = [f"{place}. {_sentence(row)}" for place, row in enumerate(shown, 1)]
    more = todo_text.more_phrase(len(rows) - len(shown))
    return (
        [[todo_text.HEADING, "\n".join([*steps, *([f"{labels.capitalise_first(more)}."] if more else [])])]]
        if rows
        else []
    )
