"""Random ledgers as plain rows, and policies of made-up rules to score them by."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

import pyarrow as pa

from healthkit import store
from healthkit.metrics import policy
from healthkit.schema import tables

START = date(2026, 1, 1)
SPAN = 40


def day(number):
    return None if number is None else START + timedelta(days=number)


def instant(number, hour=12):
    return None if number is None else datetime.combine(day(number), time(hour), UTC)


def maybe(chance, number, rng):
    return number if rng.random() < chance else None


def random_order(rng, place):
    """An order whose days come in any order that real files have shown, and some that they have not."""
    ordered = rng.randrange(SPAN)
    ship_by, shipped = ordered + rng.randrange(4), maybe(0.8, ordered + rng.randrange(7), rng)
    deliver_by, delivered = ship_by + rng.randrange(6), maybe(0.7, ordered + rng.randrange(16), rng)
    cancelled = maybe(0.25, ordered + rng.randrange(9), rng)
    order = {
        "account": rng.choice("ab"),
        "marketplace": "US",
        "channel": rng.choice(["seller", "seller", "amazon"]),
        "order_id": f"o{place}",
        "ordered_on": day(ordered),
        "status": "cancelled" if cancelled is not None and rng.random() < 0.7 else rng.choice(["shipped", None]),
        "cancelled_on": day(cancelled),
        "cancelled_by": rng.choice(["seller", "buyer", "amazon", None]),
        "restored_on": None,
        "part_cancelled": rng.choice([True, False, None]),
        "ship_by": instant(ship_by, 18),
        "ship_by_on": day(ship_by),
        "shipped_at": instant(shipped, rng.choice([9, 18, 23])),
        "shipped_on": day(shipped),
        "deliver_by": instant(deliver_by, 23),
        "deliver_by_on": day(deliver_by),
        "delivered_at": instant(delivered, rng.choice([9, 23])),
        "delivered_on": day(delivered),
        "units": rng.choice([None, 1, 2, 5]),
        "assumed": maybe(0.2, "cancel_day_from_order", rng),
        "updated_at": instant(SPAN),
        "report": "r",
    }
    if cancelled is not None and order["status"] == "shipped":
        order["restored_on"] = day(maybe(0.5, cancelled + rng.randrange(6), rng))
    return order


def random_feedback(rng, order, place):
    received = (order["ordered_on"] - START).days + rng.randrange(25)
    return {
        **{name: order[name] for name in ("account", "marketplace", "order_id")},
        "feedback_id": f"f{place}",
        "rating": rng.randint(1, 5),
        "received_on": day(received),
        "rank": f"{rng.randrange(9)}-{place:04}",
        "removed_on": day(maybe(0.3, received + rng.randrange(12), rng)),
        "updated_at": instant(SPAN),
        "report": "r",
    }


def random_parcel(rng, order, place):
    delivered = maybe(0.8, (order["ordered_on"] - START).days + rng.randrange(16), rng)
    return {
        **{name: order[name] for name in ("account", "marketplace", "order_id")},
        "shipment_id": f"s{place}",
        "units": rng.choice([None, 1, 2, 5]),
        "confirmed_on": day(maybe(0.8, (order["ordered_on"] - START).days + rng.randrange(6), rng)),
        "tracking": rng.choice([True, True, False, None]),
        "delivered_at": instant(delivered, rng.choice([9, 23])),
        "delivered_on": day(delivered),
        "updated_at": instant(SPAN),
        "report": "r",
    }


def random_defect(rng, order):
    known = (order["ordered_on"] - START).days + rng.randrange(30)
    return {
        **{name: order[name] for name in ("account", "marketplace", "order_id")},
        "kind": rng.choice(["a_to_z_claim", "chargeback", "negative_feedback", "refund"]),
        "known_on": day(known),
        "cleared_on": day(maybe(0.4, known + rng.randrange(14), rng)),
        "assumed": maybe(0.2, "claim_day_from_return", rng),
        "updated_at": instant(SPAN),
        "report": "r",
    }


def random_ledger(seed, orders=28):
    """Orders, feedback and defects as plain rows: late-known, cleared, overlapping, touching and repeated."""
    rng = random.Random(seed)
    made = [random_order(rng, place) for place in range(orders)]
    feedback = [random_feedback(rng, rng.choice(made), place) for place in range(orders // 2)]
    defects = [random_defect(rng, rng.choice(made)) for _ in range(orders)]
    once = {tuple(row[name] for name in tables.DEFECTS.key): row for row in defects}
    parcels = [random_parcel(rng, rng.choice(made), place) for place in range(orders)]
    rows = {"orders": made, "feedback": feedback, "defects": list(once.values()), "shipments": parcels}
    return rows | more_of(random.Random(seed + 1), rows, orders)


def more_of(rng, rows, orders):
    """What else files may tell: invoices, scans, the marketplace's lists, messages, surveys, requests, violations."""
    for order in rows["orders"]:
        sent = order["shipped_on"] and (order["shipped_on"] - START).days + rng.randrange(6)
        invoiced = None if sent is None or rng.random() < 0.3 else sent
        order |= {"is_business": rng.choice([True, True, False, None]), "invoiced_on": day(invoiced),
                  "invoiced_at": instant(invoiced)}  # fmt: skip
    hours = random.Random(str(rows["shipments"]))
    for parcel in rows["shipments"]:
        confirmed = parcel["confirmed_on"] and instant((parcel["confirmed_on"] - START).days, rng.choice([9, 23]))
        parcel |= {"scanned": rng.choice([True, False, None]), "confirmed_at": confirmed,
                   "in_business_hours": hours.choice([True, False, None])}  # fmt: skip
    listed = [random_defect(rng, rng.choice(rows["orders"])) | {"kind": rng.choice(LISTED)} for _ in range(orders // 2)]
    once = {tuple(row[name] for name in tables.DEFECTS.key): row for row in (*rows["defects"], *listed)}
    return {
        "defects": list(once.values()),
        "contacts": [random_contact(rng, rng.choice(rows["orders"]), place) for place in range(orders)],
        "returns": [random_request(rng, rng.choice(rows["orders"]), place) for place in range(orders // 2)],
        "violations": [random_violation(rng, place) for place in range(orders // 4)],
        "account_states": [random_list(rng, account) for account in "aab"],
    }


def random_list(rng, account):
    """A list of defects; of late shipments it contains orders due by its day and in the 60 days before."""
    name = rng.choice(["list_late_shipments", "list_late_shipments", "list_cancellations"])
    return {
        "account": account, "marketplace": "US", "kind": "list", "name": name, "state": None, "count": 0,
        "as_of": day(rng.choice([rng.randrange(SPAN), 60 + rng.randrange(SPAN)])), "updated_at": instant(SPAN),
        "report": "r",
    }  # fmt: skip


LISTED = (
    "cancelled", "shipped_late", "no_tracking", "delivered_late", "invoice_missing", "invoice_late", "not_received",
    "case",
)  # fmt: skip


def random_contact(rng, order, place):
    received = rng.randrange(SPAN)
    answered = maybe(0.7, received + rng.randrange(4), rng)
    at = instant(received, rng.choice([1, 12, 23]))
    reply = None if answered is None else max(at, instant(answered, rng.choice([1, 12, 23])))
    return {
        **{name: order[name] for name in ("account", "marketplace")},
        "contact_id": f"c{place}", "kind": rng.choice(["message", "message", "survey"]),
        "order_id": rng.choice([None, order["order_id"]]), "received_at": at, "received_on": day(received),
        "due_24h_on": (at + timedelta(hours=24)).date(), "due_48h_on": (at + timedelta(hours=48)).date(),
        "answered_at": reply, "answered_on": reply and reply.date(),
        "excused_on": day(maybe(0.15, received + rng.randrange(6), rng)), "outcome": rng.choice(["yes", "no"]),
        "updated_at": instant(SPAN), "report": "r",
    }  # fmt: skip


def random_request(rng, order, place):
    asked = rng.randrange(SPAN)
    at = instant(asked, rng.choice([1, 23]))
    answered = maybe(0.6, asked + rng.randrange(5), rng)
    reply = None if answered is None else max(at, instant(answered, rng.choice([1, 12, 23])))
    return {
        **{name: order[name] for name in ("account", "marketplace", "order_id")},
        "return_id": f"r{place}", "channel": rng.choice(["seller", "seller", "amazon"]), "requested_at": at,
        "requested_on": day(asked), "due_48h_on": (at + timedelta(hours=48)).date(), "answered_at": reply,
        "answered_on": reply and reply.date(), "decision": rng.choice([None, "authorised", "refunded", "refused"]),
        "in_policy": rng.choice([True, False, None]), "refused_wrongly": rng.choice([True, False, None]),
        "unresolved_on": day(maybe(0.3, asked + rng.randrange(20), rng)),
        "cleared_on": day(maybe(0.2, asked + rng.randrange(20), rng)), "updated_at": instant(SPAN), "report": "r",
    }  # fmt: skip


def random_violation(rng, place):
    opened, counted = rng.randrange(SPAN), rng.random() < 0.5
    return {
        "account": rng.choice("ab"), "marketplace": "US", "category": rng.choice(["listing", "safety", "other"]),
        "violation_id": "" if counted else f"v{place}", "severity": rng.choice([None, "low", "high"]),
        "opened_on": day(opened), "resolved_on": None if counted else day(maybe(0.5, opened + rng.randrange(20), rng)),
        "count": rng.randrange(4) if counted else 1, "updated_at": instant(SPAN), "report": "r",
    }  # fmt: skip


def ledger(rows):
    kinds = {table.name: table for table in tables.RAW_TABLES}
    return store.build_ledger({
        name: pa.Table.from_pylist(held, schema=store.arrow_schema(kinds[name])) for name, held in rows.items()
    })  # fmt: skip


def rule(metric, clock, since=date(2020, 1, 1), until=policy.OPEN_END, **fields):
    return policy.Rule(
        policy="test", metric=metric, since=since, until=until, channels=("seller", "amazon"), clock=clock,
        windows=fields.pop("windows", (7, 30)), source="test", sure="I", **fields,
    )  # fmt: skip


def made_policy(rules):
    begins = {one.metric: min(other.since for other in rules if other.metric == one.metric) for one in rules}
    return policy.Policy("test", "Test", ("US",), "UTC", START, tuple(rules), begins)


CHANGE = START + timedelta(days=30)
EVE = CHANGE - timedelta(days=1)
FEW = {"below": Fraction(1, 100)}
IGNORED = {"unknown_canceller": "ignore", "amazon_cancelled": "ignore", "part_cancelled": "ignore"}
TWENTY_DAYS = {"lag": 3, "windows": (20,), "counting": {"negative_up_to": 3}, "at_most": Fraction(5, 100)}
RULES = [
    rule("order_defect_rate", "ordered_on", lag=15, windows=(60,), until=EVE, **FEW),
    rule("order_defect_rate", "ordered_on", since=CHANGE, **TWENTY_DAYS),
    rule("negative_feedback_rate", "ordered_on", counting={"include_cancelled": False}),
    rule("a_to_z_claim_rate", "ordered_on"),
    rule("chargeback_rate", "shipped_on"),
    rule("negative_review_rate", "ordered_on", **FEW),
    rule("cancellation_rate", "ordered_on", lag=1, until=EVE, **FEW),
    rule("cancellation_rate", "ordered_on", since=CHANGE, counting=IGNORED, **FEW),
    rule("late_shipment_rate", "ship_by_on", until=EVE, windows=(10, 30), **FEW),
    rule("late_shipment_rate", "shipped_on", since=CHANGE, counting={"counts": "due"}, **FEW),
    rule("valid_tracking_rate", "deliver_by_on", lag=10, at_least=Fraction(95, 100)),
    rule("refund_rate", "ordered_on", windows=(10, 60)),
    rule("on_time_delivery_rate", "deliver_by_on", above=Fraction(97, 100)),
    rule("unit_on_time_delivery_rate", "deliver_by_on", lag=7, windows=(14,), at_least=Fraction(9, 10), minimum=20),
    rule("invoice_defect_rate", "ordered_on", lag=7, windows=(7, 30), **FEW),
    rule("business_hour_delivery_rate", "deliver_by_on", lag=7, windows=(14,), at_least=Fraction(9, 10)),
    rule("return_rate", "ordered_on", windows=(60,), counting={"include_cancelled": False}, **FEW),
    rule("item_not_received_rate", "ordered_on", **FEW),
    rule("case_rate", "ordered_on", counting={"include_cancelled": False}),
    rule("transaction_defect_rate", "ordered_on", **FEW),
    rule("return_dissatisfaction_rate", "requested_on", **FEW),
    rule("negative_return_feedback_rate", "requested_on"),
    rule("late_return_response_rate", "requested_on"),
    rule("invalid_rejection_rate", "requested_on"),
    *(
        rule(metric, "received_on", **more).model_copy(update={"channels": (tables.WHOLE_ACCOUNT,)})
        for metric, more in (
            ("late_response_rate", {"until": EVE}),
            ("late_response_rate", {"since": CHANGE, "counting": {"within_hours": 48}}),
            ("customer_service_dissatisfaction_rate", {}),
        )
    ),
]
