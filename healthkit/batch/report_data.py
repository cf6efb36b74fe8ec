"""Data that a notebook passes to the batch besides its HTML: the index row, the figures and the orders at fault."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from healthkit.report.html.portfolio import portfolio_row
from healthkit.report.html.report import chapter_order_lists, chapter_order_workbooks, verdict_lines
from healthkit.report.html.todo import rows_of_report
from healthkit.report.model import MonthlyReport
from healthkit.report.text.outlook import likely_return_phrase, strong_step_phrase
from healthkit.report.todo_list import todo_as_data
from healthkit.schema import tables

MIME_TYPE = "application/vnd.healthkit.month+json"


@dataclass(frozen=True)
class ReportData:
    """The data of a monthly report, which the last cell of the template notebook displays for the batch.

    `stem` is the file name of the page without its suffix; the CSV, XLSX and JSON files have the same stem.
    """

    monthly: MonthlyReport
    stem: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the data for the batch, and a line of text for a reader of the notebook."""
        monthly = self.monthly
        row = portfolio_row(monthly, f"{self.stem}.html", f"{self.stem}_orders.csv")
        figures = {
            "account": monthly.account,
            "marketplace": monthly.marketplace,
            "as_of": monthly.as_of.isoformat(),
            "policy": monthly.policy,
            "verdict": verdict_lines(monthly),
            "todo": todo_as_data(rows_of_report(monthly)),
            "scores": _records(monthly.scores),
            "reported": _records(monthly.reported),
            "reconciled": [_reconciliation_as_data(one) for one in monthly.reconciled],
            "states": _records(monthly.states),
            "violations": _records(monthly.violations),
            "standings": [_key_fields(key) | _streak_as_data(streak) for key, streak in monthly.standings.items()],
            "outlook": [
                _key_fields(key)
                | _calendar_as_data(calendar, monthly.futures.get(key))
                | {"strongest_steps": [_strong_step_as_data(one) for one in monthly.steps.get(key, [])]}
                for key, calendar in monthly.calendars.items()
            ],
            "drivers": [_key_fields(key) | {"groups": _records(groups)} for key, groups in monthly.drivers.items()],
        }
        title = f"{monthly.title}, {monthly.marketplace_title}: account health on {monthly.as_of.isoformat()}"
        bundle = {
            "title": title, "row": row, "figures": figures, "orders": tables.as_csv(monthly.at_fault),
            "order_lists": chapter_order_lists(monthly),
            # The output of a notebook is JSON, which holds no bytes.
            "order_workbooks": {
                suffix: base64.b64encode(content).decode("ascii")
                for suffix, content in chapter_order_workbooks(monthly).items()
            },
        }  # fmt: skip
        return {MIME_TYPE: bundle, "text/plain": f"The data of this report, for {self.stem}.html"}


def _key_fields(key: tuple[str, str, int]) -> dict[str, Any]:
    """Return the parts of a measure's key by name."""
    return dict(zip(("metric", "channel", "window"), key, strict=True))


def _streak_as_data(streak: Any) -> dict[str, Any]:
    """Return how long a measure has been off target, and the stage that its rule has reached."""
    stage = streak.stage
    return {
        "days": streak.days, "since": _to_json_value(streak.since), "at_least": streak.may_be_longer,
        "source": streak.source,
        "stage": None if stage is None else stage.stage, "says": None if stage is None else stage.says,
    }  # fmt: skip


def _calendar_as_data(calendar: Any, futures: Any) -> dict[str, Any]:
    """Return the return day of a measure in the best case and what is likely, its coming days and simulated futures."""
    days = calendar.days[["day", "counted", "at_fault", "headroom", "status"]]
    data = {"back_on": _to_json_value(calendar.back_on), "days": _records(days)}
    if futures is None:
        return data
    likely = likely_return_phrase(futures, calendar, calendar.as_of.year)
    return data | {"likely": likely, "futures": _simulation_as_data(futures)}


def _strong_step_as_data(strong: Any) -> dict[str, Any]:
    """Return one of the steps that help most, and what is likely under it."""
    step, year = strong.step, strong.simulation.as_of.year
    return {
        "kind": step.kind, "cause": step.cause, "by": float(step.by), "sku": step.sku, "orders": list(step.orders),
        "since": _to_json_value(step.since), "likely": strong_step_phrase(strong.simulation, year),
        "futures": _simulation_as_data(strong.simulation),
    }  # fmt: skip


def _simulation_as_data(futures: Any) -> dict[str, Any]:
    """Return the chance to be off target within some days, and the days of return of simulated futures."""
    back = {str(share): _to_json_value(day) for share, day in futures.back_on_by_tenth.items()}
    breach = {str(ahead): chance for ahead, chance in futures.breach_chances.items()}
    return {"draws": futures.draws, "seed": futures.seed, "breach": breach, "back": back}


def _reconciliation_as_data(reconciliation: Any) -> dict[str, Any]:
    """Return our count of a measure, the marketplace's, and their differences."""
    sides = {
        name: dict(zip(("counted", "at_fault"), counts, strict=True))
        for name, counts in (("ours", reconciliation.ours), ("theirs", reconciliation.theirs))
    }
    names = ("metric", "channel", "window", "as_of", "first_day", "last_day", "status", "their_status",
             "contradiction", "proxy")  # fmt: skip
    differences = [reason._asdict() | {"order_ids": list(reason.order_ids)} for reason in reconciliation.differences]
    return (
        {name: _to_json_value(getattr(reconciliation, name)) for name in names} | sides | {"differences": differences}
    )


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table for JSON: dates as ISO text, missing values as None."""
    return [{name: _to_json_value(value) for name, value in row.items()} for row in tables.records(rows)]


def _to_json_value(value: Any) -> Any:
    """Return a date as ISO text, and a numpy value as a Python value."""
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
