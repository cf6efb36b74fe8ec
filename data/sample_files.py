"""Telling a story of the sample in the files of orders, feedback, defects and returns: one writer a kind of file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sample_life import returned
from sample_story import (
    DOWNLOADED,
    LAST_DAY,
    OLDER_DOWNLOAD,
    OLDER_FEEDBACK,
    ORDER_REPORTS,
    QUARTERS,
    RETURNS_FROM,
    Defect,
    Life,
    Line,
    Order,
    Rating,
    Story,
)


def columns(text: str, separator: str = " ") -> list[str]:
    """The names of a file's columns, in order.

    >>> columns("sku asin")
    ['sku', 'asin']
    """
    return text.split(separator)


CLASSIC = columns(
    "amazon-order-id merchant-order-id purchase-date last-updated-date order-status fulfillment-channel sales-channel "
    "order-channel ship-service-level product-name sku asin item-status quantity currency item-price item-tax "
    "shipping-price shipping-tax gift-wrap-price gift-wrap-tax item-promotion-discount ship-promotion-discount "
    "ship-city ship-state ship-postal-code ship-country promotion-ids is-business-order purchase-order-number "
    "price-designation"
)
WIDE = columns(
    "amazon-order-id merchant-order-id purchase-date last-updated-date order-status fulfillment-channel sales-channel "
    "order-channel ship-service-level product-name sku asin number-of-items item-status quantity currency item-price "
    "item-tax shipping-price shipping-tax gift-wrap-price gift-wrap-tax item-promotion-discount "
    "ship-promotion-discount address-type ship-city ship-state ship-postal-code ship-country promotion-ids "
    "is-business-order purchase-order-number price-designation fulfilled-by is-replacement-order original-order-id "
    "is-iba is-buyer-requested-cancellation buyer-requested-cancel-reason"
)
ORDER_REPORT = columns(
    "order-id order-item-id purchase-date payments-date buyer-email buyer-name buyer-phone-number sku product-name "
    "quantity-purchased currency item-price item-tax shipping-price shipping-tax ship-service-level recipient-name "
    "ship-address-1 ship-address-2 ship-address-3 ship-city ship-state ship-postal-code ship-country "
    "ship-phone-number item-promotion-discount item-promotion-id ship-promotion-discount ship-promotion-id "
    "delivery-start-date delivery-end-date delivery-time-zone delivery-Instructions sales-channel "
    "earliest-ship-date latest-ship-date earliest-delivery-date latest-delivery-date is-business-order "
    "purchase-order-number price-designation is-prime signature-confirmation-recommended"
)
RETURNS = columns(
    "Order ID|Order date|Return request date|Return request status|Amazon RMA ID|Merchant RMA ID|Label type|"
    "Label cost|Currency code|Return carrier|Tracking ID|Label to be paid by|A-to-Z Claim|Is prime|ASIN|"
    "Merchant SKU|Item Name|Return quantity|Return Reason|In policy|Return type|Resolution|Invoice number|"
    "Return delivery date|Order Amount|Order quantity|SafeT Action reason|SafeT claim id|SafeT claim state|"
    "SafeT claim creation time|SafeT claim reimbursement amount|Refunded Amount",
    "|",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Spelt out: the names that the machine's language would give are of no use here."""

Rows = Iterable[dict[str, str]]


def write_tabs(path: Path, header: list[str], rows: Rows, encoding: str, blank: str = "") -> None:
    """A tab-separated file with CRLF ends, quotes as ordinary characters, trailing empty cells kept."""
    lines = ["\t".join(header)] + ["\t".join(row.get(name, "") or blank for name in header) for row in rows]
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))


def write_commas(path: Path, header: str, rows: Iterable[tuple[str, ...]]) -> None:
    """A plain CSV in UTF-8, as the seller keeps it; no cell of ours holds a comma."""
    path.write_bytes("".join(f"{line}\n" for line in [header, *map(",".join, rows)]).encode("utf-8"))


def instant(moment: datetime) -> str:
    """As in the all-orders file: in UTC, with the offset written out."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def plain_instant(moment: datetime | None) -> str:
    """As in our own CSV files, or nothing."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment and moment <= DOWNLOADED else ""


def said(yes: bool) -> str:
    """A yes or no as Amazon writes it."""
    return "true" if yes else "false"


def money(story: Story, amount: float) -> str:
    """Two decimals; yen have none."""
    return f"{amount:.0f}" if story.market.currency == "JPY" else f"{amount:.2f}"


def periods(starts: tuple[date, ...]) -> Iterator[tuple[date, date, str]]:
    """First day, last day and file name part of each period."""
    for first, after in pairwise(starts):
        last = after - timedelta(1)
        yield first, last, f"{first:%Y-%m}" if first.month == last.month else f"{first:%Y-%m}_{last:%Y-%m}"


def all_orders_row(story: Story, order: Order, line: Line, seen_at: datetime) -> dict[str, str]:
    """One item of an order as the all-orders file shows it on the day of the download."""
    status = order.status(seen_at)
    gone = status == "Cancelled" or (line.cancelled and status == "Shipped")
    row = {
        "amazon-order-id": order.order_id,
        "purchase-date": instant(order.placed_at),
        "last-updated-date": instant(order.updated_at(seen_at)),
        "order-status": status,
        "fulfillment-channel": "Amazon" if order.channel == "amazon" else "Merchant",
        "sales-channel": story.market.sales_channel if order.own else "Non-Amazon",
        "ship-service-level": "Standard",
        "product-name": line.product.name,
        "sku": line.product.sku,
        "asin": line.product.asin,
        "number-of-items": str(line.units),
        "item-status": "Cancelled" if gone else {"Pending": ""}.get(status, status),
        "quantity": "0" if gone else str(line.units),
        "ship-state": order.state,
        "ship-country": story.market.country,
        "promotion-ids": order.promotion,
        "is-business-order": said(order.business),
        "price-designation": "Business Price" if order.business else "",
        **who_cancelled(order, gone),
    }
    if not gone and (status != "Pending" or order.channel == "amazon"):
        row |= {"currency": story.market.currency, "item-price": money(story, line.product.price * line.units)}
    return row


def who_cancelled(order: Order, gone: bool) -> dict[str, str]:
    """The wide layout's only word on who wanted the cancellation."""
    asked = gone and "buyer_cancel" in order.troubles
    reason = "Ordered by mistake" if asked else ""
    return {
        "is-buyer-requested-cancellation": "true" if asked else "false",
        "buyer-requested-cancel-reason": reason,
    }


def write_all_orders(life: Life, folder: Path) -> None:
    """One file a quarter by order date, the last of them downloaded early, and one by last update."""
    story = life.story
    header = CLASSIC if story.layout == "classic" else WIDE

    def tell(name: str, orders: Iterable[Order], seen_at: datetime) -> None:
        rows = (all_orders_row(story, order, line, seen_at) for order in orders for line in order.lines)
        write_tabs(folder / name, header, rows, story.market.orders_encoding)

    for first, last, name in periods(QUARTERS):
        seen_at = OLDER_DOWNLOAD if first == QUARTERS[-2] else DOWNLOADED
        placed = [order for order in life.orders if first <= order.day <= last and order.placed_at <= seen_at]
        tell(f"all_orders_{name}.txt", placed, seen_at)
    changed = [order for order in life.orders if order.updated_at(DOWNLOADED) > OLDER_DOWNLOAD - timedelta(1)]
    tell("all_orders_updated_2026-11-02.txt", changed, DOWNLOADED)


def order_report_rows(story: Story, number: int, order: Order) -> Iterator[dict[str, str]]:
    """The lines of one order; made-up buyers stand on every tenth order only, to keep the sample small."""
    for line in order.lines:
        yield {
            "order-id": order.order_id,
            "order-item-id": line.item_id,
            "purchase-date": instant(order.placed_at),
            "sku": line.product.sku,
            "quantity-purchased": str(line.units),
            "sales-channel": story.market.sales_channel,
            "latest-ship-date": order.ship_by.isoformat(),
            "latest-delivery-date": order.deliver_by.isoformat(),
            "is-business-order": said(order.business),
            "is-prime": said(order.prime) if story.prime else "",
            **(made_up_buyer(story, number) if number % 10 == 0 else {}),
        }
    if order.promotion:
        # A second promotion takes a line of its own, which repeats nothing but the order.
        yield {"order-id": order.order_id, "item-promotion-id": order.promotion}


def made_up_buyer(story: Story, number: int) -> dict[str, str]:
    """What a reader must drop at the door; example.invalid can never exist."""
    return {
        "buyer-email": f"buyer{number:06d}@example.invalid",
        "buyer-name": f"Buyer {number:06d}",
        "buyer-phone-number": "000-0000",
        "recipient-name": f"Buyer {number:06d}",
        "ship-address-1": story.market.street,
        "ship-city": "Sampletown",
        "ship-postal-code": "00000",
        "ship-country": story.market.country,
        "ship-phone-number": "000-0000",
    }


def write_order_reports(life: Life, folder: Path) -> None:
    """The seller's own orders with their promises, in periods of sixty days at most."""
    numbered = list(enumerate(life.seller_orders))
    for first, last, name in periods(ORDER_REPORTS):
        rows = (
            row
            for number, order in numbered
            if first <= order.day <= last and order.cancelled_at != order.paid_at  # cancelled before it was paid
            for row in order_report_rows(life.story, number, order)
        )
        write_tabs(folder / f"order_report_{name}.txt", ORDER_REPORT, rows, life.story.market.encoding)


def write_confirmations(life: Life, folder: Path) -> None:
    """The seller's own list of parcels: confirmed when, delivered when, and where the seller chooses, how sent."""
    american = life.story.marketplace == "US"
    header = f"order-id,shipment-id,confirmed-at,delivered-at,units,carrier,{'ship-method,' * american}tracking"
    for first, last, name in periods((ORDER_REPORTS[0], *QUARTERS[2:])):
        rows = [
            (
                *(order.order_id, f"P{count}", plain_instant(parcel.confirmed_at), plain_instant(parcel.delivered_at)),
                *(str(parcel.units), parcel.carrier, *((order.ship_method,) if american else ()), parcel.tracking),
            )
            for order in life.seller_orders
            if first <= order.day <= last
            for count, parcel in enumerate(order.parcels, start=1)
            if parcel.confirmed_at <= DOWNLOADED
        ]
        write_commas(folder / f"ship_confirmations_{name}.csv", header, rows)


def write_feedback(life: Life, folder: Path) -> None:
    """All feedback of one to three stars; the day is written as the marketplace writes it, unpadded."""
    tell_feedback(life, folder / "seller_feedback.txt", DOWNLOADED.date())


def write_older_feedback(life: Life, folder: Path) -> None:
    """The same, downloaded earlier: a rating that was removed since stands in it, and nowhere else."""
    tell_feedback(life, folder / f"seller_feedback_{OLDER_FEEDBACK}.txt", OLDER_FEEDBACK)


def tell_feedback(life: Life, path: Path, seen_on: date) -> None:
    """The ratings that stood on that day; each has its comment in whatever file it stands."""
    market = life.story.market
    lasting = sorted((row for row in life.ratings if not row.removed_on), key=lambda row: row.received_on)
    numbers = {row.order_id: number for number, row in enumerate(lasting)}
    known = [row for row in life.ratings if row.received_on <= seen_on and not gone(row, seen_on)]
    known.sort(key=lambda row: row.received_on)
    rows = []
    for row in known:
        number = numbers.get(row.order_id, len(lasting))
        day = market.feedback_day.format(d=row.received_on.day, m=row.received_on.month, y=f"{row.received_on:%y}")
        comment, answer = market.comments[number % len(market.comments)], market.answer if number % 3 == 0 else ""
        cells = (day, str(row.stars), comment, answer, row.order_id, f"rater{number:06d}@example.invalid")
        rows.append(dict(zip(market.feedback_header, cells, strict=True)))
    write_tabs(path, list(market.feedback_header), rows, market.encoding)


def gone(row: Rating, seen_on: date) -> bool:
    """Whether a rating was removed by that day."""
    return row.removed_on is not None and row.removed_on <= seen_on


def write_defects(life: Life, folder: Path) -> None:
    """Claims, chargebacks and refunds known by the day of the download; a header alone says that there were none."""
    known = [row for row in life.defects if row.known_on <= DOWNLOADED.date()]
    rows = [
        (row.order_id, row.kind, str(row.known_on), str(row.cleared_on or ""), row.detail)
        for row in sorted(known, key=lambda row: (row.known_on, row.order_id, row.kind))
    ]
    write_commas(folder / "defects.csv", "order-id,kind,known-on,cleared-on,detail", rows)


def write_returns(life: Life, folder: Path) -> None:
    """Returns asked for in the last sixty days: some of them refunded orders, some of them claims not won."""
    orders = {order.order_id: order for order in life.orders}
    rows = [return_row(life.story, orders[row.order_id], row) for row in returned(life)]
    name = f"returns_{RETURNS_FROM}_{LAST_DAY}.txt"
    write_tabs(folder / name, RETURNS, rows, life.story.market.encoding, blank=" ")


def return_row(story: Story, order: Order, reason: Defect) -> dict[str, str]:
    """One return request, on the day on which its refund or claim became known."""
    line, claim = order.lines[0], reason.kind == "a_to_z_claim"
    amount = money(story, line.product.price * line.units)
    return {
        "Order ID": order.order_id,
        "Order date": returns_day(order.day),
        "Return request date": returns_day(reason.known_on),
        "Return request status": "Approved",
        "Label type": "AmazonPrePaidLabel",
        "Label cost": "4.10",
        "Currency code": story.market.currency,
        "Return carrier": story.carriers[0],
        "Tracking ID": f"TEST{order.order_id[-7:]}",
        "Label to be paid by": "Seller",
        "A-to-Z Claim": "Y" if claim else "N",
        "Is prime": "N",
        "ASIN": line.product.asin,
        "Merchant SKU": line.product.sku,
        "Item Name": line.product.name,
        "Return quantity": str(line.units),
        "Return Reason": "CR-DEFECTIVE" if claim else "CR-UNWANTED_ITEM",
        "In policy": "Y",
        "Return type": "C-Returns",
        "Resolution": "StandardRefund",
        "Order Amount": amount,
        "Order quantity": str(line.units),
        "Refunded Amount": amount,
    }


def returns_day(day: date) -> str:
    """As in the returns file.

    >>> returns_day(date(2026, 9, 3))
    '03-Sep-2026'
    """
    return f"{day.day:02d}-{MONTHS[day.month - 1]}-{day.year}"
