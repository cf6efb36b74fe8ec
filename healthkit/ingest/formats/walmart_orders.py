"""Parser of orders of Walmart's Marketplace API saved as JSON: pages of orders, or single orders.

An order is a purchase order, and each of its lines is as far as its statuses say; a line may be shipped in part and
cancelled in part. Times are milliseconds since 1970. The time of a line's status stands for its delivery or
cancellation, and for its shipment where the tracking information has no ship time. No data of buyers is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from healthkit.ingest.formats.order_files import parse_records
from healthkit.ingest.formats.order_records import (
    NO_DAY_REASON,
    NOT_A_RESPONSE,
    Line,
    OrderRecords,
    find_objects,
    find_orders,
    read_epoch,
    read_id,
    read_text,
    read_word,
)
from healthkit.ingest.formats.performance_json import JsonObject
from healthkit.ingest.parsing.amounts import amount_text, read_json_money
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.order_layouts import OrderLayout, load_order_layouts
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError

KIND = DocumentKind(
    "walmart_orders_api", "orders of Walmart's Marketplace API (JSON)", "{[", ('"purchaseOrderId"', '"orderLines"')
)
LAYOUT = "walmart_orders"
UNKNOWN_REASON = "cancelled lines with a reason that does not say who cancelled"
_NOTHING = JsonObject({}, "")
_MARKETPLACES = {"USD": "WALMART_US", "CAD": "WALMART_CA"}
"""Marketplace by currency of the charges."""


def parse(content: bytes, context: ReadContext) -> FileContents:
    """Parse orders of Walmart's API into the tables ORDERS, ITEMS and SHIPMENTS."""
    layout, records, codes = load_order_layouts()[LAYOUT], OrderRecords(), set()
    found = find_orders(content, context, KIND, ("purchaseOrderId", "orderLines"))
    for block in found:
        codes |= set(_marketplaces(block))
        _read_order(records, block, layout)
    if not found:
        records.count_skipped(NOT_A_RESPONSE)
    contents = parse_records(records.rows(), LAYOUT, _with_marketplace(context, codes), _notes(records))
    contents.skipped |= records.skipped
    return contents


def _notes(records: OrderRecords) -> list[str]:
    """Return a note on the lines whose delivery or cancellation is dated by their status."""
    dated = [line for line in records.rows() if line.get("delivered-at") or line.get("cancelled-at")]
    if not dated:
        return []
    return [f"{len(dated):,} lines: the time of their status stands for the time of their delivery or cancellation."]


def canceller(reason: str | None) -> str | None:
    """Return who cancelled by Walmart's reason of a cancellation; None if it does not say.

    Source: Walmart's developer documentation, "Cancel one or more order lines", reason codes.

    >>> canceller("CUSTOMER_REQUESTED_SELLER_TO_CANCEL"), canceller("SELLER_CANCEL_OUT_OF_STOCK"), canceller("OTHER")
    ('buyer', 'seller', None)
    """
    words = (reason or "").upper().replace(" ", "_")
    if "CUSTOMER_REQUEST" in words or words.startswith("CUSTOMER_CANCEL"):
        return "buyer"
    return "seller" if words.startswith(("SELLER_CANCEL", "CANCEL_BY_SELLER", "SUPPLIER_CANCEL")) else None


def _with_marketplace(context: ReadContext, codes: set[str]) -> ReadContext:
    """Return the context with the marketplace that the currencies of a file state.

    Raises ReaderError if they state several, or another one than the caller.
    """
    if not codes:
        return context
    if len(codes) > 1:
        raise ReaderError(
            f"{context.name}: holds orders of {' and '.join(sorted(codes))}. Keep each marketplace in its own file."
        )
    [code] = codes
    if context.marketplace not in (None, code):
        raise ReaderError(
            f"{context.name}: you said marketplace {context.marketplace}, but the currency of the file is that of "
            f"{code}. Leave --marketplace out: the file says it by itself."
        )
    return replace(context, marketplace=code)


def _marketplaces(block: JsonObject) -> Iterator[str]:
    """Yield the marketplace of each currency in an order's charges."""
    for charge in find_objects(block.fields, block.location, ("currency", "amount")):
        code = _MARKETPLACES.get(read_text(charge, "currency") or "")
        if code:
            yield code


def _read_order(records: OrderRecords, block: JsonObject, layout: OrderLayout) -> None:
    """Read one order with its lines."""
    order, ordered_at = read_id(block, "purchaseOrderId", layout), read_epoch(block, "orderDate")
    if ordered_at is None:
        # Walmart's API was seen to state 0 and such for some orders.
        records.count_skipped(NO_DAY_REASON)
        return
    shipping = block.child_object("shippingInfo") or _NOTHING
    node = block.child_object("shipNode") or _NOTHING
    whole: dict[str, str | None] = {
        "order-id": order,
        "ordered-at": ordered_at,
        "channel": read_word(node, "type", "channel", layout),
        "ship-by": read_epoch(shipping, "estimatedShipDate"),
        "deliver-by": read_epoch(shipping, "estimatedDeliveryDate"),
        "ship-method": read_text(shipping, "methodCode"),
    }
    lines: list[Line] = [
        whole | part
        for line in _list_of(block, "orderLines", "orderLine")
        for part in _read_line(records, line, layout)
    ]
    updated = max(filter(None, (ordered_at, *(line.get("updated-at") for line in lines))))
    records.add_order(order, updated, [{**line, "updated-at": updated} for line in lines or [whole]])


def _list_of(block: JsonObject, outer: str, inner: str) -> Iterator[JsonObject]:
    """Yield the objects of a list that may stand under one more key, as in `orderLines: {orderLine: [...]}`."""
    value = block.fields.get(outer)
    if isinstance(value, dict) and inner in value:
        yield from JsonObject(value, block.path_of(outer)).iterate_objects(inner)
    else:
        yield from block.iterate_objects(outer)


def _read_line(records: OrderRecords, block: JsonObject, layout: OrderLayout) -> Iterator[dict[str, str | None]]:
    """Yield one row for each status of a line, with the units of that status."""
    item = block.child_object("item") or _NOTHING
    changed_at = read_epoch(block, "statusDate")
    named = {"sku": read_text(item, "sku"), "product": read_text(item, "productName"), "updated-at": changed_at}
    total = _amount(block, "orderLineQuantity")
    named |= _unit_price(block, total)
    statuses = list(_list_of(block, "orderLineStatuses", "orderLineStatus"))
    for one in statuses:
        status = read_word(one, "status", "status", layout)
        tracking = one.child_object("trackingInfo") or _NOTHING
        units = _amount(one, "statusQuantity") or (total if len(statuses) == 1 else None)
        row = named | {"status": status, "units": units}
        if status == "cancelled":
            reason = read_text(one, "cancellationReason")
            row |= {"cancelled-at": changed_at, "cancelled-by": canceller(reason)}
            if reason and row["cancelled-by"] is None:
                records.count_skipped(UNKNOWN_REASON)
        elif status in ("shipped", "delivered"):
            carrier = tracking.fields.get("carrierName")
            names = JsonObject(carrier, tracking.path_of("carrierName")) if isinstance(carrier, dict) else _NOTHING
            row |= {
                "shipped-at": read_epoch(tracking, "shipDateTime") or (changed_at if status == "shipped" else None),
                "delivered-at": changed_at if status == "delivered" else None,
                "tracking": read_text(tracking, "trackingNumber"),
                "carrier": read_text(names, "carrier") or read_text(names, "otherCarrier"),
            }
        yield row
    if not statuses:
        yield named | {"units": total}


def _unit_price(block: JsonObject, units: str | None) -> dict[str, str | None]:
    """Return the price of one unit of a line and its currency: its product charges by its units; else empty."""
    charges = [one for one in _list_of(block, "charges", "charge") if read_text(one, "chargeType") == "PRODUCT"]
    money = [read_json_money(one.fields.get("chargeAmount"), "amount", "currency") for one in charges]
    codes, amounts = {one["currency"] for one in money}, [one["amount"] for one in money]
    if not money or not units or int(units) < 1 or None in amounts or len(codes) != 1 or sum(amounts) % int(units):
        return {}
    return {"unit-price": amount_text(sum(amounts) // int(units)), "currency": codes.pop()}


def _amount(block: JsonObject, key: str) -> str | None:
    """Return a number of units as text; None if it is missing."""
    quantity = block.child_object(key)
    count = None if quantity is None else quantity.count("amount")
    return None if count is None else str(count)
