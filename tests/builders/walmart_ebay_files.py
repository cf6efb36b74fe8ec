"""Small files of Walmart and eBay: order files, responses of their APIs, reports of defects, seller standards."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import xlsxwriter

from tests.builders.raw_files import MARK, Tiny, tiny

PO_1, PO_2, PO_3 = "108900000000001", "108900000000002", "108900000000003"
EBAY_1, EBAY_2, EBAY_3 = "12-10001-10001", "12-10002-10002", "12-10003-10003"

# ruff: noqa: E501 - tables of cells are wider than lines of code

WALMART = tiny(
    "walmart_orders",
    "Walmart PO data",
    f"""
    PO# | Order# | Order Date | Ship By | Delivery Date | Customer Name | Customer Shipping Address | Customer Phone Number | Ship to Address 1 | Ship to Address 2 | City | State | Zip | FLIDS | Line# | UPC | Status | Item Description | Shipping Method | Qty | SKU | Item Cost | Carrier | Tracking Number | Tracking Url | Fulfillment Entity
    {PO_1} | 200000000000001 | 2026-10-01 | 2026-10-03 | 2026-10-06 | X | X | X | X | X | X | X | X | 1 | 1 | 7 | Delivered | Desk lamp | Standard | 2 | SKU-1 | 9.99 | USPS | 9400100000000000000001 | X | Seller Fulfilled
    {PO_1} | 200000000000001 | 2026-10-01 | 2026-10-03 | 2026-10-06 | X | X | X | X | X | X | X | X | 1 | 2 | 7 | Cancelled | Shade     | Standard | 1 | SKU-2 | 9.99 |      |                        | X | Seller Fulfilled
    {PO_2} | 200000000000002 | 2026-10-02 | 2026-10-05 | 2026-10-08 | X | X | X | X | X | X | X | X | 1 | 1 | 7 | Cancelled | Shade     | Standard | 1 | SKU-2 | 9.99 |      |                        | X | Seller Fulfilled
    {PO_3} | 200000000000003 | 2026-10-03 | 2026-10-06 | 2026-10-09 | X | X | X | X | X | X | X | X | 1 | 1 | 7 | Acknowledged | Desk lamp | Standard | 1 | SKU-1 | 9.99 |   |                        | X | WFS Fulfilled
    """,
    delimiter=",",
    id_column="PO#",
    date_column="Ship By",
    needed="Status",
    impossible_date="2026-02-30",
    name="PO_Data.csv",
    personal=(
        "Customer Name", "Customer Shipping Address", "Customer Phone Number", "Ship to Address 1",
        "Ship to Address 2", "City", "State", "Zip", "Tracking Url",
    ),
)  # fmt: skip
EBAY = tiny(
    "ebay_orders",
    "eBay orders report",
    f"""
    Sales Record Number | Order Number | Buyer Username | Buyer Name | Buyer Email | Buyer Note | Buyer Address 1 | Buyer City | Buyer State | Buyer Zip | Buyer Country | Ship To Name | Ship To Phone | Ship To Address 1 | Ship To City | Ship To State | Ship To Zip | Ship To Country | Item Number | Item Title | Custom Label | Quantity | Sale Date | Paid On Date | Ship By Date | Minimum Estimated Delivery Date | Maximum Estimated Delivery Date | Shipped On Date | Feedback Left | Feedback Received | My Item Note | Shipping Service | Tracking Number | Transaction ID
    1001 | {EBAY_1} | X | X | X | X | X | X | X | X | X | X | X | X | X | X | X | X | 77 | Desk lamp | SKU-1 | 1 | Oct-01-26 | Oct-01-26 | Oct-03-26 | Oct-05-26 | Oct-08-26 | Oct-02-26 | Yes | Positive | X | USPS Ground | 9400 | 900001
    1002 | {EBAY_2} | X | X | X | X | X | X | X | X | X | X | X | X | X | X | X | X | 78 | Shade     | SKU-2 | 2 | Oct-02-26 | Oct-02-26 | Oct-05-26 | Oct-06-26 | Oct-09-26 | Oct-07-26 | No  |          | X | USPS Ground |      | 900002
    1003 | {EBAY_3} | X | X | X | X | X | X | X | X | X | X | X | X | X | X | X | X | 77 | Desk lamp | SKU-1 | 1 | Oct-03-26 | Oct-03-26 | Oct-06-26 | Oct-07-26 | Oct-10-26 |           | No  |          | X | USPS Ground |      | 900003
    """,
    delimiter=",",
    id_column="Order Number",
    date_column="Ship By Date",
    needed="Sales Record Number",
    impossible_date="Feb-30-26",
    name="OrdersReport.csv",
    personal=(
        "Buyer Username", "Buyer Name", "Buyer Email", "Buyer Note", "Buyer Address 1", "Buyer City", "Buyer State",
        "Buyer Zip", "Buyer Country", "Ship To Name", "Ship To Phone", "Ship To Address 1", "Ship To City",
        "Ship To State", "Ship To Zip", "Ship To Country", "My Item Note",
    ),
)  # fmt: skip
DEFECTS = tiny(
    "walmart_defects",
    "Walmart report of delivery defects or cancellations",
    f"""
    orderPlacedDt | actualDeliveryDate | cancelDate | destinationState | estimatedDeliveryDate | salesOrder | returnDate | trackingNum | carrier | catlgItemId | returnReason | offerId | poNum | legacySlrId | defectType | cancelReason
    2026-10-01 | 2026-10-09 |            | X | 2026-10-06 | 2001 | | X | USPS | 1 | | O1 | {PO_1} | 1 | OTD    |
    2026-10-01 | 2026-10-08 |            | X | 2026-10-06 | 2001 | | X | USPS | 2 | | O2 | {PO_1} | 1 | OTD    |
    2026-10-02 |            |            | X | 2026-10-08 | 2002 | | X | USPS | 1 | | O1 | {PO_2} | 1 | OTD    |
    2026-10-03 |            | 2026-10-04 | X | 2026-10-09 | 2003 | |   |      | 1 | | O1 | {PO_3} | 1 | Cancel | SELLER_CANCEL_OUT_OF_STOCK
    """,
    delimiter=",",
    id_column="poNum",
    date_column="actualDeliveryDate",
    needed="defectType",
    impossible_date="2026-02-30",
    name="delivery_defects.csv",
    personal=("destinationState", "trackingNum"),
)

EBAY_DE = {
    "Sales Record Number": "Verkaufsprotokollnummer", "Order Number": "Bestellnummer", "Sale Date": "Verkauft am",
    "Ship By Date": "Versenden bis", "Shipped On Date": "Versendet am",
    "Maximum Estimated Delivery Date": "Spätestes voraussichtliches Lieferdatum", "Quantity": "Anzahl",
    "Custom Label": "Bestandseinheit", "Item Title": "Angebotstitel", "Transaction ID": "Transaktionsnummer",
    "Tracking Number": "Sendungsnummer", "Shipping Service": "Versandservice", "Buyer Name": "Name des Käufers",
}  # fmt: skip
EBAY_UK = {
    "Sales Record Number": "Sales record number", "Order Number": "Order number", "Sale Date": "Sale date",
    "Ship By Date": "Post by date", "Shipped On Date": "Dispatched on date", "Custom Label": "Custom label",
    "Shipping Service": "Delivery service", "Ship To Name": "Post to name", "Tracking Number": "Tracking number",
}  # fmt: skip
_GERMAN_MONTHS = {"Oct": "Okt", "Mar": "Mär", "Dec": "Dez", "May": "Mai"}


def renamed(file: Tiny, names: dict[str, str], delimiter: str = ",", day_first: str = "") -> Tiny:
    """A file with other column names; with `day_first` days are written `01-Oct-26`, or `de` with German months."""
    rows = file.rows
    if day_first:
        rows = tuple(tuple(_day_first(cell, day_first) for cell in row) for row in rows)
    return replace(file, header=tuple(names.get(one, one) for one in file.header), rows=rows, delimiter=delimiter)


def _day_first(cell: str, form: str) -> str:
    parts = cell.split("-")
    if len(parts) != 3 or not parts[0].isalpha():
        return cell
    month, day, year = parts
    return f"{day}-{_GERMAN_MONTHS.get(month, month) if form == 'de' else month}-{year}"


def ebay_download(file: Tiny = EBAY, ends_with_line_feed: bool = False) -> str:
    """The file as eBay writes it: empty lines around the rows, and two lines below them."""
    empty = file.delimiter * (len(file.header) - 1)
    quoted = [file.delimiter.join(f'"{cell}"' for cell in row) for row in (file.header, *file.rows)]
    lines = [empty, quoted[0], empty, *quoted[1:], ""]
    lines += [f'"{len(file.rows)}"{file.delimiter}"record(s) downloaded"{file.delimiter}"from Oct-01-26 to Oct-31-26"']
    return "\n".join([*lines, f"Seller ID : {MARK}"]) + "\n" * ends_with_line_feed


def workbook(file: Tiny, sheet: str = "Po Details") -> bytes:
    """A file as a workbook, with a sheet of notes before that of the rows; ids and counts are numbers."""
    out = BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.add_worksheet("Notes").write(0, 0, "Only the next sheet has orders")
    rows = book.add_worksheet(sheet)
    for number, cells in enumerate((file.header, *file.rows)):
        for column, cell in enumerate(cells):
            is_number = cell.isdigit() and len(cell) < 16
            rows.write(number, column, int(cell) if is_number else cell)
    book.close()
    return out.getvalue()


def milliseconds(day: int, hour: int = 18) -> int:
    """A time of October 2026 as Walmart's API writes it."""
    return 1_790_812_800_000 + ((day - 1) * 24 + hour) * 3_600_000


def walmart_line(
    number: str, *statuses: dict[str, Any], sku: str = "SKU-1", units: int = 1, day: int = 2
) -> dict[str, Any]:
    return {
        "lineNumber": number,
        "item": {"productName": "Desk lamp", "sku": sku},
        "charges": {"charge": [{"chargeType": "PRODUCT", "chargeAmount": {"currency": "USD", "amount": 9.99}}]},
        "orderLineQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
        "statusDate": milliseconds(day),
        "orderLineStatuses": {"orderLineStatus": list(statuses)},
    }


def walmart_status(word: str, units: int = 1, shipped_on: int = 0, reason: str | None = None) -> dict[str, Any]:
    tracking = {
        "shipDateTime": milliseconds(shipped_on), "carrierName": {"otherCarrier": None, "carrier": "USPS"},
        "methodCode": "Standard", "trackingNumber": "9400100000000000000001", "trackingURL": MARK,
    }  # fmt: skip
    return {
        "status": word,
        "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
        "cancellationReason": reason,
        "trackingInfo": tracking if shipped_on else None,
        "returnCenterAddress": None,
    }


def walmart_order(order: str = PO_1, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "purchaseOrderId": order,
        "customerOrderId": "200000000000001",
        "customerEmailId": MARK,
        "orderDate": milliseconds(1),
        "shippingInfo": {
            "phone": MARK, "estimatedDeliveryDate": milliseconds(6), "estimatedShipDate": milliseconds(3),
            "methodCode": "Standard", "postalAddress": {"name": MARK, "address1": MARK, "city": MARK, "country": "USA"},
        },
        "orderLines": {"orderLine": list(lines) or [walmart_line("1", walmart_status("Shipped", shipped_on=2))]},
        "shipNode": {"type": "SellerFulfilled"},
        **fields,
    }  # fmt: skip


def walmart_response(*orders: dict[str, Any]) -> str:
    body = {"list": {"meta": {"totalCount": len(orders), "limit": 100}, "elements": {"order": list(orders)}}}
    return json.dumps(body, indent=1)


def ebay_line(number: str = "10066", **fields: Any) -> dict[str, Any]:
    return {
        "lineItemId": number, "legacyItemId": "355", "sku": "SKU-1", "title": "Desk lamp", "quantity": 1,
        "lineItemFulfillmentStatus": "FULFILLED",
        "lineItemFulfillmentInstructions": {
            "maxEstimatedDeliveryDate": "2026-10-08T07:00:00.000Z", "shipByDate": "2026-10-04T06:59:59.000Z",
        },
        **fields,
    }  # fmt: skip


def ebay_order(order: str = EBAY_1, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "orderId": order,
        "creationDate": "2026-10-01T12:00:00.000Z",
        "lastModifiedDate": "2026-10-09T12:00:00.000Z",
        "orderFulfillmentStatus": "FULFILLED",
        "orderPaymentStatus": "PAID",
        "buyer": {"username": MARK, "taxAddress": {"postalCode": MARK}},
        "buyerCheckoutNotes": MARK,
        "cancelStatus": {"cancelState": "NONE_REQUESTED", "cancelRequests": []},
        "fulfillmentStartInstructions": [
            {"ebaySupportedFulfillment": False, "maxEstimatedDeliveryDate": "2026-10-08T07:00:00.000Z",
             "shippingStep": {"shipTo": {"fullName": MARK, "email": MARK}}},
        ],
        "lineItems": list(lines) or [ebay_line()],
        **fields,
    }  # fmt: skip


def ebay_cancelled(order: str, initiator: str = "", reason: str = "") -> dict[str, Any]:
    request = {"cancelInitiator": initiator, "cancelReason": reason, "cancelCompletedDate": "2026-10-03T10:00:00.000Z"}
    status = {"cancelState": "CANCELED", "cancelledDate": "2026-10-03T10:00:00.000Z"}
    status["cancelRequests"] = [request] if initiator else []
    return ebay_order(order, ebay_line(lineItemFulfillmentStatus="NOT_STARTED"), cancelStatus=status)


def ebay_response(*orders: dict[str, Any]) -> str:
    return json.dumps({"href": "x", "total": len(orders), "limit": 50, "offset": 0, "orders": list(orders)}, indent=1)


def standards_metric(key: str, value: str, numerator: int, denominator: int, level: str, limit: str) -> dict[str, Any]:
    return {
        "metricKey": key, "name": key.title(), "type": "RATE", "level": level,
        "value": {"value": value, "numerator": numerator, "denominator": denominator},
        "lookbackStartDate": "2026-08-01T07:00:00.000Z", "lookbackEndDate": "2026-10-31T07:00:00.000Z",
        "thresholdUpperBound": {"value": limit}, "thresholdMetaData": "(LOWER,UPPER]",
    }  # fmt: skip


def standards_profile(
    *metrics: dict[str, Any],
    level: str = "ABOVE_STANDARD",
    cycle: str = "CURRENT",
    day: str = "2026-11-20",
    **fields: Any,
) -> dict[str, Any]:
    return {
        "standardsLevel": level,
        "program": "PROGRAM_US",
        "cycle": {"cycleType": cycle, "evaluationDate": f"{day}T05:23:35.699Z", "evaluationMonth": day[:7]},
        "metrics": list(metrics),
        "defaultProgram": True,
        **fields,
    }


LATE = standards_metric("SHIPPING_MISS_RATE", "4.56", 15, 329, "ABOVE_STANDARD", "7.00")
DOCUMENTS = {
    "walmart_orders_api": [walmart_response(walmart_order(), walmart_order(PO_2))],
    "ebay_orders_api": [ebay_response(ebay_order(), ebay_cancelled(EBAY_2, "SELLER", "OUT_OF_STOCK"))],
    "ebay_standards": [json.dumps({"standardsProfiles": [standards_profile(LATE)]}, indent=1)],
    "walmart_orders": [WALMART.text()],
    "ebay_orders": [EBAY.text(), ebay_download()],
    "walmart_defects": [DEFECTS.text()],
}
"""Good small files by kind, as seeds of damaged ones."""
