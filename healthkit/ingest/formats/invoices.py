"""The plain CSV of invoices: when the invoice of each order was given to the buyer.

One row an invoice: `order-id`, `invoiced-at`, and where known `marketplace`, `updated-at`. Times are ISO 8601;
without an offset they are taken in the marketplace's zone, and a bare day means its last second.
"""

from __future__ import annotations

import pyarrow as pa

from healthkit.ingest.parsing.cells import columns_of, one_per, texts, without_other_shops
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import Asked, as_new, local_days, plain_ids, times_there
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import ORDERS

KIND = Kind(
    "invoices",
    "invoices CSV",
    ("order-id", "invoiced-at"),
    ("marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into ORDERS: of an order with several invoices the first counts."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    stands = {"invoiced_at": "min", "updated_at": "max"}
    orders = columns_of(one_per(_lines(grid, asked), ["marketplace", "order_id"], stands))
    orders["invoiced_on"] = local_days(orders["invoiced_at"], orders["marketplace"])
    tables = {"orders": fill(ORDERS, len(orders["order_id"]), orders | asked.stamp())}
    first_day, last_day = span(orders["invoiced_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read."""
    texts(grid, "invoiced-at")
    ids, marketplaces = plain_ids(grid, asked)
    invoiced_at = times_there(grid, "invoiced-at", marketplaces)
    return pa.table(
        {
            "marketplace": marketplaces,
            "order_id": ids,
            "invoiced_at": invoiced_at,
            "updated_at": as_new(grid, marketplaces, invoiced_at),
        }
    )
