"""The CSVs of the Olist marketplace, which only together tell the story of an order.

A seller is an account; an order with items of two sellers is one order for each; an order without items
belongs to nobody. Times are as written, in the marketplace's zone. The promise of delivery is a day, so it
ends with that day. A cancellation has no day of its own: it is placed on the order's, and the row says so.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    DAY,
    by_distinct,
    columns_of,
    local_times,
    one_per,
    refuse_numbers,
    statuses,
    texts,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind, whole
from healthkit.ingest.parsing.marketplace_of_row import Asked, attach_zones, ends_of_days, newest
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.tables import FEEDBACK, ITEMS, ORDERS

PLACE = "OLIST"
NAME = "olist"
_ORDER_TIMES = {
    "order-purchase-timestamp": "purchased_at",
    "order-delivered-carrier-date": "shipped_at",
    "order-delivered-customer-date": "delivered_at",
    "order-estimated-delivery-date": "deliver_by",
}
ORDERS_KIND = Kind(
    "olist_orders",
    "Olist orders CSV",
    ("order-id", "order-status", *_ORDER_TIMES),
    ("order-approved-at",),
    "customer-id",
    delimiters=",",
    quoted=True,
)
ITEMS_KIND = Kind(
    "olist_items",
    "Olist items CSV",
    ("order-id", "product-id", "seller-id", "shipping-limit-date"),
    (),
    "order-item-id price freight-value",
    delimiters=",",
    quoted=True,
)
REVIEWS_KIND = Kind(
    "olist_reviews",
    "Olist reviews CSV",
    ("review-id", "order-id", "review-score", "review-creation-date", "review-answer-timestamp"),
    (),
    "review-comment-title review-comment-message",
    delimiters=",",
    quoted=True,
)
SELLERS_KIND = Kind(
    "olist_sellers",
    "Olist sellers CSV",
    ("seller-id", "seller-zip-code-prefix", "seller-city", "seller-state"),
    delimiters=",",
    quoted=True,
)
KINDS = (ORDERS_KIND, ITEMS_KIND, REVIEWS_KIND, SELLERS_KIND)
BESIDE = (
    {"order-id", "review-known"},
    {"customer-id", "customer-unique-id"},
    {"geolocation-zip-code-prefix", "geolocation-lat"},
    {"order-id", "payment-sequential", "payment-type"},
    {"product-id", "product-category-name"},
    {"product-category-name", "product-category-name-english"},
)
"""Columns of tables that come with Olist's orders and hold nothing the kit reads."""

_WITHOUT_ITEMS = "orders without items belong to no seller"
_UNKNOWN_ORDER = "items of orders that are not in the orders file"
_NOBODYS_REVIEW = "reviews of orders that belong to no seller"


def take(grids: Mapping[str, Grid], asked: Asked) -> Taken:
    """Read the group into ORDERS, ITEMS and FEEDBACK."""
    notes = _notes(grids, asked)
    orders, stamp = _orders_as_written(grids["olist_orders"])
    lines, skipped = _lines(grids["olist_items"], orders)
    without = len(orders) - len(pc.unique(lines["order_id"]))
    skipped |= {_WITHOUT_ITEMS: without} if without else {}
    tables = {
        "orders": _orders(lines, orders, stamp, asked),
        "items": _items(lines, stamp, asked),
        "feedback": fill(FEEDBACK, 0, {}),
    }
    if "olist_reviews" in grids:
        tables["feedback"], unread = _feedback(grids["olist_reviews"], lines, stamp, asked)
        skipped |= {_NOBODYS_REVIEW: unread} if unread else {}
    first_day, last_day = span(tables["orders"]["ordered_on"])
    rows = sum(len(grid) for grid in grids.values())
    return Taken(asked.report, asked.name, NAME, None, tables, rows, skipped, notes, first_day, last_day)


def _notes(grids: Mapping[str, Grid], asked: Asked) -> list[str]:
    """What was assumed; raises ReaderError when the caller says it is of another marketplace."""
    if asked.marketplace not in (None, PLACE):
        raise ReaderError(
            f"{asked.name}: holds orders of {PLACE}, not of {asked.marketplace}. Leave --marketplace out."
        )
    notes = [f"{kind}: {note}" for kind, grid in grids.items() for note in grid.notes]
    if "olist_reviews" not in grids:
        notes.append("No reviews file stands beside the orders: no ratings are known.")
    return notes


def _ids(grid: Grid, column: str) -> pa.Array:
    """Ids of which none may be empty, nor a number that a spreadsheet made."""
    refuse_numbers(grid, column)
    ids = texts(grid, column)
    bad = pc.invert(pc.match_substring_regex(ids, r"^[0-9A-Za-z_-]{1,64}$"))
    if pc.any(bad, min_count=0).as_py():
        grid.refuse(column, bad, "no id")
    return ids


def _orders_as_written(grid: Grid) -> tuple[pa.Table, pa.Scalar]:
    """The orders with their times as written, and the newest event among them."""
    ids = _ids(grid, "order-id")
    twice = pc.not_equal(pc.count_distinct(ids), len(ids))
    if twice.as_py():
        _refuse_repeated(grid, ids)
    times = {
        name: local_times(grid, column, column != "order-purchase-timestamp") for column, name in _ORDER_TIMES.items()
    }
    approved = local_times(grid, "order-approved-at", empty=True)
    events = [*(times[name] for name in ("purchased_at", "shipped_at", "delivered_at")), approved]
    orders = pa.table({"order_id": ids, "status": statuses(grid, "order-status"), **times})
    return orders, newest(*(_instants(event) for event in events))


def _refuse_repeated(grid: Grid, ids: pa.Array) -> None:
    """An order id stands for one row of the orders file."""
    seen: set[str] = set()
    repeated = []
    for order in ids.to_pylist():
        repeated.append(order in seen)
        seen.add(order)
    grid.refuse("order-id", pa.array(repeated), "there a second time", "Take the repeated rows out.")


def _instants(times: pa.Array) -> pa.Array:
    """The instants of times as written in Olist's zone."""
    return attach_zones(times, _place(len(times)))


def _place(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(PLACE), rows)


def _lines(grid: Grid, orders: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """The items whose order is known, each with the row of its order."""
    ids = _ids(grid, "order-id")
    at = pc.index_in(ids, whole(orders["order_id"]))
    lines = pa.table(
        {
            "account": _ids(grid, "seller-id"),
            "order_id": ids,
            "sku": _ids(grid, "product-id"),
            "limit": local_times(grid, "shipping-limit-date"),
            "at": at,
        }
    )
    return lines.filter(pc.is_valid(at)), {_UNKNOWN_ORDER: at.null_count} if at.null_count else {}


def _orders(lines: pa.Table, orders: pa.Table, stamp: pa.Scalar, asked: Asked) -> pa.Table:
    """One row an order and seller: ship-by is the latest limit of this seller's lines."""
    counted = lines.append_column("units", pa.repeat(pa.scalar(1, pa.int64()), len(lines)))
    keys = ["account", "order_id"]
    sold = columns_of(one_per(counted, keys, {"limit": "max", "at": "first", "units": "sum"}))
    written = columns_of(orders.take(sold["at"]))
    ordered_on = _days(written["purchased_at"])
    cancelled = pc.equal(written["status"], "cancelled")
    deliver_by_on = _days(written["deliver_by"])
    made = {
        **{name: sold[name] for name in ("account", "order_id", "units")},
        "status": written["status"],
        "ordered_at": _instants(written["purchased_at"]),
        "ordered_on": ordered_on,
        "cancelled_on": pc.if_else(cancelled, ordered_on, None),
        "assumed": pc.if_else(cancelled, "cancel_day_from_order", None),
        "ship_by": _instants(sold["limit"]),
        "ship_by_on": _days(sold["limit"]),
        "deliver_by": ends_of_days(deliver_by_on, _place(len(deliver_by_on))),
        "deliver_by_on": deliver_by_on,
        **{name: _instants(written[name]) for name in ("shipped_at", "delivered_at")},
        "shipped_on": _days(written["shipped_at"]),
        "delivered_on": _days(written["delivered_at"]),
        "channel": "seller",
    }
    return fill(ORDERS, len(ordered_on), made | _said(stamp, asked))


def _days(times: pa.Array) -> pa.Array:
    """The days of times as written."""
    return times.cast(DAY, safe=False)


def _said(stamp: pa.Scalar, asked: Asked) -> dict[str, object]:
    return {"marketplace": PLACE, "updated_at": stamp.as_py(), "report": asked.report}


def _items(lines: pa.Table, stamp: pa.Scalar, asked: Asked) -> pa.Table:
    """One row an order and product; each line of the file is one piece."""
    counted = lines.append_column("units", pa.repeat(pa.scalar(1, pa.int64()), len(lines)))
    items = columns_of(one_per(counted, ["account", "order_id", "sku"], {"units": "sum"}))
    return fill(ITEMS, len(items["sku"]), items | _said(stamp, asked))


def _feedback(grid: Grid, lines: pa.Table, stamp: pa.Scalar, asked: Asked) -> tuple[pa.Table, int]:
    """One row a review and seller of its order, and how many reviews had no seller; the last answered ranks last."""
    reviews = _reviews(grid)
    sellers = lines.select(["account", "order_id"]).group_by(["account", "order_id"], use_threads=False).aggregate([])
    heard = reviews.join(sellers, "order_id", join_type="inner").sort_by(
        [("number", "ascending"), ("account", "ascending")]
    )
    unheard = len(reviews) - len(pc.unique(heard["number"]))
    made = columns_of(heard.drop_columns(["number"]))
    return fill(FEEDBACK, len(heard), made | _said(stamp, asked)), unheard


def _reviews(grid: Grid) -> pa.Table:
    """The reviews; of one that stands twice for an order the last answered."""
    ids = _ids(grid, "review-id")
    answered = local_times(grid, "review-answer-timestamp")
    rank = pc.binary_join_element_wise(answered.cast(pa.timestamp("s"), safe=False).cast(pa.string()), ids, " ")
    reviews = pa.table(
        {
            "feedback_id": ids,
            "order_id": _ids(grid, "order-id"),
            "rating": by_distinct(
                grid, "review-score", texts(grid, "review-score"), _score, pa.int64(), "no score from 1 to 5"
            ),
            "received_on": _days(local_times(grid, "review-creation-date")),
            "rank": rank,
            "number": grid.rows,
        }
    )
    last_first = reviews.sort_by([("rank", "descending"), ("number", "ascending")])
    stands = {name: "first" for name in reviews.column_names if name not in ("feedback_id", "order_id")}
    return one_per(last_first, ["order_id", "feedback_id"], stands)


def _score(word: str) -> int | None:
    return int(word) if word in ("1", "2", "3", "4", "5") else None
