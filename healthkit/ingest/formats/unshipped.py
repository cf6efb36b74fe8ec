"""The unshipped-orders file: what of a seller waits to be shipped, and by when each order was promised to be.

It is an early warning and no history: an order leaves it once it is shipped. How many days are left it counts itself;
the kit reads the promise and not those. The file is as new as the newest of its dates, so that an order of which
another file says later that it was shipped stays shipped.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    drop_other_shops,
    merge_rows,
    read_counts,
    read_flags,
    read_instants,
    read_order_ids,
    read_premium_flags,
    read_regions,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, local_days, newest_instant, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import ParsedFile, build_table, first_and_last_day
from healthkit.schema.tables import ITEMS, ORDERS

KIND = FileKind(
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
_NOTHING_TO_SHIP = "Nothing waits to be shipped."


def parse(table: CsvTable, context: ReadContext) -> ParsedFile:
    """Read the file into ORDERS and ITEMS."""
    rows = len(table)
    if not rows:
        table.notes.append(_NOTHING_TO_SHIP)
    table, skipped = drop_other_shops(table, "order-id")
    lines, stamp = _lines(table, context)
    orders = _orders(lines, context, stamp)
    tables = {"orders": orders, "items": _items(lines, context, stamp)}
    first_day, last_day = first_and_last_day(orders["ordered_on"])
    return ParsedFile(
        context.report,
        context.name,
        KIND.name,
        context.account,
        tables,
        rows,
        skipped,
        table.notes,
        first_day,
        last_day,
    )


def _lines(table: CsvTable, context: ReadContext) -> tuple[pa.Table, pa.Scalar]:
    """One row an item of an order, and how new the file is: as the newest of what happened in it."""
    ids = read_order_ids(table, "order-id")
    refuse_numeric_ids(table, "order-item-id")
    marketplaces, purchased = resolve_marketplaces(table, ids, context), read_instants(table, "purchase-date")
    others = [read_instants(table, column, allow_empty=True) for column in ("payments-date", "reporting-date")]
    lines = pa.table(
        {
            "order_id": ids,
            "item": read_required_texts(table, "order-item-id"),
            "marketplace": marketplaces,
            "ordered_at": purchased,
            "ship_by": read_instants(table, "promise-date", allow_empty=True),
            "sku": table["sku"],
            "product": table["product-name"],
            "units": read_counts(table, "quantity-purchased"),
            "is_business": read_flags(table, "is-business-order"),
            "is_premium": read_premium_flags(table),
            "ship_method": pc.coalesce(table["ship-service-level"], table["ship-service-name"]),
            "country": read_regions(table, "ship-country"),
            "state": read_regions(table, "ship-state"),
        }
    )
    keys = ["marketplace", "order_id", "item"]
    stands = {name: "first" for name in lines.column_names if name not in keys}
    return merge_rows(lines, keys, stands), newest_instant(purchased, *others)


def _orders(lines: pa.Table, context: ReadContext, updated_at: pa.Scalar) -> pa.Table:
    """One row an order; of several promises the latest stands."""
    stands = {"ordered_at": "min", "ship_by": "max", "units": "sum"}
    stands |= dict.fromkeys(("is_business", "is_premium", "ship_method", "country", "state"), "first")
    orders = columns_by_name(merge_rows(lines, ["marketplace", "order_id"], stands))
    names = {"ordered_at": "ordered_on", "ship_by": "ship_by_on"}
    days = {day: local_days(orders[name], orders["marketplace"]) for name, day in names.items()}
    said = {"channel": "seller", "status": "unshipped", "updated_at": updated_at.as_py()}
    return build_table(ORDERS, len(orders["order_id"]), orders | days | said | context.origin_columns())


def _items(lines: pa.Table, context: ReadContext, updated_at: pa.Scalar) -> pa.Table:
    """One row an order and SKU; a line without SKU names no item."""
    stands = {"product": "first", "units": "sum"}
    items = merge_rows(lines.filter(pc.is_valid(lines["sku"])), ["marketplace", "order_id", "sku"], stands)
    return build_table(
        ITEMS, len(items), columns_by_name(items) | {"updated_at": updated_at.as_py()} | context.origin_columns()
    )
