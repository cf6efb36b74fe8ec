"""Simulated futures agree with drawing order by order, and say what they must at the ends of everything."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from bench.futures import make_counts
from healthkit.analysis import simulation
from healthkit.analysis.fitted_rates import (
    HISTORY_DAYS,
    MAX_FAULT_DELAY,
    FittedRates,
    History,
    collect_history,
    estimate_delays,
    fit_rates,
    pool_rates_of_accounts,
)
from healthkit.analysis.rolloff import OutlookError, counts_known_on
from healthkit.analysis.simulation import (
    SimulationInput,
    draw_counts,
    prepare_simulation,
    simulate_futures,
    simulate_input,
)
from healthkit.metrics import scores
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy_files import load_policy
from healthkit.metrics.scores import day_numbers, select_intervals

AS_OF = date(2026, 10, 31)
NOW = int(day_numbers([AS_OF])[0])
US = load_policy("amazon_us")
AHEAD = 40


def asked(counts: Counts, metric: str) -> pd.Series:
    table = scores.score(counts, US, AS_OF)
    return table[table["metric"] == metric].iloc[-1]


def laid_out(counts: Counts, row: pd.Series, learnt: FittedRates, ahead: int = AHEAD) -> SimulationInput:
    known = counts_known_on(counts, AS_OF)
    rule = next(rule for rule in US.rules if rule.id == row["rule"])
    behind = select_intervals(known, rule, row["account"], "US", "seller")
    lag = (row["as_of"] - row["last_day"]).days
    return prepare_simulation(behind, rule, AS_OF, int(row["window"]), lag, ahead, learnt)


def learnt_of(counts: Counts, metric: str) -> FittedRates:
    rule = next(rule for rule in US.rules_in_force(AS_OF) if rule.metric == metric)
    every = collect_history(counts_known_on(counts, AS_OF), rule.metric, rule.basis, "US", "seller", AS_OF)
    return fit_rates(every.for_account("made-up"), pool_rates_of_accounts(every))


# -- against order by order -------------------------------------------------------------------------------


def order_by_order(counts: Counts, learnt: FittedRates, window: int, lag: int, draws: int, per_day: float):
    """The same futures the slow way: each order drawn, each with its fault and its delay."""
    rng = np.random.default_rng(7)
    share = learnt.at_fault / (learnt.at_fault + learnt.clean)
    days = NOW + np.arange(AHEAD + 1)
    bad = counts.faults
    known_clock = day_numbers(bad["clock_day"])
    known_faults = pd.Series(1, index=known_clock).groupby(level=0).sum()
    held = pd.Series(counts.exposure["counted"].to_numpy(), index=day_numbers(counts.exposure["clock_day"]))
    counted, at_fault = np.zeros((draws, days.size), int), np.zeros((draws, days.size), int)
    first_clock, up_to = NOW - lag - window - 1, learnt.delays.cumsum()
    for future in range(draws):
        for clock in range(first_clock, NOW + AHEAD + 1):
            new = clock > NOW
            many = rng.poisson(per_day) if new else int(held.get(clock, 0))
            clean = many if new else many - int(known_faults.get(clock, 0))
            cover = (days >= clock + lag) & (days < clock + lag + window)
            counted[future] += many * cover
            faults = rng.random(clean) < share
            delay = np.searchsorted(up_to, rng.random(int(faults.sum())))
            for late in delay:
                # Of an order that counts already, a delay that has passed showed nothing.
                if new or late > NOW - clock:
                    at_fault[future] += cover & (days >= clock + late)
            if not new:
                for since in day_numbers(bad["since"])[known_clock == clock]:
                    at_fault[future] += cover & (days >= since)
    return counted, at_fault


@pytest.mark.parametrize(
    ("metric", "share", "delay"), [("order_defect_rate", 0.04, 12), ("late_shipment_rate", 0.08, 2)]
)
def test_futures_agree_with_drawing_order_by_order(metric, share, delay):
    """The mean, the spread and the correlation over days, within what chance leaves between so many draws of each."""
    counts, per_day, draws = make_counts(metric, 6, share, delay), 6.0, 500
    row = asked(counts, metric)
    learnt = learnt_of(counts, metric)
    sure = replace(learnt, at_fault=share * 1e9, clean=(1 - share) * 1e9, weekly_variation=0.0)
    held = laid_out(counts, row, sure)
    steady = replace(held, volume_variation=0.0, new_orders_by_day=np.where(held.new_orders_by_day > 0, per_day, 0.0))
    fast = draw_counts(steady, sure, 4_000, np.random.default_rng(3), drift=0.0)
    lag = (row["as_of"] - row["last_day"]).days
    slow = order_by_order(counts, sure, int(row["window"]), lag, draws, per_day)
    for quick, plain in zip(fast, slow, strict=True):
        for day in (1, 10, 25, 40):
            error = np.sqrt(plain[:, day].var() / draws + quick[:, day].var() / len(quick))
            assert abs(quick[:, day].mean() - plain[:, day].mean()) <= 4.5 * error + 0.02, day
            if plain[:, day].std() > 1:
                assert quick[:, day].std() == pytest.approx(plain[:, day].std(), rel=0.14), day
    both = [np.corrcoef(side[1][:, 20], side[1][:, 30])[0, 1] for side in (fast, slow)]
    assert both[0] == pytest.approx(both[1], abs=0.1)


def test_many_faults_are_drawn_by_place_as_they_are_one_by_one(monkeypatch):
    counts = make_counts("late_shipment_rate", 300, 0.05, 2)
    row, learnt = asked(counts, "late_shipment_rate"), learnt_of(counts, "late_shipment_rate")
    held = laid_out(counts, row, learnt)
    singly = draw_counts(held, learnt, 1_500, np.random.default_rng(1))
    monkeypatch.setattr(sys.modules[draw_counts.__module__], "MULTINOMIAL_FROM", 0.0)
    together = draw_counts(held, learnt, 1_500, np.random.default_rng(2))
    for one, other in zip(singly, together, strict=True):
        for day in (0, 5, 20, 40):
            error = np.sqrt((one[:, day].var() + other[:, day].var()) / 1_500)
            assert abs(one[:, day].mean() - other[:, day].mean()) <= 4.5 * error + 1e-9
            assert one[:, day].std() == pytest.approx(other[:, day].std(), rel=0.12, abs=0.01)


# -- what futures say -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def defects():
    return make_counts("order_defect_rate", 30)


def test_the_same_seed_gives_the_same_futures_and_another_others(defects):
    row = asked(defects, "order_defect_rate")
    one, same, other = (simulate_futures(defects, US, row, draws=500, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.days, same.days)
    assert not one.days.equals(other.days)


def test_the_as_of_day_is_known_and_the_bands_only_widen_from_it(defects):
    row = asked(defects, "order_defect_rate")
    held = simulate_futures(defects, US, row, draws=800)
    first, later = held.days.iloc[0], held.days.iloc[30]
    assert first["low80"] == first["high80"] == pytest.approx(row["rate"])
    assert first["off"] == float(row["status"] == "off target") == float(held.off_target_now)
    assert later["low80"] < later["low50"] < later["middle"] < later["high50"] < later["high80"]
    low, now, high = held.rate
    assert now == pytest.approx(row["rate"])
    assert low < now < high


def test_a_breach_is_likelier_the_longer_one_looks_and_so_is_being_back(defects):
    held = simulate_futures(defects, US, asked(defects, "order_defect_rate"), draws=800)
    assert held.breach_chances[7] <= held.breach_chances[30] <= held.breach_chances[60]
    assert (np.diff(held.share_back_by_day) >= 0).all()
    assert held.chance_off(AS_OF + timedelta(days=30)) <= held.breach_chances[30]
    whens = [day for day in held.back_on_by_tenth.values() if day is not None]
    assert whens == sorted(whens)
    for share, day in held.back_on_by_tenth.items():
        assert day is None or held.chance_back_by(day) >= share / 10


def test_a_day_beyond_the_horizon_is_refused(defects):
    held = simulate_futures(defects, US, asked(defects, "order_defect_rate"), days_ahead=10, draws=50)
    assert set(held.breach_chances) == {7}
    for question in (held.chance_off, held.chance_back_by):
        with pytest.raises(OutlookError, match="not looked at"):
            question(AS_OF + timedelta(days=11))


def test_without_faults_and_orders_nothing_breaks():
    counts = make_counts("order_defect_rate", 2, 0.0)
    row = asked(counts, "order_defect_rate")
    held = simulate_futures(counts, US, row, draws=200)
    assert held.rate[0] == held.rate[1] == 0.0
    assert held.days["off"].iloc[0] == 0.0
    empty = row.copy()
    empty["account"], empty["counted"], empty["at_fault"], empty["rate"] = "nobody", 0, 0, np.nan
    nothing = simulate_futures(counts, US, empty, draws=50)
    assert nothing.rate is None
    assert nothing.days["off"].eq(0).all()
    assert nothing.days["middle"].isna().all()


def test_all_at_fault_stays_off_target():
    counts = make_counts("late_shipment_rate", 5, 1.0, 0)
    held = simulate_futures(counts, US, asked(counts, "late_shipment_rate"), draws=200)
    assert held.off_target_now
    assert held.days["off"].eq(1).all()
    assert held.back_on_by_tenth == {1: None, 5: None, 9: None}


def test_a_measure_without_a_target_and_no_futures_are_refused(defects):
    row = asked(defects, "order_defect_rate")
    rule = next(rule for rule in US.rules_in_force(AS_OF) if rule.metric == "negative_feedback_rate")
    with pytest.raises(OutlookError, match="no target, so"):
        simulate_futures(defects, US, pd.Series({**row.to_dict(), "metric": rule.metric, "rule": rule.id}))
    with pytest.raises(OutlookError, match="at least 1"):
        simulate_futures(defects, US, row, draws=0)


def test_too_few_to_judge_is_never_off():
    counts = make_counts("order_defect_rate", 3, 0.3)
    row, learnt = asked(counts, "order_defect_rate"), learnt_of(counts, "order_defect_rate")
    held = laid_out(counts, row, learnt)
    strict = replace(held, rule=held.rule.model_copy(update={"minimum": 100_000}))
    assert simulate_input(held, learnt, draws=50).days["off"].iloc[0] == 1
    assert simulate_input(strict, learnt, draws=50).days["off"].eq(0).all()


# -- what is learnt ---------------------------------------------------------------------------------------


def test_delays_are_found_though_young_orders_show_only_short_ones():
    rng = np.random.default_rng(5)
    clock = rng.integers(0, HISTORY_DAYS, 40_000)
    delay = rng.choice([5, 40, 120], clock.size, p=[0.5, 0.3, 0.2])
    seen = delay <= HISTORY_DAYS - 1 - clock
    held = History(
        pd.Index(["a"]), NOW - HISTORY_DAYS + 1, NOW, np.full((1, HISTORY_DAYS), 100.0),
        np.zeros(int(seen.sum()), int), clock[seen],
        delay[seen], np.ones(int(seen.sum()), int),
    )  # fmt: skip
    found = estimate_delays(held)
    assert found.sum() == pytest.approx(1)
    assert found[[5, 40, 120]] == pytest.approx([0.5, 0.3, 0.2], abs=0.015)
    assert found.size == MAX_FAULT_DELAY + 1


def test_a_small_account_is_drawn_to_the_portfolio_and_a_large_one_is_not():
    days = np.zeros((3, HISTORY_DAYS))
    days[:, -100:] = np.array([[100.0], [100.0], [0.2]])
    account = np.repeat([0, 1, 2], [100, 110, 1])
    clock = np.concatenate(
        [
            np.linspace(HISTORY_DAYS - 100, HISTORY_DAYS - 1, 100),
            np.linspace(HISTORY_DAYS - 100, HISTORY_DAYS - 1, 110),
            [HISTORY_DAYS - 50],
        ]
    ).astype(int)
    held = History(
        pd.Index(["a", "b", "c"]),
        NOW - HISTORY_DAYS + 1,
        NOW,
        days,
        account,
        clock,
        np.zeros(211, int),
        np.ones(211, int),
    )
    shared = pool_rates_of_accounts(held)
    assert shared.mean_rate == pytest.approx(0.0105, rel=0.02)
    assert fit_rates(held.for_account("a"), shared).mean_rate == pytest.approx(0.0102, rel=0.05)
    assert fit_rates(held.for_account("c"), shared).mean_rate < 0.02  # by itself it would be 1 of 20


def history_of_rates(rates: np.ndarray, per_day: float, seed: int) -> History:
    """One account a rate, with orders on all days and faults that are known at once."""
    days = np.random.default_rng(seed).poisson(per_day, (rates.size, HISTORY_DAYS))
    faults = np.random.default_rng(seed + 1).binomial(days, rates[:, None])
    account, clock = np.nonzero(faults)
    many = faults[account, clock]
    account, clock = np.repeat(account, many), np.repeat(clock, many)
    nothing = np.zeros(account.size, int)
    return History(
        pd.Index(range(rates.size)),
        NOW - HISTORY_DAYS + 1,
        NOW,
        days.astype(float),
        account,
        clock,
        nothing,
        nothing + 1,
    )


@pytest.mark.parametrize("per_day", [0.2, 1.0])
def test_accounts_that_differ_are_drawn_to_all_as_much_as_they_are_alike(per_day):
    """Rates of Beta(2, 18) are worth 20 orders; old orders weigh less, and the noise of weighted counts is less too."""
    found = {}
    for name, spread in (("differ", True), ("alike", False)):
        found[name] = []
        for seed in range(10):
            rates = np.random.default_rng(seed).beta(2, 18, 300) if spread else np.full(300, 0.1)
            found[name].append(pool_rates_of_accounts(history_of_rates(rates, per_day, seed)).strength)
    assert np.median(found["differ"]) == pytest.approx(20, rel=0.35)
    assert np.median(found["alike"]) > 50


def test_of_few_alike_accounts_each_keeps_a_rate_of_its_own():
    """That a few accounts seem alike does not prove it: two with the same rate are not taken for one."""
    shared = pool_rates_of_accounts(history_of_rates(np.full(2, 0.02), 5, 3))
    assert shared.strength < 2_000


def made_known_late(share: float) -> Counts:
    """Orders that count 0 to 99 days after their day, each with its fault if it has one (a review, a delivery)."""
    counts, rng = make_counts("late_shipment_rate", 40, share, 0), np.random.default_rng(8)
    exposure, faults = counts.exposure, counts.faults
    row = np.repeat(np.arange(len(exposure)), exposure["counted"])
    at_fault = rng.random(row.size) < share
    clock = exposure["clock_day"].to_numpy()[row]
    known = clock + rng.integers(0, 100, row.size).astype("timedelta64[D]")
    seen = known <= np.datetime64(AS_OF)
    orders = exposure.iloc[row[seen]].assign(known_on=known[seen], counted=1)
    keys = [name for name in exposure.columns if name not in ("counted", "until_day", "assumed")]
    orders = orders.groupby(keys, as_index=False, observed=True)["counted"].sum().assign(until_day=pd.NaT, assumed=None)
    late = seen & at_fault
    bad = faults.iloc[np.zeros(int(late.sum()), int)].assign(
        order_id=[f"o{n}" for n in range(int(late.sum()))],
        clock_day=clock[late],
        since=known[late],
        known_on=known[late],
    )
    types = {name: exposure.dtypes[name] for name in exposure.columns if name != "assumed"}
    return Counts(
        orders[list(exposure.columns)].astype(types), bad.astype({"since": faults.dtypes["since"]}), counts.coverage
    )


def test_orders_that_count_only_with_their_fault_do_not_raise_the_rate():
    """Young days hold few orders yet, and of these every fault: of the orders that count no more is expected."""
    counts = made_known_late(0.2)
    learnt = learnt_of(counts, "late_shipment_rate")
    assert learnt.mean_rate == pytest.approx(0.2, rel=0.06)
    row = asked(counts, "late_shipment_rate")
    inputs = laid_out(counts, row, learnt)
    counted, at_fault = draw_counts(inputs, learnt, 2_000, np.random.default_rng(1), drift=0.0)
    for day in (5, 10, 30):
        more = at_fault[:, day].mean() - inputs.at_fault[day]
        assert more / (counted[:, day].mean() - inputs.counted[day]) == pytest.approx(learnt.mean_rate, rel=0.03), day


def test_a_rate_that_is_drawn_high_leaves_fewer_clean_orders(defects):
    """Of the orders to come those at fault are a part: their number does not depend on the rate."""
    row, learnt = asked(defects, "order_defect_rate"), learnt_of(defects, "order_defect_rate")
    unsure = replace(learnt, at_fault=3.0, clean=3.0, delays=np.eye(1, MAX_FAULT_DELAY + 1)[0], weekly_variation=0.0)
    steady = replace(laid_out(defects, row, unsure), volume_variation=0.0)
    counted, at_fault = draw_counts(steady, unsure, 3_000, np.random.default_rng(2), drift=0.0)
    assert abs(np.corrcoef(counted[:, 40], at_fault[:, 40])[0, 1]) < 0.15


def test_the_drift_makes_later_days_less_sure(defects):
    row, learnt = asked(defects, "order_defect_rate"), learnt_of(defects, "order_defect_rate")
    inputs = laid_out(defects, row, learnt)
    spread = [
        draw_counts(inputs, learnt, 2_000, np.random.default_rng(2), drift=drift)[1][:, 40].std()
        for drift in (0.0, 0.5)
    ]
    assert spread[1] > 1.3 * spread[0]


def test_what_came_later_is_not_learnt_from(defects):
    early = AS_OF - timedelta(days=60)
    table = scores.score(defects, US, early)
    row = table[table["metric"] == "order_defect_rate"].iloc[-1]
    cut = counts_known_on(defects, early)
    kept = Counts(cut.exposure[cut.exposure["clock_day"] <= pd.Timestamp(early)], cut.faults, defects.coverage)
    both = [simulation.simulate_futures(counts, US, row, draws=300) for counts in (defects, kept)]
    pd.testing.assert_frame_equal(both[0].days, both[1].days)
