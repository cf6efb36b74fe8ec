"""The slow oracle: each metric said again, order by order and day by day, straight from its definition.

No sweep, no joined stays, no frames: for one evening it looks at every order of plain dicts and asks "does it
count?" and "is it at fault?", using only what could be known that evening (or, with hindsight, all of it).
"""

from __future__ import annotations

from datetime import date, timedelta


def window_days(as_of: date, window: int, lag: int) -> tuple[date, date]:
    """First and last clock day of a window."""
    last = as_of - timedelta(days=lag)
    return last - timedelta(days=window - 1), last


def judged(metric, rows, options, clock, as_of, hindsight):
    """(order, clock day, how many it adds, how many of them are at fault) for each order that evening can see."""
    evening = Evening(as_of, hindsight)
    said = []
    for order in rows["orders"]:
        if order["channel"] is None or order[clock] is None:
            continue
        about = {name: [row for row in rows.get(name, ()) if same_order(row, order)] for name in ABOUT}
        weight, bad = JUDGES[metric](order, about, options, evening)
        said.append(
            (order, order[clock], weight, bad if isinstance(bad, int) and not isinstance(bad, bool) else weight * bad)
        )
    return said


ABOUT = ("feedback", "defects", "shipments")


def same_order(row, order):
    return all(row[name] == order[name] for name in ("account", "marketplace", "order_id"))


def counts(rows, account, channel, as_of, window, lag):
    """(counted, at fault) among the judged orders of one account and channel whose clock day is in the window."""
    first, last = window_days(as_of, window, lag)
    mine = [
        (weight, bad)
        for order, day, weight, bad in rows
        if order["account"] == account and order["channel"] == channel and first <= day <= last
    ]
    return sum(weight for weight, _ in mine), sum(bad for _, bad in mine)


class Evening:
    """What could be known on the evening of a day; with hindsight, everything."""

    def __init__(self, as_of, hindsight):
        self.as_of, self.hindsight = as_of, hindsight

    def knows(self, day):
        return day is not None and (self.hindsight or day <= self.as_of)

    def stands(self, known, cleared):
        return self.knows(known) and not self.knows(cleared)


def standing_rating(ratings, evening):
    """The rating that stands that evening: the last in rank of those received, if it was not removed."""
    known = [row for row in ratings if evening.knows(row["received_on"])]
    if not known:
        return None
    last = max(known, key=lambda row: row["rank"])
    return None if evening.knows(last["removed_on"]) else last


def has_defect(mishaps, kind, evening):
    mine = [row for row in mishaps if row["kind"] == kind]
    certain = [row for row in mine if row["assumed"] is None and evening.knows(row["known_on"])]
    return any(evening.stands(row["known_on"], row["cleared_on"]) for row in (certain or mine))


def every_order(order, options, evening):
    return 0 if not options.get("include_cancelled", True) and is_cancelled(order, evening) else 1


def is_cancelled(order, evening):
    return order["status"] == "cancelled" and evening.knows(order["cancelled_on"])


def bad_feedback(order, about, options, evening):
    rating = standing_rating(about["feedback"], evening)
    bad = rating is not None and rating["rating"] <= options.get("negative_up_to", 2)
    return bad or has_defect(about["defects"], "negative_feedback", evening)


def order_defects(order, about, options, evening):
    bad = (
        bad_feedback(order, about, options, evening)
        or has_defect(about["defects"], "a_to_z_claim", evening)
        or has_defect(about["defects"], "chargeback", evening)
    )
    return every_order(order, options, evening), bad


def part(kind):
    def judge(order, about, options, evening):
        return every_order(order, options, evening), has_defect(about["defects"], kind, evening)

    return judge


def negative_feedback(order, about, options, evening):
    return every_order(order, options, evening), bad_feedback(order, about, options, evening)


def negative_review(order, about, options, evening):
    reviewed = any(evening.knows(row["received_on"]) for row in about["feedback"])
    rating = standing_rating(about["feedback"], evening)
    return int(reviewed), rating is not None and rating["rating"] <= options.get("negative_up_to", 2)


def cancellation(order, about, options, evening):
    if not evening.knows(order["cancelled_on"]):
        return 1, False
    whole = order["status"] == "cancelled"
    in_part = bool(order["part_cancelled"]) and options.get("part_cancelled", "at_fault") == "at_fault"
    canceller = order["cancelled_by"]
    blamed = (
        canceller == "seller"
        or (canceller == "amazon" and options.get("amazon_cancelled", "at_fault") == "at_fault")
        or (canceller is None and options.get("unknown_canceller", "at_fault") == "at_fault")
    )
    return 1, (whole or in_part) and blamed


def late_shipment(order, about, options, evening):
    if order["ship_by"] is None:
        return 0, False
    confirmed = order["shipped_at"] is not None and evening.knows(order["shipped_on"])
    late = confirmed and order["shipped_at"] > order["ship_by"]
    if options.get("counts", "confirmed") == "due":
        return (0 if is_cancelled(order, evening) else 1), late
    return int(confirmed), late


def on_time_delivery(order, about, options, evening):
    if order["deliver_by"] is None or order["delivered_at"] is None or not evening.knows(order["delivered_on"]):
        return 0, False
    return 1, order["delivered_at"] > order["deliver_by"]


def unit_on_time_delivery(order, about, options, evening):
    if order["deliver_by"] is None:
        return 0, 0
    parcels = [row for row in about["shipments"] if row["delivered_at"] and evening.knows(row["delivered_on"])]
    units = [
        (1 if row["units"] is None else row["units"], row["delivered_at"] > order["deliver_by"]) for row in parcels
    ]
    return sum(many for many, _ in units), sum(many for many, late in units if late)


def valid_tracking(order, about, options, evening):
    told = [row for row in about["shipments"] if row["tracking"] is not None and evening.knows(row["confirmed_on"])]
    return len(told), sum(not row["tracking"] for row in told)


JUDGES = {
    "valid_tracking_rate": valid_tracking,
    "refund_rate": part("refund"),
    "order_defect_rate": order_defects,
    "negative_feedback_rate": negative_feedback,
    "a_to_z_claim_rate": part("a_to_z_claim"),
    "chargeback_rate": part("chargeback"),
    "negative_review_rate": negative_review,
    "cancellation_rate": cancellation,
    "late_shipment_rate": late_shipment,
    "on_time_delivery_rate": on_time_delivery,
    "unit_on_time_delivery_rate": unit_on_time_delivery,
}
