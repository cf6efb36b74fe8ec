"""Parser of orders of eBay's Fulfillment API saved as JSON: pages of getOrders, or single orders of getOrder.

Times are UTC. Only getOrder says who asked to cancel (`cancelRequests`); getOrders leaves that list empty. Neither says
when an order was shipped, nor its tracking number: the orders report (CSV) has both. No data of buyers is read.
"""

from __future__ import annotations

from healthkit.ingest.formats.order_files import parse_records
from healthkit.ingest.formats.order_records import (
    NO_DAY_REASON,
    NOT_A_RESPONSE,
    Line,
    OrderRecords,
    find_orders,
    read_id,
    read_stamp,
    read_text,
    read_word,
)
from healthkit.ingest.formats.performance_json import JsonObject
from healthkit.ingest.parsing.amounts import amount_text, read_json_money
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.order_layouts import OrderLayout, load_order_layouts
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import DocumentKind

KIND = DocumentKind(
    "ebay_orders_api", "orders of eBay's Fulfillment API (JSON)", "{[", ('"orderFulfillmentStatus"', '"lineItems"')
)
LAYOUT = "ebay_orders"
UNKNOWN_CANCELLER_NOTE = (
    "{count:,} cancelled orders do not say who cancelled: getOrders leaves that out. Save the answers of getOrder for "
    "these orders, and import them."
)
_NOTHING = JsonObject({}, "")
_INITIATORS = {"buyer": "buyer", "seller": "seller", "ebay": "amazon", "system": "amazon"}
_ASKED_BY_BUYER = ("buyer_asked_cancel", "buyer_cancel_order", "buyercancelorder")
"""Reasons of a seller who cancels since the buyer asked for it."""
_UNPAID = ("pending", "failed")


def parse(content: bytes, context: ReadContext) -> FileContents:
    """Parse orders of eBay's Fulfillment API into the tables ORDERS and ITEMS."""
    layout, records = load_order_layouts()[LAYOUT], OrderRecords()
    found = find_orders(content, context, KIND, ("orderId", "orderFulfillmentStatus"))
    for block in found:
        _read_order(records, block, layout)
    if not found:
        records.count_skipped(NOT_A_RESPONSE)
    rows = records.rows()
    unknown = {row["order-id"] for row in rows if row["status"] == "cancelled" and row["cancelled-by"] is None}
    notes = [UNKNOWN_CANCELLER_NOTE.format(count=len(unknown))] if unknown else []
    contents = parse_records(rows, LAYOUT, context, notes)
    contents.skipped |= records.skipped
    return contents


def _read_order(records: OrderRecords, block: JsonObject, layout: OrderLayout) -> None:
    """Read one order with its lines."""
    order, ordered_at = read_id(block, "orderId", layout), read_stamp(block, "creationDate")
    if ordered_at is None:
        records.count_skipped(NO_DAY_REASON)
        return
    instructions = list(block.iterate_objects("fulfillmentStartInstructions"))
    by_ebay = any(one.fields.get("ebaySupportedFulfillment") is True for one in instructions)
    cancelled = _read_cancellation(block.child_object("cancelStatus") or _NOTHING)
    payment = (read_text(block, "orderPaymentStatus") or "").lower()
    whole: dict[str, str | None] = {
        "order-id": order,
        "ordered-at": ordered_at,
        "channel": "amazon" if by_ebay else "seller",
        "updated-at": read_stamp(block, "lastModifiedDate") or ordered_at,
        "status": read_word(block, "orderFulfillmentStatus", "status", layout),
        "deliver-by": max(
            filter(None, (read_stamp(one, "maxEstimatedDeliveryDate") for one in instructions)), default=None
        ),
        "cancelled-by": None,
        **cancelled,
    }
    lines = [_read_line(one, whole, layout, bool(cancelled), payment) for one in block.iterate_objects("lineItems")]
    records.add_order(order, whole["updated-at"] or "", lines or [whole])


def _read_line(
    block: JsonObject, whole: dict[str, str | None], layout: OrderLayout, is_cancelled: bool, payment: str
) -> Line:
    """Return one line of an order; what it does not say is as the order says."""
    promised = block.child_object("lineItemFulfillmentInstructions") or _NOTHING
    status = whole["status"] if is_cancelled else read_word(block, "lineItemFulfillmentStatus", "status", layout)
    if payment in _UNPAID and status in (None, "unshipped"):
        status = "pending"
    units = block.count("quantity")
    cost = read_json_money(block.fields.get("lineItemCost"), "value", "currency")
    return whole | {
        "item-id": read_text(block, "lineItemId"),
        "amount": amount_text(cost["amount"]),
        "currency": cost["currency"],
        "sku": read_text(block, "sku"),
        "product": read_text(block, "title"),
        "units": None if units is None else str(units),
        "status": status or whole["status"],
        "ship-by": read_stamp(promised, "shipByDate"),
        "deliver-by": read_stamp(promised, "maxEstimatedDeliveryDate") or whole["deliver-by"],
    }


def _read_cancellation(block: JsonObject) -> dict[str, str | None]:
    """Return status, time and canceller of a cancelled order; empty if it is not cancelled."""
    if (read_text(block, "cancelState") or "").lower() not in ("canceled", "cancelled"):
        return {}
    requests = list(block.iterate_objects("cancelRequests"))
    times = [read_stamp(one, "cancelCompletedDate") for one in requests]
    cancellers = {_canceller(one) for one in requests} - {None}
    return {
        "status": "cancelled",
        "cancelled-at": read_stamp(block, "cancelledDate") or max(filter(None, times), default=None),
        "cancelled-by": next((one for one in ("seller", "amazon", "buyer") if one in cancellers), None),
    }


def _canceller(request: JsonObject) -> str | None:
    """Return who asked for a cancellation; a seller who cancels since the buyer asked is not at fault."""
    reason = (read_text(request, "cancelReason") or "").lower()
    if reason in _ASKED_BY_BUYER:
        return "buyer"
    return _INITIATORS.get((read_text(request, "cancelInitiator") or "").lower())
