"""The sweep against the slow oracle, and the promises of a history: it never learns what came later."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest

from healthkit.metrics import counts, policy, scores
from healthkit.metrics.counts import count_orders
from healthkit.metrics.policy_files import load_policy
from healthkit.schema import tables
from tests import plain
from tests.builders.random_ledgers import (
    CHANGE,
    EVE,
    RULES,
    SPAN,
    START,
    day,
    instant,
    ledger,
    made_policy,
    random_defect,
    random_ledger,
    random_order,
    rule,
)
from tests.builders.slow import slow_after

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


@pytest.mark.parametrize("seed", slow_after(2, range(12)))
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


@pytest.mark.parametrize("seed", slow_after(2, range(6)))
def test_a_shipped_order_counts_or_is_unknown_or_is_left_out_by_the_rule(seed):
    """With every promise, confirmation, delivery and tracking known no order is unknown; with none known all are."""
    rows = random_ledger(seed)
    rules = [one for one in RULES if one.metric in plain.UNKNOWN and one.clock != "shipped_on"]
    for order in rows["orders"]:
        order |= {"status": "shipped", "channel": "seller", "is_business": True}
        order |= {"shipped_at": order["ship_by"], "shipped_on": order["ship_by_on"]}
        order |= {"delivered_at": order["deliver_by"], "delivered_on": order["deliver_by_on"]}
    rows["shipments"] = [
        {**{name: order[name] for name in ("account", "marketplace", "order_id", "delivered_at", "delivered_on")},
         "shipment_id": "p", "confirmed_at": order["shipped_at"], "confirmed_on": order["shipped_on"], "tracking": True,
         "scanned": None, "in_business_hours": True,
         "units": 1, "updated_at": instant(SPAN), "report": "r"} for order in rows["orders"]
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


@pytest.mark.parametrize("seed", slow_after(2, range(12)))
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


@pytest.mark.parametrize(("seed", "hindsight"), slow_after(2, [(n, n % 2 == 0) for n in range(8)]))
def test_every_cell_of_a_history_agrees_with_the_oracle(seed, hindsight, monkeypatch):
    if seed % 3 == 0:  # as a ledger too large for memory
        monkeypatch.setattr(counts, "ROWS_IN_MEMORY", 0)
    days = [START + timedelta(days=number) for number in range(0, 100, 5)]
    assert differing(random_ledger(seed), RULES, sorted({*days, EVE, CHANGE}), hindsight) == []


@pytest.mark.parametrize(("step", "hindsight"), slow_after(1, [(40, False), (1, False), (1, True)]))
def test_every_window_from_a_day_to_a_year_agrees_with_the_oracle(step, hindsight):
    days = [EVE, CHANGE, START + timedelta(days=60)]
    steps = ((one, step if one in ORDER_RULES else 9 * step) for one in RULES)
    every = [one.model_copy(update={"windows": tuple(range(1, 366, days))}) for one, days in steps]
    assert differing(random_ledger(7), every, days, hindsight) == []


@pytest.mark.parametrize(("seed", "evening"), slow_after(2, [(n, 5 + 23 * n % 56) for n in range(8)]))
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
    with pytest.raises(scores.ScoreError, match="at least 0 days"):
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
