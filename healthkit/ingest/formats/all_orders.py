"""Parser of the all-orders report: one row an item, orders of all channels and statuses.

The report says when an order was placed, who fulfils it and whether it was cancelled. It has no promised days and no
shipment confirmations. A cancellation, of an order or of a part of it, is dated by the last update of the order. Only
the newer, wider report says who asked for it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.amounts import read_line_amounts
from healthkit.ingest.parsing.cells import (
    ORDER_DETAILS,
    columns_by_name,
    is_unique_row,
    largest_by_key,
    merge_items,
    merge_rows,
    read_counts,
    read_flags,
    read_instants,
    read_order_details,
    read_order_ids,
    read_statuses,
    read_words,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, combine_chunks
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind(
    "all_orders",
    "all-orders file",
    ("amazon-order-id", "purchase-date", "last-updated-date", "order-status", "fulfillment-channel", "sku", "quantity"),
    (
        "order-item-id",
        "sales-channel",
        "asin",
        "product-name",
        "item-status",
        "currency",
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
    """merchant-order-id order-channel url item-tax shipping-price shipping-tax
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
_ORDER_COLUMNS = ("channel", "status", "ordered_at", "updated_at", *ORDER_DETAILS)
CHANNEL_WORDS = {"amazon": "amazon", "afn": "amazon", "merchant": "seller", "mfn": "seller"}


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse an all-orders report into the tables ORDERS and ITEMS."""
    lines, of_order, of_item = _keep_newest_lines(_read_lines(table, context))
    tables = {"orders": _merge_orders(lines, of_order), "items": merge_items(lines, of_item)}
    return FileContents(tables, "ordered_on", keys_are_unique=True)


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the report with typed columns; instants are in UTC."""
    ids = read_order_ids(table, "amazon-order-id")
    marketplaces = resolve_marketplaces(table, ids, context)
    channels = read_words(table, "fulfillment-channel", CHANNEL_WORDS)
    details = read_order_details(table)
    # Prime is a promise of the seller's own only where the seller ships.
    details["is_premium"] = pc.and_(details["is_premium"], pc.equal(channels, "seller"))
    return pa.table(
        {
            "order_id": ids,
            "marketplace": marketplaces,
            "channel": channels,
            "status": read_statuses(table, "order-status"),
            "ordered_at": read_instants(table, "purchase-date"),
            "updated_at": read_instants(table, "last-updated-date"),
            "item": table["order-item-id"],
            "sku": table["sku"],
            "asin": table["asin"],
            "product": table["product-name"],
            "units": read_counts(table, "quantity"),
            **read_line_amounts(table, marketplaces),
            "line_cancelled": _item_cancelled(table),
            "buyer_asked": read_flags(table, "is-buyer-requested-cancellation"),
            **details,
        }
    )


def _item_cancelled(table: CsvTable) -> pa.Array:
    """Return whether each row is a cancelled item; empty if the report has no item status."""
    if not table.has_column("item-status"):
        return pa.nulls(len(table), pa.bool_())
    coded = combine_chunks(pc.dictionary_encode(table["item-status"]))
    is_cancelled = pc.is_in(pc.utf8_lower(coded.dictionary), pa.array(["cancelled", "canceled"]))
    return pc.fill_null(is_cancelled.take(coded.indices), False)


def _keep_newest_lines(lines: pa.Table) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Keep the newest row of each item; also return which rows are alone in their order, and for their order and SKU.

    Items are identified by their ids; of several rows the last one is kept. Items without ids are identified by their
    SKU; all rows with the newest update time are kept, for equal rows are separate items, such as one SKU sent from
    two warehouses.
    """
    of_order = is_unique_row(lines, ["order_id"])
    of_item, rest = of_order.copy(), np.flatnonzero(~of_order)
    keys = _item_keys(lines.select(["order_id", "item", "sku"]).take(rest))
    of_item[rest] = is_unique_row(pa.table({"key": keys}), ["key"])
    if of_item.all():
        return lines, of_order, of_order if lines["item"].null_count < len(lines) else of_item
    at = np.flatnonzero(~of_item)
    several = lines.take(at)
    keys, stamps = _item_keys(several), combine_chunks(several["updated_at"])
    is_newest = pc.equal(stamps, largest_by_key(keys, stamps)).to_numpy(zero_copy_only=False)
    named = pc.is_valid(several["item"]).to_numpy(zero_copy_only=False)
    if named.any():
        last = largest_by_key(keys, pa.array(np.where(is_newest, at, -1))).to_numpy(zero_copy_only=False)
        is_newest &= ~named | (last == at)
    rows = np.sort(np.concatenate([np.flatnonzero(of_item), at[is_newest]]))
    # Several items that have ids may be of one SKU.
    return lines.take(rows), of_order[rows], (of_order if named.any() else of_item)[rows]


def _item_keys(lines: pa.Table) -> pa.Array:
    """Return order and item of each row as one text: the item's id, or else its SKU, which may be empty."""
    return pc.binary_join_element_wise(
        combine_chunks(lines["order_id"]), pc.coalesce(combine_chunks(lines["item"]), combine_chunks(lines["sku"])),
        "\t",
        null_handling="replace", null_replacement="",
    )  # fmt: skip


def _merge_orders(lines: pa.Table, is_unique: np.ndarray) -> dict[str, pa.Array]:
    """Merge rows to the columns of ORDERS; units are the sum of all rows, other values those of the newest row."""
    aggregations = dict.fromkeys(_ORDER_COLUMNS, "first") | {"units": "sum", "line_cancelled": "any"}
    orders = columns_by_name(merge_rows(lines, ["marketplace", "order_id"], aggregations, "updated_at", is_unique))
    cancelled = pc.equal(orders["status"], "cancelled")
    in_part = pc.and_(orders["line_cancelled"], pc.invert(cancelled))
    touched = pc.or_kleene(cancelled, in_part)
    return orders | {
        "part_cancelled": in_part,
        "cancelled_at": pc.if_else(touched, orders["updated_at"], None),
        "cancelled_by": _cancelled_by(lines, orders["order_id"], touched),
    }


def _cancelled_by(lines: pa.Table, orders: pa.Array, cancelled: pa.Array) -> pa.Array:
    """Return "buyer" if the buyer asked for every cancelled row, else "seller"; empty if the report does not say."""
    is_known = pc.and_(pc.is_valid(lines["buyer_asked"]), _line_is_cancelled(lines))
    cancelled_lines = lines.select(["order_id", "buyer_asked"]).filter(is_known)
    by_order = merge_rows(cancelled_lines, ["order_id"], {"buyer_asked": "min"})
    by_buyer = combine_chunks(by_order["buyer_asked"]).take(pc.index_in(orders, combine_chunks(by_order["order_id"])))
    return pc.if_else(pc.and_(cancelled, pc.is_valid(by_buyer)), pc.if_else(by_buyer, "buyer", "seller"), None)


def _line_is_cancelled(lines: pa.Table) -> pa.Array:
    return pc.or_(pc.fill_null(lines["line_cancelled"], False), pc.equal(lines["status"], "cancelled"))
