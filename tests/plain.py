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
    if metric in ALONE:
        return list(alone(metric, rows, options, clock, evening))
    said = []
    for order in rows["orders"]:
        if order["channel"] is None or order[clock] is None:
            continue
        about = {name: [row for row in rows.get(name, ()) if same_order(row, order)] for name in ABOUT}
        about |= {"clock_day": order[clock], "lists": lists_of(rows, order)}
        weight, bad = JUDGES[metric](order, about, options, evening)
        said.append(
            (order, order[clock], weight, bad if isinstance(bad, int) and not isinstance(bad, bool) else weight * bad)
        )
    return said


ABOUT = ("feedback", "defects", "shipments", "returns")


def same_order(row, order):
    return all(row[name] == order[name] for name in ("account", "marketplace", "order_id"))


def lists_of(rows, order):
    """The days of the lists of late shipments of an order's account and marketplace."""
    return [
        row["as_of"] for row in rows.get("account_states", ())
        if (row["kind"], row["name"]) == ("list", "list_late_shipments")
        and all(row[name] == order[name] for name in ("account", "marketplace"))
    ]  # fmt: skip


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
    rated = any(evening.knows(row["received_on"]) for row in about["feedback"])
    told = [row for row in about["defects"] if row["assumed"] is None or not rated]
    return bad or has_defect(told, "negative_feedback", evening)


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
        return 1, has_defect(about["defects"], "cancelled", evening)
    whole = order["status"] == "cancelled"
    if order.get("restored_on") is not None:
        whole = not evening.knows(order["restored_on"])
    in_part = bool(order["part_cancelled"]) and options.get("part_cancelled", "at_fault") == "at_fault"
    canceller = order["cancelled_by"]
    blamed = (
        canceller == "seller"
        or (canceller == "amazon" and options.get("amazon_cancelled", "at_fault") == "at_fault")
        or (canceller is None and options.get("unknown_canceller", "at_fault") == "at_fault")
    )
    return 1, ((whole or in_part) and blamed) or has_defect(about["defects"], "cancelled", evening)


def alone(metric, rows, options, clock, evening):
    """The same of what counts by itself: messages, surveys, return requests, violations."""
    table, judge = ALONE[metric]
    for row in rows.get(table, ()):
        counted, bad = judge(row, rows, options, evening)
        whole = row if table == "returns" else row | {"channel": "all"}
        yield whole, row[clock], counted, bad if isinstance(bad, int) and not isinstance(bad, bool) else counted * bad


def message(row, rows, options, evening):
    hours = options.get("within_hours", 24)
    due = row[f"due_{hours}h_on"]
    counts = evening.knows(row["answered_on"]) or evening.knows(due)
    if row["kind"] != "message" or evening.knows(row["excused_on"]) or not counts:
        return 0, False
    late = row["answered_at"] is None or row["answered_at"] > row["received_at"] + timedelta(hours=hours)
    return 1, late and evening.knows(due)


def answered(row, rows, options, evening):
    told = row["kind"] == "message" and evening.knows(row["answered_on"]) and not evening.knows(row["excused_on"])
    return int(told), 0


def survey(row, rows, options, evening):
    if row["kind"] != "survey" or not evening.knows(row["received_on"]) or evening.knows(row["excused_on"]):
        return 0, False
    about = row["order_id"] or row["contact_id"]
    later = [
        other for other in rows["contacts"]
        if other["kind"] == "survey" and (other["order_id"] or other["contact_id"]) == about
        and all(other[name] == row[name] for name in ("account", "marketplace"))
        and (other["received_at"], other["contact_id"]) > (row["received_at"], row["contact_id"])
        and evening.knows(other["received_on"])
    ]  # fmt: skip
    return int(not later), row["outcome"] == "no"


def request(*faults):
    def judge(row, rows, options, evening):
        sold_by = [order["channel"] for order in rows["orders"] if same_order(order, row)]
        if row["channel"] != "seller" or "amazon" in sold_by or evening.knows(row["cleared_on"]):
            return 0, False
        return 1, any(fault(row, evening) for fault in faults)

    return judge


def unresolved(row, evening):
    return evening.knows(row["unresolved_on"])


def answered_late(row, evening):
    if row["answered_at"] is None:
        return row["decision"] is None and evening.knows(row["due_48h_on"])
    return row["answered_at"] > row["requested_at"] + timedelta(hours=48) and evening.knows(row["due_48h_on"])


def refused_wrongly(row, evening):
    wrong = row["in_policy"] if row["refused_wrongly"] is None else row["refused_wrongly"]
    return row["decision"] == "refused" and bool(wrong) and evening.knows(row["answered_on"] or row["requested_on"])


def fulfilled(row, rows, options, evening):
    return int(row["channel"] is not None and not is_cancelled(row, evening)), 0


ALONE = {
    "late_response_rate": ("contacts", message),
    "average_response_time": ("contacts", answered),
    "customer_service_dissatisfaction_rate": ("contacts", survey),
    "negative_return_feedback_rate": ("returns", request(unresolved)),
    "late_return_response_rate": ("returns", request(answered_late)),
    "invalid_rejection_rate": ("returns", request(refused_wrongly)),
    "return_dissatisfaction_rate": ("returns", request(unresolved, answered_late, refused_wrongly)),
    "account_health_rating": ("orders", fulfilled),
}


def open_violations(rows, account, as_of, window):
    """The violations open that evening: each told one by one; of other categories the newest count."""
    first, _ = window_days(as_of, window, 0)
    mine = [row for row in rows["violations"] if row["account"] == account and row["opened_on"] <= as_of]
    each = {row["category"] for row in rows["violations"] if row["account"] == account and row["violation_id"]}
    found = [
        row for row in mine
        if row["violation_id"] and row["opened_on"] >= first
        and (row["resolved_on"] is None or row["resolved_on"] > as_of)
    ]  # fmt: skip
    for category in {row["category"] for row in mine} - each:
        newest = max((row for row in mine if row["category"] == category), key=lambda row: row["opened_on"])
        found += [newest] if newest["opened_on"] >= first else []
    return found


def value(metric, rows, rule, account, as_of, window):
    """The figure of what is no rate: open violations, hours on average, points of the rating."""
    found = open_violations(rows, account, as_of, window)
    if metric == "policy_violations":
        return sum(row["count"] for row in found)
    judged_rows = judged(metric, rows, rule.counting, rule.clock, as_of, False)
    first, last = window_days(as_of, window, rule.lag)
    inside = [
        row for row, day, counted, _ in judged_rows if counted and row["account"] == account and first <= day <= last
    ]
    if metric == "average_response_time":
        waits = [int((row["answered_at"] - row["received_at"]).total_seconds() // 60) for row in inside]
        return sum(waits) / len(waits) / 60
    taken = sum(rule.counting[f"points_{row['severity'] or 'unknown'}"] * row["count"] for row in found)
    points = rule.points
    earned = min(points.most, points.start + points.gain * (len(inside) // points.per_orders))
    return max(0, earned - taken)


def invoice(order, about, options, evening):
    if not order["is_business"]:
        return 0, False
    listed = any(has_defect(about["defects"], kind, evening) for kind in ("invoice_missing", "invoice_late"))
    late = False
    if order["shipped_on"] is not None:
        till = order["shipped_on"] + timedelta(days=1)
        while till.weekday() > 4:
            till += timedelta(days=1)
        in_time = order["invoiced_on"] is not None and order["invoiced_on"] <= till
        late = not in_time and evening.knows(till + timedelta(days=1))
    return every_order(order, options, evening), late or listed


def listed(about, kind, evening, counts_from):
    """Whether the marketplace's own list names the order that evening."""
    return evening.knows(counts_from) and has_defect(about["defects"], kind, evening)


def late_shipment(order, about, options, evening):
    if order["ship_by"] is None:
        return 0, False
    confirmed = order["shipped_at"] is not None and evening.knows(order["shipped_on"])
    late = confirmed and order["shipped_at"] > order["ship_by"]
    if options.get("counts", "confirmed") == "due":
        return (0 if is_cancelled(order, evening) else 1), late or has_defect(about["defects"], "shipped_late", evening)
    counts_on = order["shipped_on"] if order["shipped_at"] is not None else by_list(order, about)
    return int(evening.knows(counts_on)), late or listed(about, "shipped_late", evening, counts_on)


def was_shipped(order, parcels):
    return order["status"] in ("shipped", "partially shipped", "delivered") or order["shipped_at"] or bool(parcels)


def by_list(order, about):
    """From which day on a seller's shipped order without a confirmation counts: of the first list that covers it."""
    if order["channel"] != "seller" or order["status"] == "cancelled" or not was_shipped(order, about["shipments"]):
        return None
    days = [day for day in about["lists"] if day - timedelta(days=60) <= order["ship_by_on"] <= day]
    return max(about["clock_day"], min(days)) if days else None


def on_time_delivery(order, about, options, evening):
    """Parcel by parcel; an order of which no file names a parcel is one."""
    if order["deliver_by"] is None:
        return 0, 0
    parcels = [row for row in about["shipments"] if row["delivered_at"] and row["tracking"] is not False]
    if not about["shipments"] and order["delivered_at"] is not None:
        parcels = [order | {"shipment_id": "", "confirmed_at": None}]
    late = [
        row["delivered_at"] > order["deliver_by"]
        or (row["confirmed_at"] is not None and row["confirmed_at"] > row["delivered_at"])
        for row in parcels
    ]
    return by_parcel(parcels, late, "delivered_on", "delivered_late", about, evening)


def by_parcel(parcels, bad, known_on, kind, about, evening):
    """How many parcels are known, and how many of them are bad; a listed order without a bad one has its first bad."""
    if parcels and not any(bad) and has_listing(about["defects"], kind, evening):
        first = min(range(len(parcels)), key=lambda place: parcels[place]["shipment_id"])
        bad = [place == first for place in range(len(parcels))]
    known = [evening.knows(row[known_on]) for row in parcels]
    return sum(known), sum(wrong for wrong, told in zip(bad, known, strict=True) if told)


def has_listing(mishaps, kind, evening):
    """From the first day a list names the order until the last of its namings is cleared."""
    mine = [row for row in mishaps if row["kind"] == kind]
    if not mine or not evening.knows(min(row["known_on"] for row in mine)):
        return False
    return any(row["cleared_on"] is None for row in mine) or not evening.knows(max(row["cleared_on"] for row in mine))


def unit_on_time_delivery(order, about, options, evening):
    """Unit by unit; of a listed order without a late parcel every delivered unit is late from that day on."""
    if order["deliver_by"] is None:
        return 0, 0
    parcels = [row for row in about["shipments"] if row["delivered_at"] and row["tracking"] is not False]
    late = [row["delivered_at"] > order["deliver_by"] for row in parcels]
    if not any(late) and has_listing(about["defects"], "delivered_late", evening):
        late = [True] * len(parcels)
    units = [
        (units_of(row, order, about["shipments"]), wrong)
        for row, wrong in zip(parcels, late, strict=True) if evening.knows(row["delivered_on"])
    ]  # fmt: skip
    return sum(many for many, _ in units), sum(many for many, wrong in units if wrong)


def units_of(parcel, order, parcels):
    """Its own units, or its share of those that the order's other parcels leave."""
    if parcel["units"] is not None:
        return parcel["units"]
    silent = sorted(row["shipment_id"] for row in parcels if row["units"] is None)
    left = (order["units"] or 0) - sum(row["units"] for row in parcels if row["units"] is not None)
    if left < len(silent):
        return 1
    return left // len(silent) + (left % len(silent) if parcel["shipment_id"] == silent[0] else 0)


def valid_tracking(order, about, options, evening):
    valid = {id(row): row["scanned"] if row["scanned"] is not None else row["tracking"] for row in about["shipments"]}
    told = [row for row in about["shipments"] if valid[id(row)] is not None and row["confirmed_on"] is not None]
    return by_parcel(told, [not valid[id(row)] for row in told], "confirmed_on", "no_tracking", about, evening)


def business_hours(order, about, options, evening):
    """Parcels to businesses of which it is told whether they came while the customer was open."""
    told = [row for row in about["shipments"] if row["delivered_on"] and row["in_business_hours"] is not None]
    known = [row for row in told if evening.knows(row["delivered_on"])] if order["is_business"] else []
    return len(known), sum(row["in_business_hours"] is False for row in known)


def arrival(order, parcels):
    """The day an order is taken as delivered: of its first parcel, or its own where no parcel has one."""
    return min((row["delivered_on"] for row in parcels if row["delivered_on"]), default=order["delivered_on"])


def returned(order, about, options, evening):
    day = arrival(order, about["shipments"])
    stands = any(evening.stands(row["requested_on"], row["cleared_on"]) for row in about["returns"])
    return int(evening.knows(day)) * every_order(order, options, evening), stands


def transaction_defects(order, about, options, evening):
    _, cancelled = cancellation(order, about, options, evening)
    return 1, cancelled or has_defect(about["defects"], "case", evening)


JUDGES = {
    "business_hour_delivery_rate": business_hours,
    "return_rate": returned,
    "item_not_received_rate": part("not_received"),
    "case_rate": part("case"),
    "transaction_defect_rate": transaction_defects,
    "invoice_defect_rate": invoice,
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


# -- orders of which no file says enough ---------------------------------------------------------------------


def unknown(metric, rows, options, clock, as_of):
    """(order, the day that places it) for each shipped order that no file lets count by the evening of a day."""
    judge, found = UNKNOWN[metric], []
    for order in rows["orders"]:
        parcels = [row for row in rows.get("shipments", ()) if same_order(row, order)]
        if order["channel"] is None or order["status"] == "cancelled" or not was_shipped(order, parcels):
            continue
        if options.get("orders", "any") == "premium" and not order["is_premium"]:
            continue
        placed, known_on = order[clock] or order["ordered_on"], order["ordered_on"] or order[clock]
        if placed is None or known_on > as_of:
            continue
        if metric == "business_hour_delivery_rate" and not order["is_business"]:
            continue
        if order[clock] is None or judge(order, parcels, options):
            about = {"shipments": parcels, "lists": lists_of(rows, order), "clock_day": order[clock]}
            estimated = metric == "late_shipment_rate" and options.get("counts", "confirmed") != "due"
            counts_on = by_list(order, about) if estimated and order[clock] and order["ship_by"] else None
            if counts_on is None or counts_on > as_of:
                found.append((order, placed))
    return found


def unknown_counts(rows, account, channel, as_of, window, lag):
    """How many of them one account has in a channel inside the window of a day."""
    first, last = window_days(as_of, window, lag)
    mine = [day for order, day in rows if order["account"] == account and order["channel"] == channel]
    return sum(first <= day <= last for day in mine)


def unconfirmed(order, parcels, options):
    if options.get("counts", "confirmed") == "due":
        return order["ship_by"] is None
    return order["ship_by"] is None or order["shipped_at"] is None


def undelivered(order, parcels, options):
    """An order all of whose parcels lack tracking is left out of the rate, so that it is not unknown."""
    tracked = [row for row in parcels if row["tracking"] is not False]
    if parcels and not tracked:
        return False
    told = any(row["delivered_at"] for row in tracked) or (not parcels and order["delivered_at"] is not None)
    return order["deliver_by"] is None or not told


def units_undelivered(order, parcels, options):
    tracked = [row for row in parcels if row["tracking"] is not False]
    if parcels and not tracked:
        return False
    return order["deliver_by"] is None or not any(row["delivered_at"] for row in tracked)


def untracked(order, parcels, options):
    told = (row["confirmed_on"] and (row["scanned"] is not None or row["tracking"] is not None) for row in parcels)
    return not any(told)


def hours_untold(order, parcels, options):
    told = (row["delivered_on"] and row["in_business_hours"] is not None for row in parcels)
    return bool(order["is_business"]) and not any(told)


def not_arrived(order, parcels, options):
    return arrival(order, parcels) is None


UNKNOWN = {
    "business_hour_delivery_rate": hours_untold,
    "return_rate": not_arrived,
    "late_shipment_rate": unconfirmed,
    "on_time_delivery_rate": undelivered,
    "unit_on_time_delivery_rate": units_undelivered,
    "valid_tracking_rate": untracked,
}
