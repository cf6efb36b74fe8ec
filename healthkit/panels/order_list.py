"""Orders as a list that can be sorted, searched, cut to a group and saved: plain data in, plain data out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import pandas as pd

from healthkit.report import wording
from healthkit.report.blocks import findings
from healthkit.schema import tables

LISTED = 200
"""So many orders are shown at once; the list holds all of them, and so does its CSV."""
DAYS = ("leaves_on", "enters_on", "clock_day", "known_on")
SAVED = ("step", "order_id", "causes", "clock_day", "known_on", "enters_on", "leaves_on", "at_fault", "assumed")
"""What a CSV holds, in this order, as far as the list has it."""


class View(NamedTuple):
    """How a list is looked at: sorted by which column, searched for what, cut to which group."""

    column: str = ""
    descending: bool = False
    find: str = ""
    group: str = ""


@dataclass(frozen=True)
class Listing:
    """Orders with the headings of their columns; `title` words how many are shown of how many.

    `groups` names the values of the column `step` that a list can be cut to, with their words.
    """

    orders: pd.DataFrame
    heads: dict[str, str]
    title: Callable[[int, int], str]
    year: int
    name: str
    groups: dict[str, str] = field(default_factory=dict)
    picked: str = ""

    def seen(self, view: View) -> pd.DataFrame:
        """All orders of a view, in its order."""
        rows = self.orders
        if view.group:
            rows = rows[rows["step"] == view.group]
        if view.find.strip():
            rows = rows[self._holds(rows, view.find.strip())]
        if view.column in self.heads:
            by = [view.column, *([] if view.column == "order_id" else ["order_id"])]
            rows = rows.sort_values(by, ascending=[not view.descending, *[True] * (len(by) - 1)], kind="stable")
        return rows

    def _holds(self, rows: pd.DataFrame, text: str) -> pd.Series:
        """Which orders hold a text in any column, as it is shown or as it is saved."""
        found = pd.Series(False, index=rows.index)
        for name in self.heads:
            shown = rows[name].map({value: f"{self._word(name, value)} {value}" for value in rows[name].unique()})
            found |= shown.astype("str").str.contains(text, case=False, regex=False)
        return found

    def shown(self, view: View | None = None) -> dict[str, Any]:
        """A view as the plain data that a notebook's page shows."""
        view = view or View()
        rows = self.seen(view)
        listed = self._cells(rows.head(LISTED))
        many = self.orders["step"].value_counts() if self.groups else {}
        return {
            "title": self.title(len(listed), len(rows)) if len(rows) or not view.find else "No order holds that",
            "heads": list(self.heads.values()),
            "rows": listed,
            "sorted": list(self.heads).index(view.column) if view.column in self.heads else -1,
            "descending": view.descending,
            "find": view.find,
            "groups": [
                [name, f"{words} ({wording.number(many[name])})", name == view.group]
                for name, words in self.groups.items()
                if name in many
            ],
            "many": len(self.orders),
            "picked": self.picked,
        }

    def _cells(self, rows: pd.DataFrame) -> list[list[str]]:
        """The rows as they are shown, each word made once for all that hold the same."""
        columns = []
        for name in self.heads:
            words = {value: self._word(name, value) for value in rows[name].unique()}
            columns.append([words[value] for value in rows[name]])
        return [list(cells) for cells in zip(*columns, strict=True)]

    def _word(self, name: str, value: Any) -> str:
        """A cell as it is shown."""
        if name in DAYS:
            return wording.day(findings.day(value), self.year)
        if name == "causes":
            return wording.opening(wording.causes(str(value)))
        return wording.STEP_NAMES[value] if name == "step" else str(value)

    def csv(self, view: View) -> str:
        """All orders of a view as CSV."""
        rows = self.seen(view)
        return tables.as_csv(rows[[name for name in SAVED if name in rows]])


def file_name(account: str, metric: str, first: date, last: date) -> str:
    """The name of a saved list.

    >>> file_name("Harbor & Sons", "late_shipment_rate", date(2026, 10, 1), date(2026, 10, 31))
    'harbor-sons_late_shipment_rate_2026-10-01_2026-10-31.csv'
    """
    days = [first.isoformat(), *([last.isoformat()] if last != first else [])]
    plain = "-".join("".join(letter if letter.isalnum() else " " for letter in account.lower()).split())
    return "_".join([plain or "account", metric, *days]) + ".csv"
