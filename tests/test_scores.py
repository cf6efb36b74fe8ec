"""The sweep against the slow oracle, and the promises of a history: it never learns what came later."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit import store
from healthkit.metrics import policy, scores
from healthkit.metrics.counts import count_orders
from healthkit.metrics.policy_files import load_policy
from healthkit.schema import tables
from tests import plain

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
    for parcel in rows["shipments"]:
        confirmed = parcel["confirmed_on"] and instant((parcel["confirmed_on"] - START).days, rng.choice([9, 23]))
        parcel |= {"scanned": rng.choice([True, False, None]), "confirmed_at": confirmed}
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
    """A list of defects; of late shipments it tells of orders due by its day and in the 60 days before."""
    name = rng.choice(["list_late_shipments", "list_late_shipments", "list_cancellations"])
    return {
        "account": account, "marketplace": "US", "kind": "list", "name": name, "state": None, "count": 0,
        "as_of": day(rng.choice([rng.randrange(SPAN), 60 + rng.randrange(SPAN)])), "updated_at": instant(SPAN),
        "report": "r",
    }  # fmt: skip


LISTED = ("cancelled", "shipped_late", "no_tracking", "delivered_late", "invoice_missing", "invoice_late")


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
    return policy.Policy("test", "Test", ("US",), "UTC", START, tuple(rules), tuple(begins.items()))


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

ORDER_RULES = RULES[:14]
"""Those of orders and parcels, which every window is tried on; the sweep is the same for the others."""


def differing(rows, rules, days, hindsight):
    """The cells in which SCORES and the oracle differ: none, or the sweep is wrong."""
    table = scores.score(count_orders(ledger(rows), rules), made_policy(rules), days, hindsight=hindsight)
    said = {
        (row.account, row.channel, row.rule, row.window, row.as_of.date()): (row.counted, row.at_fault)
        for row in table.itertuples()
    }
    true = {
        (account, channel, one.id, length, as_of): plain.counts(judged, account, channel, as_of, length, one.lag)
        for one in rules
        for as_of in days
        if one.since <= as_of <= one.until
        for judged in [oracle(one, rows, as_of, hindsight)]
        for account in "ab"
        for channel in one.channels
        for length in one.windows
    }
    assert len(true) > 100
    # An account stands in SCORES from its first order on; before, the oracle counts nothing.
    assert all(said[cell] == true[cell] for cell in said.keys() & true.keys())
    return [(cell, said.get(cell), numbers) for cell, numbers in true.items() if said.get(cell, (0, 0)) != numbers]


def unknown_in(counts, one, account, channel, as_of, window):
    """How many orders of `Counts.unknown` lie in the window of a day."""
    first, last = (pd.Timestamp(end) for end in plain.window_days(as_of, window, one.lag))
    held, evening = counts.unknown, pd.Timestamp(as_of)
    named = {"metric": one.metric, "basis": str(one.basis), "account": account, "channel": channel}
    mine = held[(held[list(named)].astype(str) == pd.Series(named)).all(axis=1)]
    inside = mine["clock_day"].between(first, last) & (mine["known_on"] <= evening)
    return int(mine[inside & ~(mine["until_day"] <= evening)]["counted"].sum())


@pytest.mark.parametrize("seed", range(12))
def test_the_orders_of_which_no_file_tells_enough_agree_with_the_oracle(seed):
    rows = random_ledger(seed)
    rules = [one for one in RULES if one.metric in plain.UNKNOWN]
    counts = count_orders(ledger(rows), rules)
    assert set(counts.unknown["metric"]) == set(plain.UNKNOWN)
    for one in rules:
        for as_of in (START + timedelta(days=number) for number in range(0, 80, 7)):
            told = plain.unknown(one.metric, rows, one.counting, one.clock, as_of)
            for account, channel, window in itertools.product("ab", one.channels, (*one.windows, 365)):
                expected = plain.unknown_counts(told, account, channel, as_of, window, one.lag)
                found = unknown_in(counts, one, account, channel, as_of, window)
                assert found == expected, (one.id, account, channel, as_of, window)


@pytest.mark.parametrize("seed", range(6))
def test_a_shipped_order_counts_or_is_unknown_or_is_left_out_by_the_rule(seed):
    """With every promise, confirmation, delivery and tracking known no order is unknown; with none known all are."""
    rows = random_ledger(seed)
    rules = [one for one in RULES if one.metric in plain.UNKNOWN and one.clock != "shipped_on"]
    for order in rows["orders"]:
        order |= {"status": "shipped", "channel": "seller"}
        order |= {"shipped_at": order["ship_by"], "shipped_on": order["ship_by_on"]}
        order |= {"delivered_at": order["deliver_by"], "delivered_on": order["deliver_by_on"]}
    rows["shipments"] = [
        {**{name: order[name] for name in ("account", "marketplace", "order_id", "delivered_at", "delivered_on")},
         "shipment_id": "p", "confirmed_at": order["shipped_at"], "confirmed_on": order["shipped_on"], "tracking": True,
         "scanned": None, "units": 1, "updated_at": instant(SPAN), "report": "r"} for order in rows["orders"]
    ]  # fmt: skip
    assert count_orders(ledger(rows), rules).unknown.empty
    nothing = dict.fromkeys(("ship_by", "ship_by_on", "shipped_at", "shipped_on", "deliver_by", "deliver_by_on",
                             "delivered_at", "delivered_on"))  # fmt: skip
    bare = {"orders": [order | nothing for order in rows["orders"]]}
    held = count_orders(ledger(bare), rules)
    assert held.exposure.empty
    assert set(held.unknown.groupby("metric", observed=True)["counted"].sum()) == {len(rows["orders"])}


def oracle(one, rows, as_of, hindsight):
    return plain.judged(one.metric, rows, one.counting, one.clock, as_of, hindsight)


@pytest.mark.parametrize("seed", range(12))
def test_open_violations_and_averages_agree_with_the_oracle(seed):
    rows = random_ledger(seed)
    asked = [
        rule("policy_violations", "opened_on", windows=(20, 180)), rule("average_response_time", "received_on"),
    ]  # fmt: skip
    asked = [one.model_copy(update={"channels": (tables.WHOLE_ACCOUNT,)}) for one in asked]
    days = [START + timedelta(days=number) for number in range(0, 70, 7)]
    table = scores.score(count_orders(ledger(rows), asked), made_policy(asked), days)
    told = table[table["counted"] > 0]
    assert len(told) > 20
    for row in told.itertuples():
        one = next(one for one in asked if one.metric == row.metric)
        said = plain.value(row.metric, rows, one, row.account, row.as_of.date(), row.window)
        assert row.value == pytest.approx(said), (row.metric, row.account, row.as_of, row.window)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.booleans())
def test_every_cell_of_a_history_agrees_with_the_oracle(seed, hindsight):
    days = [START + timedelta(days=number) for number in range(0, 100, 5)]
    assert differing(random_ledger(seed), RULES, sorted({*days, EVE, CHANGE}), hindsight) == []


@pytest.mark.parametrize("hindsight", [False, True])
def test_every_window_from_a_day_to_a_year_agrees_with_the_oracle(hindsight):
    days = [EVE, CHANGE, START + timedelta(days=60)]
    every = [one.model_copy(update={"windows": tuple(range(1, 366, 1 if one in ORDER_RULES else 9))}) for one in RULES]
    assert differing(random_ledger(7), every, days, hindsight) == []


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(5, 60))
def test_a_defect_known_after_a_day_never_changes_that_day(seed, evening):
    rows = random_ledger(seed)
    as_of = day(evening)
    later = [
        {**random_defect(random.Random(seed + place), order), "known_on": as_of + timedelta(days=1 + place % 9)}
        for place, order in enumerate(rows["orders"])
    ]
    later = [{**row, "cleared_on": None} for row in later]
    with_later = {**rows, "defects": rows["defects"] + later}
    before, after = (
        scores.score(count_orders(ledger(held), RULES), made_policy(RULES), as_of) for held in (rows, with_later)
    )
    numbers = ["account", "channel", "metric", "window", "counted", "at_fault"]
    assert before[numbers].equals(after[numbers])


def test_a_ledger_in_which_no_file_says_who_cancelled_agrees_with_the_oracle():
    rows = random_ledger(5)
    unsaid = [{**order, "cancelled_by": None, "part_cancelled": None, "assumed": "x"} for order in rows["orders"]]
    rules = [one for one in RULES if one.metric == "cancellation_rate"]
    assert differing({**rows, "orders": unsaid}, rules, scores.list_days(START, day(60)), False) == []


def test_no_file_of_claims_is_not_no_claims():
    rows = random_ledger(5)
    told = ledger(rows)
    coverage = told.coverage.assign(evidence="feedback")
    table = scores.score(count_orders(replace(told, coverage=coverage), RULES), made_policy(RULES), EVE)
    by = dict(iter(table.groupby("metric")))
    assert set(by["a_to_z_claim_rate"]["status"]) == {"no data"}
    assert set(by["order_defect_rate"]["proxy"]) == {"claims_not_imported+chargebacks_not_imported"}
    assert by["negative_feedback_rate"]["proxy"].isna().all()


def test_the_order_defect_window_ends_fifteen_days_before_the_day_shown():
    amazon = load_policy("amazon_us")
    rows = {"orders": [{**random_order(random.Random(1), 1), "account": "a", "ordered_on": date(2021, 11, 1)}]}
    table = scores.score(count_orders(ledger(rows), amazon.rules), amazon, date(2022, 1, 11))
    odr = table[table["metric"] == "order_defect_rate"].iloc[0]
    assert (odr["first_day"].date(), odr["last_day"].date()) == (date(2021, 10, 29), date(2021, 12, 27))


def test_sixty_days_are_sixty_days():
    assert len(scores.list_days(date(2023, 11, 16), date(2024, 1, 14))) == 60


def test_a_day_before_the_first_rule_is_refused_by_name():
    rows = random_ledger(3)
    amazon = load_policy("amazon_us")
    with pytest.raises(policy.PolicyError, match="order_defect_rate on 2011-01-01"):
        scores.score(count_orders(ledger(rows), amazon.rules), amazon, date(2011, 1, 1))


def test_a_window_of_no_days_and_a_lag_forward_are_refused():
    counts = count_orders(ledger(random_ledger(3)), RULES)
    with pytest.raises(scores.ScoreError, match="at least 1 day"):
        scores.score(counts, made_policy(RULES), CHANGE, window=0)
    with pytest.raises(scores.ScoreError, match="0 days or more"):
        scores.score(counts, made_policy(RULES), CHANGE, lag=-1)


def test_a_cause_that_became_known_later_is_not_named_on_an_earlier_day():
    rows = {"orders": [{**random_order(random.Random(1), 1), "account": "a", "channel": "seller", "ordered_on": START}]}
    one = {"account": "a", "marketplace": "US", "order_id": "o1", "updated_at": instant(0), "report": "r"}
    claim = {**one, "kind": "a_to_z_claim", "known_on": day(20)}
    chargeback = {**one, "kind": "chargeback", "known_on": day(30)}
    counts = count_orders(ledger({**rows, "defects": [claim, chargeback]}), RULES)
    held = made_policy(RULES)
    seen = {}
    for number in (25, 32):
        table = scores.score(counts, held, day(number), window=60, lag=0)
        row = table[table["metric"] == "order_defect_rate"].iloc[0]
        seen[number] = scores.orders_at_fault(counts, row, held)["causes"].tolist()
    assert seen == {25: ["a_to_z_claim"], 32: ["a_to_z_claim+chargeback"]}


def test_the_orders_behind_a_number_are_as_many_as_the_number():
    counts = count_orders(ledger(random_ledger(11, orders=60)), RULES)
    held = made_policy(RULES)
    table = scores.score(counts, held, START + timedelta(days=45))
    assert table["at_fault"].sum() > 20
    for _, row in table.iterrows():
        behind = scores.orders_at_fault(counts, row, held)
        assert behind["at_fault"].sum() == row["at_fault"]
        assert behind["order_id"].is_unique
