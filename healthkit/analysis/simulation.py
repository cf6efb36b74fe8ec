"""Simulate future rates from new orders and faults that occur as often as in the past.

Each future draws a rate of faults from the uncertainty that the history leaves, a variation from week to week and a
volume; from these follow how many orders arrive and on which days faults become known. Orders that count already keep
the chance of a fault that remains to them. Counts are judged in whole numbers, as everywhere. Only faults are drawn one
by one (or, where they are many, how many fall on the same days), so that the cost grows neither with orders nor with
faults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.arrivals import ExpectedOrders, fit_arrivals
from healthkit.analysis.fitted_rates import (
    MAX_FAULT_DELAY,
    FittedRates,
    History,
    PooledRates,
    collect_history,
    fit_rates,
    pool_rates_of_accounts,
)
from healthkit.analysis.rolloff import OutlookError, RuleChange, counts_known_on, expected_counts, rules_by_day
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy import Basis, Policy, Rule
from healthkit.metrics.scores import MeasureIntervals, day_numbers, numbers_to_days, select_intervals
from healthkit.schema.object_cache import cache_on_first_argument

DRAWS = 4_000
"""Default number of simulated futures."""
DRAWS_PER_BATCH = 2_000
"""Maximum number of futures held in memory at once."""
LOOKUP_SIZE = 1 << 16
"""Size of the lookup table from which the days of a fault are drawn. [equally likely entries]"""
MAX_PENDING_FAULTS = 1 << 20
"""Number of faults drawn one by one after which their days are added up."""
MULTINOMIAL_FROM = 1.0
"""Mean number of faults per slot above which the faults are drawn by slot instead of one by one."""
WEEKLY_DRIFT = 0.05
"""Standard deviation of the random change of the rate of faults from week to week. [share of the rate]"""
VOLUME_WEEKS = 12
"""Number of past weeks from which the variation of the number of orders is estimated. [weeks]"""
BANDS = {"low80": 0.1, "low50": 0.25, "middle": 0.5, "high50": 0.75, "high80": 0.9}
"""The edges of the bands, each as the share of futures below it."""


@dataclass(frozen=True)
class Simulation:
    """A summary of the simulated futures of one measure, as known on a day.

    `days` has one row per day, the as-of day first: day, `off` (share of futures off target on it) and the edges of the
    bands that hold 50 % and 80 % of futures (low80, low50, middle, high50, high80), as shown rates; NaN where nothing
    counts. `breach_chances` is the chance to be off target on any of the next 7, 30 and 60 days (as far as simulated).
    `back_on_by_tenth` are the days from which 1, 5 and 9 in 10 futures stay on target to the end; None where fewer do.
    `rate` is the shown rate with its Jeffreys interval of 80 % (low, now, high); None where nothing counts.
    """

    account: str
    rule: Rule
    as_of: date
    draws: int
    seed: int
    off_target_now: bool
    days: pd.DataFrame
    breach_chances: dict[int, float]
    back_on_by_tenth: dict[int, date | None]
    share_back_by_day: np.ndarray
    rate: tuple[float, float, float] | None

    @property
    def last_day(self) -> date:
        """The last simulated day."""
        return self.as_of + timedelta(days=self.share_back_by_day.size - 1)

    def chance_back_by(self, day: date) -> float:
        """Return the share of futures that are back on target by a day and stay on target.

        Raises OutlookError for a day beyond the last one.
        """
        place = (day - self.as_of).days
        if not 0 <= place < self.share_back_by_day.size:
            raise OutlookError(f"{day} is not looked at: the futures reach from {self.as_of} to {self.last_day}.")
        return float(self.share_back_by_day[place])

    def chance_off(self, day: date) -> float:
        """Return the share of futures that are off target on a day.

        Raises OutlookError for a day beyond the last one.
        """
        place = (day - self.as_of).days
        if not 0 <= place < len(self.days):
            raise OutlookError(f"{day} is not looked at: the futures reach to {self.last_day}.")
        return float(self.days["off"].iloc[place])


def simulate_futures(
    counts: Counts,
    policy: Policy,
    row: pd.Series,
    *,
    days_ahead: int = 90,
    draws: int = DRAWS,
    seed: int = 0,
) -> Simulation:
    """Simulate futures of a row of SCORES from what was known at the end of its day.

    `counts` may hold other accounts; those of the same marketplace are pooled, to stabilise the rates of small
    accounts. The same seed gives the same futures. Raises OutlookError for a row without a target.
    """
    return forecaster(counts, row["as_of"].date()).simulate(policy, row, days_ahead=days_ahead, draws=draws, seed=seed)


class Forecaster:
    """Simulates futures of any account from what was known on one day.

    Rates pooled over all accounts are fitted once.
    """

    def __init__(self, counts: Counts, as_of: date) -> None:
        self._known = counts_known_on(counts, as_of)
        self._as_of = as_of

    def simulate(
        self,
        policy: Policy,
        row: pd.Series,
        *,
        days_ahead: int = 90,
        draws: int = DRAWS,
        seed: int = 0,
        account_counts: Counts | None = None,
        bands: bool = True,
    ) -> Simulation:
        """Simulate futures of a row of SCORES whose day is that of the forecaster (see `simulate_futures`).

        `account_counts` are the counts of the row's account alone, if at hand; `bands` is as in `simulate_changes`.
        """
        inputs, fitted = self.prepare(policy, row, days_ahead=days_ahead, account_counts=account_counts)
        return simulate_changes(inputs, fitted, (), draws=draws, seed=seed, account=row["account"], bands=bands)[0]

    def prepare(
        self, policy: Policy, row: pd.Series, *, days_ahead: int = 90, account_counts: Counts | None = None
    ) -> tuple[SimulationInput, FittedRates]:
        """Return the input of the simulation of a row of SCORES, and the rates fitted to its account.

        A row with another window or lag is simulated in these. Raises OutlookError as `simulate` does.
        """
        rule = next((rule for rule in policy.rules if rule.id == row["rule"]), None)
        if rule is None or rule.target is None or (pd.isna(row["rate"]) and row["counted"]):
            raise OutlookError("no target, so no future can miss it.", row["metric"])
        account, marketplace, channel = row["account"], row["marketplace"], row["channel"]
        lag = (row["as_of"] - row["last_day"]).days
        history, pooled = self._pool(rule.metric, rule.basis, marketplace, channel)
        fitted = fit_rates(history.for_account(account), pooled)
        known = (
            self._known.for_accounts([account])
            if account_counts is None
            else counts_known_on(account_counts, self._as_of)
        )
        intervals = select_intervals(known, rule, account, marketplace, channel)
        inputs = prepare_simulation(intervals, rule, self._as_of, int(row["window"]), lag, days_ahead, fitted)
        return inputs, fitted

    def fit_pooled_rates(self, policies: Mapping[str, Policy]) -> None:
        """Fit in advance the pooled rates of every measure that the given policies judge."""
        for marketplace, policy in policies.items():
            for rule in policy.rules_in_force(self._as_of):
                for channel in rule.channels if rule.target is not None else ():
                    self._pool(rule.metric, rule.basis, marketplace, channel)

    def shared_rates(self, rule: Rule, marketplace: str, channel: str) -> tuple[History, PooledRates]:
        """Return the history of every account in the measure of a rule, and the rates they share."""
        return self._pool(rule.metric, rule.basis, marketplace, channel)

    @cache_on_first_argument()
    def _pool(self, metric: str, basis: Basis, marketplace: str, channel: str) -> tuple[History, PooledRates]:
        """Return the history of every account in one measure, and the rates they share."""
        history = collect_history(self._known, metric, basis, marketplace, channel, self._as_of)
        return history, pool_rates_of_accounts(history)


@cache_on_first_argument(maxsize=1)
def forecaster(counts: Counts, as_of: date) -> Forecaster:
    """Return the forecaster for the given counts and day.

    The newest one is cached with the counts.
    """
    return Forecaster(counts, as_of)


# -- what is known, and what may come ---------------------------------------------------------------------------


class FaultSlots(NamedTuple):
    """Slots in which new faults can occur: first and last day (0 is the as-of day), expected faults and week.

    `first` and `last` bound the days; `faults_at_rate_1` is the expected number at a rate of 1; `week` numbers the
    weeks of clock days; `counts_from` is the day from which the order itself counts if it is new, -1 if it counts
    already. `clock` is the clock day (day number) and `delay` the delay of the fault [days].
    """

    first: np.ndarray
    last: np.ndarray
    faults_at_rate_1: np.ndarray
    week: np.ndarray
    counts_from: np.ndarray
    clock: np.ndarray
    delay: np.ndarray


@dataclass(frozen=True)
class SimulationInput:
    """The input of a simulation of one measure: known counts, expected new orders and slots for new faults.

    `counted` and `at_fault` are known already, by day; `new_orders_by_day` is the expected number of new orders by
    clock day, and `share_counting` the share of them that counts on each day [clock days x days]. `volume_variation` is
    the squared variation of the weekly volume.
    """

    rule: Rule
    as_of: date
    counted: np.ndarray
    at_fault: np.ndarray
    new_orders_by_day: np.ndarray
    share_counting: np.ndarray
    volume_variation: float
    slots: FaultSlots
    first_clock: int = 0
    """Day number of the first clock day of `new_orders_by_day`."""


class InputChange(NamedTuple):
    """How a scenario changes a simulation: what is known, the rule, and the factors of what is to come.

    `counted` and `at_fault` are known, by day. `clean_orders` are factors of new orders without fault by clock day,
    `orders` of new orders with a fault by slot, and `faults` (0 to 1) the share of the faults of these that stays.
    `rule_changes` are other rules on some days.
    """

    rule: Rule
    counted: np.ndarray
    at_fault: np.ndarray
    clean_orders: np.ndarray
    orders: np.ndarray
    faults: np.ndarray
    rule_changes: tuple[RuleChange, ...] = ()

    @classmethod
    def none(cls, inputs: SimulationInput) -> InputChange:
        """Return the change of a scenario without steps."""
        slots = np.ones(inputs.slots.first.size)
        days = np.ones(inputs.new_orders_by_day.size)
        return cls(inputs.rule, inputs.counted, inputs.at_fault, days, slots, slots)


def prepare_simulation(
    measure_stays: MeasureIntervals,
    rule: Rule,
    as_of: date,
    window: int,
    lag: int,
    days_ahead: int,
    fitted: FittedRates,
) -> SimulationInput:
    """Collect the input of a simulation of one measure from its intervals as known at the end of a day."""
    now = int(day_numbers([as_of])[0])
    numbers = now + np.arange(days_ahead + 1)
    counted, at_fault = (
        intervals.count_by_day(numbers, 1, window, lag, False)[0]
        for intervals in (measure_stays.counting_intervals, measure_stays.fault_intervals)
    )
    expected_orders = fit_arrivals(measure_stays.counting_intervals, as_of).expected_until(int(numbers[-1]))
    begin = int(expected_orders.clock.min()) if expected_orders.clock.size else now + 1
    span = max(0, int(numbers[-1]) - begin + 1)
    clocks = np.zeros(span)
    np.add.at(clocks, expected_orders.clock - begin, expected_orders.expected)
    cover = np.zeros((span, numbers.size))
    for place in np.flatnonzero(clocks > 0):
        of_day = ExpectedOrders(*(values[expected_orders.clock == begin + place] for values in expected_orders))
        cover[place] = expected_counts(of_day, numbers, window, lag) / clocks[place]
    places = _fault_slots(measure_stays, now, window, lag, days_ahead, fitted, begin, clocks)
    uneven = _volume_variation(measure_stays, now)
    return SimulationInput(rule, as_of, counted, at_fault, clocks, cover, uneven, places, begin)


def _fault_slots(
    measure_stays: MeasureIntervals,
    now: int,
    window: int,
    lag: int,
    days_ahead: int,
    fitted: FittedRates,
    begin: int,
    clocks: np.ndarray,
) -> FaultSlots:
    """Return every pair of clock day and delay from which a fault would still be seen."""
    oldest = now - window - lag - MAX_FAULT_DELAY
    intervals = measure_stays.counting_intervals
    there = (intervals.clock > oldest) & (intervals.ended > now)
    known = np.bincount(intervals.clock[there] - oldest, intervals.weight[there], max(1, now + days_ahead - oldest + 1))
    faults = measure_stays.fault_intervals
    bad = (faults.clock > oldest) & (faults.ended > now)
    gone = np.bincount(faults.clock[bad] - oldest, faults.weight[bad] > 0, known.size)
    clean = np.maximum(0.0, known - gone)
    new = np.zeros(known.size)
    new[begin - oldest : begin - oldest + clocks.size] = clocks
    clock = oldest + np.arange(known.size)
    # Of an order that counts already, the delays up to its age are ruled out; of a new one on a past day none is.
    delay = np.arange(MAX_FAULT_DELAY + 1)
    age = np.clip(now - clock, -1, MAX_FAULT_DELAY)
    shown, counting = (np.append(share, 0.0)[age] for share in (fitted.delays.cumsum(), fitted.known))
    still_open = fitted.delays[None, :] * (delay[None, :] > age[:, None])
    # An order that could have shown its fault by now, and is not known yet, shows it next: a late parcel is late.
    over = still_open.sum(axis=1) < 1e-9
    still_open[over, np.minimum(age[over] + 1, MAX_FAULT_DELAY)] = 1.0
    still_open /= still_open.sum(axis=1)[:, None]
    pieces = []
    # Of the faults of a day still to come, the orders still to come bring theirs; the others hold what is left.
    remaining = np.maximum(0.0, 1 - shown / np.maximum(counting, 1e-12))
    for many, is_new in ((clean * remaining, False), (new, True)):
        likely = many[:, None] * still_open
        at, after = np.nonzero(likely > 0)
        first = np.maximum(clock[at] + lag, clock[at] + after) - now
        last = clock[at] + lag + window - 1 - now
        seen = (first <= last) & (first <= days_ahead) & (last >= 0)
        pieces.append((
            np.maximum(first, 0)[seen], np.minimum(last, days_ahead)[seen], likely[at, after][seen], clock[at][seen],
            np.where(is_new, np.maximum(first, 0), -1)[seen], after[seen],
        ))  # fmt: skip
    first, last, likely, clock, order, delays = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
    week = (clock - clock.min()) // 7 if clock.size else clock
    return FaultSlots(first, last, likely, week, order, clock, delays)


def _volume_variation(measure_stays: MeasureIntervals, now: int) -> float:
    """Return the squared variation of the volume of the last weeks, beyond chance."""
    intervals = measure_stays.counting_intervals
    back = (now - intervals.clock) // 7
    inside = (back >= 1) & (back <= VOLUME_WEEKS)
    weeks = np.bincount(back[inside] - 1, intervals.weight[inside], VOLUME_WEEKS)
    mean = weeks.mean()
    return float(np.clip(weeks.var() / mean**2 - 1 / mean, 0.0, 0.25)) if mean > 0 else 0.0


# -- drawing ------------------------------------------------------------------------------------------------------


def simulate_input(
    inputs: SimulationInput, fitted: FittedRates, *, draws: int = DRAWS, seed: int = 0, account: str = ""
) -> Simulation:
    """Simulate futures in batches of limited size, and summarise them as a Simulation."""
    return simulate_changes(inputs, fitted, (), draws=draws, seed=seed, account=account)[0]


def simulate_changes(
    inputs: SimulationInput,
    fitted: FittedRates,
    changes: Sequence[InputChange],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    account: str = "",
    bands: bool = True,
) -> list[Simulation]:
    """Simulate futures as they go on and under each of some changes, from the same draws.

    The first Simulation is that without a change, draw for draw as without any others; the others follow in order.
    Without `bands`, all lack the bands of rates and the interval of today's, which take about a third of the time.
    """
    if draws < 1:
        raise OutlookError(f"{draws} futures cannot be drawn; ask for at least 1.")
    rng = np.random.default_rng(seed)
    every = [InputChange.none(inputs), *changes]
    off: list[list[np.ndarray]] = [[] for _ in every]
    rates: list[list[np.ndarray]] = [[] for _ in every]
    rules = [rules_by_day(one.rule, one.rule_changes, inputs.as_of, inputs.counted.size) for one in every]
    tables = _slots_by_week(inputs.slots, rng, fitted.mean_rate * draws)
    for begin in range(0, draws, DRAWS_PER_BATCH):
        drawn = draw_changed_counts(inputs, fitted, min(DRAWS_PER_BATCH, draws - begin), rng, changes, tables)
        for place, (counted, at_fault) in enumerate(drawn):
            off[place].append(
                np.hstack([is_off_target(rule, counted[:, part], at_fault[:, part]) for rule, part in rules[place]])
            )
            if bands:
                rates[place].append(shown_rates(every[place].rule, counted, at_fault))
    return [
        _summarise(
            replace(inputs, rule=one.rule, counted=one.counted, at_fault=one.at_fault),
            np.concatenate(off[place]), np.concatenate(rates[place]) if rates[place] else None, draws, seed, account,
        )
        for place, one in enumerate(every)
    ]  # fmt: skip


def draw_counts(
    inputs: SimulationInput,
    fitted: FittedRates,
    draws: int,
    rng: np.random.Generator,
    tables: list[_WeekSlots] | None = None,
    *,
    drift: float = WEEKLY_DRIFT,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw futures, and return how many orders count and are at fault on each day. [futures x days]"""
    return draw_changed_counts(inputs, fitted, draws, rng, (), tables, drift=drift)[0]


def draw_changed_counts(
    inputs: SimulationInput,
    fitted: FittedRates,
    draws: int,
    rng: np.random.Generator,
    changes: Sequence[InputChange],
    tables: list[_WeekSlots] | None = None,
    *,
    drift: float = WEEKLY_DRIFT,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw futures, and return the counts of `draw_counts` without a change and under each of some changes.

    What a change takes away is drawn out of the same orders and faults, and what it adds is drawn beside them.
    """
    days = inputs.counted.size
    tables = _slots_by_week(inputs.slots, rng, fitted.mean_rate * draws) if tables is None else tables
    rate = rng.beta(fitted.at_fault, fitted.clean, draws)
    weeks = 1 + max((table.week for table in tables), default=0)
    level = rate[:, None] * np.exp(np.cumsum(rng.normal(-(drift**2) / 2, drift, (draws, weeks)), axis=1))
    if fitted.weekly_variation > 0:
        level = level * rng.gamma(1 / fitted.weekly_variation, fitted.weekly_variation, (draws, weeks))
    np.minimum(level, 1.0, out=level)
    volume = np.ones((draws, 1))
    if inputs.volume_variation > 0:
        volume = rng.gamma(1 / inputs.volume_variation, inputs.volume_variation, (draws, 1))
    plain = _FaultDays.zeros(draws, days)
    changed = [_ChangedFaults(one, _FaultDays.zeros(draws, days)) for one in changes]
    # Changes draw from a stream of their own, so that the futures without a change stay as they are.
    beside = rng.spawn(1)[0]
    singles: list[_SingleFaults] = []
    for table in tables:
        many = rng.poisson(level[:, table.week] * (table.known + volume[:, 0] * table.new))
        if fitted.weights.max() == 1 and many.sum() > MULTINOMIAL_FROM * table.first.size * draws:
            numbers = rng.multinomial(many, table.likely)
            plain.add_by_slot(table, numbers)
            for one in changed:
                one.change_by_slot(table, many, numbers, beside)
        else:
            singles.append(_place_faults_singly(table, many, days, rng, fitted.weights))
            chance = beside.random(singles[-1].begin.size) if changed else np.zeros(0)
            for one in changed:
                one.remove_singly(table, singles[-1], chance)
        for one in changed:
            one.add_more(table, level[:, table.week] * volume[:, 0], beside, fitted.weights)
        if sum(one.begin.size for one in singles) > MAX_PENDING_FAULTS:
            plain.add_singly(singles)
            singles = []
    plain.add_singly(singles)
    clean = volume * np.maximum(0.0, 1 - rate[:, None] * float(fitted.weights.mean()))
    expected = clean * inputs.new_orders_by_day[None, :]
    orders = rng.poisson(expected)
    coming = orders @ inputs.share_counting
    new_orders = np.rint(coming).astype(np.int64) + plain.counts(plain.orders)
    results = [_total_counts(inputs.counted, inputs.at_fault, new_orders, plain.counts(plain.faults))]
    for one in changed:
        one.finish(plain)
        more = new_orders
        if one.changes_orders:
            moved = _change_orders(orders, expected, one.change.clean_orders, beside) @ inputs.share_counting
            more = np.rint(np.maximum(moved, 0.0)).astype(np.int64) + one.days.counts(one.days.orders)
        at_fault = one.days.counts(one.days.faults)
        results.append(_total_counts(one.change.counted, one.change.at_fault, more, at_fault))
    return results


def _total_counts(
    counted: np.ndarray, at_fault: np.ndarray, more_counted: np.ndarray, more_at_fault: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many orders count and are at fault in each future: those known and those to come."""
    total = counted[None, :] + more_counted
    return total, np.minimum(at_fault[None, :] + more_at_fault, total)


def _change_orders(
    orders: np.ndarray, expected: np.ndarray, factors: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return drawn new orders [futures x clock days] with each clock day's multiplied by a factor.

    Of the orders of a day each stays with the chance of its factor: the mean and the variance are those of a binomial
    number, which is drawn as a normal one, for only sums over many orders and days are counted.
    """
    less, more = factors < 1, factors > 1
    changed = orders.astype(float)
    if less.any():
        stays, many = factors[less], orders[:, less]
        noise = rng.standard_normal(many.shape, dtype=np.float32)
        changed[:, less] = many * stays + np.sqrt(many * (stays * (1 - stays))) * noise
    if more.any():
        changed[:, more] += rng.poisson(expected[:, more] * (factors[more] - 1))
    return changed


class _SingleFaults(NamedTuple):
    """Single faults: the cell of day and future on which each enters and leaves, whether of a new order, and its
    weight; `place` is its slot within its week."""

    begin: np.ndarray
    end: np.ndarray
    is_new: np.ndarray
    weight: np.ndarray
    place: np.ndarray

    def select(self, chosen: np.ndarray) -> _SingleFaults:
        """Return some of the faults."""
        return _SingleFaults(*(column[chosen] for column in self))


@dataclass
class _FaultDays:
    """The faults of futures as changes by day: `faults`, and `orders`, the new orders that have them.

    Both have one entry a future and day, and one more at the end of each future.
    """

    draws: int
    faults: np.ndarray
    orders: np.ndarray

    @classmethod
    def zeros(cls, draws: int, days: int) -> _FaultDays:
        """Return no faults."""
        return cls(draws, np.zeros(draws * (days + 1)), np.zeros(draws * (days + 1)))

    def add_singly(self, singles: Sequence[_SingleFaults]) -> None:
        """Add the days of single faults."""
        if not singles:
            return
        faults = _SingleFaults(*(np.concatenate(columns) for columns in zip(*singles, strict=True)))
        self.faults += _changes_by_cell(faults, self.faults.size)
        self.orders += _changes_by_cell(faults.select(faults.is_new), self.orders.size)

    def add_by_slot(self, table: _WeekSlots, numbers: np.ndarray) -> None:
        """Add the days of how many faults of each future fall on each slot of a week. [futures x slots]"""
        for chosen, sums in ((slice(None), self.faults), (table.is_new, self.orders)):
            sums += (numbers[:, chosen] @ table.moves(sums.size // self.draws)[chosen]).ravel()

    def counts(self, moves: np.ndarray) -> np.ndarray:
        """Return the faults, or the new orders that have them, by future and day."""
        return np.rint(moves.reshape(self.draws, -1).cumsum(axis=1)[:, :-1]).astype(np.int64)


def _changes_by_cell(faults: _SingleFaults, size: int) -> np.ndarray:
    """Return by how much single faults change each cell of day and future."""
    return np.bincount(faults.begin, faults.weight, size) - np.bincount(faults.end, faults.weight, size)


@dataclass
class _ChangedFaults:
    """The faults of the same futures under a change.

    `days` holds what differs from the futures without it, until `finish` adds these.
    """

    change: InputChange
    days: _FaultDays
    removed: list[tuple[_SingleFaults, np.ndarray]] = field(default_factory=list)

    @cached_property
    def changes_orders(self) -> bool:
        """Whether other new orders come, not only other faults of the same orders."""
        return bool((self.change.clean_orders != 1).any() or (self.change.orders != 1).any())

    def remove_singly(self, table: _WeekSlots, singles: _SingleFaults, chance: np.ndarray) -> None:
        """Remove single faults of a week whose `chance` (uniform in 0 to 1) is above the factors of the change."""
        orders = np.minimum(self.change.orders[table.rows], 1.0)
        stays = orders * self.change.faults[table.rows]
        if (stays == 1.0).all():
            return
        gone = chance >= stays[singles.place]
        if gone.any():
            self.removed.append((singles.select(gone), (chance >= orders[singles.place])[gone]))

    def change_by_slot(
        self, table: _WeekSlots, many: np.ndarray, numbers: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Draw again on which slots of a week the faults that stay fall, and take away those without the change.

        `many` are the faults of each future, `numbers` their slots.
        """
        orders = np.minimum(self.change.orders[table.rows], 1.0)
        stays = orders * self.change.faults[table.rows]
        if (stays == 1.0).all():
            return
        shares = np.array([stays, orders - stays]) * table.likely  # at fault, and orders clean instead
        left = rng.multinomial(many, np.append(shares.ravel(), max(0.0, 1 - shares.sum())))[:, : shares.size]
        at_fault, clean = left[:, : stays.size], left[:, stays.size :]
        moves = table.moves(self.days.faults.size // self.days.draws)
        self.days.faults += ((at_fault - numbers) @ moves).ravel()
        of_orders = (at_fault + clean - numbers)[:, table.is_new]
        self.days.orders += (of_orders @ moves[table.is_new]).ravel()

    def add_more(self, table: _WeekSlots, level: np.ndarray, rng: np.random.Generator, weights: np.ndarray) -> None:
        """Add the faults of additional new orders of a week; `level` is that of new orders, by future."""
        likely = np.where(table.is_new, table.likely * (self.change.orders[table.rows] - 1), 0.0).clip(min=0.0)
        if not likely.any():
            return
        total = (table.known + table.new) * likely.sum()
        edges = likely.cumsum() / likely.sum()
        edges[-1] = 1.0
        more = table._replace(edges=edges, lookup=None)
        width = self.days.faults.size // self.days.draws
        singles = _place_faults_singly(more, rng.poisson(level * total), width - 1, rng, weights)
        self.days.orders += _changes_by_cell(singles, self.days.orders.size)
        stays = rng.random(singles.begin.size) < self.change.faults[table.rows][singles.place]
        self.days.faults += _changes_by_cell(singles.select(stays), self.days.faults.size)

    def finish(self, plain: _FaultDays) -> None:
        """Add the faults of the futures without the change, less those removed."""
        self.days.faults += plain.faults
        if self.changes_orders:
            self.days.orders += plain.orders
        if self.removed:
            faults = _SingleFaults(
                *(np.concatenate(columns) for columns in zip(*(one for one, _ in self.removed), strict=True))
            )
            self.days.faults -= _changes_by_cell(faults, self.days.faults.size)
            if self.changes_orders:
                orders_gone = np.concatenate([gone for _, gone in self.removed]) & faults.is_new
                self.days.orders -= _changes_by_cell(faults.select(orders_gone), self.days.orders.size)
            self.removed = []


def _place_faults_singly(
    table: _WeekSlots, fault_counts: np.ndarray, days: int, rng: np.random.Generator, weights: np.ndarray
) -> _SingleFaults:
    """Draw the days of each fault of a week, one by one."""
    future = np.repeat(np.arange(fault_counts.size) * (days + 1), fault_counts)
    if table.lookup is None:
        place = np.searchsorted(table.edges, rng.random(future.size))
    else:
        place = table.lookup[rng.integers(0, LOOKUP_SIZE, future.size, dtype=np.uint16)]
    weight = weights[rng.integers(0, weights.size, future.size)] if weights.max() > 1 else np.ones(future.size)
    return _SingleFaults(
        future + table.first[place], future + table.last[place] + 1, table.is_new[place], weight, place
    )


class _WeekSlots(NamedTuple):
    """The slots of one week: expected faults at a rate of 1, and a table from which to draw a slot."""

    week: int
    known: float
    new: float
    first: np.ndarray
    last: np.ndarray
    is_new: np.ndarray
    edges: np.ndarray
    lookup: np.ndarray | None
    likely: np.ndarray
    rows: np.ndarray
    """The positions of these slots among all."""

    def moves(self, width: int) -> np.ndarray:
        """Return by how much a fault of each slot changes each day. [slots x width]"""
        moves = np.zeros((self.first.size, width))
        np.add.at(moves, (np.arange(self.first.size), self.first), 1.0)
        np.add.at(moves, (np.arange(self.first.size), self.last + 1), -1.0)
        return moves


def _slots_by_week(slots: FaultSlots, rng: np.random.Generator, faults: float = np.inf) -> list[_WeekSlots]:
    """Return one table per week, in which a slot occurs in proportion to its probability, rounded at random.

    `faults` is how many are drawn of each expected one; where they are few, no lookup table is built.
    """
    made = []
    for week in np.unique(slots.week):
        mask = np.flatnonzero(slots.week == week)
        likely, is_new = slots.faults_at_rate_1[mask], slots.counts_from[mask] >= 0
        edges = likely.cumsum() / likely.sum()
        edges[-1] = 1.0
        lookup = None
        if likely.sum() * faults > LOOKUP_SIZE // 4:
            lookup = np.searchsorted(edges, (np.arange(LOOKUP_SIZE) + rng.random()) / LOOKUP_SIZE).astype(np.int32)
        made.append(_WeekSlots(
            int(week), float(likely[~is_new].sum()), float(likely[is_new].sum()), slots.first[mask], slots.last[mask],
            is_new, edges, lookup, likely / likely.sum(), mask,
        ))  # fmt: skip
    return made


def is_off_target(rule: Rule, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
    """Return where futures are off target, judged as `policy.judge` does."""
    assert rule.target is not None
    off = (counted > 0) & ~rule.target.is_met(counted, at_fault)
    return off if rule.minimum is None else off & (counted >= rule.minimum)


def shown_rates(rule: Rule, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
    """Return the shown rates; NaN where nothing counts."""
    assert rule.target is not None
    wrong = np.divide(at_fault, counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    return rule.target.displayed_rate(wrong)


def _summarise(
    inputs: SimulationInput, off: np.ndarray, rates: np.ndarray | None, draws: int, seed: int, account: str
) -> Simulation:
    """Summarise futures as a Simulation; without `rates`, it has no bands and no interval."""
    days = off.shape[1]
    stamps = [inputs.as_of + timedelta(days=ahead) for ahead in range(days)]
    some = np.zeros(days, dtype=bool) if rates is None else ~np.isnan(rates).all(axis=0)
    edges = np.full((len(BANDS), days), np.nan)
    if rates is not None and some.any():
        quantile = np.nanquantile if np.isnan(rates[:, some]).any() else np.quantile
        edges[:, some] = quantile(rates[:, some], list(BANDS.values()), axis=0)
    now = day_numbers([inputs.as_of])
    table = pd.DataFrame({
        "day": numbers_to_days(now + np.arange(days)), "off": off.mean(axis=0),
        **dict(zip(BANDS, edges, strict=True)),
    })  # fmt: skip
    last_off = np.where(off.any(axis=1), days - 1 - off[:, ::-1].argmax(axis=1), -1)
    back = np.sort(last_off + 1)
    when = {share: int(back[-(-draws * share // 10) - 1]) for share in (1, 5, 9)}
    return Simulation(
        account=account,
        rule=inputs.rule,
        as_of=inputs.as_of,
        draws=draws,
        seed=seed,
        off_target_now=bool(is_off_target(inputs.rule, inputs.counted[:1], inputs.at_fault[:1])[0]),
        days=table,
        breach_chances={
            ahead: float(off[:, 1 : ahead + 1].any(axis=1).mean()) for ahead in (7, 30, 60) if ahead < days
        },
        back_on_by_tenth={share: stamps[place] if place < days else None for share, place in when.items()},
        share_back_by_day=np.searchsorted(back, np.arange(days), side="right") / draws,
        rate=None if rates is None else _jeffreys_interval(inputs, seed),
    )


def _jeffreys_interval(inputs: SimulationInput, seed: int) -> tuple[float, float, float] | None:
    """The shown rate of the as-of day between the ends of its Jeffreys interval of 80 %.

    Beta(k + 1/2, n - k + 1/2), its quantiles read off many draws; at none and at all the end is the rate itself.
    """
    n, k = int(inputs.counted[0]), int(inputs.at_fault[0])
    if not n:
        return None
    low, high = np.quantile(np.random.default_rng(seed).beta(k + 0.5, n - k + 0.5, 40_000), [0.1, 0.9])
    ends = 0.0 if k == 0 else float(low), k / n, 1.0 if k == n else float(high)
    assert inputs.rule.target is not None
    return ends if inputs.rule.target.lower_is_better else (1 - ends[2], 1 - ends[1], 1 - ends[0])
