"""The sale report of an Amazon.in seller: a CSV of order lines with their status and who fulfils.

It has one date, the order's, so a cancellation is placed on that day, and the row says so; who cancelled it
does not say. Its dates are month first, and mix years of two and of four digits.
"""

from __future__ import annotations

import re
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.formats.all_orders import CHANNEL_WORDS
from healthkit.ingest.parsing.cells import (
    columns_of,
    counts,
    day_of,
    days,
    flags,
    one_per,
    order_ids,
    regions,
    statuses,
    without_other_shops,
    words,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import Asked, ends_of_days, newest, places
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import ITEMS, ORDERS

KIND = Kind(
    "sale_report",
    "Amazon.in sale report",
    ("order-id", "date", "status", "fulfilment", "sales-channel", "qty"),
    ("index", "category", "size", "sku", "asin", "b2b", "ship-service-level", "ship-country", "ship-state"),
    """courier-status currency amount ship-city ship-postal-code fulfilled-by new pendings style
    promotion-ids unnamed:-22""",
    delimiters=",",
    quoted=True,
)
_HOW_FAR = ["cancelled", "pending", "unshipped", "shipping", "shipped"]
"""An order of several lines is as far as the farthest of them; cancelled only when all are."""


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into ORDERS and ITEMS."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    lines = _lines(grid, asked)
    stamp = newest(ends_of_days(columns_of(lines)["ordered_on"], columns_of(lines)["marketplace"])).as_py()
    orders = _orders(lines, asked, stamp)
    tables = {"orders": orders, "items": _items(lines, asked, stamp)}
    first_day, last_day = span(orders["ordered_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read; a line that stands twice under one number counts once."""
    ids = order_ids(grid, "order-id")
    status = statuses(grid, "status")
    how_far = pc.index_in(status, pa.array(_HOW_FAR))
    if how_far.null_count:
        grid.refuse("status", pc.is_null(how_far), f"unknown; there are: {', '.join(_HOW_FAR)}")
    lines = pa.table(
        {
            "index": grid["index"],
            "order_id": ids,
            "marketplace": places(grid, ids, asked),
            "channel": words(grid, "fulfilment", CHANNEL_WORDS),
            "ordered_on": days(grid, "date", month_first, "MM-DD-YY or MM-DD-YYYY"),
            "how_far": how_far,
            "units": counts(grid, "qty"),
            "sku": _skus(grid),
            "asin": grid["asin"],
            "product": grid["category"],
            "is_business": flags(grid, "b2b"),
            "ship_method": grid["ship-service-level"],
            "country": regions(grid, "ship-country"),
            "state": regions(grid, "ship-state"),
        }
    )
    if len(lines.group_by(["index"]).aggregate([])) == len(lines):
        return lines
    return lines.group_by(lines.column_names, use_threads=False).aggregate([])


def month_first(word: str) -> date | None:
    """A day written month first, with a year of two or four digits.

    >>> month_first("04-30-22"), month_first("05-01-2022"), month_first("30-04-22")
    (datetime.date(2022, 4, 30), datetime.date(2022, 5, 1), None)
    """
    found = re.fullmatch(r"(\d{2})-(\d{2})-(?:20)?(\d{2})", word)
    return day_of(f"20{found[3]}", found[1], found[2]) if found else None


def _skus(grid: Grid) -> pa.Array:
    """The SKU, or category and size where the file has none."""
    if grid.has("sku"):
        return grid["sku"]
    if len(grid):
        grid.notes.append("The file names no SKU: category and size stand for it.")
    # Not `skip`: a row of which both are empty would be left out of the column.
    parts = (grid["category"], grid["size"], " ")
    names = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*parts, null_handling="replace", null_replacement=""))
    return pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names)


def _orders(lines: pa.Table, asked: Asked, stamp: object) -> pa.Table:
    """One row an order: cancelled when all its lines are, cancelled in part when some are."""
    ranked = lines.append_column("least", lines["how_far"])
    stands = {"channel": "first", "ordered_on": "min", "how_far": "max", "least": "min", "units": "sum"}
    stands |= dict.fromkeys(("is_business", "ship_method", "country", "state"), "first")
    orders = columns_of(one_per(ranked, ["marketplace", "order_id"], stands))
    farthest, least = orders.pop("how_far"), orders.pop("least")
    cancelled, touched = pc.equal(farthest, 0), pc.equal(least, 0)
    said = {
        "status": pa.array(_HOW_FAR).take(farthest),
        "cancelled_on": pc.if_else(touched, orders["ordered_on"], None),
        "assumed": pc.if_else(touched, "cancel_day_from_order", None),
        "part_cancelled": pc.and_(touched, pc.invert(cancelled)),
        "updated_at": stamp,
    }
    return fill(ORDERS, len(farthest), orders | said | asked.stamp())


def _items(lines: pa.Table, asked: Asked, stamp: object) -> pa.Table:
    """One row an order and SKU."""
    named = lines.filter(pc.and_(pc.is_valid(lines["sku"]), pc.not_equal(lines["sku"], "")))
    stands = {"asin": "first", "product": "first", "units": "sum"}
    items = columns_of(one_per(named, ["marketplace", "order_id", "sku"], stands))
    return fill(ITEMS, len(items["sku"]), items | {"updated_at": stamp} | asked.stamp())
