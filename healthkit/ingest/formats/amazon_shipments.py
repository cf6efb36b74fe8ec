"""The file of what Amazon shipped for a seller: one row an item of a parcel, with the day on which it left.

It holds no promise: an order that Amazon ships is late by nobody's promise but Amazon's own. Rows may stand twice,
and the newest days may be incomplete.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    INSTANT,
    columns_by_name,
    drop_other_shops,
    merge_rows,
    read_counts,
    read_instants,
    read_order_ids,
    read_regions,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, local_days, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import ParsedFile, build_table, first_and_last_day
from healthkit.schema.tables import ITEMS, ORDERS, SHIPMENTS

KIND = FileKind(
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


def parse(table: CsvTable, context: ReadContext) -> ParsedFile:
    """Read the file into ORDERS, ITEMS and SHIPMENTS."""
    rows = len(table)
    table, skipped = drop_other_shops(table, "amazon-order-id")
    lines = _keep_newest_lines(_lines(table, context))
    orders = _orders(lines, context)
    tables = {"orders": orders, "items": _items(lines, context), "shipments": _shipments(lines, context)}
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


def _lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """The file's rows with their cells read; a row is as new as the newest of its own dates."""
    ids = read_order_ids(table, "amazon-order-id")
    for column in ("shipment-id", "shipment-item-id"):
        refuse_numeric_ids(table, column)
    purchased, shipped = read_instants(table, "purchase-date"), read_instants(table, "shipment-date")
    others = [read_instants(table, column, allow_empty=True) for column in ("payments-date", "reporting-date")]
    return pa.table(
        {
            "marketplace": resolve_marketplaces(table, ids, context),
            "order_id": ids,
            "shipment_id": read_required_texts(table, "shipment-id"),
            "item": read_required_texts(table, "shipment-item-id"),
            "sku": table["sku"],
            "product": table["product-name"],
            "units": read_counts(table, "quantity-shipped"),
            "ordered_at": purchased,
            "confirmed_at": shipped,
            "carrier": table["carrier"],
            "tracking": _has_tracking(table),
            "ship_method": table["ship-service-level"],
            "country": read_regions(table, "ship-country"),
            "state": read_regions(table, "ship-state"),
            "updated_at": _latest_time(purchased, shipped, *others),
        }
    )


def _latest_time(*times: pa.Array) -> pa.Array:
    """The latest of the times of each row; Arrow compares instants as numbers only."""
    return pc.max_element_wise(*(column.cast(pa.int64()) for column in times)).cast(INSTANT)


def _has_tracking(table: CsvTable) -> pa.Array:
    """Whether a parcel has a tracking number; the number itself is not kept."""
    return (
        pc.is_valid(table["tracking-number"])
        if table.has_column("tracking-number")
        else pa.nulls(len(table), pa.bool_())
    )


def _keep_newest_lines(lines: pa.Table) -> pa.Table:
    """An item of a parcel once, as it was said last: Amazon repeats some."""
    keys = ["marketplace", "order_id", "shipment_id", "item"]
    said = {name: "first" for name in lines.column_names if name not in keys}
    return merge_rows(lines, keys, said, newest_first="updated_at")


def _orders(lines: pa.Table, context: ReadContext) -> pa.Table:
    """One row an order: shipped with its first parcel."""
    stands = {"ordered_at": "min", "confirmed_at": "min", "tracking": "min", "units": "sum", "updated_at": "max"}
    stands |= dict.fromkeys(("ship_method", "country", "state"), "first")
    orders = columns_by_name(merge_rows(lines, ["marketplace", "order_id"], stands))
    orders["shipped_at"] = orders.pop("confirmed_at")
    names = {"ordered_at": "ordered_on", "shipped_at": "shipped_on"}
    days = {day: local_days(orders[name], orders["marketplace"]) for name, day in names.items()}
    said = {"channel": "amazon", "status": "shipped"}
    return build_table(
        ORDERS, len(orders["order_id"]), orders | days | said | context.origin_columns(), keys_are_unique=True
    )


def _items(lines: pa.Table, context: ReadContext) -> pa.Table:
    """One row an order and SKU; a line without SKU names no item."""
    stands = {"product": "first", "units": "sum", "updated_at": "max"}
    items = merge_rows(lines.filter(pc.is_valid(lines["sku"])), ["marketplace", "order_id", "sku"], stands)
    return build_table(ITEMS, len(items), columns_by_name(items) | context.origin_columns(), keys_are_unique=True)


def _shipments(lines: pa.Table, context: ReadContext) -> pa.Table:
    """One row a parcel of an order; its lines are its contents."""
    stands = {"confirmed_at": "min", "units": "sum", "carrier": "first", "tracking": "max"}
    stands |= {"ship_method": "first", "updated_at": "max"}
    parcels = columns_by_name(merge_rows(lines, ["marketplace", "order_id", "shipment_id"], stands))
    days = {"confirmed_on": local_days(parcels["confirmed_at"], parcels["marketplace"])}
    return build_table(
        SHIPMENTS, len(parcels["order_id"]), parcels | days | context.origin_columns(), keys_are_unique=True
    )
