"""Parser of the order report of seller-fulfilled orders: the days by which each must be shipped and delivered.

The report lists orders when they become ready to ship; it has both promised days and no confirmation. An order with
several promotions has continuation lines without an item, which are skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.amounts import read_line_amounts
from healthkit.ingest.parsing.cells import (
    ORDER_DETAILS,
    columns_by_name,
    merge_items,
    merge_rows,
    read_counts,
    read_instants,
    read_order_details,
    read_order_ids,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, newest_instant, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import Columns, FileContents

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
        "currency",
        "item-price",
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
    """buyer-email buyer-name buyer-phone-number item-tax shipping-price shipping-tax
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


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse an order report into the tables ORDERS and ITEMS."""
    is_item = pc.is_valid(table["order-item-id"])
    continuations = len(table) - (pc.sum(is_item).as_py() or 0)
    promises = {"ship_by": "latest-ship-date", "deliver_by": "latest-delivery-date"}
    contents = parse_unfulfilled_orders(table.filter_rows(is_item), context, promises, ("payments-date",))
    contents.skipped = {_CONTINUATION: continuations} if continuations else {}
    return contents


def parse_unfulfilled_orders(
    table: CsvTable, context: ReadContext, promises: Mapping[str, str], time_columns: Sequence[str]
) -> FileContents:
    """Parse a report of seller-fulfilled orders into the tables ORDERS and ITEMS.

    The report has one row per item. `promises` maps columns of ORDERS (`ship_by`, `deliver_by`) to columns of the
    report; of several promises of an order the latest counts. All rows are as new as the newest purchase, or the newest
    time in `time_columns`.
    """
    ids = read_order_ids(table, "order-id")
    refuse_numeric_ids(table, "order-item-id")
    marketplaces = resolve_marketplaces(table, ids, context)
    purchased = read_instants(table, "purchase-date")
    others = [read_instants(table, column, allow_empty=True) for column in time_columns]
    lines = pa.table(
        {
            "order_id": ids,
            "item": read_required_texts(table, "order-item-id"),
            "marketplace": marketplaces,
            "ordered_at": purchased,
            **{name: read_instants(table, column, allow_empty=True) for name, column in promises.items()},
            "sku": table["sku"],
            "product": table["product-name"],
            "units": read_counts(table, "quantity-purchased"),
            **read_line_amounts(table, marketplaces),
            **read_order_details(table),
        }
    )
    items = merge_rows(lines, ["marketplace", "order_id", "item"])
    # Of several promises the latest stands.
    aggregations = {"ordered_at": "min", **dict.fromkeys(promises, "max"), "units": "sum"}
    aggregations |= dict.fromkeys(ORDER_DETAILS, "first")
    orders: Columns = columns_by_name(merge_rows(items, ["marketplace", "order_id"], aggregations)) | {
        "channel": "seller"
    }
    updated_at = newest_instant(purchased, *others).as_py()
    tables = {"orders": orders, "items": merge_items(items)}
    return FileContents(tables, "ordered_on", updated_at=updated_at, keys_are_unique=True)
