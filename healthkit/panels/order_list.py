"""Orders as a list that can be sorted, searched, cut to a group and saved: plain data in, plain data out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import pandas as pd

from healthkit.report.html import measures
from healthkit.report.text import figures, labels, movements
from healthkit.schema import tables

MAX_ROWS = 200
"""So many orders are shown at once; the list holds all of them, and so does its CSV."""
DAY_COLUMNS = ("leaves_on", "enters_on", "clock_day", "known_on")
CSV_COLUMNS = ("step", "order_id", "causes", "clock_day", "known_on", "enters_on", "leaves_on", "at_fault", "assumed")
"""What a CSV holds, in this order, as far as the list has it."""


class ListView(NamedTuple):
    """How a list is looked at: sorted by which column, searched for what, cut to which group."""

    column: str = ""
    descending: bool = False
    find: str = ""
    group: str = ""


@dataclass(frozen=True)
class OrderList:
    """Orders with the headings of their columns; `title` words how many are shown of how many.

    `groups` names the values of the column `step` that a list can be cut to, with their words.
    """

    orders: pd.DataFrame
    headings: dict[str, str]
    title: Callable[[int, int], str]
    year: int
    name: str
    groups: dict[str, str] = field(default_factory=dict)
    picked_days: str = ""

    def seen(self, view: ListView) -> pd.DataFrame:
        """All orders of a view, in its order."""
        rows = self.orders
        if view.group:
            rows = rows[rows["step"] == view.group]
        if view.find.strip():
            rows = rows[self._rows_containing(rows, view.find.strip())]
        if view.column in self.headings:
            by = [view.column, *([] if view.column == "order_id" else ["order_id"])]
            rows = rows.sort_values(by, ascending=[not view.descending, *[True] * (len(by) - 1)], kind="stable")
        return rows

    def _rows_containing(self, rows: pd.DataFrame, text: str) -> pd.Series:
        """Which orders hold a text in any column, as it is shown or as it is saved."""
        found = pd.Series(False, index=rows.index)
        for name in self.headings:
            shown = rows[name].map({value: f"{self._cell_text(name, value)} {value}" for value in rows[name].unique()})
            found |= shown.astype("str").str.contains(text, case=False, regex=False)
        return found

    def shown(self, view: ListView | None = None) -> dict[str, Any]:
        """A view as the plain data that a notebook's page shows."""
        view = view or ListView()
        rows = self.seen(view)
        listed = self._cell_texts(rows.head(MAX_ROWS))
        many = self.orders["step"].value_counts() if self.groups else {}
        return {
            "title": self.title(len(listed), len(rows)) if len(rows) or not view.find else "No order holds that",
            "heads": list(self.headings.values()),
            "rows": listed,
            "sorted": list(self.headings).index(view.column) if view.column in self.headings else -1,
            "descending": view.descending,
            "find": view.find,
            "groups": [
                [name, f"{words} ({figures.format_number(many[name])})", name == view.group]
                for name, words in self.groups.items()
                if name in many
            ],
            "many": len(self.orders),
            "picked": self.picked_days,
        }

    def _cell_texts(self, rows: pd.DataFrame) -> list[list[str]]:
        """The rows as they are shown, each word made once for all that hold the same."""
        columns = []
        for name in self.headings:
            words = {value: self._cell_text(name, value) for value in rows[name].unique()}
            columns.append([words[value] for value in rows[name]])
        return [list(cells) for cells in zip(*columns, strict=True)]

    def _cell_text(self, name: str, value: Any) -> str:
        """A cell as it is shown."""
        if name in DAY_COLUMNS:
            return figures.format_day(measures.as_date(value), self.year)
        if name == "causes":
            return labels.capitalise_first(labels.causes_phrase(str(value)))
        return movements.STEP_LABELS[value] if name == "step" else str(value)

    def csv(self, view: ListView) -> str:
        """All orders of a view as CSV."""
        rows = self.seen(view)
        return tables.as_csv(rows[[name for name in CSV_COLUMNS if name in rows]])


def csv_file_name(account: str, metric: str, first: date, last: date) -> str:
    """The name of a saved list.

    >>> file_name("Harbor & Sons", "late_shipment_rate", date(2026, 10, 1), date(2026, 10, 31))
    'harbor-sons_late_shipment_rate_2026-10-01_2026-10-31.csv'
    """
    days = [first.isoformat(), *([last.isoformat()] if last != first else [])]
    plain = "-".join("".join(letter if letter.isalnum() else " " for letter in account.lower()).split())
    return "_".join([plain or "account", metric, *days]) + ".csv"
