"""The unshipped-orders file: what of a seller waits to be shipped, and by when each order was promised to be.

It is an early warning and no history: an order leaves it once it is shipped. How many days are left it counts itself;
the kit reads the promise and not those. The file is as new as the newest of its dates, so that an order of which
another file says later that it was shipped stays shipped.
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
    "unshipped",
    "unshipped-orders file",
    ("order-id", "order-item-id", "purchase-date", "promise-date", "sku", "quantity-purchased"),
    (
        "payments-date",
        "reporting-date",
        "sales-channel",
        "product-name",
        "is-business-order",
        "is-premium-order",
        "is-prime",
        "ship-service-level",
        "ship-service-name",
        "ship-country",
        "ship-state",
    ),
    """days-past-promise buyer-email buyer-name buyer-phone-number cpf number-of-items quantity-shipped
    quantity-to-ship recipient-name ship-address-1 ship-address-2 ship-address-3 address-type ship-city
    ship-postal-code purchase-order-number price-designation customized-url customized-page
    is-buyer-requested-cancellation buyer-requested-cancel-reason verge-of-cancellation verge-of-lateshipment
    signature-confirmation-recommended buyer-identification-number buyer-identification-type payment-method
    cod-collectible-amount already-paid payment-method-fee scheduled-delivery-start-date scheduled-delivery-end-date
    points-granted""",
)
_NOTHING_WAITS = "Nothing waits to be shipped."


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into ORDERS and ITEMS."""
    rows = len(grid)
    if not rows:
        grid.notes.append(_NOTHING_WAITS)
    grid, skipped = without_other_shops(grid, "order-id")
    lines, stamp = _lines(grid, asked)
    orders = _orders(lines, asked, stamp)
    tables = {"orders": orders, "items": _items(lines, asked, stamp)}
    first_day, last_day = span(orders["ordered_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> tuple[pa.Table, pa.Scalar]:
    """One row an item of an order, and how new the file is: as the newest of what happened in it."""
    ids = order_ids(grid, "order-id")
    refuse_numbers(grid, "order-item-id")
    marketplaces, purchased = places(grid, ids, asked), instants(grid, "purchase-date")
    others = [instants(grid, column, empty=True) for column in ("payments-date", "reporting-date")]
    lines = pa.table(
        {
            "order_id": ids,
            "item": texts(grid, "order-item-id"),
            "marketplace": marketplaces,
            "ordered_at": purchased,
            "ship_by": instants(grid, "promise-date", empty=True),
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
    keys = ["marketplace", "order_id", "item"]
    stands = {name: "first" for name in lines.column_names if name not in keys}
    return one_per(lines, keys, stands), newest(purchased, *others)


def _orders(lines: pa.Table, asked: Asked, stamp: pa.Scalar) -> pa.Table:
    """One row an order; of several promises the latest stands."""
    stands = {"ordered_at": "min", "ship_by": "max", "units": "sum"}
    stands |= dict.fromkeys(("is_business", "is_premium", "ship_method", "country", "state"), "first")
    orders = columns_of(one_per(lines, ["marketplace", "order_id"], stands))
    names = {"ordered_at": "ordered_on", "ship_by": "ship_by_on"}
    days = {day: local_days(orders[name], orders["marketplace"]) for name, day in names.items()}
    said = {"channel": "seller", "status": "unshipped", "updated_at": stamp.as_py()}
    return fill(ORDERS, len(orders["order_id"]), orders | days | said | asked.stamp())


def _items(lines: pa.Table, asked: Asked, stamp: pa.Scalar) -> pa.Table:
    """One row an order and SKU; a line without SKU names no item."""
    stands = {"product": "first", "units": "sum"}
    items = one_per(lines.filter(pc.is_valid(lines["sku"])), ["marketplace", "order_id", "sku"], stands)
    return fill(ITEMS, len(items), columns_of(items) | {"updated_at": stamp.as_py()} | asked.stamp())
