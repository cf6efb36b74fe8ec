"""The orders at fault of one measure as a file for people, CSV or workbook: plain titles, days, nothing that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from healthkit.report import workbook
from healthkit.report.html import measures
from healthkit.report.html.measures import Measure
from healthkit.report.text import labels, movements
from healthkit.schema import tables

BYTE_ORDER_MARK = "\ufeff"
"""First character of a CSV file, by which a spreadsheet knows that the file is UTF-8."""
DETAIL_TITLES = {"sku": "SKU", "product": "Product", "carrier": "Carrier", "country": "Country", "state": "State"}
"""Column of a table of orders -> its title; a column without a value is left out."""


def order_list_suffix(measure: Measure, kind: str = "csv") -> str:
    """Return the end of the file name of a measure's list, behind the stem of the page; `kind` is csv or xlsx."""
    return f"_orders_{measure.anchor}.{kind}"


def order_list_csv(orders: pd.DataFrame) -> str:
    """Return the table of `order_list` as CSV text."""
    return BYTE_ORDER_MARK + tables.as_csv(orders)


def order_list_xlsx(orders: pd.DataFrame) -> bytes:
    """Return the table of `order_list` as the content of a workbook (XLSX), with days as days."""
    return workbook.to_xlsx(orders, "Orders")


def order_list(faults: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Return orders at fault with plain titles and words, those that leave first on top.

    `faults` is what `measures.measure_faults` returns. Columns that say nothing are left out.
    """
    rows = faults.sort_values(["leaves_on", "order_id"], kind="stable", ignore_index=True)
    return titled_orders(rows, {
        "order_id": labels.capitalise_first(measure.fault_noun), "causes": "Cause",
        "clock_day": labels.CLOCK_COLUMN_HEADS[measure.clock], "known_on": "Known", "leaves_on": "Leaves on",
        "at_fault": "At fault", **DETAIL_TITLES, "assumed": "Assumed",
    })  # fmt: skip


def titled_orders(orders: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return columns of a table of orders in the order of `titles`, by their titles and with plain words.

    Left out are columns that the table lacks or that say nothing: details and assumptions without a value, and how
    much an order adds where each adds one.
    """
    columns = {}
    for name, title in titles.items():
        if name not in orders or (name == "at_fault" and bool((orders[name] == 1).all())):
            continue
        values = orders[name].map(_WORDS[name]) if name in _WORDS else orders[name]
        if name not in _OPTIONAL_COLUMNS or values.map(measures.text_or_empty).any():
            columns[title] = values
    return pd.DataFrame(columns)


_OPTIONAL_COLUMNS = (*DETAIL_TITLES, "assumed")
_WORDS: dict[str, Callable[[Any], str]] = {
    "step": lambda value: movements.STEP_LABELS[value],
    "causes": lambda value: labels.capitalise_first(labels.causes_phrase(str(value))),
    "assumed": lambda value: labels.assumptions_sentence(measures.text_or_empty(value)),
}
"""How the values of a column are written in a file, by column."""
