"""A list of orders that can be sorted, searched, filtered by group and saved as CSV or workbook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import pandas as pd

from healthkit.report.html import measures
from healthkit.report.html.order_lists import DETAIL_TITLES, order_list_csv, order_list_xlsx, titled_orders
from healthkit.report.text import figures, labels, movements

MAX_ROWS = 200
"""Maximum number of orders that the page shows; sorting, searching and saving use all orders."""
DAY_COLUMNS = ("leaves_on", "enters_on", "clock_day", "known_on")
"""Names of the columns that contain dates."""
FILE_TITLES = {
    "step": "Step", "order_id": "Order", "causes": "Cause", "clock_day": "Clock day", "known_on": "Known",
    "enters_on": "Enters on", "leaves_on": "Leaves on", "at_fault": "At fault", **DETAIL_TITLES, "assumed": "Assumed",
}  # fmt: skip
"""Columns of a saved list, in order, with their titles; columns that say nothing are left out."""


class ListView(NamedTuple):
    """View of an order list: the column to sort by, the text to search for, and the group to filter by."""

    column: str = ""
    descending: bool = False
    find: str = ""
    group: str = ""


@dataclass(frozen=True)
class OrderList:
    """List of orders that a panel shows, with column headings, a title and groups to filter by.

    `orders` is the table and `headings` maps its columns to their headings. `title` returns the title for the number of
    rows shown and the number of all rows. `groups` maps values of the column `step` to the labels of the filter.
    `csv_name` is the file name of the CSV. `year` is left out when a date is in that year. `picked_days` is the text of
    the days picked in the chart; empty if none are picked. `add_details` adds product, carrier and place to the orders
    that are saved.
    """

    orders: pd.DataFrame
    headings: dict[str, str]
    title: Callable[[int, int], str]
    year: int
    csv_name: str
    groups: dict[str, str] = field(default_factory=dict)
    picked_days: str = ""
    add_details: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    def select_rows(self, view: ListView) -> pd.DataFrame:
        """Return all orders that match the given view, in the sort order of the view."""
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
        """Return a mask of the rows that contain a text in any column, as displayed or as saved."""
        matches = pd.Series(False, index=rows.index)
        for name in self.headings:
            texts = rows[name].map({value: f"{self._cell_text(name, value)} {value}" for value in rows[name].unique()})
            matches |= texts.astype("str").str.contains(text, case=False, regex=False)
        return matches

    def render(self, view: ListView | None = None) -> dict[str, Any]:
        """Return the plain data of the given view for the page: title, headings, cell texts, sort order and groups."""
        view = view or ListView()
        rows = self.select_rows(view)
        listed = self._cell_texts(rows.head(MAX_ROWS))
        group_sizes = self.orders["step"].value_counts() if self.groups else {}
        return {
            "title": self.title(len(listed), len(rows))
            if len(rows) or not view.find
            else "No order contains that text",
            "heads": list(self.headings.values()),
            "rows": listed,
            "sorted": list(self.headings).index(view.column) if view.column in self.headings else -1,
            "descending": view.descending,
            "find": view.find,
            "groups": [
                [name, f"{words} ({figures.format_number(group_sizes[name])})", name == view.group]
                for name, words in self.groups.items()
                if name in group_sizes
            ],
            "many": len(self.orders),
            "picked": self.picked_days,
        }

    def _cell_texts(self, rows: pd.DataFrame) -> list[list[str]]:
        """Return the text of every cell; each distinct value is formatted once."""
        columns = []
        for name in self.headings:
            texts = {value: self._cell_text(name, value) for value in rows[name].unique()}
            columns.append([texts[value] for value in rows[name]])
        return [list(cells) for cells in zip(*columns, strict=True)]

    def _cell_text(self, name: str, value: Any) -> str:
        """Return the text of one cell."""
        if name in DAY_COLUMNS:
            return figures.format_day(measures.as_date(value), self.year)
        if name == "causes":
            return labels.capitalise_first(labels.causes_phrase(str(value)))
        return movements.STEP_LABELS[value] if name == "step" else str(value)

    def saved_rows(self, view: ListView) -> pd.DataFrame:
        """Return all orders that match the given view, with plain titles and words, for a file."""
        rows = self.select_rows(view)
        if self.add_details is not None:
            rows = self.add_details(rows)
        return titled_orders(rows, {name: self.headings.get(name, title) for name, title in FILE_TITLES.items()})

    def csv(self, view: ListView) -> str:
        """Return all orders that match the given view as CSV text, marked as UTF-8 for spreadsheets."""
        return order_list_csv(self.saved_rows(view))

    def xlsx(self, view: ListView) -> bytes:
        """Return all orders that match the given view as the content of a workbook (XLSX).

        Raises SheetSizeError for more orders than a sheet holds.
        """
        return order_list_xlsx(self.saved_rows(view))

    @property
    def xlsx_name(self) -> str:
        """The file name of the workbook."""
        return self.csv_name.removesuffix(".csv") + ".xlsx"


def order_headings(clock: str, first_column: str = "leaves_on") -> dict[str, str]:
    """Return the headings of an order list by column; the first column is `leaves_on` or `step`.

    `clock` is the clock of the rule; it determines the heading of the column `clock_day`.
    """
    return {
        first_column: {"leaves_on": "Leaves on", "step": "Step"}[first_column], "order_id": "Order", "causes": "Cause",
        "clock_day": labels.CLOCK_COLUMN_HEADS[clock], "known_on": "Known",
    }  # fmt: skip


def csv_file_name(account: str, metric: str, first: date, last: date) -> str:
    """Return the CSV file name for the orders of one account and metric from `first` to `last`.

    >>> csv_file_name("Harbor & Sons", "late_shipment_rate", date(2026, 10, 1), date(2026, 10, 31))
    'harbor-sons_late_shipment_rate_2026-10-01_2026-10-31.csv'
    """
    days = [first.isoformat(), *([last.isoformat()] if last != first else [])]
    plain = "-".join("".join(letter if letter.isalnum() else " " for letter in account.lower()).split())
    return "_".join([plain or "account", metric, *days]) + ".csv"
