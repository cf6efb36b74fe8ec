"""Amazon's own figures of an account, counted slowly, one order after the other, as of the evening of a day.

A third opinion on every rate, beside the kit's and that of `tests/plain.py`: nothing here is shared with either. Amazon
knows what the seller's files know, and the secrets of `Life`. Days are cut in the marketplace's zone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sample_life import working_days
from sample_story import Life, Order, Parcel

REPORTED = (date(2026, 8, 31), date(2026, 9, 30), date(2026, 10, 31))
MARKETPLACE_IDS = {"US": "ATVPDKIKX0DER", "UK": "A1F83G8C2ARO7P", "DE": "A1PA6795UKMFR9"}
CATEGORIES = (
    "listingPolicyViolations",
    "productAuthenticityCustomerComplaints",
    "productConditionCustomerComplaints",
    "productSafetyCustomerComplaints",
    "receivedIntellectualPropertyComplaints",
    "restrictedProductPolicyViolations",
    "suspectedIntellectualPropertyViolations",
    "foodAndProductSafetyIssues",
    "otherPolicyViolations",
    "documentRequests",
)
UNITS_FROM = {"US": date(2024, 9, 25), "UK": date(2025, 9, 16), "DE": date(2026, 9, 1)}
"""From when on the rate in units is asked for."""

POINTS = {"low": 2, "medium": 4, "high": 8, "critical": 1000}
BAD = "BAD"

Block = dict[str, Any]


@dataclass(frozen=True)
class Evening:
    """One account as Amazon knows it at the end of a day."""

    life: Life
    day: date

    def passed(self, moment: datetime | None) -> bool:
        """Whether something had happened by then."""
        return moment is not None and moment.astimezone(self.life.story.market.zone).date() <= self.day

    def back(self, days: int, ends: int) -> tuple[date, date]:
        """The first and the last of so many days, of which the last lies so many days back."""
        last = self.day - timedelta(ends)
        return last - timedelta(days - 1), last

    def orders(self, channel: str) -> Iterator[Order]:
        """The orders of a channel, with those that no file of the seller's holds."""
        for order in [*self.life.orders, *self.life.secrets.orders]:
            if order.channel == channel and order.own:
                yield order

    def confirmed_at(self, order: Order, parcel: Parcel) -> datetime:
        """When Amazon took the confirmation of a parcel in."""
        return self.life.secrets.confirmed_at.get(order.order_id, parcel.confirmed_at)

    def promised(self, days: tuple[date, date]) -> Iterator[tuple[Order, int, Parcel]]:
        """The confirmed parcels that were to be delivered on those days, each with its number."""
        for order in self.orders("seller"):
            if within(order.deliver_by.date(), days):
                for place, parcel in enumerate(order.parcels):
                    if self.passed(self.confirmed_at(order, parcel)):
                        yield order, place, parcel


def within(day: date, days: tuple[date, date]) -> bool:
    """Whether a day is one of some days."""
    return days[0] <= day <= days[1]


def cut(days: tuple[date, date]) -> Block:
    """Some days as Amazon writes them."""
    return {"reportingDateFrom": f"{days[0]}T00:00:00Z", "reportingDateTo": f"{days[1]}T23:59:59Z"}


def judged(some: int, of: int, target: float, condition: str) -> Block:
    """The rate, unrounded, and how it stands to its target; nothing counted is no rate."""
    rate = some / of if of else None
    meets = rate is not None and (rate < target if condition == "LESS_THAN" else rate > target)
    status = "NONE" if rate is None else "GOOD" if meets else BAD
    return {"status": status, "rate": rate, "targetValue": target, "targetCondition": condition}


# ---------------------------------------------------------------- one block a rate


def defects(evening: Evening, channel: str) -> dict[str, set[str]]:
    """Order ids by kind of defect, as far as known and not withdrawn by then."""
    found: dict[str, set[str]] = {"negativeFeedback": set(), "claims": set(), "chargebacks": set()}
    days = evening.back(60, 15)
    counted = {order.order_id for order in evening.orders(channel) if within(order.day, days)}
    for rated in evening.life.ratings:
        removed = rated.removed_on is not None and rated.removed_on <= evening.day
        if rated.stars <= 2 and rated.received_on <= evening.day and not removed:
            found["negativeFeedback"].add(rated.order_id)
    for row in evening.life.defects:
        ended = row.cleared_on or evening.life.secrets.withdrawn.get(row.order_id)
        if row.kind != "refund" and row.known_on <= evening.day and not (ended and ended <= evening.day):
            found["claims" if row.kind == "a_to_z_claim" else "chargebacks"].add(row.order_id)
    return {kind: ids & counted for kind, ids in found.items()}


def order_defects(evening: Evening, channel: str) -> Block:
    """The order defect rate of one channel: an order with two defects is one."""
    days, found = evening.back(60, 15), defects(evening, channel)
    orders = sum(within(order.day, days) for order in evening.orders(channel))
    many = len(set().union(*found.values()))
    whole = judged(many, orders, 0.01, "LESS_THAN")
    parts = {kind: {"count": len(ids), "status": whole["status"]} for kind, ids in found.items()}
    return {
        "reportingDateRange": cut(days),
        **whole,
        "orderCount": orders,
        "orderWithDefects": {"count": many, "status": whole["status"]},
        **parts,
        "fulfillmentType": "mfn" if channel == "seller" else "afn",
    }


def late_shipments(evening: Evening) -> Block:
    """Confirmed orders whose first confirmation came after their ship-by day, by that day."""
    days, orders, late = evening.back(30, 0), 0, 0
    for order in evening.orders("seller"):
        if within(order.ship_by.date(), days) and order.parcels:
            first = evening.confirmed_at(order, order.parcels[0])
            orders += evening.passed(first)
            late += evening.passed(first) and first > order.ship_by
    return {
        "reportingDateRange": cut(days),
        **judged(late, orders, 0.04, "LESS_THAN"),
        "orderCount": orders,
        "lateShipmentCount": late,
    }


def cancellations(evening: Evening) -> Block:
    """Orders that the seller cancelled, whole or in part, by order day."""
    days, orders, cancelled = evening.back(7, 1), 0, 0
    sellers_own = {"seller_cancel", "buyer_cancel" if evening.life.story.cancels_by_message else "seller_cancel"}
    for order in evening.orders("seller"):
        if within(order.day, days):
            orders += 1
            whole = bool(sellers_own & order.troubles) and evening.passed(order.cancelled_at)
            part = not order.cancelled_at and any(line.cancelled for line in order.lines)
            cancelled += whole or (part and evening.passed(order.shipped_at))
    return {
        "reportingDateRange": cut(days),
        **judged(cancelled, orders, 0.025, "LESS_THAN"),
        "orderCount": orders,
        "cancellationCount": cancelled,
    }


def valid_tracking(evening: Evening) -> Block:
    """Confirmed parcels that a carrier scanned, by the day on which they were promised."""
    days, parcels, valid = evening.back(30, 10), 0, 0
    for order, place, parcel in evening.promised(days):
        parcels += 1
        valid += bool(parcel.tracking) and (order.order_id, place) not in evening.life.secrets.unscanned
    return {
        "reportingDateRange": cut(days),
        **judged(valid, parcels, 0.95, "GREATER_THAN"),
        "shipmentCount": parcels,
        "validTrackingCount": valid,
    }


def on_time_units(evening: Evening) -> Block:
    """Delivered units of tracked parcels, and those of them that came by the promised moment."""
    days, units, on_time = evening.back(14, 7), 0, 0
    for order, _, parcel in evening.promised(days):
        if parcel.tracking and parcel.delivered_at and evening.passed(parcel.delivered_at):
            units += parcel.units
            on_time += parcel.units * (parcel.delivered_at <= order.deliver_by)
    return {
        "reportingDateRange": cut(days),
        **judged(on_time, units, 0.9, "GREATER_THAN"),
        "totalUnitCount": units,
        "unitOnTimeDeliveryCount": on_time,
    }


def invoices(evening: Evening) -> Block:
    """Business orders without an invoice by the end of the working day after dispatch, or with one that came later."""
    days, orders, missing, late = evening.back(7, 7), 0, 0, 0
    zone = evening.life.story.market.zone
    for order in evening.orders("seller"):
        if not (order.business and within(order.day, days)):
            continue
        orders += 1
        if order.parcels and evening.passed(order.shipped_at):
            due = working_days(order.shipped_at.astimezone(zone).date(), 1)
            at = evening.life.invoices.get(order.order_id)
            there = evening.passed(at)
            missing += not there and evening.day > due
            late += there and at is not None and at.astimezone(zone).date() > due
    whole = judged(missing + late, orders, 0.05, "LESS_THAN")
    return {
        "reportingDateRange": cut(days),
        **whole,
        "orderCount": orders,
        "invoiceDefect": {"count": missing + late, "status": whole["status"]},
        "missingInvoice": {"count": missing, "status": whole["status"]},
        "lateInvoice": {"count": late, "status": whole["status"]},
    }


# ---------------------------------------------------------------- violations, the rating, and the whole


def open_violations(evening: Evening) -> list[Any]:
    """The violations of the last 180 days that are open that evening."""
    days = evening.back(180, 0)
    return [
        row
        for row in evening.life.story.violations
        if within(date.fromisoformat(row.opened_on), days)
        and not (row.resolved_on and date.fromisoformat(row.resolved_on) <= evening.day)
    ]


def violations(evening: Evening) -> Iterator[tuple[str, Block]]:
    """How many violations of each category are open."""
    for category in CATEGORIES:
        many = sum(camel(row.category) == category for row in open_violations(evening))
        yield (
            category,
            {
                "reportingDateRange": cut(evening.back(180, 0)),
                "status": BAD if many else "GOOD",
                "defectsCount": many,
                "targetValue": 0,
                "targetCondition": "EQUALS",
            },
        )


def camel(name: str) -> str:
    """A name as Amazon spells its keys.

    >>> camel("listing_policy_violations")
    'listingPolicyViolations'
    """
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def rating(evening: Evening) -> Block:
    """The account health rating: 200 points, four more for 200 orders, less for each open violation."""
    days = evening.back(180, 0)
    orders = 0
    for channel in ("seller", "amazon"):
        kept = (order for order in evening.orders(channel) if not evening.passed(order.cancelled_at))
        orders += sum(within(order.day, days) for order in kept)
    score = min(1000, 200 + 4 * (orders // 200)) - sum(POINTS[row.severity] for row in open_violations(evening))
    return {
        "reportingDateRange": cut(days),
        "ahrStatus": "GREAT" if score >= 200 else "WARNED",
        "ahrScore": max(0, score),
    }


def rates(evening: Evening) -> Iterator[tuple[str, Block]]:
    """The rates that Amazon has of such an account: invoices are asked for in Europe."""
    sides = {"mfn": "seller", "afn": "amazon"}
    sold = {key: channel for key, channel in sides.items() if any(evening.orders(channel))}
    yield "orderDefectRate", {key: order_defects(evening, channel) for key, channel in sold.items()}
    yield "lateShipmentRate", late_shipments(evening)
    yield "preFulfillmentCancellationRate", cancellations(evening)
    yield "validTrackingRate", valid_tracking(evening)
    if evening.day >= UNITS_FROM[evening.life.story.marketplace]:
        yield "unitOnTimeDeliveryRate", on_time_units(evening)
    if "invoices" in evening.life.story.also:
        yield "invoiceDefectRate", invoices(evening)


def report(evening: Evening) -> Block:
    """The whole report of an account as of one evening."""
    found = dict(rates(evening))
    blocks = {**found, **found["orderDefectRate"]}
    bad = [name for name, block in blocks.items() if block.get("status") == BAD]
    named = ["orderDefectRate" if name in ("mfn", "afn") else name for name in bad]
    place = MARKETPLACE_IDS[evening.life.story.marketplace]
    return {
        "accountStatuses": [{"marketplaceId": place, "status": "AT_RISK" if bad else "NORMAL"}],
        "performanceMetrics": [
            {
                "marketplaceId": place,
                **found,
                **dict(violations(evening)),
                "accountHealthRating": rating(evening),
                "warningStates": [{"warningType": name, "status": "AT_RISK"} for name in sorted(set(named))],
            }
        ],
    }


def write_performance(life: Life, folder: Path) -> None:
    """One report for the end of each of three months; Amazon keeps none, so each was downloaded then."""
    for day in REPORTED:
        text = json.dumps(report(Evening(life, day)), indent=1)
        (folder / f"performance_{day}.json").write_bytes(f"{text}\n".encode())
