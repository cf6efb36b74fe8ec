"""Parser of the sale report of an Amazon.in seller: a CSV of order lines with status and fulfilment channel.

The order date is its only date, so a cancellation is dated by it, which the row records. The report does not say who
cancelled. Dates are month first, with years of two or four digits.
"""

from __future__ import annotations

import re
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.formats.all_orders import CHANNEL_WORDS
from healthkit.ingest.parsing.amounts import read_line_amounts
from healthkit.ingest.parsing.cells import (
    columns_by_name,
    make_day,
    merge_items,
    merge_rows,
    read_counts,
    read_days,
    read_flags,
    read_order_ids,
    read_regions,
    read_statuses,
    read_words,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, combine_chunks
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    ends_of_days,
    newest_instant,
    resolve_marketplaces,
)
from healthkit.ingest.parsing.parsed_file import Columns, FileContents

KIND = FileKind(
    "sale_report",
    "Amazon.in sale report",
    ("order-id", "date", "status", "fulfilment", "sales-channel", "qty"),
    (
        "index",
        "category",
        "size",
        "sku",
        "asin",
        "b2b",
        "currency",
        "amount",
        "ship-service-level",
        "ship-country",
        "ship-state",
    ),
    """courier-status ship-city ship-postal-code fulfilled-by new pendings style
    promotion-ids unnamed:-22""",
    delimiters=",",
    quoted=True,
)
_STATUS_ORDER = ["cancelled", "pending", "unshipped", "shipping", "shipped"]
"""An order of several lines is as far as the farthest of them; cancelled only when all are."""


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a sale report into the tables ORDERS and ITEMS."""
    lines = _read_lines(table, context)
    days, marketplaces = (combine_chunks(lines[column]) for column in ("ordered_on", "marketplace"))
    updated_at = newest_instant(ends_of_days(days, marketplaces)).as_py()
    return FileContents({"orders": _merge_orders(lines), "items": merge_items(lines)}, "ordered_on", updated_at)


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the report with typed columns; repeated rows of one index count once."""
    ids = read_order_ids(table, "order-id")
    status = read_statuses(table, "status")
    how_far = pc.index_in(status, pa.array(_STATUS_ORDER))
    if how_far.null_count:
        table.refuse("status", pc.is_null(how_far), f"unknown; there are: {', '.join(_STATUS_ORDER)}")
    marketplaces = resolve_marketplaces(table, ids, context)
    lines = pa.table(
        {
            "index": table["index"],
            "order_id": ids,
            "marketplace": marketplaces,
            "channel": read_words(table, "fulfilment", CHANNEL_WORDS),
            "ordered_on": read_days(table, "date", parse_month_first, "MM-DD-YY or MM-DD-YYYY"),
            "how_far": how_far,
            "units": read_counts(table, "qty"),
            **read_line_amounts(table, marketplaces, "amount"),
            "sku": _skus(table),
            "asin": table["asin"],
            "product": table["category"],
            "is_business": read_flags(table, "b2b"),
            "ship_method": table["ship-service-level"],
            "country": read_regions(table, "ship-country"),
            "state": read_regions(table, "ship-state"),
        }
    )
    if len(lines.group_by(["index"]).aggregate([])) == len(lines):
        return lines
    return lines.group_by(lines.column_names, use_threads=False).aggregate([])


def parse_month_first(word: str) -> date | None:
    """Parse a date written as MM-DD-YY or MM-DD-YYYY; return None for other text.

    >>> parse_month_first("04-30-22"), parse_month_first("05-01-2022"), parse_month_first("30-04-22")
    (datetime.date(2022, 4, 30), datetime.date(2022, 5, 1), None)
    """
    found = re.fullmatch(r"(\d{2})-(\d{2})-(?:20)?(\d{2})", word)
    return make_day(f"20{found[3]}", found[1], found[2]) if found else None


def _skus(table: CsvTable) -> pa.Array:
    """Return the SKU of each row, or category and size if the report has no SKUs."""
    if table.has_column("sku"):
        return table["sku"]
    if len(table):
        table.notes.append("The file names no SKU: category and size stand for it.")
    # Not `skip`: a row of which both are empty would be left out of the column.
    parts = (table["category"], table["size"], " ")
    names = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*parts, null_handling="replace", null_replacement=""))
    return pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names)


def _merge_orders(lines: pa.Table) -> Columns:
    """Merge rows to the columns of ORDERS: cancelled if all rows are, cancelled in part if some are."""
    ranked = lines.append_column("least", lines["how_far"])
    aggregations = {"channel": "first", "ordered_on": "min", "how_far": "max", "least": "min", "units": "sum"}
    aggregations |= dict.fromkeys(("is_business", "ship_method", "country", "state"), "first")
    orders = columns_by_name(merge_rows(ranked, ["marketplace", "order_id"], aggregations))
    farthest, least = orders.pop("how_far"), orders.pop("least")
    cancelled, touched = pc.equal(farthest, 0), pc.equal(least, 0)
    return orders | {
        "status": pa.array(_STATUS_ORDER).take(farthest),
        "cancelled_on": pc.if_else(touched, orders["ordered_on"], None),
        "assumed": pc.if_else(touched, "cancel_day_from_order", None),
        "part_cancelled": pc.and_(touched, pc.invert(cancelled)),
    }
