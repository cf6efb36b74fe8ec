"""The order report of seller-fulfilled orders: by when each must be shipped and delivered.

It lists orders as they become fulfillable; it knows the two promises and never a confirmation.
An order with several promotions spans continuation lines that carry no item; they are left out.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_of,
    counts,
    flags,
    instants,
    one_per,
    order_ids,
    premium,
    refuse_numbers,
    regions,
    texts,
    without_other_shops,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import Asked, local_days, newest, places
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import ITEMS, ORDERS

KIND = Kind(
    "order_report",
    "order report",
    (
        "order-id",
        "order-item-id",
        "purchase-date",
        "sku",
        "quantity-purchased",
        "latest-ship-date",
        "latest-delivery-date",
    ),
    (
        "sales-channel",
        "payments-date",
        "product-name",
        "is-business-order",
        "is-premium-order",
        "is-prime",
        "ship-service-level",
        "ship-service-name",
        "ship-country",
        "ship-state",
    ),
    """buyer-email buyer-name buyer-phone-number currency item-price item-tax shipping-price shipping-tax
    recipient-name ship-address-1 ship-address-2 ship-address-3 address-type
    ship-city ship-postal-code ship-phone-number item-promotion-discount
    item-promotion-id ship-promotion-discount ship-promotion-id delivery-start-date delivery-end-date
    delivery-time-zone delivery-instructions earliest-ship-date earliest-delivery-date purchase-order-number
    price-designation buyer-company-name signature-confirmation-recommended tax-collection-model
    tax-collection-responsible-party is-replacement-order is-exchange-order original-order-id
    default-ship-from-name is-ispu-order ioss-number is-shipping-settings-automation-enabled ssa-carrier
    ssa-ship-method handling-time effective-handling-time reporting-date promise-date""",
    off_by_default=("latest-ship-date", "latest-delivery-date"),
    switch_on="Amazon leaves columns out until they are switched on: Seller Central, Orders > Order Reports > Add or "
    "remove order report columns: tick {columns}, then download it again (it holds them from that day on).",
    never_with=("bill-address-1", "payment-method-details"),
    instead="This is the order report for invoicing, which never has the ship-by and deliver-by days. Download the "
    "order report of new orders (report type GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING).",
)
_CONTINUATION = "continuation lines without an order-item-id repeat an order"


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into ORDERS and ITEMS."""
    rows = len(grid)
    is_item = pc.is_valid(grid["order-item-id"])
    skipped = {_CONTINUATION: rows - pc.sum(is_item).as_py()} if not pc.all(is_item, min_count=0).as_py() else {}
    grid, others = without_other_shops(grid.keep(is_item), "order-id")
    lines, stamp = _lines(grid, asked)
    orders = _orders(lines, asked, stamp)
    tables = {"orders": orders, "items": _items(lines, asked, stamp)}
    first_day, last_day = span(orders["ordered_on"])
    skipped |= others
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> tuple[pa.Table, pa.Scalar]:
    """One row an item of an order, and how new the file is: as its newest purchase or payment."""
    ids = order_ids(grid, "order-id")
    refuse_numbers(grid, "order-item-id")
    marketplaces = places(grid, ids, asked)
    purchased = instants(grid, "purchase-date")
    lines = pa.table(
        {
            "order_id": ids,
            "item": texts(grid, "order-item-id"),
            "marketplace": marketplaces,
            "ordered_at": purchased,
            "ordered_on": local_days(purchased, marketplaces),
            "ship_by": instants(grid, "latest-ship-date", empty=True),
            "deliver_by": instants(grid, "latest-delivery-date", empty=True),
            "sku": grid["sku"],
            "product": grid["product-name"],
            "units": counts(grid, "quantity-purchased"),
            "is_business": flags(grid, "is-business-order"),
            "is_premium": premium(grid),
            "ship_method": pc.coalesce(grid["ship-service-level"], grid["ship-service-name"]),
            "country": regions(grid, "ship-country"),
            "state": regions(grid, "ship-state"),
        }
    )
    return _one_an_item(lines), newest(purchased, instants(grid, "payments-date", empty=True))


def _one_an_item(lines: pa.Table) -> pa.Table:
    """The first line of each item of an order."""
    keys = ["marketplace", "order_id", "item"]
    return one_per(lines, keys, {name: "first" for name in lines.column_names if name not in keys})


def _orders(lines: pa.Table, asked: Asked, stamp: pa.Scalar) -> pa.Table:
    """One row an order; of several promises the latest stands."""
    stands = {"ordered_at": "min", "ordered_on": "min", "ship_by": "max", "deliver_by": "max", "units": "sum"}
    stands |= dict.fromkeys(("is_business", "is_premium", "ship_method", "country", "state"), "first")
    orders = columns_of(one_per(lines, ["marketplace", "order_id"], stands))
    days = {f"{name}_on": local_days(orders[name], orders["marketplace"]) for name in ("ship_by", "deliver_by")}
    known = {"channel": "seller", "updated_at": stamp.as_py()}
    return fill(ORDERS, len(orders["order_id"]), orders | days | known | asked.stamp(), keyed=True)


def _items(lines: pa.Table, asked: Asked, stamp: pa.Scalar) -> pa.Table:
    """One row an order and SKU; a line without SKU names no item."""
    stands = {"product": "first", "units": "sum"}
    items = one_per(lines.filter(pc.is_valid(lines["sku"])), ["marketplace", "order_id", "sku"], stands)
    return fill(ITEMS, len(items), columns_of(items) | {"updated_at": stamp.as_py()} | asked.stamp(), keyed=True)
