"""The orders at fault of one measure as a file for people, CSV or workbook: plain titles, days, nothing that runs."""

from __future__ import annotations

import pandas as pd

from healthkit.report import workbook
from healthkit.report.html import measures
from healthkit.report.html.measures import Measure
from healthkit.report.text import labels
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
    causes = rows["causes"].astype("str").map(lambda causes: labels.capitalise_first(labels.causes_phrase(causes)))
    assumed = rows["assumed"].map(lambda value: labels.assumptions_sentence(measures.text_or_empty(value)))
    columns = {
        labels.capitalise_first(measure.fault_noun): rows["order_id"],
        "Cause": causes,
        labels.CLOCK_COLUMN_HEADS[measure.clock]: rows["clock_day"],
        "Known": rows["known_on"],
        "Leaves on": rows["leaves_on"],
        "At fault": rows["at_fault"],
        **{title: rows[name] for name, title in DETAIL_TITLES.items() if name in rows},
        "Assumed": assumed,
    }
    # How much an order adds is said only where one of them is several units or parcels.
    empty = {"At fault": bool((rows["at_fault"] == 1).all())} | {
        title: not columns[title].map(measures.text_or_empty).any()
        for title in (*DETAIL_TITLES.values(), "Assumed")
        if title in columns
    }
    return pd.DataFrame({title: values for title, values in columns.items() if not empty.get(title, False)})
