"""The all-orders flat file: every order of an account, one row an item, all channels and statuses.

It knows when an order was placed, who fulfils it and whether it was cancelled; it holds no promise
and no confirmation. A cancellation, of the order or of part of it, is dated by the order's last update;
who asked for it is known only in the newer, wider file.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    alone,
    columns_of,
    counts,
    flags,
    instants,
    largest_of,
    one_per,
    order_ids,
    premium,
    regions,
    statuses,
    without_other_shops,
    words,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind, whole
from healthkit.ingest.parsing.marketplace_of_row import Asked, local_days, places
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import ITEMS, ORDERS

KIND = Kind(
    "all_orders",
    "all-orders file",
    ("amazon-order-id", "purchase-date", "last-updated-date", "order-status", "fulfillment-channel", "sku", "quantity"),
    (
        "order-item-id",
        "sales-channel",
        "asin",
        "product-name",
        "item-status",
        "item-price",
        "is-business-order",
        "is-buyer-requested-cancellation",
        "ship-service-level",
        "ship-service-name",
        "ship-country",
        "ship-state",
        "is-premium-order",
        "is-prime",
    ),
    """merchant-order-id order-channel url currency item-tax shipping-price shipping-tax
    gift-wrap-price gift-wrap-tax item-promotion-discount ship-promotion-discount ship-city
    ship-postal-code ship-promotion-id promotion-ids cpf purchase-order-number price-designation
    is-sold-by-ab number-of-items tax-collection-model tax-collection-responsible-party address-type
    payment-method-details item-extensions-data fulfilled-by buyer-company-name buyer-tax-registration-country
    buyer-tax-registration-type is-heavy-or-bulky is-replacement-order is-exchange-order original-order-id
    is-amazon-invoiced vat-exclusive-item-price vat-exclusive-shipping-price vat-exclusive-giftwrap-price is-iba
    buyer-requested-cancel-reason is-transparency ioss-number order-invoice-type customized-url
    customized-page""",
    aliases={"quantity-purchased": "quantity"},
)
_OF_ORDER = (
    "channel", "status", "ordered_at", "ordered_on", "updated_on", "updated_at", "is_business", "is_premium",
    "ship_method", "country", "state",
)  # fmt: skip
CHANNEL_WORDS = {"amazon": "amazon", "afn": "amazon", "merchant": "seller", "mfn": "seller"}


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into ORDERS and ITEMS."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "amazon-order-id")
    lines, of_order, of_item = _newest_lines(_lines(grid, asked))
    orders = _orders(lines, of_order, asked)
    tables = {"orders": orders, "items": _items(lines, of_item, asked)}
    first_day, last_day = span(orders["ordered_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read: days local, instants in UTC, words in our spelling."""
    ids = order_ids(grid, "amazon-order-id")
    marketplaces = places(grid, ids, asked)
    channels, purchased = words(grid, "fulfillment-channel", CHANNEL_WORDS), instants(grid, "purchase-date")
    stamps = instants(grid, "last-updated-date")
    return pa.table(
        {
            "order_id": ids,
            "marketplace": marketplaces,
            "channel": channels,
            "status": statuses(grid, "order-status"),
            "ordered_at": purchased,
            "ordered_on": local_days(purchased, marketplaces),
            "updated_on": local_days(stamps, marketplaces),
            "updated_at": stamps,
            "item": grid["order-item-id"],
            "sku": grid["sku"],
            "asin": grid["asin"],
            "product": grid["product-name"],
            "units": counts(grid, "quantity"),
            "price": grid["item-price"],
            "line_cancelled": _item_cancelled(grid),
            "buyer_asked": flags(grid, "is-buyer-requested-cancellation"),
            "is_business": flags(grid, "is-business-order"),
            # Prime is a promise of the seller's own only where the seller ships.
            "is_premium": pc.and_(premium(grid), pc.equal(channels, "seller")),
            "ship_method": pc.coalesce(grid["ship-service-level"], grid["ship-service-name"]),
            "country": regions(grid, "ship-country"),
            "state": regions(grid, "ship-state"),
        }
    )


def _item_cancelled(grid: Grid) -> pa.Array:
    """Whether the line itself was cancelled; empty where the file has no item status."""
    if not grid.has("item-status"):
        return pa.nulls(len(grid), pa.bool_())
    return pc.is_in(pc.utf8_lower(grid["item-status"]), pa.array(["cancelled", "canceled"]))


def _newest_lines(lines: pa.Table) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Of each item of an order only what was said last, and which lines are the only ones of their order, and SKU.

    An item is named by its id, and its last line stands. Without ids it is all lines of its SKU with the newest stamp:
    two that are alike are two items, as of one SKU that was sent from two warehouses.
    """
    of_order = alone(lines, ["order_id"])
    of_item, rest = of_order.copy(), np.flatnonzero(~of_order)
    keys = _order_and_item(lines.select(["order_id", "item", "sku"]).take(rest))
    of_item[rest] = alone(pa.table({"key": keys}), ["key"])
    if of_item.all():
        return lines, of_order, of_order if lines["item"].null_count < len(lines) else of_item
    at = np.flatnonzero(~of_item)
    several = lines.take(at)
    keys, stamps = _order_and_item(several), whole(several["updated_at"])
    stands = pc.equal(stamps, largest_of(keys, stamps)).to_numpy(zero_copy_only=False)
    named = pc.is_valid(several["item"]).to_numpy(zero_copy_only=False)
    if named.any():
        last = largest_of(keys, pa.array(np.where(stands, at, -1))).to_numpy(zero_copy_only=False)
        stands &= ~named | (last == at)
    rows = np.sort(np.concatenate([np.flatnonzero(of_item), at[stands]]))
    # Several items that have ids may be of one SKU.
    return lines.take(rows), of_order[rows], (of_order if named.any() else of_item)[rows]


def _order_and_item(lines: pa.Table) -> pa.Array:
    """Order and item of each line as one text: the item's id, or else its SKU, which may be empty."""
    return pc.binary_join_element_wise(
        whole(lines["order_id"]), pc.coalesce(whole(lines["item"]), whole(lines["sku"])), "\t",
        null_handling="replace", null_replacement="",
    )  # fmt: skip


def _orders(lines: pa.Table, known_alone: np.ndarray, asked: Asked) -> pa.Table:
    """One row an order: its newest line speaks for it, all its lines for the units."""
    stands = dict.fromkeys(_OF_ORDER, "first") | {"units": "sum", "line_cancelled": "any"}
    orders = columns_of(one_per(lines, ["marketplace", "order_id"], stands, "updated_at", known_alone))
    cancelled = pc.equal(orders["status"], "cancelled")
    in_part = pc.and_(orders.pop("line_cancelled"), pc.invert(cancelled))
    touched = pc.or_kleene(cancelled, in_part)
    days = {"cancelled_on": pc.if_else(touched, orders.pop("updated_on"), None)}
    by = {"cancelled_by": _cancelled_by(lines, orders["order_id"], touched)}
    return fill(ORDERS, len(cancelled), orders | days | by | asked.stamp() | {"part_cancelled": in_part}, keyed=True)


def _cancelled_by(lines: pa.Table, orders: pa.Array, cancelled: pa.Array) -> pa.Array:
    """The buyer, when every cancelled line was asked for; else the seller; empty where the file does not say."""
    told = pc.and_(pc.is_valid(lines["buyer_asked"]), _line_is_cancelled(lines))
    asked_for = one_per(lines.filter(told), ["order_id"], {"buyer_asked": "min"})
    by_buyer = whole(asked_for["buyer_asked"]).take(pc.index_in(orders, whole(asked_for["order_id"])))
    return pc.if_else(pc.and_(cancelled, pc.is_valid(by_buyer)), pc.if_else(by_buyer, "buyer", "seller"), None)


def _line_is_cancelled(lines: pa.Table) -> pa.Array:
    return pc.or_(pc.fill_null(lines["line_cancelled"], False), pc.equal(lines["status"], "cancelled"))


def _items(lines: pa.Table, known_alone: np.ndarray, asked: Asked) -> pa.Table:
    """One row an order and SKU; a line without SKU names no item."""
    stands = {"asin": "first", "product": "first", "units": "sum", "updated_at": "max"}
    keys, named = ["marketplace", "order_id", "sku"], pc.is_valid(lines["sku"])
    lines, known_alone = lines.select([*keys, *stands]).filter(named), known_alone[named.to_numpy()]
    items = one_per(lines, keys, stands, known_alone=known_alone)
    return fill(ITEMS, len(items), columns_of(items) | asked.stamp(), keyed=True)
