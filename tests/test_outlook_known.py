"""Without new orders and with nothing new learnt, the outlook of a day is what `scores` says on it, in every metric."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pandas as pd
import pytest

from healthkit.analysis import outlook, scenarios
from healthkit.metrics import exposure, policy, scores
from healthkit.metrics.definitions import METRICS
from healthkit.schema import tables
from tests.builders.random_ledgers import START, instant, ledger, made_policy, random_ledger, rule
from tests.builders.slow import slow_after

AS_OF = START + timedelta(days=30)
HALF = {"at_most": Fraction(1, 2)}
ALONE = ("late_response_rate", "customer_service_dissatisfaction_rate")
RETURNS = ("return_dissatisfaction_rate", "negative_return_feedback_rate", "late_return_response_rate",
           "invalid_rejection_rate")  # fmt: skip
RATES = [name for name, metric in METRICS.items() if metric.shows == "rate"]
CLOCKS = ("ordered_on", "ship_by_on", "deliver_by_on", "shipped_on")


def rules_of(clock):
    """A rule for every metric that is a rate; those of orders and parcels are placed by one clock."""
    made = []
    for place, metric in enumerate(RATES):
        placed = "received_on" if metric in ALONE else "requested_on" if metric in RETURNS else clock
        counting = {"late_shipment_rate": {"counts": "due"} if clock == "ship_by_on" else {}}.get(metric, {})
        one = rule(metric, placed, windows=(7, 20), lag=place % 3 * 5, counting=counting, **HALF)
        made.append(one.model_copy(update={"channels": (tables.WHOLE_ACCOUNT,)}) if metric in ALONE else one)
    return made


def till(row, evening, **days):
    """A row without what happened after an evening: `days` names the day that says so of some columns."""
    gone = [name for day, names in days.items() if row[day] is not None and row[day] > evening for name in names]
    return row | dict.fromkeys(gone)


def learnt_by(rows, evening):
    """A ledger as it was on an evening, in every table."""
    said = {
        "orders": ("ordered_on", {
            "cancelled_on": ("cancelled_on", "status"), "shipped_on": ("shipped_on", "shipped_at"),
            "delivered_on": ("delivered_on", "delivered_at"), "invoiced_on": ("invoiced_on", "invoiced_at"),
        }),
        "defects": ("known_on", {"cleared_on": ("cleared_on",)}),
        "feedback": ("received_on", {"removed_on": ("removed_on",)}),
        "contacts": ("received_on", {"answered_on": ("answered_on", "answered_at"), "excused_on": ("excused_on",)}),
        "returns": ("requested_on", {
            "answered_on": ("answered_on", "answered_at", "decision"), "unresolved_on": ("unresolved_on",),
            "cleared_on": ("cleared_on",),
        }),
        "violations": ("opened_on", {"resolved_on": ("resolved_on",)}),
    }  # fmt: skip
    made = {
        name: [till(row, evening, **days) for row in rows[name] if row[begins] <= evening]
        for name, (begins, days) in said.items()
    }
    there = {row["order_id"] for row in made["orders"]}
    parcels = [
        till(row, evening, confirmed_on=("confirmed_on", "confirmed_at"), delivered_on=("delivered_on", "delivered_at"))
        for row in rows["shipments"] if row["order_id"] in there
    ]  # fmt: skip
    return made | {"shipments": parcels}


def nothing_waits(rows, evening):
    """The same without what waits for the seller on that evening: a message, a request, an invoice that is not due yet.

    Whether it will be answered in time is nothing that is known; an outlook takes it that it will.
    """

    def waits(row, due):
        return row["answered_on"] is None and row[due] > evening

    late = evening - timedelta(days=5)
    return rows | {
        "contacts": [row for row in rows["contacts"] if not waits(row, "due_48h_on")],
        "returns": [row for row in rows["returns"] if not waits(row, "due_48h_on")],
        "orders": [
            row | {"invoiced_on": row["shipped_on"]} if row["shipped_on"] and row["shipped_on"] > late else row
            for row in rows["orders"]
        ],
    }


def compared(counts, held_by, as_of, ahead=45):
    """(what, outlook, scores) of every measure and day from an evening on."""
    ahead_days = [as_of + timedelta(days=k) for k in range(ahead + 1)]
    table = scores.score(counts, held_by, ahead_days)
    key = ["account", "channel", "metric", "window", "rule", "as_of"]
    said = table.set_index(key)[["counted", "at_fault"]]
    now = table[(table["as_of"] == pd.Timestamp(as_of)) & table["target"].notna()]
    for _, row in now[now["counted"] > 0].iterrows():
        if METRICS[row["metric"]].shows != "rate":
            continue
        held = outlook.roll_off_calendar(counts, held_by, row, days_ahead=ahead, new_orders=False)
        for day in held.days.head(ahead + 1).itertuples():
            there = (*(row[name] for name in key[:-1]), day.day)
            if there in said.index:
                yield there, (day.counted, day.at_fault), tuple(said.loc[there])


@pytest.mark.parametrize("clock", slow_after(1, CLOCKS))
def test_every_metric_is_on_each_day_ahead_what_scores_says(clock):
    rules = rules_of(clock)
    seen: dict[str, int] = {}
    for seed in range(3):
        rows = nothing_waits(learnt_by(random_ledger(seed, orders=60), AS_OF), AS_OF)
        counts = exposure.count_orders(ledger(rows), rules)
        for there, said, true in compared(counts, made_policy(rules), AS_OF):
            assert said == true, (seed, there)
            seen[there[2]] = seen.get(there[2], 0) + bool(true[1])
    assert set(seen) == set(RATES)
    assert sum(many > 20 for many in seen.values()) > 12, seen


@pytest.mark.parametrize("name", slow_after(1, ["amazon_us", "walmart_us", "mercado_libre", "tiktok", "ebay"]))
def test_the_shipped_rules_too(name):
    held_by = policy.load(name)
    as_of = max(AS_OF, date(2026, 2, 1))
    seen = 0
    for seed in range(2):
        rows = nothing_waits(learnt_by(random_ledger(seed, orders=60), as_of), as_of)
        for there, said, true in compared(exposure.count_orders(ledger(rows), held_by.rules), held_by, as_of):
            assert said == true, (seed, there)
            seen += 1
    assert seen > 50


def promised(without_tracking=5, parcels=20):
    """Parcels confirmed on the first day, all promised for day 16; what has no tracking is known from the first."""
    order = {"account": "a", "marketplace": "US"}
    orders = [
        order | {
            "channel": "seller", "order_id": f"o{n}", "ordered_on": START, "status": "shipped", "shipped_on": START,
            "shipped_at": instant(0), "deliver_by": instant(16, 23), "deliver_by_on": START + timedelta(days=16),
            "updated_at": instant(0), "report": "r",
        } for n in range(parcels)
    ]  # fmt: skip
    shipped = [
        order | {
            "order_id": f"o{n}", "shipment_id": f"s{n}", "confirmed_on": START, "confirmed_at": instant(0),
            "tracking": n >= without_tracking, "updated_at": instant(0), "report": "r",
        } for n in range(parcels)
    ]  # fmt: skip
    return {"orders": orders, "shipments": shipped}


TRACKING = made_policy([rule("valid_tracking_rate", "deliver_by_on", windows=(7,), lag=3, at_least=Fraction(95, 100))])


def test_a_fault_that_is_known_and_whose_promised_day_is_still_to_come_is_in_the_outlook():
    counts = exposure.count_orders(ledger(promised()), TRACKING.rules)
    row = row_on(counts, TRACKING, START + timedelta(days=18))
    assert (row["counted"], row["at_fault"]) == (0, 0)
    held = outlook.roll_off_calendar(counts, TRACKING, row, new_orders=False)
    then = held.days.set_index("day").loc[pd.Timestamp(START + timedelta(days=19))]
    assert (then["counted"], then["at_fault"], then["enters"], then["status"]) == (20, 5, 5, "off target")
    assert len(held.orders) == 5
    assert set(held.orders["known_on"]) == {pd.Timestamp(START)}
    assert held.back_on == START + timedelta(days=26)


def row_on(counts, held_by, day):
    """A row of SCORES of a day on which nothing counts yet: made of one of a later day."""
    later = scores.score(counts, held_by, START + timedelta(days=20)).iloc[0]
    back = later["as_of"] - pd.Timestamp(day)
    moved = {name: later[name] - back for name in ("as_of", "first_day", "last_day")}
    return pd.Series(later.to_dict() | moved | {"counted": 0, "at_fault": 0, "rate": float("nan")})


def test_what_if_and_goals_hold_such_faults_too():
    counts = exposure.count_orders(ledger(promised()), TRACKING.rules)
    row = row_on(counts, TRACKING, START + timedelta(days=18))
    by = START + timedelta(days=19)
    ways = {
        way.kind: way for way in scenarios.goals(outlook.roll_off_calendar(counts, TRACKING, row, new_orders=False), by)
    }
    assert (ways["orders"].many, len(ways["orders"].order_ids)) == (4, 4)
    steps = scenarios.parse_scenario([{"fewer": {"cause": "no_tracking", "by": "100%"}}])
    played = scenarios.run_scenario(counts, TRACKING, row, steps, new_orders=False)
    assert len(played.orders_saved) == 5
    assert played.calendar_after.days["at_fault"].max() == 0


def test_a_fault_known_early_and_cleared_before_its_day_never_counts_and_was_to_come():
    """On the evenings between, it was to come; from the day on that it was cleared it is not."""
    rows = promised()
    named = {"account": "a", "marketplace": "US", "updated_at": instant(0), "report": "r", "assumed": None}
    claim = named | {"order_id": "o9", "kind": "a_to_z_claim"}
    rows["defects"] = [claim | {"known_on": START + timedelta(days=2), "cleared_on": START + timedelta(days=6)}]
    claims = made_policy([rule("a_to_z_claim_rate", "deliver_by_on", windows=(7,), **HALF)])
    counts = exposure.count_orders(ledger(rows), claims.rules)
    table = scores.score(counts, claims, [START + timedelta(days=k) for k in range(30)])
    assert table["at_fault"].max() == 0
    seen = []
    for k in (1, 3, 7):
        row = row_on(counts, claims, START + timedelta(days=k))
        seen.append(int(outlook.roll_off_calendar(counts, claims, row, new_orders=False).days["at_fault"].max()))
    assert seen == [0, 1, 0]
