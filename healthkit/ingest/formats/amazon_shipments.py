"""The file of what Amazon shipped for a seller: one row an item of a parcel, with the day on which it left.

It holds no promise: an order that Amazon ships is late by nobody's promise but Amazon's own. Rows may stand twice,
and the newest days may be incomplete.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    INSTANT,
    columns_of,
    counts,
    instants,
    one_per,
    order_ids,
    refuse_numbers,
    regions,
    texts,
    without_other_shops,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import Asked, local_days, places
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import ITEMS, ORDERS, SHIPMENTS

KIND = Kind(
    "amazon_shipments",
    "Amazon-fulfilled shipments file",
    ("amazon-order-id", "shipment-id", "shipment-item-id", "purchase-date", "shipment-date", "sku", "quantity-shipped"),
    (
        "payments-date",
        "reporting-date",
        "sales-channel",
        "product-name",
        "ship-service-level",
        "ship-country",
        "ship-state",
        "carrier",
        "tracking-number",
    ),
    """merchant-order-id amazon-order-item-id merchant-order-item-id buyer-email buyer-name buyer-phone-number
    currency item-price item-tax shipping-price shipping-tax gift-wrap-price gift-wrap-tax recipient-name
    ship-address-1 ship-address-2 ship-address-3 ship-city ship-postal-code ship-phone-number bill-address-1
    bill-address-2 bill-address-3 bill-city bill-state bill-postal-code bill-country item-promotion-discount
    ship-promotion-discount estimated-arrival-date fulfillment-center-id fulfillment-channel points-granted""",
)


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into ORDERS, ITEMS and SHIPMENTS."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "amazon-order-id")
    lines = _distinct(_lines(grid, asked))
    orders = _orders(lines, asked)
    tables = {"orders": orders, "items": _items(lines, asked), "shipments": _shipments(lines, asked)}
    first_day, last_day = span(orders["ordered_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read; a row is as new as the newest of its own dates."""
    ids = order_ids(grid, "amazon-order-id")
    for column in ("shipment-id", "shipment-item-id"):
        refuse_numbers(grid, column)
    purchased, shipped = instants(grid, "purchase-date"), instants(grid, "shipment-date")
    others = [instants(grid, column, empty=True) for column in ("payments-date", "reporting-date")]
    return pa.table(
        {
            "marketplace": places(grid, ids, asked),
            "order_id": ids,
            "shipment_id": texts(grid, "shipment-id"),
            "item": texts(grid, "shipment-item-id"),
            "sku": grid["sku"],
            "product": grid["product-name"],
            "units": counts(grid, "quantity-shipped"),
            "ordered_at": purchased,
            "confirmed_at": shipped,
            "carrier": grid["carrier"],
            "tracking": _has_tracking(grid),
            "ship_method": grid["ship-service-level"],
            "country": regions(grid, "ship-country"),
            "state": regions(grid, "ship-state"),
            "updated_at": _latest(purchased, shipped, *others),
        }
    )


def _latest(*times: pa.Array) -> pa.Array:
    """The latest of the times of each row; Arrow compares instants as numbers only."""
    return pc.max_element_wise(*(column.cast(pa.int64()) for column in times)).cast(INSTANT)


def _has_tracking(grid: Grid) -> pa.Array:
    """Whether a parcel has a tracking number; the number itself is not kept."""
    return pc.is_valid(grid["tracking-number"]) if grid.has("tracking-number") else pa.nulls(len(grid), pa.bool_())


def _distinct(lines: pa.Table) -> pa.Table:
    """An item of a parcel once, as it was said last: Amazon repeats some."""
    keys = ["marketplace", "order_id", "shipment_id", "item"]
    said = {name: "first" for name in lines.column_names if name not in keys}
    return one_per(lines, keys, said, newest_first="updated_at")


def _orders(lines: pa.Table, asked: Asked) -> pa.Table:
    """One row an order: shipped with its first parcel."""
    stands = {"ordered_at": "min", "confirmed_at": "min", "tracking": "min", "units": "sum", "updated_at": "max"}
    stands |= dict.fromkeys(("ship_method", "country", "state"), "first")
    orders = columns_of(one_per(lines, ["marketplace", "order_id"], stands))
    orders["shipped_at"] = orders.pop("confirmed_at")
    names = {"ordered_at": "ordered_on", "shipped_at": "shipped_on"}
    days = {day: local_days(orders[name], orders["marketplace"]) for name, day in names.items()}
    said = {"channel": "amazon", "status": "shipped"}
    return fill(ORDERS, len(orders["order_id"]), orders | days | said | asked.stamp(), keyed=True)


def _items(lines: pa.Table, asked: Asked) -> pa.Table:
    """One row an order and SKU; a line without SKU names no item."""
    stands = {"product": "first", "units": "sum", "updated_at": "max"}
    items = one_per(lines.filter(pc.is_valid(lines["sku"])), ["marketplace", "order_id", "sku"], stands)
    return fill(ITEMS, len(items), columns_of(items) | asked.stamp(), keyed=True)


def _shipments(lines: pa.Table, asked: Asked) -> pa.Table:
    """One row a parcel of an order; its lines are its contents."""
    stands = {"confirmed_at": "min", "units": "sum", "carrier": "first", "tracking": "max"}
    stands |= {"ship_method": "first", "updated_at": "max"}
    parcels = columns_of(one_per(lines, ["marketplace", "order_id", "shipment_id"], stands))
    days = {"confirmed_on": local_days(parcels["confirmed_at"], parcels["marketplace"])}
    return fill(SHIPMENTS, len(parcels["order_id"]), parcels | days | asked.stamp(), keyed=True)
