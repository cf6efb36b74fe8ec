"""Parser of the report of Amazon-fulfilled shipments: one row an item of a parcel, with the day of shipment.

The report has no promised days, for Amazon answers for late shipments of its own. It may repeat rows, and its newest
days may be incomplete.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.amounts import read_line_amounts
from healthkit.ingest.parsing.cells import (
    INSTANT,
    ORDER_DETAILS,
    columns_by_name,
    merge_items,
    merge_rows,
    read_counts,
    read_instants,
    read_order_details,
    read_order_ids,
    read_presence,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import Columns, FileContents

KIND = FileKind(
    "amazon_shipments",
    "Amazon-fulfilled shipments file",
    ("amazon-order-id", "shipment-id", "shipment-item-id", "purchase-date", "shipment-date", "sku", "quantity-shipped"),
    (
        "payments-date",
        "reporting-date",
        "sales-channel",
        "currency",
        "item-price",
        "product-name",
        "ship-service-level",
        "ship-country",
        "ship-state",
        "carrier",
        "tracking-number",
    ),
    """merchant-order-id amazon-order-item-id merchant-order-item-id buyer-email buyer-name buyer-phone-number
    item-tax shipping-price shipping-tax gift-wrap-price gift-wrap-tax recipient-name
    ship-address-1 ship-address-2 ship-address-3 ship-city ship-postal-code ship-phone-number bill-address-1
    bill-address-2 bill-address-3 bill-city bill-state bill-postal-code bill-country item-promotion-discount
    ship-promotion-discount estimated-arrival-date fulfillment-center-id fulfillment-channel points-granted""",
)


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a report of Amazon-fulfilled shipments into the tables ORDERS, ITEMS and SHIPMENTS."""
    keys = ["marketplace", "order_id", "shipment_id", "item"]
    # Amazon repeats some items of a parcel: the newest line of each stands.
    lines = merge_rows(_read_lines(table, context), keys, newest_first="updated_at")
    tables = {"orders": _merge_orders(lines), "items": merge_items(lines), "shipments": _merge_parcels(lines)}
    return FileContents(tables, "ordered_on", keys_are_unique=True)


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the report with typed columns; a row is as new as the newest of its times."""
    ids = read_order_ids(table, "amazon-order-id")
    marketplaces = resolve_marketplaces(table, ids, context)
    for column in ("shipment-id", "shipment-item-id"):
        refuse_numeric_ids(table, column)
    purchased, shipped = read_instants(table, "purchase-date"), read_instants(table, "shipment-date")
    others = [read_instants(table, column, allow_empty=True) for column in ("payments-date", "reporting-date")]
    return pa.table(
        {
            "marketplace": marketplaces,
            "order_id": ids,
            "shipment_id": read_required_texts(table, "shipment-id"),
            "item": read_required_texts(table, "shipment-item-id"),
            "sku": table["sku"],
            "product": table["product-name"],
            "units": read_counts(table, "quantity-shipped"),
            **read_line_amounts(table, marketplaces),
            "ordered_at": purchased,
            "confirmed_at": shipped,
            "carrier": table["carrier"],
            "tracking": read_presence(table, "tracking-number"),
            **read_order_details(table),
            "updated_at": _latest_time(purchased, shipped, *others),
        }
    )


def _latest_time(*times: pa.Array) -> pa.Array:
    """Return the latest of the times of each row; Arrow compares instants only as numbers."""
    return pc.max_element_wise(*(column.cast(pa.int64()) for column in times)).cast(INSTANT)


def _merge_orders(lines: pa.Table) -> Columns:
    """Merge rows to the columns of ORDERS; an order is shipped with its first parcel."""
    aggregations = {"ordered_at": "min", "confirmed_at": "min", "tracking": "min", "units": "sum", "updated_at": "max"}
    aggregations |= dict.fromkeys(ORDER_DETAILS, "first")
    orders = columns_by_name(merge_rows(lines, ["marketplace", "order_id"], aggregations))
    return orders | {"shipped_at": orders["confirmed_at"], "channel": "amazon", "status": "shipped"}


def _merge_parcels(lines: pa.Table) -> dict[str, pa.Array]:
    """Merge rows to the columns of SHIPMENTS, one row a parcel of an order."""
    aggregations = {"confirmed_at": "min", "units": "sum", "carrier": "first", "tracking": "max"}
    aggregations |= {"ship_method": "first", "updated_at": "max"}
    return columns_by_name(merge_rows(lines, ["marketplace", "order_id", "shipment_id"], aggregations))
