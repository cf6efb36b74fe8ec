"""The order report of seller-fulfilled orders: by when each must be shipped and delivered.

It lists orders as they become fulfillable; it knows the two promises and never a confirmation.
An order with several promotions spans continuation lines that carry no item; they are left out.
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
    opt_in_columns=("latest-ship-date", "latest-delivery-date"),
    opt_in_hint="Amazon leaves columns out until they are switched on: Seller Central, Orders > Order Reports > Add or "
    "remove order report columns: tick {columns}, then download it again (it holds them from that day on).",
    other_report_columns=("bill-address-1", "payment-method-details"),
    other_report_hint="This is the order report for invoicing, which never has the ship-by and deliver-by days. "
    "Download the order report of new orders (report type GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING).",
)
_CONTINUATION = "continuation lines without an order-item-id repeat an order"


def parse(table: CsvTable, context: ReadContext) -> ParsedFile:
    """Read the file into ORDERS and ITEMS."""
    rows = len(table)
    is_item = pc.is_valid(table["order-item-id"])
    skipped = {_CONTINUATION: rows - pc.sum(is_item).as_py()} if not pc.all(is_item, min_count=0).as_py() else {}
    table, others = drop_other_shops(table.filter_rows(is_item), "order-id")
    lines, stamp = _lines(table, context)
    orders = _orders(lines, context, stamp)
    tables = {"orders": orders, "items": _items(lines, context, stamp)}
    first_day, last_day = first_and_last_day(orders["ordered_on"])
    skipped |= others
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
    """One row an item of an order, and how new the file is: as its newest purchase or payment."""
    ids = read_order_ids(table, "order-id")
    refuse_numeric_ids(table, "order-item-id")
    marketplaces = resolve_marketplaces(table, ids, context)
    purchased = read_instants(table, "purchase-date")
    lines = pa.table(
        {
            "order_id": ids,
            "item": read_required_texts(table, "order-item-id"),
            "marketplace": marketplaces,
            "ordered_at": purchased,
            "ordered_on": local_days(purchased, marketplaces),
            "ship_by": read_instants(table, "latest-ship-date", allow_empty=True),
            "deliver_by": read_instants(table, "latest-delivery-date", allow_empty=True),
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
    return _one_row_per_item(lines), newest_instant(purchased, read_instants(table, "payments-date", allow_empty=True))


def _one_row_per_item(lines: pa.Table) -> pa.Table:
    """The first line of each item of an order."""
    keys = ["marketplace", "order_id", "item"]
    return merge_rows(lines, keys, {name: "first" for name in lines.column_names if name not in keys})


def _orders(lines: pa.Table, context: ReadContext, updated_at: pa.Scalar) -> pa.Table:
    """One row an order; of several promises the latest stands."""
    stands = {"ordered_at": "min", "ordered_on": "min", "ship_by": "max", "deliver_by": "max", "units": "sum"}
    stands |= dict.fromkeys(("is_business", "is_premium", "ship_method", "country", "state"), "first")
    orders = columns_by_name(merge_rows(lines, ["marketplace", "order_id"], stands))
    days = {f"{name}_on": local_days(orders[name], orders["marketplace"]) for name in ("ship_by", "deliver_by")}
    known = {"channel": "seller", "updated_at": updated_at.as_py()}
    return build_table(
        ORDERS, len(orders["order_id"]), orders | days | known | context.origin_columns(), keys_are_unique=True
    )


def _items(lines: pa.Table, context: ReadContext, updated_at: pa.Scalar) -> pa.Table:
    """One row an order and SKU; a line without SKU names no item."""
    stands = {"product": "first", "units": "sum"}
    items = merge_rows(lines.filter(pc.is_valid(lines["sku"])), ["marketplace", "order_id", "sku"], stands)
    return build_table(
        ITEMS,
        len(items),
        columns_by_name(items) | {"updated_at": updated_at.as_py()} | context.origin_columns(),
        keys_are_unique=True,
    )
