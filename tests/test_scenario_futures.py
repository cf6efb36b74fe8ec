"""Simulated futures under a scenario agree with drawing order by order, and are the plain ones without a step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from bench.futures import make_counts
from healthkit.analysis import scenario_futures, simulation, what_if
from healthkit.analysis.arrivals import VolumeChange
from healthkit.analysis.rolloff import counts_known_on, roll_off_calendar
from healthkit.analysis.simulation import InputChange, draw_changed_counts, draw_counts
from healthkit.analysis.what_if import ScenarioError, ScenarioStep, StoppedProduct, edit_measure, parse_scenario
from healthkit.metrics import scores
from healthkit.metrics.policy_files import load_policy
from healthkit.metrics.scores import day_numbers
from tests.builders.sample import DAY as AS_OF

NOW = int(day_numbers([AS_OF])[0])
US = load_policy("amazon_us")
AHEAD, PER_DAY, RATE = 40, 6.0, 0.08


def day(ahead: int) -> date:
    return AS_OF + timedelta(days=ahead)


@pytest.fixture(scope="module")
def late():
    """Counts of six orders a day: quick faults are of cause x, slow ones of y, and every fifth is of both."""
    counts = make_counts("late_shipment_rate", int(PER_DAY), RATE, 2)
    faults = counts.faults
    delay = (faults["since"] - faults["clock_day"]).dt.days
    causes = np.where(np.arange(len(faults)) % 5 == 0, "x+y", np.where(delay > 1, "y", "x"))
    return replace(counts, faults=faults.assign(causes=causes))


@pytest.fixture(scope="module")
def row(late):
    table = scores.score(late, US, AS_OF)
    return table[table["metric"] == "late_shipment_rate"].iloc[-1]


@pytest.fixture(scope="module")
def prepared(late, row):
    """The input, rates that are known exactly, and the row without a step."""
    inputs, fitted = simulation.forecaster(late, AS_OF).prepare(US, row, days_ahead=AHEAD)
    sure = replace(fitted, at_fault=RATE * 1e9, clean=(1 - RATE) * 1e9, weekly_variation=0.0)
    pace = np.where(inputs.new_orders_by_day > 0, PER_DAY, 0.0)
    steady = replace(inputs, volume_variation=0.0, new_orders_by_day=pace)
    known = counts_known_on(late, AS_OF)
    return steady, sure, edit_measure(known, row, [], roll_off_calendar(late, US, row))


# -- against order by order -----------------------------------------------------------------------------------


class Order(NamedTuple):
    """One order as the slow way draws it; `delay` is None without a fault, `luck` decides which causes it is spared."""

    clock: int
    is_new: bool
    is_more: bool
    of_product: bool
    delay: int | None
    causes: tuple[str, ...]
    luck: dict[str, float]


Fate = Callable[[Order], tuple[bool, bool]]
"""Whether an order comes and whether its fault does, in a scenario."""


def spared(order: Order, fewer: dict[str, tuple[float, int, int]]) -> bool:
    """Whether all causes of an order go: each with a share, for clock days from a day to another."""
    return all(
        cause in fewer and fewer[cause][1] <= order.clock - NOW <= fewer[cause][2]
        and order.luck[cause] < fewer[cause][0]
        for cause in order.causes
    )  # fmt: skip


EVER = 10**6
FATES: dict[str, Fate] = {
    "late shipments of one cause halve from a day": lambda one: (
        not one.is_more, not one.is_more and not spared(one, {"x": (0.5, 3, EVER)})
    ),
    "fewer of both causes, one for some days only": lambda one: (
        not one.is_more, not one.is_more and not spared(one, {"x": (0.9, 1, EVER), "y": (0.8, 5, 20)})
    ),
    "sales double between two days": lambda one: (
        (not one.is_more or 10 <= one.clock - NOW <= 25,) * 2
    ),
    "a product is no longer sold from a day": lambda one: (
        (not one.is_more and not (one.of_product and one.is_new and one.clock - NOW >= 2),) * 2
    ),
}  # fmt: skip
STEPS = {
    "late shipments of one cause halve from a day": [{"fewer": {"cause": "x", "by": "50%", "since": day(3)}}],
    "fewer of both causes, one for some days only": [
        {"fewer": {"cause": "x", "by": "90%", "since": day(1)}},
        {"fewer": {"cause": "y", "by": "80%", "since": day(5), "until": day(20)}},
    ],
    "sales double between two days": [{"volume": {"by": "100%", "since": day(10), "until": day(25)}}],
}
OF_ORDERS, OF_FAULTS = 0.3, 0.7
"""The share of the product that is stopped, of the orders and of those at fault."""


def order_by_order(late, row, fitted, edits, draws):
    """The counts of each scenario the slow way: order by order, each with its product, fault, delay and causes."""
    rng = np.random.default_rng(11)
    window, lag = int(row["window"]), (row["as_of"] - row["last_day"]).days
    days = NOW + np.arange(AHEAD + 1)
    names, shares = scenario_futures.causes_by_delay(edits)
    up_to = fitted.delays.cumsum()
    orders_of_day = pd.Series(late.exposure["counted"].to_numpy(), index=day_numbers(late.exposure["clock_day"]))
    faults = late.faults
    bad = pd.Series(1, index=day_numbers(faults["clock_day"])).groupby(level=0).sum()
    counted, at_fault = ({name: np.zeros((draws, days.size)) for name in FATES} for _ in range(2))

    def add(sums, future, first, clock):
        begin, end = max(first, clock + lag, NOW) - NOW, clock + lag + window - NOW
        if begin < end:
            sums[future, begin : min(end, days.size)] += 1

    def draw(clock, is_new, is_more):
        faulty = rng.random() < RATE
        of_product = rng.random() < (OF_FAULTS if faulty else (OF_ORDERS - RATE * OF_FAULTS) / (1 - RATE))
        delay = int(np.searchsorted(up_to, rng.random())) if faulty else None
        # Of an order that counts already, a delay that has passed showed nothing.
        if delay is not None and not is_new and delay <= NOW - clock:
            delay = None
        causes = () if delay is None else tuple(names[rng.choice(len(names), p=shares[:, delay])].split("+"))
        return Order(clock, is_new, is_more, of_product, delay, causes, {name: rng.random() for name in causes})

    for future in range(draws):
        for clock in range(NOW - lag - window - 1, NOW + AHEAD + 1):
            is_new = clock > NOW
            clean = rng.poisson(PER_DAY) if is_new else int(orders_of_day.get(clock, 0)) - int(bad.get(clock, 0))
            more = rng.poisson(PER_DAY) if 10 <= clock - NOW <= 25 else 0
            for number in range(clean + more):
                order = draw(clock, is_new, number >= clean)
                for name, fate in FATES.items():
                    comes, goes_wrong = fate(order)
                    if comes:
                        add(counted[name], future, clock, clock)
                        if goes_wrong and order.delay is not None:
                            add(at_fault[name], future, clock + order.delay, clock)
    for name in FATES:
        for clock, since in zip(day_numbers(faults["clock_day"]), day_numbers(faults["since"]), strict=True):
            add(counted[name], slice(None), clock, clock)
            add(at_fault[name], slice(None), since, clock)
    return counted, at_fault


@pytest.fixture(scope="module")
def by_hand(late, row, prepared):
    return order_by_order(late, row, prepared[1], prepared[2], draws=250)


@pytest.mark.parametrize("name", FATES)
def test_a_scenario_agrees_with_drawing_order_by_order(late, row, prepared, by_hand, name):
    inputs, fitted, edits = prepared
    if name in STEPS:
        edits = edit_measure(edits.counts, row, parse_scenario(STEPS[name]), roll_off_calendar(late, US, row))
    else:
        product = StoppedProduct("X", OF_ORDERS, OF_FAULTS, day(2), None)
        edits = replace(edits, stopped=(product,), volume_changes=(VolumeChange(1 - OF_ORDERS, day(2)),))
    change = scenario_futures.input_change(edits, inputs, RATE)
    plain, fast = draw_changed_counts(inputs, fitted, 3_000, np.random.default_rng(3), [change], drift=0.0)
    moved = 0
    for quick, slow, unchanged in zip(fast, (both[name] for both in by_hand), plain, strict=True):
        for ahead in (1, 10, 20, 30, 40):
            error = np.sqrt(slow[:, ahead].var() / len(slow) + quick[:, ahead].var() / len(quick))
            assert abs(quick[:, ahead].mean() - slow[:, ahead].mean()) <= 4.5 * error + 0.02, ahead
            moved += abs(unchanged[:, ahead].mean() - slow[:, ahead].mean()) > 4.5 * error + 0.02
            if slow[:, ahead].std() > 1:
                assert quick[:, ahead].std() == pytest.approx(slow[:, ahead].std(), rel=0.25), ahead
    assert moved >= 2, "the scenario changes what is counted by more than chance"


# -- the same draws -------------------------------------------------------------------------------------------


def changes_of(late, row, prepared, *scenarios):
    calendar, (inputs, fitted, edits) = roll_off_calendar(late, US, row), prepared
    edited = [edit_measure(edits.counts, row, parse_scenario(steps), calendar) for steps in scenarios]
    return [scenario_futures.input_change(one, inputs, fitted.mean_rate) for one in edited]


def test_no_step_is_the_plain_forecast_draw_for_draw(late, row, prepared):
    inputs, fitted, _ = prepared
    changes = [InputChange.none(inputs), *changes_of(late, row, prepared, *STEPS.values())]
    alone = draw_counts(inputs, fitted, 300, np.random.default_rng(5))
    plain, none, *others = draw_changed_counts(inputs, fitted, 300, np.random.default_rng(5), changes)
    for counts in (plain, none):
        for one, other in zip(alone, counts, strict=True):
            np.testing.assert_array_equal(one, other)
    assert all(not np.array_equal(alone[1], one[1]) for one in others)


def test_no_step_is_the_plain_forecast_of_the_sample(desk):
    view = desk.account("lantern-hill-lighting")
    measure = view.measure("order_defect_rate", AS_OF)
    plain, none = view.simulate(measure, draws=200), view.simulate_scenario(measure, [], draws=200)
    pd.testing.assert_frame_equal(plain.days, none.days)
    assert (plain.back_on_by_tenth, plain.breach_chances) == (none.back_on_by_tenth, none.breach_chances)
    assert plain.rate == none.rate
    beside = view.forecast_scenarios(measure, [[{"target": "40%"}]], draws=200)[0]
    pd.testing.assert_frame_equal(plain.days, beside.plain.days)
    assert beside.simulation.days["off"].iloc[-1] < plain.days["off"].iloc[-1]


def test_several_batches_keep_the_plain_forecast_too(late, row, prepared):
    inputs, fitted, _ = prepared
    changes = changes_of(late, row, prepared, *STEPS.values())
    draws = simulation.DRAWS_PER_BATCH + 100
    alone = simulation.simulate_input(inputs, fitted, draws=draws)
    plain, *others = simulation.simulate_changes(inputs, fitted, changes, draws=draws, bands=False)
    assert alone.days["off"].tolist() == plain.days["off"].tolist()
    again = simulation.simulate_changes(inputs, fitted, changes, draws=draws)[1:]
    for one, other in zip(others, again, strict=True):
        assert one.days["off"].tolist() == other.days["off"].tolist()
        assert one.days["low80"].isna().all()
        assert other.days["low80"].notna().all()


@pytest.mark.parametrize("by_slot", [False, True])
def test_fewer_faults_are_fewer_in_every_future_and_more_orders_more(late, row, prepared, monkeypatch, by_slot):
    inputs, fitted, _ = prepared
    if by_slot:
        monkeypatch.setattr(sys.modules[draw_counts.__module__], "MULTINOMIAL_FROM", 0.0)
    fewer = [[{"fewer": {"cause": "x", "by": f"{by}%", "since": day(1)}}] for by in (25, 50, 100)]
    more = [[{"volume": {"by": f"{by}%", "since": day(1)}}] for by in (-100, -50, 50)]
    changes = changes_of(late, row, prepared, *fewer, *more)
    drawn = draw_changed_counts(inputs, fitted, 400, np.random.default_rng(5), changes)
    plain, quarter, half, all_of_x, none, less, grown = drawn
    if not by_slot:  # by slot, what stays is drawn on its days again
        assert (plain[1] >= quarter[1]).all()
        assert (quarter[1] >= half[1]).all()
        assert (half[1] >= all_of_x[1]).all()
        assert (plain[0] == half[0]).all(), "an order that is spared its fault still counts"
    means = [one[1].mean() for one in (plain, quarter, half, all_of_x)]
    assert means == sorted(means, reverse=True)
    assert (none[0][:, -1] == inputs.counted[-1]).all()
    assert none[0].mean() < less[0].mean() < plain[0].mean() < grown[0].mean()


def test_many_faults_under_a_scenario_are_drawn_by_slot_as_one_by_one(monkeypatch):
    counts = make_counts("late_shipment_rate", 300, 0.05, 2)
    table = scores.score(counts, US, AS_OF)
    measure = table[table["metric"] == "late_shipment_rate"].iloc[-1]
    inputs, fitted = simulation.forecaster(counts, AS_OF).prepare(US, measure, days_ahead=AHEAD)
    edits = edit_measure(counts_known_on(counts, AS_OF), measure, [], roll_off_calendar(counts, US, measure))
    step = ScenarioStep("fewer", 1, "x", what_if.Fraction(1, 2), day(2))
    stopped = StoppedProduct("X", 0.2, 0.5, day(4), None)
    edits = replace(edits, fewer=(step,), stopped=(stopped,), volume_changes=(VolumeChange(0.8, day(4)),))
    change = scenario_futures.input_change(edits, inputs, fitted.mean_rate)
    singly = draw_changed_counts(inputs, fitted, 600, np.random.default_rng(1), [change])[1]
    monkeypatch.setattr(sys.modules[draw_counts.__module__], "MULTINOMIAL_FROM", 0.0)
    together = draw_changed_counts(inputs, fitted, 600, np.random.default_rng(2), [change])[1]
    for one, other in zip(singly, together, strict=True):
        for ahead in (0, 5, 20, 40):
            error = np.sqrt((one[:, ahead].var() + other[:, ahead].var()) / 600)
            assert abs(one[:, ahead].mean() - other[:, ahead].mean()) <= 4.5 * error + 1e-9
            assert one[:, ahead].std() == pytest.approx(other[:, ahead].std(), rel=0.15, abs=0.01)


# -- steps ------------------------------------------------------------------------------------------------------


def test_a_step_that_changes_nothing_is_named_and_others_are_not(desk):
    view = desk.account("lantern-hill-lighting")
    measure = view.measure("order_defect_rate", AS_OF)
    gone = view.counts.faults
    gone = gone[(gone["metric"] == "order_defect_rate") & (gone["clock_day"] < "2026-08-01")]["order_id"].iloc[0]
    there = view.calendar(measure).orders["order_id"].iloc[-1]
    nothing = [
        {"fewer": {"cause": "a_to_z_claim", "by": "50%", "since": "2027-09-01"}},
        {"fewer": {"cause": "a_to_z_claim", "by": "0%"}},
        {"fewer": {"cause": "a_to_z_claim", "by": "50%", "since": "2026-01-01", "until": "2026-03-01"}},
        {"volume": {"by": "20%", "since": "2027-06-01"}},
        {"stop_selling": {"sku": "LH-READ", "since": "2027-06-01"}},
        {"cleared": {"orders": [gone]}},
        {"cleared": {"orders": [there], "since": "2027-01-15"}},
        {"target": {"share": "2%", "since": "2027-06-01"}},
        {"target": {"share": "2%", "until": "2026-10-30"}},
        {"target": {"share": "1%", "since": "2026-11-20"}},
        {"window": int(measure["window"])},
    ]
    something = [
        {"fewer": {"cause": "a_to_z_claim", "by": "50%", "since": "2026-11-20", "until": "2026-11-21"}},
        {"volume": {"by": "20%", "since": "2026-11-20"}},
        {"stop_selling": {"sku": "LH-READ", "until": "2026-10-01"}},
        {"cleared": {"orders": [there], "since": "2026-11-02"}},
        {"target": {"share": "2%", "since": "2026-11-20", "until": "2026-11-20"}},
        {"target": "2%"},
        {"window": 30},
    ]
    for steps, expected in ((nothing, len(nothing)), (something, 0)):
        found = view.forecast_scenarios(measure, [steps], draws=30)[0]
        assert len(found.untouched) == expected, found.untouched
    mixed = view.forecast_scenarios(measure, [[something[0], nothing[0]]], draws=30)[0].untouched
    assert [step.position for step in mixed] == [2]


def test_known_orders_are_saved_between_two_days_only(late, row):
    since, until = AS_OF - timedelta(days=20), AS_OF - timedelta(days=6)
    step = {"fewer": {"cause": "x", "by": "100%", "since": since, "until": until}}
    result = what_if.run_scenario(late, US, row, parse_scenario([step]))
    orders = result.calendar_before.orders
    inside = (orders["clock_day"] >= pd.Timestamp(since)) & (orders["clock_day"] <= pd.Timestamp(until))
    expected = orders[inside & (orders["causes"] == "x")]["order_id"]
    assert sorted(result.orders_saved["order_id"]) == sorted(expected) != []
    assert len(expected) < (orders["causes"] == "x").sum()


def test_changes_of_volume_hold_side_by_side(late, row):
    def counted(*steps):
        parsed = parse_scenario(list(steps)) if steps else []
        return what_if.run_scenario(late, US, row, parsed).calendar_after.days["counted"]

    first = {"volume": {"by": "100%", "since": day(1), "until": day(7)}}
    second = {"volume": {"by": "-100%", "since": day(20)}}
    plain, one, other, both = counted(), counted(first), counted(second), counted(first, second)
    assert (both - plain).tolist() == pytest.approx(((one - plain) + (other - plain)).tolist(), abs=1)
    assert one.iloc[10] - plain.iloc[10] == pytest.approx(7 * PER_DAY, rel=0.2)
    assert one.iloc[60] == plain.iloc[60]


def test_stopped_products_go_together(desk):
    view = desk.account("lantern-hill-lighting")
    measure = view.measure("order_defect_rate", AS_OF)
    alone = [view.what_if(measure, [{"stop_selling": {"sku": sku}}]) for sku in ("LH-READ", "LH-BULB4")]
    both = view.what_if(measure, [{"stop_selling": {"sku": sku}} for sku in ("LH-READ", "LH-BULB4")])
    gone = [int(one.before["counted"] - one.after["counted"]) for one in (*alone, both)]
    assert gone[0] + gone[1] == gone[2]
    assert min(gone) > 0


def test_an_order_won_on_a_day_ahead_is_gone_from_every_future_from_then_on(late, row, prepared):
    inputs, fitted, edits = prepared
    calendar = roll_off_calendar(late, US, row)
    one = calendar.orders.iloc[-1]
    leaves, since = (one["leaves_on"].date() - AS_OF).days, 6
    steps = parse_scenario([{"cleared": {"orders": [one["order_id"]], "since": day(since)}}])
    change = scenario_futures.input_change(edit_measure(edits.counts, row, steps, calendar), inputs, RATE)
    plain, won = draw_changed_counts(inputs, fitted, 200, np.random.default_rng(5), [change])
    assert (plain[0] == won[0]).all(), "the order itself still counts"
    expected = [int(since <= ahead < leaves) for ahead in range(AHEAD + 1)]
    assert ((plain[1] - won[1]) == expected).all()
    assert since < leaves


def test_a_target_of_some_days_judges_the_same_futures_on_these_days(late, row, prepared):
    inputs, fitted, edits = prepared
    calendar = roll_off_calendar(late, US, row)
    steps = parse_scenario([{"target": {"share": "9%", "since": day(5), "until": day(20)}}])
    change = scenario_futures.input_change(edit_measure(edits.counts, row, steps, calendar), inputs, RATE)
    plain, dated = simulation.simulate_changes(inputs, fitted, [change], draws=400, seed=5)
    whole = simulation.simulate_changes(
        inputs, fitted, [change._replace(rule_changes=(), rule=change.rule_changes[0].rule)], draws=400, seed=5
    )[1]
    inside = slice(5, 21)
    expected = plain.days["off"].to_numpy().copy()
    expected[inside] = whole.days["off"].to_numpy()[inside]
    np.testing.assert_array_equal(dated.days["off"], expected)
    assert not np.array_equal(plain.days["off"][inside], expected[inside])
    assert dated.off_target_now == plain.off_target_now


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"fewer": {"cause": "x", "by": "5%", "since": day(9), "until": day(8)}}, "until .* is before since"),
        ({"volume": {"by": "5%", "until": "soon"}}, "'soon' is not a day"),
        ({"cleared": {"orders": ["o1"], "until": day(8)}}, "what is cleared stays cleared, so it takes no until"),
        ({"cleared": {"orders": ["o1"], "by": "5%"}}, "it holds cause, orders, since"),
    ],
)
def test_days_that_cannot_be_are_refused(step, why):
    with pytest.raises(ScenarioError, match=why):
        parse_scenario([step])
