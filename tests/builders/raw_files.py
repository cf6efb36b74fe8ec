"""Tiny raw files of every kind that the readers know, to be read whole or damaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

MARK = "Persona Privata"
"""Stands in every cell that holds personal data; it may come out nowhere."""

FIRST, SECOND, THIRD = "111-0000001-0000001", "111-0000002-0000002", "111-0000003-0000003"


@dataclass(frozen=True)
class Tiny:
    """One small file: its header, its rows, and which columns a test may damage."""

    kind: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    delimiter: str
    id_column: str
    date_column: str
    needed: str
    impossible_date: str
    name: str = "download.txt"
    personal: tuple[str, ...] = ()

    def text(self) -> str:
        return "".join(self.delimiter.join(cells) + "\n" for cells in (self.header, *self.rows))

    def with_cell(self, row: int, column: str, value: str) -> Tiny:
        """The same with one cell of a row (from 0) replaced."""
        cells = list(self.rows[row])
        cells[self.header.index(column)] = value
        return replace(self, rows=(*self.rows[:row], tuple(cells), *self.rows[row + 1 :]))

    def without_column(self, column: str) -> Tiny:
        at = self.header.index(column)
        cut = [cells[:at] + cells[at + 1 :] for cells in (self.header, *self.rows)]
        return replace(self, header=cut[0], rows=tuple(cut[1:]))

    def with_personal_data(self, value: str = MARK) -> Tiny:
        """The same with a value in every personal column."""
        tiny = self
        for row in range(len(self.rows)):
            for column in self.personal:
                tiny = tiny.with_cell(row, column, value)
        return tiny


def tiny(kind: str, title: str, table: str, delimiter: str = "\t", **known: object) -> Tiny:
    """A file from a table whose cells are parted by bars."""
    header, *rows = [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]
    return Tiny(kind, title, header, tuple(rows), delimiter, **known)  # type: ignore[arg-type]


def put(folder: Path, file: Tiny | str | bytes, account: str = "acme", name: str = "") -> Path:
    """Write a file into an account's folder and return its path."""
    name = name or (file.name if isinstance(file, Tiny) else "download.txt")
    content = file.text() if isinstance(file, Tiny) else file
    path = folder / account / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ruff: noqa: E501 - tables of cells are wider than lines of code

# The last update of the second order falls on 3 March in UTC and on 2 March in Los Angeles.
ALL_ORDERS = tiny(
    "all_orders",
    "all-orders file",
    f"""
    amazon-order-id | purchase-date | last-updated-date | order-status | fulfillment-channel | sales-channel | product-name | sku | asin | item-status | quantity | currency | ship-city | ship-postal-code | is-business-order | purchase-order-number
    {FIRST}  | 2026-03-01T20:00:00+00:00 | 2026-03-02T20:00:00+00:00 | Shipped   | Merchant | Amazon.com | Screen 15" | S-1 | B01 | Shipped   | 2 | USD | X | X | true  | X
    {FIRST}  | 2026-03-01T20:00:00+00:00 | 2026-03-02T20:00:00+00:00 | Shipped   | Merchant | Amazon.com | Stand      | S-2 | B02 | Cancelled | 0 | USD | X | X | true  | X
    {SECOND} | 2026-03-02T04:00:00Z      | 2026-03-03T04:00:00Z      | Cancelled | Merchant | Amazon.com | Stand      | S-2 | B02 | Cancelled | 0 |     | X | X | false | X
    {THIRD}  | 2026-03-03T20:00:00-08:00 | 2026-03-04T20:00:00+00:00 | Pending   | Amazon   | Amazon.com | Stand      | S-2 | B02 |           | 1 | USD | X | X |       | X
    """,
    id_column="amazon-order-id",
    date_column="purchase-date",
    needed="order-status",
    impossible_date="2026-02-30T00:00:00+00:00",
    personal=("ship-city", "ship-postal-code", "purchase-order-number"),
)
# 06:59:59 UTC is the last second of the day before in Los Angeles (daylight saving time).
ORDER_REPORT = tiny(
    "order_report",
    "order report",
    f"""
    order-id | order-item-id | purchase-date | payments-date | buyer-email | buyer-name | buyer-phone-number | sku | product-name | quantity-purchased | recipient-name | ship-address-1 | ship-phone-number | latest-ship-date | latest-delivery-date | is-business-order
    {FIRST}  | 50000000000001 | 2026-05-04T12:00:00+00:00 | 2026-05-04T05:00:00-07:00 | X | X | X | S-1 | Screen 15" | 2 | X | X | X | 2026-05-07T06:59:59+00:00 | 2026-05-12T06:59:59+00:00 | false
    {FIRST}  | 50000000000002 | 2026-05-04T12:00:00+00:00 | 2026-05-04T05:00:00-07:00 | X | X | X | S-2 | Stand      | 1 | X | X | X | 2026-05-08T06:59:59+00:00 | 2026-05-13T06:59:59+00:00 | false
    {FIRST}  |                |                           |                           |   |   |   |     |            |   |   |   |   |                           |                           |
    {SECOND} | 50000000000003 | 2026-05-05T13:00:00+00:00 | 2026-05-05T07:30:00-07:00 | X | X | X | S-2 | Stand      | 1 | X | X | X | 2026-05-09T06:59:59+00:00 |                           | true
    """,
    id_column="order-id",
    date_column="latest-ship-date",
    needed="latest-ship-date",
    impossible_date="2026-02-30T00:00:00+00:00",
    personal=(
        "buyer-email",
        "buyer-name",
        "buyer-phone-number",
        "recipient-name",
        "ship-address-1",
        "ship-phone-number",
    ),
)
FEEDBACK = tiny(
    "feedback",
    "seller feedback file",
    f"""
    Date   | Rating | Comments     | Your Response | Order ID | Rater Email
    3/4/26 | 1      | never "came" | sorry         | {FIRST}  | X
    12/4/26| 3      | late         |               | {SECOND} | X
    """,
    id_column="Order ID",
    date_column="Date",
    needed="Rating",
    impossible_date="13/32/26",
    personal=("Comments", "Your Response", "Rater Email"),
)
RETURNS = tiny(
    "returns",
    "returns file",
    f"""
    Order ID | Order date  | Return request date | Return request status | Tracking ID | A-to-Z Claim | Item Name | Resolution | Invoice number
    {FIRST}  | 02-Mar-2026 | 10-Mar-2026         | Approved              | X           | Y            | Stand     |            | 1
    {FIRST}  | 02-Mar-2026 | 10-Mar-2026         | Approved              | X           | Y            | Screen    |            | 2
    {SECOND} | 2026-03-03  | 2026-03-12          | Pending               | X           | N            | Stand     |            | 3
    """,
    id_column="Order ID",
    date_column="Return request date",
    needed="A-to-Z Claim",
    impossible_date="30-Feb-2026",
    personal=("Tracking ID",),
)
CONFIRMATIONS = tiny(
    "confirmations",
    "shipment confirmations CSV",
    f"""
    order-id | confirmed-at | shipment-id | ship-by | delivered-at | deliver-by | units | carrier | tracking
    {FIRST}  | 2026-03-02T18:00:00-08:00 | P1 | 2026-03-03 | 2026-03-05T12:00:00Z | 2026-03-06 | 2 | UPS   | 1Z999
    {FIRST}  | 2026-03-03T18:00:00-08:00 | P2 | 2026-03-03 | 2026-03-07T12:00:00Z | 2026-03-06 | 1 | UPS   |
    {SECOND} | 2026-03-04T09:00:00       | P3 | 2026-03-05T17:00:00-08:00 |        |            | 1 | "US, Post" | 9400
    """,
    delimiter=",",
    id_column="order-id",
    date_column="confirmed-at",
    needed="confirmed-at",
    impossible_date="2026-02-30T10:00:00Z",
    name="download.csv",
    personal=("tracking",),
)
DEFECTS = tiny(
    "defects",
    "defects CSV",
    f"""
    order-id | kind         | known-on   | cleared-on | detail
    {FIRST}  | a_to_z_claim | 2026-03-10 | 2026-03-20 | "won, on appeal"
    {SECOND} | chargeback   | 2026-03-12 |            | fraud
    """,
    delimiter=",",
    id_column="order-id",
    date_column="known-on",
    needed="known-on",
    impossible_date="2026-02-30",
    name="download.csv",
)
SALE_REPORT = tiny(
    "sale_report",
    "Amazon.in sale report",
    f"""
    index | Order ID | Date | Status | Fulfilment | Sales Channel | ship-service-level | Category | Size | Qty | currency | ship-city | ship-postal-code | B2B
    0 | {FIRST}  | 04-30-22   | Cancelled                    | Merchant | Amazon.in | Standard | Shirt | M  | 0 | INR | X | X | FALSE
    1 | {SECOND} | 05-01-2022 | Shipped - Delivered to Buyer | Merchant | Amazon.in | Standard | Shirt | M  | 1 | INR | X | X | TRUE
    2 | {SECOND} | 05-01-2022 | Cancelled                    | Merchant | Amazon.in | Standard | Shirt | XL | 0 | INR | X | X | TRUE
    3 | {THIRD}  | 05-01-2022 | Pending                      | Amazon   | Amazon.in | Standard | Kurta | S  | 3 | INR | X | X | FALSE
    """,
    delimiter=",",
    id_column="Order ID",
    date_column="Date",
    needed="Fulfilment",
    impossible_date="30-04-22",
    name="download.csv",
    personal=("ship-city", "ship-postal-code"),
)
OLIST_ORDERS = tiny(
    "olist",
    "Olist orders CSV",
    """
    order_id | customer_id | order_status | order_purchase_timestamp | order_approved_at | order_delivered_carrier_date | order_delivered_customer_date | order_estimated_delivery_date
    o1 | X | delivered   | 2017-12-01 23:30:00 | 2017-12-02 00:10:00 | 2017-12-05 10:00:00 | 2017-12-20 18:00:00 | 2017-12-20 00:00:00
    o2 | X | canceled    | 2017-12-02 08:00:00 |                     |                     |                     | 2017-12-22 00:00:00
    o3 | X | unavailable | 2017-12-03 08:00:00 |                     |                     |                     | 2017-12-23 00:00:00
    """,
    delimiter=",",
    id_column="order_id",
    date_column="order_purchase_timestamp",
    needed="order_purchase_timestamp",
    impossible_date="2017-02-30 00:00:00",
    name="orders.csv",
    personal=("customer_id",),
)
OLIST_ITEMS = tiny(
    "olist",
    "Olist items CSV",
    """
    order_id | order_item_id | product_id | seller_id | shipping_limit_date | price | freight_value
    o1 | 1 | p1 | ana | 2017-12-05 09:00:00 | 10 | 1
    o1 | 2 | p1 | ana | 2017-12-06 09:00:00 | 10 | 1
    o1 | 3 | p2 | bia | 2017-12-05 09:59:59 | 20 | 1
    o2 | 1 | p2 | bia | 2017-12-08 09:00:00 | 20 | 1
    """,
    delimiter=",",
    id_column="order_id",
    date_column="shipping_limit_date",
    needed="seller_id",
    impossible_date="2017-02-30 00:00:00",
    name="items.csv",
)
OLIST_REVIEWS = tiny(
    "olist",
    "Olist reviews CSV",
    """
    review_id | order_id | review_score | review_comment_title | review_comment_message | review_creation_date | review_answer_timestamp
    r1 | o1 | 2 | X | X | 2017-12-21 00:00:00 | 2017-12-22 12:00:00
    r2 | o3 | 5 | X | X | 2017-12-23 00:00:00 | 2017-12-24 12:00:00
    """,
    delimiter=",",
    id_column="review_id",
    date_column="review_creation_date",
    needed="review_score",
    impossible_date="2017-02-30 00:00:00",
    name="reviews.csv",
    personal=("review_comment_title", "review_comment_message"),
)
FILES = (ALL_ORDERS, ORDER_REPORT, FEEDBACK, RETURNS, CONFIRMATIONS, DEFECTS, SALE_REPORT, OLIST_ORDERS)
"""One good file of every kind; Olist's orders need their items beside them."""


def place(folder: Path, file: Tiny, content: str | bytes | None = None, account: str = "acme") -> Path:
    """Write a file, and beside it what it needs to be read."""
    if file is OLIST_ORDERS:
        put(folder, OLIST_ITEMS, account)
        put(folder, OLIST_REVIEWS, account)
    return put(folder, file if content is None else content, account, file.name)


# The clocks of Los Angeles went forward in the night to 8 March 2026, and back in that to 1 November.
CONTACTS = tiny(
    "contacts",
    "buyer messages CSV",
    f"""
    contact-id | received-at               | answered-at               | order-id | needs-answer | excused-on
    m1         | 2026-03-02T18:00:00-08:00 | 2026-03-03T17:00:00-08:00 | {FIRST}  | yes          |
    m2         | 2026-03-03T09:00:00       | 2026-03-05T09:00:00       | {SECOND} |              |
    m3         | 2026-03-04T09:00:00Z      |                           | {THIRD}  | no           |
    """,
    delimiter=",",
    id_column="contact-id",
    date_column="received-at",
    needed="received-at",
    impossible_date="2026-02-30T10:00:00Z",
    name="download.csv",
)
SURVEYS = tiny(
    "surveys",
    "buyer surveys CSV",
    f"""
    order-id | surveyed-at               | solved | survey-id
    {FIRST}  | 2026-03-02T18:00:00-08:00 | yes    | s1
    {SECOND} | 2026-03-03T09:00:00       | no     | s2
    """,
    delimiter=",",
    id_column="order-id",
    date_column="surveyed-at",
    needed="solved",
    impossible_date="2026-02-30T10:00:00Z",
    name="download.csv",
)
REQUESTS = tiny(
    "return_requests",
    "return requests CSV",
    f"""
    return-id | order-id | requested-at              | answered-at          | decision | in-policy | refused-wrongly | unresolved-on | cleared-on | sku | reason | units
    r1        | {FIRST}  | 2026-03-02T18:00:00-08:00 | 2026-03-03T20:00:00Z | approved | yes       |                 | 2026-03-20    |            | S-1 | broken | 2
    r2        | {SECOND} | 2026-03-03T09:00:00       | 2026-03-07T09:00:00  | denied   | yes       | yes             |               | 2026-03-30 | S-2 |        | 1
    r3        | {THIRD}  | 2026-03-04                |                      |          |           |                 |               |            |     |        |
    """,
    delimiter=",",
    id_column="return-id",
    date_column="requested-at",
    needed="requested-at",
    impossible_date="2026-02-30T10:00:00Z",
    name="download.csv",
)
INVOICES = tiny(
    "invoices",
    "invoices CSV",
    f"""
    order-id | invoiced-at               | updated-at
    {FIRST}  | 2026-03-02T18:00:00-08:00 | 2026-03-09T00:00:00Z
    {SECOND} | 2026-03-03                |
    """,
    delimiter=",",
    id_column="order-id",
    date_column="invoiced-at",
    needed="order-id",
    impossible_date="2026-02-30T10:00:00Z",
    name="download.csv",
)
VIOLATIONS = tiny(
    "violations",
    "policy violations CSV",
    """
    violation-id | category       | opened-on  | resolved-on | severity
    v1           | Listing policy | 2026-03-02 | 2026-03-10  | Low
    v2           | Drop shipping  | 2026-03-04 |             |
    """,
    delimiter=",",
    id_column="violation-id",
    date_column="opened-on",
    needed="category",
    impossible_date="2026-02-30",
    name="download.csv",
)


ORDER_DEFECTS = tiny(
    "list_order_defects",
    "list of orders with defects",
    f"""
    Order ID | Order date | Fulfilled by | Negative feedback | A-to-z claim | Chargeback
    {FIRST}  | 2026-03-02 | Seller       | X                 |              |
    {SECOND} | 2026-03-03 | Seller       |                   | yes          | x
    {THIRD}  | 2026-03-04 | Seller       | no                | -            |
    """,
    ",", id_column="Order ID", date_column="Order date", needed="A-to-z claim", impossible_date="2026-13-02",
    name="order_defects_2026-03-31.csv",
)  # fmt: skip
LATE = tiny(
    "list_late_shipments",
    "list of late shipments",
    f"""
    Order-ID | Order date | Expected ship date  | Ship confirmation date | Buyer
    {FIRST}  | 2026-03-02 | 2026-03-04          | 2026-03-06T10:00:00Z   | {MARK}
    {SECOND} | 2026-03-03 | 2026-03-05          | 07-Mar-2026 09:00      | {MARK}
    """,
    ";", id_column="Order-ID", date_column="Ship confirmation date", needed="Expected ship date",
    impossible_date="2026-02-30",
)  # fmt: skip

INVOICE_DEFECTS = tiny(
    "list_invoice_defects",
    "list of orders with invoice defects",
    f"""
    Shipment ID | Order ID | Ship Date UTC | Defect Type     | Defect Reason
    D1          | {FIRST}  | 2026-03-04    | Missing invoice | None given
    D2          | {SECOND} | 2026-03-05    | Late Invoice    | After two days
    """,
    "\t", id_column="Order ID", date_column="Ship Date UTC", needed="Defect Type", impossible_date="",
    name="invoices 20260310.tsv",
)  # fmt: skip
SETTLEMENT = tiny(
    "settlement",
    "settlement file",
    f"""
    settlement-id | settlement-start-date | total-amount | currency | transaction-type        | order-id | marketplace-name | amount-type | amount  | posted-date | posted-date-time
    1             | 01.03.2026            | -10,00       | EUR      |                         |          |                  |             |         |             |
    1             |                       |              |          | Order                   | {FIRST}  | Amazon.de        | ItemPrice   | 1.020,00 | 02.03.2026  | x
    1             |                       |              |          | A-to-z Guarantee Refund | {FIRST}  | Amazon.de        | ItemPrice   | -1.020,00 | 09.03.2026  | x
    1             |                       |              |          | A-to-z Guarantee Refund | {FIRST}  | Amazon.de        | Commission  | 20,00   | 09.03.2026  | x
    1             |                       |              |          | A-to-z Guarantee Refund | {FIRST}  | Amazon.de        | ItemPrice   | 1.000,00 | 20.03.2026  | x
    1             |                       |              |          | Chargeback Refund       | {SECOND} | Amazon.de        | ItemPrice   | -5,00   | 10.03.2026  | x
    1             |                       |              |          | Refund                  | {THIRD}  | Amazon.de        | ItemPrice   | -7,50   | 11.03.2026  | x
    """,
    "\t", id_column="order-id", date_column="posted-date", needed="transaction-type", impossible_date="31.02.2026",
)  # fmt: skip

HAND_WRITTEN = (CONTACTS, SURVEYS, REQUESTS, INVOICES, VIOLATIONS)
"""One good file of every kind that people write by hand, beside confirmations and defects."""
DEFECT_LISTS = (ORDER_DEFECTS, LATE, INVOICE_DEFECTS, SETTLEMENT)
"""The marketplace's own lists of defects, and what it paid out."""
