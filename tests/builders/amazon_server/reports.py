"""Write the documents of reports about the sellers of a scenario, as they stand at an instant.

The rows are written by the project's sample writers. A document is text; the service encodes and packs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zlib import crc32

from healthkit.schema.marketplaces import MARKETPLACES
from tests.builders import client_files
from tests.builders.amazon_server.scenario import LONGEST, Placed, Seller, life, market, orders_between, story
from tests.builders.raw_files import MARK

from sample_files import RETURNS, WIDE, all_orders_row, columns, return_row  # isort: skip - scenario finds the folder
from sample_more_files import SHIPMENTS, TYPES, shipment_row  # isort: skip

PERFORMANCE = "GET_V2_SELLER_PERFORMANCE_REPORT"
FEEDBACK = "GET_SELLER_FEEDBACK_DATA"
ORDERS_BY_UPDATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
ORDERS_BY_DAY = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
RETURNED = "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"
SHIPPED = "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
SETTLED = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
RESTRICTED = (
    "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING",
    "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING",
    "GET_ORDER_REPORT_DATA_SHIPPING",
    "GET_ORDER_REPORT_DATA_INVOICING",
)
LONGEST_PERIOD = {ORDERS_BY_UPDATE: 30, ORDERS_BY_DAY: 30, RETURNED: 60, SHIPPED: 31}
"""The longest period of a report. [days]"""

ERROR_SENTENCE = "The requested date range exceeds the maximum of 30 days. Please choose a shorter range.\n"
SETTLEMENT = columns(
    "settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency transaction-type "
    "order-id merchant-order-id adjustment-id shipment-id marketplace-name amount-type amount-description amount "
    "fulfillment-id posted-date posted-date-time order-item-code merchant-order-item-id merchant-adjustment-item-id "
    "sku quantity-purchased promotion-id"
)
SETTLEMENT_DAYS = 14
_FIRST_SETTLEMENT = date(2020, 1, 6)
_SETTLED_DAYS = {"US": "%Y-%m-%d", "JP": "%Y/%m/%d"}


def write_report(
    seller: Seller, code: str, kind: str, start: datetime | None, end: datetime | None, now: datetime
) -> str | None:
    """Return the document of a report as of an instant; None if there is nothing to tell and Amazon cancels it."""
    last = min(end or now, now)
    if kind == PERFORMANCE:
        return performance(seller, code, now)
    if kind == FEEDBACK:
        return feedback(seller, code, start or now - timedelta(30), now)
    first = start or last - timedelta(1)
    if kind == ORDERS_BY_UPDATE:
        return all_orders(seller, code, first, last, now)
    if kind == ORDERS_BY_DAY:
        return all_orders(seller, code, first, last, now, by_update=False)
    if kind == RETURNED:
        return returns(seller, code, first, last, now)
    if kind == SHIPPED:
        return shipments(seller, code, first, last, now)
    raise ValueError(f"no report of the kind {kind}")


def encoding(code: str, kind: str) -> str:
    """Return the encoding in which a marketplace writes a report."""
    if kind == PERFORMANCE:
        return "utf-8"
    return market(code).orders_encoding if kind in (ORDERS_BY_UPDATE, ORDERS_BY_DAY) else market(code).encoding


def known_orders(seller: Seller, code: str, first: datetime, last: datetime) -> Iterator[Placed]:
    """Return the orders that may have changed between two instants and were placed by the second."""
    days = ((first - LONGEST).date(), last.date() + timedelta(1))
    return (placed for placed in orders_between(seller, code, *days) if placed.order.placed_at <= last)


def changed_orders(seller: Seller, code: str, first: datetime, last: datetime, now: datetime) -> list[Placed]:
    """Return the orders whose last change, as of now, came between two instants; in the order of their changes."""
    found = [
        (placed.order.updated_at(now), placed)
        for placed in known_orders(seller, code, first, min(last, now))
        if first <= placed.order.updated_at(now) <= last
    ]
    return [placed for _, placed in sorted(found, key=lambda pair: (pair[0], pair[1].order.order_id))]


def all_orders(
    seller: Seller, code: str, first: datetime, last: datetime, now: datetime, by_update: bool = True
) -> str:
    """Return an all-orders file by last update or by order day."""
    found = (
        changed_orders(seller, code, first, last, now)
        if by_update
        else [one for one in known_orders(seller, code, first, min(last, now)) if one.order.placed_at >= first]
    )
    rows = (
        {**all_orders_row(story(seller, code), placed.order, line, now), "ship-city": MARK, "ship-postal-code": MARK}
        for placed in found
        for line in placed.order.lines
    )
    return table(WIDE, rows)


def feedback(seller: Seller, code: str, since: datetime, now: datetime) -> str | None:
    """Return the ratings received since a day that stand now, the newest first; None if there are none."""
    place, first, today = market(code), local_day(code, since), local_day(code, now)
    known = [
        placed
        for placed in known_orders(seller, code, since, now)
        if placed.rated_on
        and first <= placed.rated_on <= today
        and not (placed.rating_removed_on and placed.rating_removed_on <= today)
    ]
    known.sort(key=lambda placed: (placed.rated_on, placed.order.order_id), reverse=True)
    rows = []
    for placed in known:
        on = placed.rated_on
        day = place.feedback_day.format(d=on.day, m=on.month, y=f"{on:%y}")
        cells = (day, str(placed.stars), MARK, MARK, placed.order.order_id, f"{MARK}@example.invalid")
        rows.append(dict(zip(place.feedback_header, cells, strict=True)))
    return table(list(place.feedback_header), rows) if rows else None


def returns(seller: Seller, code: str, first: datetime, last: datetime, now: datetime) -> str:
    """Return the returns that were asked for between two instants."""
    days = (local_day(code, first), local_day(code, last))
    rows = [
        {**return_row(story(seller, code), placed.order, placed.defect), "Tracking ID": MARK}
        for placed in known_orders(seller, code, first, min(last, now))
        if placed.defect and placed.order.channel == "seller" and days[0] <= placed.defect.known_on <= days[1]
        and placed.order.touched_at <= now
    ]  # fmt: skip
    return table(RETURNS, rows, blank=" ")


def shipments(seller: Seller, code: str, first: datetime, last: datetime, now: datetime) -> str:
    """Return what Amazon shipped between two instants."""
    rows = [
        {**shipment_row(life(seller, code), placed.order, parcel, line), "buyer-name": MARK, "ship-city": MARK}
        for placed in known_orders(seller, code, first, min(last, now))
        if placed.order.channel == "amazon"
        for parcel in placed.order.parcels[:1]
        if first <= parcel.confirmed_at <= min(last, now)
        for line in placed.order.lines
    ]
    return table(SHIPMENTS, rows)


def performance(seller: Seller, code: str, now: datetime) -> str:
    """Return the performance report of the evening before: the kit reads its figures, and need not agree with them."""
    day = local_day(code, now) - timedelta(1)

    def placed_in(days: int, back: int) -> list[Placed]:
        last = day - timedelta(back)
        return [one for one in orders_between(seller, code, last - timedelta(days - 1), last) if own(one)]

    def own(one: Placed) -> bool:
        return one.order.channel == "seller"

    defects, week, month = placed_in(60, 15), placed_in(7, 1), placed_in(30, 0)
    claimed = sum(bool(one.claimed_on and one.claimed_on <= day) or 0 < one.stars < 3 for one in defects)
    late = sum(bool(one.order.parcels) and one.order.shipped_at > one.order.ship_by for one in month)
    cancelled = sum(one.cancelled_by == "MERCHANT" for one in week)
    return client_files.performance(
        day,
        code,
        {"ahrStatus": "GREAT", "ahrScore": 400},
        orderDefectRate=client_files.defect_rate(day, len(defects), claimed, _status(claimed, defects, 0.01)),
        lateShipmentRate=client_files.shipped_late(day, len(month), late, _status(late, month, 0.04)),
        preFulfillmentCancellationRate=client_files.cancelled_rate(
            day, len(week), cancelled, _status(cancelled, week, 0.025)
        ),
    )


def _status(at_fault: int, counted: list[Any], target: float) -> str:
    return "GOOD" if at_fault < target * len(counted) else "BAD"


# ---------------------------------------------------------------- settlements, which Amazon makes by itself


def settlement_ends(since: datetime, now: datetime) -> list[date]:
    """Return the last days of the settlements that were made between two instants, oldest first."""
    first = max((since.date() - _FIRST_SETTLEMENT).days // SETTLEMENT_DAYS, 0)
    ends = (_FIRST_SETTLEMENT + timedelta(SETTLEMENT_DAYS * number) for number in range(first, first + 400))
    return [end for end in ends if since <= made_at(end) <= now]


def made_at(end: date) -> datetime:
    """Return when the settlement that ends on a day is made."""
    return datetime.combine(end + timedelta(1), time(9), UTC)


def settlement(seller: Seller, code: str, end: date) -> str:
    """Return a settlement: its total, and what refunds and claims took."""
    first, rows = end - timedelta(SETTLEMENT_DAYS - 1), []
    form = _SETTLED_DAYS.get(code, "%d.%m.%Y")
    shared = {
        "settlement-id": f"{end:%Y%m%d}{crc32(f'{seller.seller_id} {code}'.encode()) % 1_000_000:06d}",
        "settlement-start-date": f"{first.strftime(form)} 00:00:00 UTC",
        "settlement-end-date": f"{end.strftime(form)} 23:59:59 UTC",
        "currency": market(code).currency,
    }
    span = (datetime.combine(first, time(0), UTC), datetime.combine(end, time(23, 59, 59), UTC))
    for placed in known_orders(seller, code, *span):
        reason = placed.defect
        if reason and first <= reason.known_on <= end:
            line = placed.order.lines[0]
            rows.append({
                **shared,
                "transaction-type": TYPES[reason.kind],
                "order-id": placed.order.order_id,
                "adjustment-id": f"ADJ{placed.order.order_id[-7:]}",
                "marketplace-name": market(code).sales_channel,
                "amount-type": "ItemPrice",
                "amount-description": "Principal",
                "amount": f"-{line.product.price * line.units:.2f}",
                "posted-date": reason.known_on.strftime(form),
                "posted-date-time": f"{reason.known_on.strftime(form)} 11:00:00 UTC",
                "order-item-code": line.item_id,
                "sku": line.product.sku,
                "quantity-purchased": str(line.units),
            })  # fmt: skip
    total = {
        **shared,
        "deposit-date": f"{(end + timedelta(2)).strftime(form)} 09:00:00 UTC",
        "total-amount": f"{sum(float(row['amount']) for row in rows):.2f}",
    }
    return table(SETTLEMENT, [total, *rows])


# ---------------------------------------------------------------- orders of the Orders API


def api_order(seller: Seller, code: str, placed: Placed, now: datetime, data: Iterable[str] = ()) -> dict[str, Any]:
    """Return an order as the Orders API of 2026-01-01 tells it, with the sets of data that were asked for."""
    order, data = placed.order, set(data)
    told: dict[str, Any] = {
        "orderId": order.order_id,
        "createdTime": stamp(order.placed_at),
        "lastUpdatedTime": stamp(order.updated_at(now)),
        "programs": ["AMAZON_BUSINESS"] if order.business else [],
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": MARKETPLACES[code].marketplace_id,
            "marketplaceName": market(code).sales_channel,
        },
        "orderItems": [_api_item(placed, line, now, data) for line in order.lines],
    }
    if "FULFILLMENT" in data:
        told["fulfillment"] = {
            "fulfillmentStatus": order.status(now).upper(),
            "fulfilledBy": "AMAZON" if order.channel == "amazon" else "MERCHANT",
            "fulfillmentServiceLevel": "STANDARD",
            "shipByWindow": {"latestDateTime": stamp(order.ship_by)},
            "deliverByWindow": {"latestDateTime": stamp(order.deliver_by)},
        }
    if "PACKAGES" in data and order.channel == "seller":
        told["packages"] = [*_api_packages(placed, now)]
    if "BUYER" in data:
        told["buyer"] = {"buyerName": MARK, "buyerEmail": MARK}
    if "RECIPIENT" in data:
        told["recipient"] = {"deliveryAddress": {"name": MARK, "city": MARK, "stateOrRegion": order.state}}
    return told


def _api_item(placed: Placed, line: Any, now: datetime, data: set[str]) -> dict[str, Any]:
    status = placed.order.status(now)
    item: dict[str, Any] = {
        "orderItemId": line.item_id,
        "quantityOrdered": line.units,
        "product": {"asin": line.product.asin, "title": line.product.name, "sellerSku": line.product.sku},
    }
    if "FULFILLMENT" in data:
        sent = line.units if status == "Shipped" else 0
        item["fulfillment"] = {"quantityFulfilled": sent, "quantityUnfulfilled": line.units - sent}
    if "CANCELLATION" in data and status == "Cancelled":
        done = {"cancelledBy": placed.cancelled_by, "cancelReason": MARK}
        item["cancellation"] = {"cancellationExecution": done}
        if placed.cancelled_by == "BUYER":
            item["cancellation"]["cancellationRequest"] = {"requester": "BUYER", "cancelReason": MARK}
    return item


def _api_packages(placed: Placed, now: datetime) -> Iterator[dict[str, Any]]:
    items = [(line.item_id, line.units) for line in placed.order.lines]
    whole = len(placed.order.parcels) == 1
    for number, parcel in enumerate(placed.order.parcels):
        if parcel.confirmed_at <= now:
            there = parcel.delivered_at is not None and parcel.delivered_at <= now
            inside = items if whole else items[number : number + 1]
            yield {
                "packageReferenceId": f"{number + 1}",
                "createdTime": stamp(parcel.confirmed_at),
                "carrier": parcel.carrier,
                "shippingService": placed.order.ship_method,
                "trackingNumber": parcel.tracking,
                "packageStatus": {"status": "DELIVERED" if there else "IN_TRANSIT"},
                "shipFromAddress": {"name": MARK, "addressLine1": MARK},
                "packageItems": [{"orderItemId": item, "quantity": units} for item, units in inside],
            }


# ---------------------------------------------------------------- cells


def stamp(moment: datetime) -> str:
    """Write an instant as the API does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_day(code: str, moment: datetime) -> date:
    """Return the day of an instant in the marketplace's zone."""
    return moment.astimezone(market(code).zone).date()


def table(header: list[str], rows: Iterable[dict[str, str]], blank: str = "") -> str:
    """Write a tab-separated file with CRLF ends, quotes as ordinary characters, trailing empty cells left in."""
    lines = ["\t".join(header)]
    lines += ["\t".join(row.get(name, "") or blank for name in header) for row in rows]
    return "".join(f"{line}\r\n" for line in lines)
