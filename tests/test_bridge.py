"""Why a rate moved: the steps add up to the last digit, and each order stands in the step it belongs to."""

from __future__ import annotations

import contextlib
import random
from datetime import date, timedelta
from fractions import Fraction
from itertools import count

import numpy as np
import pandas as pd
import pytest

from healthkit.analysis import bridge
from healthkit.metrics import scores
from healthkit.metrics.counts import Counts, count_orders
from tests.builders.random_ledgers import RULES, START, ledger, made_policy, random_ledger
from tests.builders.random_ledgers import rule as made_rule
from tests.builders.slow import slow_after
from tests.builders.written_ledgers import ledger as written
from tests.builders.written_ledgers import rows

ONE_RULE = {rule.metric: rule for rule in RULES}.values()
POLICY = made_policy(
    [rule.model_copy(update={"since": date(2020, 1, 1), "until": date(2099, 1, 1)}) for rule in ONE_RULE]
)


def bridges(counts, before, after):
    """Every bridge of a ledger between two days; where nothing counts on one of them there is none."""
    for rule in POLICY.rules:
        for account in "ab":
            for channel in rule.channels:
                with contextlib.suppress(bridge.ExplainError):
                    one = bridge.bridge(counts, POLICY, account, "US", rule.metric, before, after, channel=channel)
                    yield rule, account, channel, one


@pytest.mark.parametrize("seed", slow_after(1, range(8)))
def test_the_steps_of_a_thousand_bridges_add_up_exactly(seed):
    """Eight ledgers of two accounts, 9 metrics, 2 channels and 5 pairs of days: over a thousand bridges in all."""
    counts = count_orders(ledger(random_ledger(seed, orders=60)), POLICY.rules)
    made = 0
    for start in (8, 20, 31, 38, 45):
        before, after = START + timedelta(days=start), START + timedelta(days=start + 4 + start % 5)
        table = scores.score(counts, POLICY, [before, after])
        for rule, account, channel, one in bridges(counts, before, after):
            mine = table[
                (table["metric"] == rule.metric) & (table["account"] == account) & (table["channel"] == channel)
            ]
            mine = mine[mine["window"] == one.window].set_index("as_of")
            for end in (one.before, one.after):
                row = mine.loc[str(end.day)]
                assert (end.counted, end.at_fault) == (row["counted"], row["at_fault"])
            assert one.rate(one.before) + sum(step.change for step in one.steps) == one.rate(one.after)
            assert one.after.counted - one.before.counted == one.orders_entered - one.orders_left
            assert sum(step.at_fault for step in one.steps) == one.after.at_fault - one.before.at_fault
            shown = one.round_to_digits(4)
            assert sum(shown[kind] for kind in bridge.BRIDGE_STEPS) == shown["after"] - shown["before"]
            made += 1
    assert made > 20


LINES = {
    "orders": """
    order_id | ordered_on
    A        | 2026-01-02
    B        | 2026-01-10
    C        | 2026-01-10
    D        | 2026-01-20
    E        | 2026-01-20
    """,
    "defects": """
    order_id | kind         | known_on   | cleared_on
    A        | a_to_z_claim | 2026-01-05 |
    B        | a_to_z_claim | 2026-01-12 | 2026-01-18
    C        | chargeback   | 2026-01-22 |
    D        | a_to_z_claim | 2026-01-21 |
    """,
}


@pytest.fixture
def bridged():
    """A window of 20 days, seen on 15 and on 25 January: [27 Dec, 15 Jan] and [6, 25 Jan]."""
    policy = made_policy([next(rule for rule in POLICY.rules if rule.metric == "order_defect_rate").model_copy(
        update={"lag": 0, "windows": (20,)}
    )])  # fmt: skip
    counts = count_orders(written(rows(LINES)), policy.rules)
    return bridge.bridge(counts, policy, "acme", "US", "order_defect_rate", date(2026, 1, 15), date(2026, 1, 25))


def test_each_order_stands_in_the_step_it_belongs_to(bridged):
    assert dict(zip(bridged.orders["order_id"], bridged.orders["step"], strict=True)) == {
        "A": "left", "B": "removed", "C": "learnt late", "D": "new",
    }  # fmt: skip


def test_the_counts_of_both_days_and_the_orders_that_came_and_went_are_told(bridged):
    assert (bridged.before.counted, bridged.before.at_fault) == (3, 2)
    assert (bridged.after.counted, bridged.after.at_fault) == (4, 2)
    assert (bridged.orders_entered, bridged.orders_left) == (2, 1)


def test_a_defect_moves_the_rate_by_the_mean_of_both_denominators(bridged):
    each = (Fraction(1, 3) + Fraction(1, 4)) / 2
    assert [step.change for step in bridged.steps] == [-each, -each, each, each, -Fraction(2) * Fraction(1, 12)]


def test_one_order_at_fault_can_move_a_rate_from_one_percent_to_sixteen():
    """The commonest complaint: the denominator shrank."""
    orders = "\n".join(["order_id | ordered_on", "A1..A99 | 2026-01-01", "B1..B5 | 2026-03-01", "X | 2026-03-01"])
    defects = "order_id | kind | known_on\nA1 | a_to_z_claim | 2026-01-09\nX | a_to_z_claim | 2026-03-05"
    policy = made_policy([next(rule for rule in POLICY.rules if rule.metric == "order_defect_rate").model_copy(
        update={"lag": 0, "windows": (60,)}
    )])  # fmt: skip
    counts = count_orders(written(rows({"orders": orders, "defects": defects})), policy.rules)
    one = bridge.bridge(counts, policy, "acme", "US", "order_defect_rate", date(2026, 2, 1), date(2026, 3, 9))
    assert (one.rate(one.before), one.rate(one.after)) == (Fraction(1, 99), Fraction(1, 6))
    assert max(one.steps, key=lambda step: step.change).kind == "orders"
    assert (one.orders_entered, one.orders_left) == (6, 99)


@pytest.mark.parametrize(
    ("metric", "before", "after", "said"),
    [
        ("order_defect_rate", date(2026, 1, 25), date(2026, 1, 15), "is not after"),
        ("account_health_rating", date(2026, 1, 15), date(2026, 1, 25), "asks nothing of account_health_rating"),
        ("order_defect_rate", date(2025, 1, 15), date(2026, 1, 25), "no order that counts"),
    ],
)
def test_what_cannot_be_explained_is_said(metric, before, after, said):
    counts = count_orders(written(rows(LINES)), POLICY.rules)
    with pytest.raises(bridge.ExplainError, match=said):
        bridge.bridge(counts, POLICY, "acme", "US", metric, before, after)


def test_a_rule_that_changes_between_the_days_is_said():
    counts = count_orders(written(rows(LINES)), RULES)
    changed = made_policy(RULES)
    with pytest.raises(bridge.ExplainError, match="changes between"):
        bridge.bridge(
            counts, changed, "acme", "US", "order_defect_rate", START + timedelta(days=20), START + timedelta(days=50)
        )


def random_counts(seed):
    """The counts of a random ledger of one account: days, delays, clearings and several stays of one order."""
    rng = np.random.default_rng(seed)
    named = {"account": "a", "marketplace": "US", "channel": "seller", "metric": "refund_rate", "basis": "ordered_on"}
    start = np.datetime64(START, "D")
    clock = np.sort(rng.integers(0, 60, rng.integers(20, 200)))
    bad = rng.choice(clock, rng.integers(0, 40))
    known = bad + rng.integers(0, 30, bad.size)
    cleared = np.where(rng.random(bad.size) < 0.3, known + rng.integers(1, 20, bad.size), -1)
    stamps = {
        name: (start + days).astype("datetime64[s]")
        for name, days in (("clock", clock), ("bad", bad), ("known", known))
    }
    exposure_rows = pd.DataFrame({**named, "clock_day": stamps["clock"], "known_on": stamps["clock"],
                                  "until_day": pd.NaT, "counted": 1, "assumed": None})  # fmt: skip
    ended = pd.Series((start + cleared).astype("datetime64[s]")).where(cleared >= 0)
    faults = pd.DataFrame({
        **named, "order_id": [f"o{n}" for n in range(bad.size)], "causes": "refund", "clock_day": stamps["bad"],
        "since": stamps["known"], "known_on": stamps["known"], "cleared_on": ended, "at_fault": 1, "assumed": None,
    })  # fmt: skip
    coverage = pd.DataFrame({"account": ["a"], "marketplace": ["US"], "begins_on": [stamps["clock"][0]],
                             "ends_on": [stamps["clock"][-1]], "heard_on": [stamps["clock"][-1]],
                             "orders": [clock.size], "evidence": ["refunds"], "reach": "{}", "order_gap": 0,
                             "gaps": "[]"})  # fmt: skip
    kinds = dict.fromkeys(named, "category")
    return Counts(exposure_rows.astype(kinds), faults.astype(kinds), coverage)


@pytest.mark.parametrize("first", slow_after(1, range(0, 1_000_000, 100_000)))
def test_bridges_add_up_exactly_on_a_thousand_random_ledgers(first):
    """Ten times a hundred ledgers."""
    made = 0
    for seed in count(first):
        if made == 100:
            break
        counts = random_counts(seed)
        rng = random.Random(seed)
        asked = made_policy([made_rule("refund_rate", "ordered_on", windows=(rng.randint(1, 40),), lag=rng.randrange(9),
                                  below=Fraction(1, 20))])  # fmt: skip
        before = START + timedelta(rng.randrange(50))
        after = before + timedelta(rng.randint(1, 30))
        with contextlib.suppress(bridge.ExplainError):
            one = bridge.bridge(counts, asked, "a", "US", "refund_rate", before, after)
            assert one.rate(one.before) + sum(step.change for step in one.steps) == one.rate(one.after)
            assert sum(step.at_fault for step in one.steps) == one.after.at_fault - one.before.at_fault
            assert one.after.counted - one.before.counted == one.orders_entered - one.orders_left
            shown = one.round_to_digits(4)
            assert sum(shown[kind] for kind in bridge.BRIDGE_STEPS) == shown["after"] - shown["before"]
            made += 1
