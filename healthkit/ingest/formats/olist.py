"""Parser of the CSV files of the Olist marketplace, which are read as one group.

Each seller is an account. An order with items of two sellers is one order of each; an order without items is skipped.
Times are local to the marketplace. The delivery promise is a day, so it lasts to the end of that day. A cancellation
has no day of its own: the order's day is assumed, which the row records.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    DAY,
    columns_by_name,
    map_distinct,
    merge_rows,
    read_local_times,
    read_required_texts,
    read_statuses,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, combine_chunks
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, attach_zones, ends_of_days, newest_instant
from healthkit.ingest.parsing.parsed_file import Columns, FileContents
from healthkit.ingest.parsing.raw_file import ReaderError

MARKETPLACE = "OLIST"
KIND_NAME = "olist"
_ORDER_TIMES = {
    "order-purchase-timestamp": "purchased_at",
    "order-delivered-carrier-date": "shipped_at",
    "order-delivered-customer-date": "delivered_at",
    "order-estimated-delivery-date": "deliver_by",
}
ORDERS_KIND = FileKind(
    "olist_orders",
    "Olist orders CSV",
    ("order-id", "order-status", *_ORDER_TIMES),
    ("order-approved-at",),
    "customer-id",
    delimiters=",",
    quoted=True,
)
ITEMS_KIND = FileKind(
    "olist_items",
    "Olist items CSV",
    ("order-id", "product-id", "seller-id", "shipping-limit-date"),
    (),
    "order-item-id price freight-value",
    delimiters=",",
    quoted=True,
)
REVIEWS_KIND = FileKind(
    "olist_reviews",
    "Olist reviews CSV",
    ("review-id", "order-id", "review-score", "review-creation-date", "review-answer-timestamp"),
    (),
    "review-comment-title review-comment-message",
    delimiters=",",
    quoted=True,
)
SELLERS_KIND = FileKind(
    "olist_sellers",
    "Olist sellers CSV",
    ("seller-id", "seller-zip-code-prefix", "seller-city", "seller-state"),
    delimiters=",",
    quoted=True,
)
KINDS = (ORDERS_KIND, ITEMS_KIND, REVIEWS_KIND, SELLERS_KIND)
IGNORED_HEADERS = (
    {"order-id", "review-known"},
    {"customer-id", "customer-unique-id"},
    {"geolocation-zip-code-prefix", "geolocation-lat"},
    {"order-id", "payment-sequential", "payment-type"},
    {"product-id", "product-category-name"},
    {"product-category-name", "product-category-name-english"},
)
"""Sets of column names by which Olist files that contain nothing for healthkit are recognized."""

_WITHOUT_ITEMS = "orders without items belong to no seller"
_UNKNOWN_ORDER = "items of orders that are not in the orders file"
_REVIEW_WITHOUT_SELLER = "reviews of orders that belong to no seller"


def parse(tables: Mapping[str, CsvTable], context: ReadContext) -> FileContents:
    """Parse the Olist files, given as one CsvTable per kind, into the tables ORDERS, ITEMS and FEEDBACK."""
    notes = _notes(tables, context)
    orders, stamp = _orders_as_written(tables["olist_orders"])
    lines, skipped = _read_lines(tables["olist_items"], orders)
    without = len(orders) - len(pc.unique(lines["order_id"]))
    skipped |= {_WITHOUT_ITEMS: without} if without else {}
    feedback: Columns = {}
    if "olist_reviews" in tables:
        feedback, unread = _read_feedback(tables["olist_reviews"], lines)
        skipped |= {_REVIEW_WITHOUT_SELLER: unread} if unread else {}
    columns = {"orders": _merge_orders(lines, orders), "items": _merge_items(lines), "feedback": feedback}
    return FileContents(
        {name: {**known, "marketplace": MARKETPLACE} for name, known in columns.items()},
        "ordered_on",
        updated_at=stamp.as_py(),
        rows=sum(map(len, tables.values())),
        skipped=skipped,
        notes=notes,
    )


def _notes(tables: Mapping[str, CsvTable], context: ReadContext) -> list[str]:
    """Return the notes on the files; raise ReaderError if the caller names another marketplace."""
    if context.marketplace not in (None, MARKETPLACE):
        raise ReaderError(
            f"{context.name}: holds orders of {MARKETPLACE}, not of {context.marketplace}. Leave --marketplace out."
        )
    notes = [f"{kind}: {note}" for kind, table in tables.items() for note in table.notes]
    if "olist_reviews" not in tables:
        notes.append("No reviews file stands beside the orders: no ratings are known.")
    return notes


def _read_ids(table: CsvTable, column: str) -> pa.Array:
    """Read a column of ids; refuse empty cells and numbers that a spreadsheet made."""
    refuse_numeric_ids(table, column)
    ids = read_required_texts(table, column)
    bad = pc.invert(pc.match_substring_regex(ids, r"^[0-9A-Za-z_-]{1,64}$"))
    if pc.any(bad, min_count=0).as_py():
        table.refuse(column, bad, "no id")
    return ids


def _orders_as_written(table: CsvTable) -> tuple[pa.Table, pa.Scalar]:
    """Read the orders with local times, and the newest event among them."""
    ids = _read_ids(table, "order-id")
    twice = pc.not_equal(pc.count_distinct(ids), len(ids))
    if twice.as_py():
        _refuse_repeated(table, ids)
    times = {
        name: read_local_times(table, column, column != "order-purchase-timestamp")
        for column, name in _ORDER_TIMES.items()
    }
    approved = read_local_times(table, "order-approved-at", allow_empty=True)
    events = [*(times[name] for name in ("purchased_at", "shipped_at", "delivered_at")), approved]
    orders = pa.table({"order_id": ids, "status": read_statuses(table, "order-status"), **times})
    return orders, newest_instant(*(_to_instants(event) for event in events))


def _refuse_repeated(table: CsvTable, ids: pa.Array) -> None:
    """Refuse an order id that occurs in several rows of the orders file."""
    seen: set[str] = set()
    repeated = []
    for order in ids.to_pylist():
        repeated.append(order in seen)
        seen.add(order)
    table.refuse("order-id", pa.array(repeated), "there a second time", "Take the repeated rows out.")


def _to_instants(times: pa.Array) -> pa.Array:
    """Return the instants of local times in Olist's time zone."""
    return attach_zones(times, _repeat_marketplace(len(times)))


def _repeat_marketplace(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(MARKETPLACE), rows)


def _read_lines(table: CsvTable, orders: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Read the items of known orders with the row of their order, and count the others by reason."""
    ids = _read_ids(table, "order-id")
    at = pc.index_in(ids, combine_chunks(orders["order_id"]))
    lines = pa.table(
        {
            "account": _read_ids(table, "seller-id"),
            "order_id": ids,
            "sku": _read_ids(table, "product-id"),
            "limit": read_local_times(table, "shipping-limit-date"),
            "at": at,
        }
    )
    return lines.filter(pc.is_valid(at)), {_UNKNOWN_ORDER: at.null_count} if at.null_count else {}


def _merge_orders(lines: pa.Table, orders: pa.Table) -> Columns:
    """Merge items to the columns of ORDERS, one row an order and seller; ship-by is the latest limit of its items."""
    counted = lines.append_column("units", pa.repeat(pa.scalar(1, pa.int64()), len(lines)))
    keys = ["account", "order_id"]
    sold = columns_by_name(merge_rows(counted, keys, {"limit": "max", "at": "first", "units": "sum"}))
    written = columns_by_name(orders.take(sold["at"]))
    ordered_on = _to_days(written["purchased_at"])
    cancelled = pc.equal(written["status"], "cancelled")
    deliver_by_on = _to_days(written["deliver_by"])
    return {
        **{name: sold[name] for name in ("account", "order_id", "units")},
        "status": written["status"],
        "ordered_at": _to_instants(written["purchased_at"]),
        "ordered_on": ordered_on,
        "cancelled_on": pc.if_else(cancelled, ordered_on, None),
        "assumed": pc.if_else(cancelled, "cancel_day_from_order", None),
        "ship_by": _to_instants(sold["limit"]),
        "ship_by_on": _to_days(sold["limit"]),
        "deliver_by": ends_of_days(deliver_by_on, _repeat_marketplace(len(deliver_by_on))),
        "deliver_by_on": deliver_by_on,
        **{name: _to_instants(written[name]) for name in ("shipped_at", "delivered_at")},
        "shipped_on": _to_days(written["shipped_at"]),
        "delivered_on": _to_days(written["delivered_at"]),
        "channel": "seller",
    }


def _to_days(times: pa.Array) -> pa.Array:
    """Return the days of local times."""
    return times.cast(DAY, safe=False)


def _merge_items(lines: pa.Table) -> Columns:
    """Merge rows to the columns of ITEMS, one row an order and product; each row of the file is one unit."""
    counted = lines.append_column("units", pa.repeat(pa.scalar(1, pa.int64()), len(lines)))
    return columns_by_name(merge_rows(counted, ["account", "order_id", "sku"], {"units": "sum"}))


def _read_feedback(table: CsvTable, lines: pa.Table) -> tuple[Columns, int]:
    """Return the columns of FEEDBACK, one row a review and seller, and the number of reviews without a seller."""
    reviews = _reviews(table)
    sellers = lines.select(["account", "order_id"]).group_by(["account", "order_id"], use_threads=False).aggregate([])
    heard = reviews.join(sellers, "order_id", join_type="inner").sort_by(
        [("number", "ascending"), ("account", "ascending")]
    )
    unheard = len(reviews) - len(pc.unique(heard["number"]))
    return columns_by_name(heard.drop_columns(["number"])), unheard


def _reviews(table: CsvTable) -> pa.Table:
    """Read the reviews; of several rows of one review and order the last answered one is kept."""
    ids = _read_ids(table, "review-id")
    answered = read_local_times(table, "review-answer-timestamp")
    rank = pc.binary_join_element_wise(answered.cast(pa.timestamp("s"), safe=False).cast(pa.string()), ids, " ")
    reviews = pa.table(
        {
            "feedback_id": ids,
            "order_id": _read_ids(table, "order-id"),
            "rating": map_distinct(
                table,
                "review-score",
                read_required_texts(table, "review-score"),
                _parse_score,
                pa.int64(),
                "no score from 1 to 5",
            ),
            "received_on": _to_days(read_local_times(table, "review-creation-date")),
            "rank": rank,
            "number": table.rows,
        }
    )
    last_first = reviews.sort_by([("rank", "descending"), ("number", "ascending")])
    return merge_rows(last_first, ["order_id", "feedback_id"])


def _parse_score(word: str) -> int | None:
    return int(word) if word in ("1", "2", "3", "4", "5") else None
