"""Parser of the hand-made CSV of invoices: when the invoice of each order was given to the buyer.

One row an invoice: `order-id`, `invoiced-at`, and optionally `marketplace`, `updated-at`. Times are ISO 8601. A time
without an offset is in the marketplace's time zone, and a bare day means its last second.
"""

from __future__ import annotations

import pyarrow as pa

from healthkit.ingest.parsing.cells import columns_by_name, merge_rows, read_required_texts
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    read_marketplace_times,
    read_order_keys,
    read_update_times,
)
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind(
    "invoices",
    "invoices CSV",
    ("order-id", "invoiced-at"),
    ("marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse the hand-made CSV of invoices into the table ORDERS.

    If an order has several invoices, the first one counts.
    """
    aggregations = {"invoiced_at": "min", "updated_at": "max"}
    orders = merge_rows(_read_lines(table, context), ["marketplace", "order_id"], aggregations)
    return FileContents({"orders": columns_by_name(orders)}, "invoiced_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the CSV with typed columns."""
    read_required_texts(table, "invoiced-at")
    ids, marketplaces = read_order_keys(table, context)
    invoiced_at = read_marketplace_times(table, "invoiced-at", marketplaces)
    return pa.table(
        {
            "marketplace": marketplaces,
            "order_id": ids,
            "invoiced_at": invoiced_at,
            "updated_at": read_update_times(table, marketplaces, invoiced_at),
        }
    )
