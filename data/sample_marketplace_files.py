"""Telling a life of another marketplace than Amazon in the files of that marketplace, one writer for each.

The headers are those of real downloads, also the columns that no reader takes. Made-up buyers stand on every tenth
order only, to keep the sample small. Nothing here decides what happens; that is `sample_marketplaces`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import xlsxwriter
from sample_files import MONTHS, columns, made_up_buyer
from sample_story import DOWNLOADED, LAST_DAY, Life, Line, Order, Parcel, Story

Row = dict[str, str]


@dataclass
class SoldOrder(Order):
    """An order under the id of its marketplace.

    `pack` names the orders that were bought together, `own_shop` says that it was placed on the shop's own page.
    """

    pack: str = ""
    own_shop: bool = False


def write_cells(path: Path, rows: Iterable[Sequence[str]], **how: Any) -> None:
    """A CSV in UTF-8 whose cells may hold commas."""
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n"} | how).writerows(rows)
    path.write_bytes(text.getvalue().encode("utf-8"))


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Row], **how: Any) -> None:
    """A CSV of rows by column, what a row does not name left empty."""
    write_cells(path, [header, *([row.get(name, "") for name in header] for row in rows)], **how)


def write_workbook(path: Path, sheet: str, rows: Iterable[Sequence[str | int]]) -> None:
    """A workbook of one sheet, in which only whole numbers are numbers; made at the time of the download."""
    workbook = xlsxwriter.Workbook(path, {"strings_to_numbers": False, "strings_to_urls": False})
    workbook.set_properties({"created": DOWNLOADED.replace(tzinfo=None)})
    page = workbook.add_worksheet(sheet)
    for place, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if cell != "":
                page.write(place, column, cell)
    workbook.close()


# ---------------------------------------------------------------- what a download of that day shows


def local_day(order_story: Story, moment: datetime) -> date:
    """The day of an instant, where the marketplace is."""
    return moment.astimezone(order_story.market.zone).date()


def status(order: Order) -> str:
    """How far the order had come when the file was downloaded."""
    there = [parcel.delivered_at and parcel.delivered_at <= DOWNLOADED for parcel in order.parcels]
    return "Delivered" if order.parcels and all(there) else order.status(DOWNLOADED)


def parcels_of_lines(order: Order) -> Iterator[tuple[Line, Parcel | None]]:
    """Each line with its parcel, if it was sent by the download: one each, or all in one."""
    sent = [line for line in order.lines if not line.cancelled]
    each = len(order.parcels) == len(sent)
    for line in order.lines:
        parcel = None
        if not line.cancelled and order.parcels:
            parcel = order.parcels[sent.index(line) if each else 0]
        yield line, parcel if parcel and parcel.confirmed_at <= DOWNLOADED else None


def delivered_at(parcel: Parcel | None) -> datetime | None:
    """When the parcel came, if that was before the download."""
    at = parcel.delivered_at if parcel else None
    return at if at and at <= DOWNLOADED else None


def buyer(story: Story, place: int, names: dict[str, str]) -> Row:
    """The made-up buyer of every tenth order, under the names that a file gives to the parts of an address."""
    if place % 10:
        return {}
    made = made_up_buyer(story, place)
    return {column: made[part] for column, part in names.items()}


def paid(line: Line) -> str:
    """What was paid for a line."""
    return f"{line.product.price * line.units:.2f}"


# ---------------------------------------------------------------- Walmart

WALMART = columns(
    "PO#|Order#|Order Date|Ship By|Delivery Date|Customer Name|Customer Shipping Address|Customer Phone Number|"
    "Ship to Address 1|Ship to Address 2|City|State|Zip|Segment|FLIDS|Line#|UPC|Status|Item Description|"
    "Shipping Method|Shipping Tier|Shipping SLA|Shipping Config SOurce|Qty|SKU|Item Cost|Shipping Cost|Tax|"
    "Update Status|Update Qty|Carrier|Tracking Number|Tracking Url|Seller Order NO|Fulfillment Entity|"
    "Replacement Order|Original Customer Order Id",
    "|",
)
WALMART_BUYER = {
    "Customer Name": "buyer-name", "Customer Shipping Address": "ship-address-1",
    "Customer Phone Number": "buyer-phone-number", "Ship to Address 1": "ship-address-1", "City": "ship-city",
    "Zip": "ship-postal-code",
}  # fmt: skip
WALMART_WORDS = {"Pending": "Created", "Unshipped": "Acknowledged"}


def write_walmart_orders(life: Life, folder: Path) -> None:
    """The PO data of all orders as a workbook, with a row for each line."""
    rows = [list(WALMART)]
    for place, order in enumerate(life.orders):
        about = buyer(life.story, place, WALMART_BUYER) | {
            "PO#": order.order_id, "Order#": f"20{order.order_id[2:]}", "Order Date": str(order.day),
            "Ship By": str(order.ship_by.date()), "Delivery Date": str(order.deliver_by.date()), "FLIDS": "1",
            "Shipping Method": "Value", "Shipping Tier": "STANDARD", "Fulfillment Entity": "Seller Fulfilled",
            "Replacement Order": "No",
        }  # fmt: skip
        for count, (line, parcel) in enumerate(parcels_of_lines(order), start=1):
            row = about | walmart_line(order, line, parcel) | {"Line#": str(count)}
            rows.append([int(row[name]) if name in ("Line#", "Qty") else row.get(name, "") for name in WALMART])
    write_workbook(folder / "PO_Data_2026-11-02.xlsx", "Po Details", rows)


def walmart_line(order: Order, line: Line, parcel: Parcel | None) -> Row:
    """The cells of one line."""
    word = "Cancelled" if line.cancelled else status(order)
    cells = {
        "Status": WALMART_WORDS.get(word, word), "Item Description": line.product.name, "Qty": str(line.units),
        "SKU": line.product.sku, "Item Cost": paid(line),
    }  # fmt: skip
    if parcel:
        tracking = {"Tracking Number": parcel.tracking} if parcel.tracking else {}
        cells |= {"Carrier": parcel.carrier, **tracking}
    return cells


# ---------------------------------------------------------------- eBay

EBAY = columns(
    "Sales Record Number|Order Number|Buyer Username|Buyer Name|Buyer Email|Buyer Note|Buyer Address 1|Buyer Address 2|"
    "Buyer City|Buyer State|Buyer Zip|Buyer Country|Buyer Tax Identifier Name|Buyer Tax Identifier Value|Ship To Name|"
    "Ship To Phone|Ship To Address 1|Ship To Address 2|Ship To City|Ship To State|Ship To Zip|Ship To Country|"
    "Item Number|Item Title|Custom Label|Sold Via Promoted Listings|Quantity|Sold For|Shipping And Handling|"
    "Item Location|Item Zip Code|Item Country|eBay Collect And Remit Tax Rate|eBay Collect And Remit Tax Type|"
    "eBay Reference Name|eBay Reference Value|Tax Status|Seller Collected Tax|eBay Collected Tax|"
    "Electronic Waste Recycling Fee|Mattress Recycling Fee|Battery Recycling Fee|White Goods Disposal Tax|"
    "Tire Recycling Fee|Additional Fee|Lumber Fee|Prepaid Wireless Fee|Road Improvement And Food Delivery Fee|"
    "eBay Collected Charges|Total Price|eBay Collected Tax and Fees Included in Total|Payment Method|Sale Date|"
    "Paid On Date|Ship By Date|Minimum Estimated Delivery Date|Maximum Estimated Delivery Date|Shipped On Date|"
    "Feedback Left|Feedback Received|My Item Note|PayPal Transaction ID|Shipping Service|Tracking Number|"
    "Transaction ID|Variation Details|Global Shipping Program|Global Shipping Reference ID|Click And Collect|"
    "Click And Collect Reference Number|eBay Plus|Authenticity Verification Program|Authenticity Verification Status|"
    "Authenticity Verification Outcome Reason|PSA Vault Program|Vault Fulfillment Type|eBay Fulfillment Program|"
    "Tax City|Tax State|Tax Zip|Tax Country|eBay International Shipping",
    "|",
)
EBAY_BUYER = {
    "Buyer Username": "buyer-name", "Buyer Name": "buyer-name", "Buyer Email": "buyer-email",
    "Buyer Address 1": "ship-address-1", "Buyer City": "ship-city", "Buyer Zip": "ship-postal-code",
    "Ship To Name": "recipient-name", "Ship To Phone": "ship-phone-number", "Ship To Address 1": "ship-address-1",
    "Ship To City": "ship-city", "Ship To Zip": "ship-postal-code",
}  # fmt: skip
EBAY_ITEMS = ("Item Number", "Item Title", "Custom Label", "Sold For", "Transaction ID")


def ebay_day(day: date) -> str:
    """As eBay writes days: Oct-31-26."""
    return f"{MONTHS[day.month - 1]}-{day:%d-%y}"


def write_ebay_orders(life: Life, folder: Path) -> None:
    """The orders report: no cancelled orders, empty lines around the rows, and two lines below them."""
    rows, empty = [], [""] * len(EBAY)
    for place, order in enumerate(life.orders):
        if not order.cancelled_at:
            rows += ebay_rows(life.story, place, order)
    cells = [[row.get(name, "") for name in EBAY] for row in rows]
    path = folder / "eBay-OrdersReport-Nov-02-2026.csv"
    write_cells(path, [EBAY, empty, *cells], quoting=csv.QUOTE_ALL)
    days = f"from {ebay_day(life.orders[0].day)} to {ebay_day(LAST_DAY)}"
    table = path.read_text("utf-8").replace(",".join(['""'] * len(EBAY)), "," * (len(EBAY) - 1), 1)
    foot = f'\n"{len(rows)}","record(s) downloaded","{days}"\nSeller ID : sample-seller-000000\n'
    path.write_bytes(f"{',' * (len(EBAY) - 1)}\n{table}{foot}".encode())


def ebay_rows(story: Story, place: int, order: Order) -> list[Row]:
    """The rows of one order; an order of several lines has one more, which holds what is common to them."""
    sent = order.parcels[0] if order.parcels and order.shipped_at <= DOWNLOADED else None
    common = buyer(story, place, EBAY_BUYER) | {
        "Sale Date": ebay_day(order.day), "Paid On Date": ebay_day(local_day(story, order.paid_at)),
        "Ship By Date": ebay_day(order.ship_by.date()),
        "Minimum Estimated Delivery Date": ebay_day(order.ship_by.date() + timedelta(2)),
        "Maximum Estimated Delivery Date": ebay_day(order.deliver_by.date()),
        "Shipped On Date": ebay_day(local_day(story, sent.confirmed_at)) if sent else "",
        "Shipping Service": "USPS Ground Advantage", "Feedback Left": "No",
    }  # fmt: skip
    name = {"Sales Record Number": str(1001 + place), "Order Number": order.order_id}
    lines = [
        {
            "Item Number": f"2555{line.item_id[-8:]}", "Item Title": line.product.name,
            "Custom Label": line.product.sku, "Quantity": str(line.units), "Sold For": f"${paid(line)}",
            "Transaction ID": line.item_id, "Tracking Number": parcel.tracking if parcel else "",
        }
        for line, parcel in parcels_of_lines(order)
    ]  # fmt: skip
    if len(lines) == 1:
        return [name | common | lines[0]]
    summary = name | common | {"Quantity": str(sum(line.units for line in order.lines))}
    return [summary, *(name | line for line in lines)]


def write_ebay_cancellations(life: Life, folder: Path) -> None:
    """The answers of getOrder for cancelled orders: which they are, when they were cancelled, and by whom."""
    orders = [ebay_answer(life.story, place, order) for place, order in enumerate(life.orders) if order.cancelled_at]
    text = json.dumps({"total": len(orders), "orders": orders}, indent=1)
    (folder / "cancelled_orders_2026-11-02.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")


def ebay_answer(story: Story, place: int, order: Order) -> dict[str, Any]:
    """One cancelled order as getOrder returns it."""
    by_seller = "seller_cancel" in order.troubles
    request = {
        "cancelInitiator": "SELLER" if by_seller else "BUYER",
        "cancelReason": "OUT_OF_STOCK_OR_CANNOT_FULFILL" if by_seller else "BUYER_ASKED_CANCEL",
        "cancelCompletedDate": api_time(order.cancelled_at),
    }
    return {
        "orderId": order.order_id,
        "creationDate": api_time(order.placed_at),
        "lastModifiedDate": api_time(order.cancelled_at),
        "orderFulfillmentStatus": "NOT_STARTED",
        "orderPaymentStatus": "FULLY_REFUNDED",
        "buyer": {"username": made_up_buyer(story, place)["buyer-name"]},
        "cancelStatus": {
            "cancelState": "CANCELED",
            "cancelledDate": api_time(order.cancelled_at),
            "cancelRequests": [request],
        },
        "lineItems": [
            {
                "lineItemId": line.item_id,
                "sku": line.product.sku,
                "title": line.product.name,
                "quantity": line.units,
                "lineItemFulfillmentStatus": "NOT_STARTED",
                "lineItemFulfillmentInstructions": {"shipByDate": api_time(order.ship_by)},
            }
            for line in order.lines
        ],
    }


def api_time(moment: datetime | None) -> str:
    """As eBay's answers write times, in UTC."""
    return moment.astimezone(DOWNLOADED.tzinfo).strftime("%Y-%m-%dT%H:%M:%S.000Z") if moment else ""


def write_ebay_standards(life: Life, folder: Path) -> None:
    """eBay's own figures of the last 90 days, as it would judge them on the last day of October."""
    first = LAST_DAY - timedelta(89)
    cases = {row.order_id for row in life.defects if row.kind == "a_to_z_claim" and row.known_on <= LAST_DAY}
    placed = [order for order in life.orders if order.day >= first]
    sent = [
        order for order in life.orders
        if order.parcels and first <= order.ship_by.date() <= LAST_DAY
        and local_day(life.story, order.shipped_at) <= LAST_DAY
    ]  # fmt: skip
    late = [order for order in sent if local_day(life.story, order.shipped_at) > order.ship_by.date()]
    bad = [
        order for order in placed
        if order.order_id in cases or ("seller_cancel" in order.troubles and order.cancelled_at <= DOWNLOADED)
    ]  # fmt: skip
    counts = {
        "SHIPPING_MISS_RATE": (len(late), len(sent), "7.00"),
        "DEFECTIVE_TRANSACTION_RATE": (len(bad), len(placed), "2.00"),
        "CLAIMS_SAF_RATE": (sum(order.order_id in cases for order in placed), len(placed), "0.30"),
    }
    profile = {
        "standardsLevel": "ABOVE_STANDARD",
        "program": "PROGRAM_US",
        "defaultProgram": True,
        "cycle": {
            "cycleType": "PROJECTED",
            "evaluationDate": f"{LAST_DAY}T07:00:00.000Z",
            "evaluationMonth": f"{LAST_DAY:%Y-%m}",
        },
        "metrics": [ebay_rate(key, *count, first) for key, count in counts.items()],
    }
    text = json.dumps({"standardsProfiles": [profile]}, indent=1)
    (folder / f"seller_standards_{LAST_DAY}.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")


def ebay_rate(key: str, at_fault: int, counted: int, limit: str, first: date) -> dict[str, Any]:
    """One rate of the seller standards, in percent."""
    return {
        "metricKey": key,
        "type": "RATE",
        "level": "ABOVE_STANDARD",
        "value": {"value": f"{100 * at_fault / counted:.2f}", "numerator": at_fault, "denominator": counted},
        "thresholdUpperBound": {"value": limit},
        "lookbackStartDate": f"{first}T07:00:00.000Z",
        "lookbackEndDate": f"{LAST_DAY}T07:00:00.000Z",
    }


# ---------------------------------------------------------------- Etsy

ETSY_ORDERS = columns(
    "Sale Date|Order ID|Buyer User ID|Full Name|First Name|Last Name|Number of Items|Payment Method|Date Shipped|"
    "Street 1|Street 2|Ship City|Ship State|Ship Zipcode|Ship Country|Currency|Order Value|Coupon Code|Coupon Details|"
    "Discount Amount|Shipping Discount|Shipping|Sales Tax|Order Total|Status|Card Processing Fees|Order Net|"
    "Adjusted Order Total|Adjusted Card Processing Fees|Adjusted Net Order Amount|Buyer|Order Type|Payment Type|"
    "InPerson Discount|InPerson Location|SKU",
    "|",
)
ETSY_ITEMS = columns(
    "Sale Date|Item Name|Buyer|Quantity|Price|Coupon Code|Coupon Details|Discount Amount|Shipping Discount|"
    "Order Shipping|Order Sales Tax|Item Total|Currency|Transaction ID|Listing ID|Date Paid|Date Shipped|Ship Name|"
    "Ship Address1|Ship Address2|Ship City|Ship State|Ship Zipcode|Ship Country|Order ID|Variations|Order Type|"
    "Listings Type|Payment Type|InPerson Discount|InPerson Location|VAT Paid by Buyer|SKU",
    "|",
)
ETSY_BUYER = {
    "Buyer User ID": "buyer-name", "Full Name": "buyer-name", "First Name": "buyer-name", "Last Name": "buyer-name",
    "Street 1": "ship-address-1", "Ship City": "ship-city", "Ship Zipcode": "ship-postal-code", "Buyer": "buyer-name",
}  # fmt: skip
ETSY_ITEM_BUYER = {
    "Buyer": "buyer-name", "Ship Name": "recipient-name", "Ship Address1": "ship-address-1", "Ship City": "ship-city",
    "Ship Zipcode": "ship-postal-code",
}  # fmt: skip
ETSY_STAR = columns("Order number|Buyer name|Had processing time?|Ship by|Tracking/label date|Shipped on time?", "|")
ETSY_WORDS = {"Pending": "Payment Processing", "Unshipped": "Paid", "Cancelled": "Canceled", "Delivered": "Completed"}


def etsy_shipped(story: Story, order: Order) -> str:
    """The day of shipment, two digits a part."""
    shipped = order.parcels and order.shipped_at <= DOWNLOADED
    return f"{local_day(story, order.shipped_at):%m/%d/%y}" if shipped else ""


def write_etsy_orders(life: Life, folder: Path) -> None:
    """The sold orders of the year, one row an order."""
    rows = []
    for place, order in enumerate(life.orders):
        value = sum(line.product.price * line.units for line in order.lines)
        rows.append(
            buyer(life.story, place, ETSY_BUYER)
            | {
                "Sale Date": f"{order.day:%m/%d/%y}", "Order ID": order.order_id,
                "Number of Items": str(sum(line.units for line in order.lines)), "Payment Method": "Credit Card",
                "Date Shipped": etsy_shipped(life.story, order), "Ship Country": "United States", "Currency": "USD",
                "Order Value": f"{value:.2f}", "Order Total": f"{value:.2f}",
                "Status": ETSY_WORDS.get(status(order), status(order)), "Order Type": "online",
                "Payment Type": "online_cc", "SKU": ",".join(line.product.sku for line in order.lines),
            }
        )  # fmt: skip
    write_rows(folder / "EtsySoldOrders2026.csv", ETSY_ORDERS, rows)


def write_etsy_items(life: Life, folder: Path) -> None:
    """The items of the same orders, one row a line."""
    rows = [
        buyer(life.story, place, ETSY_ITEM_BUYER)
        | {
            "Sale Date": f"{order.day:%m/%d/%y}", "Item Name": line.product.name, "Quantity": str(line.units),
            "Price": f"{line.product.price:.2f}", "Item Total": paid(line), "Currency": "USD",
            "Transaction ID": line.item_id, "Date Paid": f"{local_day(life.story, order.paid_at):%m/%d/%y}",
            "Date Shipped": etsy_shipped(life.story, order), "Ship Country": "United States",
            "Order ID": order.order_id, "Order Type": "online", "Listings Type": "listing",
            "Payment Type": "online_cc", "SKU": line.product.sku,
        }
        for place, order in enumerate(life.orders)
        for line in order.lines
    ]  # fmt: skip
    write_rows(folder / "EtsySoldOrderItems2026.csv", ETSY_ITEMS, rows)


def write_etsy_star_seller(life: Life, folder: Path) -> None:
    """Ship-by days of the orders that were sent, from the page of Star Seller."""
    rows = []
    for place, order in enumerate(life.orders):
        if order.parcels and order.shipped_at <= DOWNLOADED:
            shipped = local_day(life.story, order.shipped_at)
            rows.append(
                buyer(life.story, place, {"Buyer name": "buyer-name"})
                | {
                    "Order number": order.order_id, "Had processing time?": "Yes",
                    "Ship by": f"{order.ship_by:%m/%d/%Y}", "Tracking/label date": f"{shipped:%m/%d/%Y}",
                    "Shipped on time?": "Yes" if shipped <= order.ship_by.date() else "No",
                }
            )  # fmt: skip
    write_rows(folder / "star_seller_shipping.csv", ETSY_STAR, rows)


# ---------------------------------------------------------------- TikTok Shop

TIKTOK = columns(
    "Order ID|Order Status|Order Substatus|Cancelation/Return Type|Normal or Pre-order|SKU ID|Seller SKU|Product Name|"
    "Variation|Quantity|Sku Quantity of return|SKU Unit Original Price|SKU Subtotal Before Discount|"
    "SKU Platform Discount|SKU Seller Discount|SKU Subtotal After Discount|Shipping Fee After Discount|"
    "Original Shipping Fee|Shipping Fee Seller Discount|Shipping Fee Platform Discount|Payment platform discount|Taxes|"
    "Small Order Fee|Order Amount|Order Refund Amount|Created Time|Paid Time|RTS Time|Shipped Time|Delivered Time|"
    "Cancelled Time|Cancel By|Cancel Reason|Fulfillment Type|Warehouse Name|Tracking ID|Delivery Option|"
    "Shipping Provider Name|Buyer Message|Buyer Username|Recipient|Phone #|Zipcode|Country|Province|District|"
    "Detail Address|Additional address information|Payment Method|Weight(kg)|Product Category|Package ID|Seller Note|"
    "Checked Status|Checked Marked by|Creator Handle",
    "|",
)
TIKTOK_BUYER = {
    "Buyer Username": "buyer-name", "Recipient": "recipient-name", "Phone #": "buyer-phone-number",
    "Zipcode": "ship-postal-code", "District": "ship-city", "Detail Address": "ship-address-1",
    "Creator Handle": "buyer-name",
}  # fmt: skip
TIKTOK_WORDS = {
    "Pending": ("Unpaid", "Unpaid"), "Unshipped": ("To ship", "Awaiting shipment"),
    "Shipped": ("Shipped", "In transit"), "Delivered": ("Completed", "Completed"),
    "Cancelled": ("Canceled", "Canceled"),
}  # fmt: skip


def tiktok_time(story: Story, moment: datetime | None) -> str:
    """As an American shop's file writes times, with a tab behind each."""
    if moment is None or moment > DOWNLOADED:
        return "\t"
    at = moment.astimezone(story.market.zone)
    return f"{at:%m/%d/%Y} {at.hour % 12 or 12}:{at:%M:%S} {'AM' if at.hour < 12 else 'PM'}\t"


def write_tiktok_orders(life: Life, folder: Path) -> None:
    """All orders, one row for each product of an order; ids and times end in a tab."""
    rows = []
    for place, order in enumerate(life.orders):
        word, more = TIKTOK_WORDS[status(order)]
        gone = bool(order.cancelled_at)
        about = buyer(life.story, place, TIKTOK_BUYER) | {
            "Order ID": f"{order.order_id}\t", "Order Status": word, "Order Substatus": more,
            "Cancelation/Return Type": "Cancel" if gone else "", "Normal or Pre-order": "Normal",
            "Created Time": tiktok_time(life.story, order.placed_at),
            "Paid Time": tiktok_time(life.story, order.paid_at),
            "Cancelled Time": tiktok_time(life.story, order.cancelled_at),
            "Fulfillment Type": "Fulfillment by seller", "Country": "United States",
            "Delivery Option": "Standard shipping",
        }  # fmt: skip
        if gone:
            by_seller = "seller_cancel" in order.troubles
            about |= {
                "Cancel By": "Seller" if by_seller else "User",
                "Cancel Reason": "Out of stock" if by_seller else "No longer needed",
            }
        rows += [about | tiktok_line(life.story, line, parcel) for line, parcel in parcels_of_lines(order)]
    path = folder / "All order-2026-11-02.csv"
    write_rows(path, TIKTOK, rows, lineterminator="\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def tiktok_line(story: Story, line: Line, parcel: Parcel | None) -> Row:
    """The cells of one product of an order."""
    shipped = parcel.confirmed_at if parcel else None
    return {
        "SKU ID": f"17294{line.item_id[-13:]}\t", "Seller SKU": line.product.sku, "Product Name": line.product.name,
        "Variation": "Default", "Quantity": str(line.units), "Sku Quantity of return": "0",
        "SKU Unit Original Price": f"{line.product.price:.2f}", "SKU Subtotal After Discount": paid(line),
        "RTS Time": tiktok_time(story, shipped), "Shipped Time": tiktok_time(story, shipped),
        "Delivered Time": tiktok_time(story, delivered_at(parcel)),
        "Tracking ID": f"{parcel.tracking}\t" if parcel and parcel.tracking else "",
        "Shipping Provider Name": parcel.carrier if parcel else "",
    }  # fmt: skip


# ---------------------------------------------------------------- Mercado Libre

SALES = columns(
    "# de venta|Fecha de venta|Estado|Descripción del estado|Paquete de varios productos|Pertenece a un kit|Unidades|"
    "Ingresos por productos (MXN)|Cargo por venta e impuestos (MXN)|Ingresos por envío (MXN)|Costos de envío (MXN)|"
    "Anulaciones y reembolsos (MXN)|Total (MXN)|Venta por publicidad|SKU|# de publicación|Canal de venta|"
    "Título de la publicación|Variante|Precio unitario de venta de la publicación (MXN)|Tipo de publicación|"
    "Factura adjunta|Datos personales o de empresa|Tipo y número de documento|Dirección|Tipo de contribuyente|"
    "Comprador|Negocio|Cédula|Domicilio|Municipio/Alcaldía|Estado|Código postal|País|Forma de entrega|Fecha en camino|"
    "Fecha entregado|Transportista|Número de seguimiento|URL de seguimiento|Unidades|Forma de entrega|Fecha en camino|"
    "Fecha entregado|Transportista|Número de seguimiento|URL de seguimiento|Revisado por Mercado Libre|"
    "Fecha de revisión|Dinero a favor|Resultado|Destino|Motivo del resultado|Unidades|Reclamo abierto|Reclamo cerrado|"
    "Con mediación",
    "|",
)
SALES_TITLES = (("Ventas",), ("Estado de tus ventas al 2 de noviembre de 2026",), (), (), ("Ventas",))
SALES_BUYER = {
    "Datos personales o de empresa": "buyer-name", "Tipo y número de documento": "buyer-phone-number",
    "Dirección": "ship-address-1", "Comprador": "buyer-name", "Cédula": "buyer-phone-number",
    "Domicilio": "ship-address-1", "Municipio/Alcaldía": "ship-city", "Código postal": "ship-postal-code",
}  # fmt: skip
SALES_WORDS = {
    "Pending": "Procesando en la bodega", "Unshipped": "Etiqueta lista para imprimir", "Shipped": "En camino",
    "Delivered": "Entregado",
}  # fmt: skip
SPANISH_MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
    "diciembre",
)  # fmt: skip


def spanish_time(story: Story, moment: datetime, year: bool = False) -> str:
    """A time as the report writes it: the year stands with the day of the sale alone."""
    at = moment.astimezone(story.market.zone)
    day = f"{at.day} de {SPANISH_MONTHS[at.month - 1]}"
    return f"{day} de {at.year} {at:%H:%M} hs." if year else f"{day} | {at:%H:%M}"


def write_mercado_libre_sales(life: Life, folder: Path) -> None:
    """The sales report: its header in row 6, and above the orders of a pack one row that is none."""
    rows, packs = [*SALES_TITLES, SALES], Counter(order.pack for order in life.orders)
    claims = {row.order_id for row in life.defects if row.kind == "a_to_z_claim" and row.known_on <= DOWNLOADED.date()}
    told = set[str]()
    for place, order in enumerate(life.orders):
        if order.pack and order.pack not in told:
            told.add(order.pack)
            head = {
                "# de venta": order.pack, "Fecha de venta": spanish_time(life.story, order.placed_at, year=True),
                "Estado": f"Paquete de {packs[order.pack]} productos", "Paquete de varios productos": "Sí",
            }  # fmt: skip
            rows.append(sales_cells(head))
        rows.append(sales_cells(sales_row(life.story, place, order, order.order_id in claims)))
    write_workbook(folder / "20261102_Ventas_MX_Mercado_Libre.xlsx", "Ventas MX", rows)


def sales_cells(row: Row) -> list[str | int]:
    """The cells of a row: of columns that repeat a name the first alone is filled."""
    cells, told = list[str | int](), set[str]()
    for name in SALES:
        cell = "" if name in told else row.get(name, "")
        cells.append(int(cell) if name == "Unidades" and cell else cell)
        told.add(name)
    return cells


def sales_row(story: Story, place: int, order: Order, has_claim: bool) -> Row:
    """One order, which has one line."""
    [(line, parcel)] = parcels_of_lines(order)
    by_seller = "seller_cancel" in order.troubles
    gone = "Cancelaste la venta" if by_seller else "Cancelada por el comprador"
    row = buyer(story, place, SALES_BUYER) | {
        "# de venta": order.order_id, "Fecha de venta": spanish_time(story, order.placed_at, year=True),
        "Estado": gone if order.cancelled_at else SALES_WORDS[status(order)],
        "Paquete de varios productos": "Sí" if order.pack else "No", "Pertenece a un kit": "No",
        "Unidades": str(line.units), "Ingresos por productos (MXN)": paid(line), "Total (MXN)": paid(line),
        "SKU": line.product.sku, "# de publicación": f"MLM{line.item_id[-10:]}", "Canal de venta": "Mercado Libre",
        "Título de la publicación": line.product.name, "País": "México",
        "Forma de entrega": "Correo y puntos de despacho",
        "Reclamo abierto": "Sí" if has_claim else "No", "Reclamo cerrado": "No", "Con mediación": "No",
    }  # fmt: skip
    if parcel:
        there = delivered_at(parcel)
        row |= {
            "Fecha en camino": spanish_time(story, parcel.confirmed_at), "Transportista": parcel.carrier,
            "Fecha entregado": spanish_time(story, there) if there else "", "Número de seguimiento": parcel.tracking,
        }  # fmt: skip
    return row


def write_mercado_libre_reputation(life: Life, folder: Path) -> None:
    """The seller's reputation of that day: Mercado Libre's own rates of 60 days."""
    first = LAST_DAY - timedelta(59)
    placed = [order for order in life.orders if order.day >= first]
    claims = {row.order_id for row in life.defects if row.kind == "a_to_z_claim" and row.known_on <= LAST_DAY}
    sent = [
        order for order in life.orders
        if order.parcels and first <= order.ship_by.date() <= LAST_DAY and order.shipped_at <= DOWNLOADED
    ]  # fmt: skip
    late = sum(order.shipped_at > order.ship_by for order in sent)
    counts = {
        "claims": (sum(order.order_id in claims for order in placed), len(placed)),
        "delayed_handling_time": (late, len(sent)),
        "cancellations": (sum("seller_cancel" in order.troubles for order in placed), len(placed)),
    }
    metrics: dict[str, Any] = {"sales": {"period": "60 days", "completed": len(placed)}}
    for key, (value, counted) in counts.items():
        metrics[key] = {"period": "60 days", "rate": round(value / counted, 4), "value": value}
    answer = {
        "id": 1,
        "nickname": "SAMPLE-SELLER-000000",
        "site_id": "MLM",
        "seller_reputation": {"level_id": "4_light_green", "power_seller_status": None, "metrics": metrics},
    }
    text = json.dumps(answer, indent=1)
    (folder / f"reputation_{LAST_DAY}.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")


# ---------------------------------------------------------------- Shopify

SHOPIFY = columns(
    "Name|Email|Financial Status|Paid at|Fulfillment Status|Fulfilled at|Accepts Marketing|Currency|Subtotal|"
    "Shipping|Taxes|Total|Discount Code|Discount Amount|Shipping Method|Created at|Lineitem quantity|Lineitem name|"
    "Lineitem price|Lineitem compare at price|Lineitem sku|Lineitem requires shipping|Lineitem taxable|"
    "Lineitem fulfillment status|Billing Name|Billing Street|Billing Address1|Billing Address2|Billing Company|"
    "Billing City|Billing Zip|Billing Province|Billing Country|Billing Phone|Shipping Name|Shipping Street|"
    "Shipping Address1|Shipping Address2|Shipping Company|Shipping City|Shipping Zip|Shipping Province|"
    "Shipping Country|Shipping Phone|Notes|Note Attributes|Cancelled at|Payment Method|Payment Reference|"
    "Refunded Amount|Vendor|Outstanding Balance|Employee|Location|Device ID|Id|Tags|Risk Level|Source|"
    "Lineitem discount|Tax 1 Name|Tax 1 Value|Tax 2 Name|Tax 2 Value|Tax 3 Name|Tax 3 Value|Tax 4 Name|Tax 4 Value|"
    "Tax 5 Name|Tax 5 Value|Phone|Receipt Number|Duties|Billing Province Name|Shipping Province Name|Payment ID|"
    "Payment Terms Name|Next Payment Due At|Payment References",
    "|",
)
SHOPIFY_BUYER = {
    "Email": "buyer-email", "Billing Name": "buyer-name", "Billing Street": "ship-address-1",
    "Billing Address1": "ship-address-1", "Billing City": "ship-city", "Billing Zip": "ship-postal-code",
    "Billing Phone": "buyer-phone-number", "Shipping Name": "recipient-name", "Shipping Street": "ship-address-1",
    "Shipping Address1": "ship-address-1", "Shipping City": "ship-city", "Shipping Zip": "ship-postal-code",
    "Shipping Phone": "ship-phone-number", "Phone": "buyer-phone-number",
}  # fmt: skip


def shopify_time(story: Story, moment: datetime | None) -> str:
    """In the shop's zone, with its offset."""
    known = moment is not None and moment <= DOWNLOADED
    return f"{moment.astimezone(story.market.zone):%Y-%m-%d %H:%M:%S %z}" if known else ""


def write_shopify_orders(life: Life, folder: Path) -> None:
    """The orders export: what holds for an order stands in the row of its first item."""
    rows = []
    for place, order in enumerate(life.orders):
        first, *others = [
            {
                "Name": order.order_id, "Lineitem quantity": str(line.units), "Lineitem name": line.product.name,
                "Lineitem price": f"{line.product.price:.2f}", "Lineitem sku": line.product.sku,
                "Lineitem fulfillment status": "fulfilled" if parcel else "pending",
            }
            for line, parcel in parcels_of_lines(order)
        ]  # fmt: skip
        rows += [first | shopify_order(life.story, place, order), *others]
    write_rows(folder / "orders_export.csv", SHOPIFY, rows)


def shopify_order(story: Story, place: int, order: SoldOrder) -> Row:
    """The cells that stand once for an order."""
    total = f"{sum(line.product.price * line.units for line in order.lines):.2f}"
    shipped_at = order.parcels[0].confirmed_at if order.parcels else None
    fulfilled_at = shopify_time(story, shipped_at)
    return buyer(story, place, SHOPIFY_BUYER) | {
        "Financial Status": "voided" if order.cancelled_at else "paid", "Paid at": shopify_time(story, order.paid_at),
        "Fulfillment Status": "fulfilled" if fulfilled_at else "unfulfilled", "Fulfilled at": fulfilled_at,
        "Currency": "USD", "Subtotal": total, "Total": total, "Shipping Method": "Standard",
        "Created at": shopify_time(story, order.placed_at), "Shipping Country": "US",
        "Cancelled at": shopify_time(story, order.cancelled_at), "Id": str(5001 + place),
        "Source": "web" if order.own_shop else "etsy",
    }  # fmt: skip
