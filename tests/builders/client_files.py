"""Raw files of a client who brings little: some orders, ratings, and the marketplace's own performance report."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from healthkit.ingest import importer
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace

ZONE = ZoneInfo("America/Los_Angeles")
ORDERS = (
    "amazon-order-id", "purchase-date", "last-updated-date", "order-status", "fulfillment-channel", "sales-channel",
    "product-name", "sku", "asin", "item-status", "quantity", "currency", "ship-country", "is-business-order",
)  # fmt: skip
PROMISES = (
    "order-id", "order-item-id", "purchase-date", "payments-date", "sku", "product-name", "quantity-purchased",
    "sales-channel", "latest-ship-date", "latest-delivery-date",
)  # fmt: skip


def order_id(place: int) -> str:
    """The id of the order with a place in the file, from 0 on."""
    return f"111-{place // 10_000_000:07}-{place % 10_000_000:07}"


def at(day: date, hour: int = 12) -> str:
    """An hour of a day in the marketplace's zone, as files write it."""
    return datetime.combine(day, time(hour), ZONE).isoformat()


def placed(first: date, last: date, a_day: int) -> list[tuple[str, date]]:
    """So many orders a day, each with its id and day."""
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    return [(order_id(place), day) for place, day in enumerate(day for day in days for _ in range(a_day))]


def all_orders(
    orders: Iterable[tuple[str, date]],
    cancelled: Collection[str] = (),
    store: str = "Amazon.com",
    channel: str = "Merchant",
) -> str:
    """An all-orders file: all shipped on their day, but those that the seller cancelled."""
    rows = [ORDERS]
    for number, day in orders:
        state = "Cancelled" if number in cancelled else "Shipped"
        rows.append(
            (number, at(day), at(day), state, channel, store, "Mug", "MUG", "B0MUG", state, "1", "USD", "US", "false")
        )
    return _table(rows)


def order_report(orders: Iterable[tuple[str, date]], due: int = 2, arrive: int = 7) -> str:
    """An order report: each is due to ship and to arrive so many days after its day."""
    rows = [PROMISES]
    for place, (number, day) in enumerate(orders):
        ends = (f"{datetime.combine(day + timedelta(n), time(23, 59, 59), ZONE).isoformat()}" for n in (due, arrive))
        rows.append((number, str(place), at(day), at(day), "MUG", "Mug", "1", "Amazon.com", *ends))
    return _table(rows)


def confirmations(orders: Iterable[tuple[str, date]], late: Collection[str] = ()) -> str:
    """A confirmations file: each on its day, delivered four days later; some five days late."""
    lines = ["order-id,shipment-id,confirmed-at,delivered-at,units,tracking"]
    for number, day in orders:
        sent = day + timedelta(7 if number in late else 0)
        lines.append(f"{number},P1,{at(sent)},{at(sent + timedelta(4))},1,T{number}")
    return "\n".join(lines) + "\n"


def feedback(ratings: Iterable[tuple[str, date, int]]) -> str:
    """A feedback file of the United States."""
    rows = [("Date", "Rating", "Comments", "Your Response", "Order ID", "Rater Email")]
    rows += [(f"{day:%-m/%-d/%y}", str(stars), "", "", number, "") for number, day, stars in ratings]
    return _table(rows)


def figure(first: date, last: date, counted: int, some: int, names: tuple[str, str], status: str, target: float,
           condition: str = "LESS_THAN") -> dict[str, Any]:  # fmt: skip
    """One figure of a performance report; `names` are those of its two counts."""
    span = {"reportingDateFrom": f"{first}T00:00Z", "reportingDateTo": f"{last}T23:59Z"}
    rate = some / counted if counted else None
    return {
        "reportingDateRange": span, names[0]: counted, names[1]: some, "status": status, "rate": rate,
        "targetValue": target, "targetCondition": condition,
    }  # fmt: skip


def performance(as_of: date, marketplace: str = "US", rating: Mapping[str, Any] | None = None, **figures: Any) -> str:
    """A seller performance report of a day: figures by the names of its blocks, and the account health rating."""
    code = MARKETPLACES[marketplace].marketplace_id
    span = {"reportingDateFrom": f"{as_of}T00:00Z", "reportingDateTo": f"{as_of}T23:59Z"}
    block: dict[str, Any] = {"marketplaceId": code, **figures}
    if rating is not None:
        block["accountHealthRating"] = {**rating, "reportingDateRange": span}
    block["listingPolicyViolations"] = {
        "defectsCount": 0, "status": "GOOD", "targetValue": 0, "targetCondition": "EQUALS", "reportingDateRange": span,
    }  # fmt: skip
    told = {"accountStatuses": [{"marketplaceId": code, "status": "NORMAL"}], "performanceMetrics": [block]}
    return json.dumps(told)


def defect_rate(as_of: date, counted: int, defects: int, status: str) -> dict[str, Any]:
    """The order defect rate of seller-fulfilled orders in a performance report."""
    last = as_of - timedelta(15)
    held = figure(last - timedelta(59), last, counted, defects, ("orderCount", "unused"), status, 0.01)
    held.pop("unused")
    return {"mfn": {**held, "orderWithDefects": {"count": defects, "status": status}, "fulfillmentType": "MFN"}}


def shipped_late(as_of: date, counted: int, late: int, status: str) -> dict[str, Any]:
    """The late shipment rate over 30 days in a performance report."""
    return figure(as_of - timedelta(29), as_of, counted, late, ("orderCount", "lateShipmentCount"), status, 0.04)


def cancelled_rate(as_of: date, counted: int, cancelled: int, status: str) -> dict[str, Any]:
    """The cancellation rate over 7 days in a performance report."""
    last = as_of - timedelta(1)
    return figure(last - timedelta(6), last, counted, cancelled, ("orderCount", "cancellationCount"), status, 0.025)


def tracked(as_of: date, counted: int, valid: int, status: str) -> dict[str, Any]:
    """The valid tracking rate over 30 days in a performance report."""
    last, names = as_of - timedelta(10), ("shipmentCount", "validTrackingCount")
    return figure(last - timedelta(29), last, counted, valid, names, status, 0.95, "GREATER_THAN")


def unit_on_time(as_of: date, counted: int, on_time: int, status: str) -> dict[str, Any]:
    """The unit on-time delivery rate in a performance report."""
    last, names = as_of - timedelta(7), ("totalUnitCount", "unitOnTimeDeliveryCount")
    return figure(last - timedelta(13), last, counted, on_time, names, status, 0.9, "GREATER_THAN")


def imported(folder: Path, account: str = "acme", marketplace: str | None = "US", **files: str) -> Workspace:
    """A desk over a new store, or one that is there, with some files of one account: name (with "." as "_dot_")."""
    raw = folder / "raw" / account
    raw.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in files.items():
        path = raw / name.replace("_dot_", ".")
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    outcomes = list(importer.import_files(paths, Store(folder / "store"), account, marketplace))
    assert [outcome.refused for outcome in outcomes if outcome.refused] == []
    return Workspace(folder / "store")


def _table(rows: Iterable[Iterable[str]]) -> str:
    return "".join("\t".join(cells) + "\n" for cells in rows)
