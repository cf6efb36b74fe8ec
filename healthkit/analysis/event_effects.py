"""Did an event help: the rates of the orders before and after it, and the chance that they differ by luck.

An event is a change that the seller made, such as a new carrier. The orders of a measure are compared by clock day:
those of a window before the event, from the previous event on, with those of as long a window since, up to the next
event. The window is the measure's own, but at least four weeks.

Defects are learnt late, so the newest orders look better than they are. Every order is therefore judged at the same
age: as it stood `known_within` days after its clock day; orders that are younger are left out, before and after alike.
That age is chosen from the delays that the forecasts fit (see `fitted_rates`), never from what came out: at least half
of the faults are known by then, and the two groups then show the difference best.

The chance is that of Fisher's exact test, two-sided, with the mid-p correction (Lancaster 1961): how often two groups
of these sizes, drawn from the same orders, differ at least as much. Faults come in clusters, so both groups are first
made smaller by their design effect (Rao and Scott 1992), from the variation of weekly rates that the forecasts fit. An
account has several measures and events; Holm's method (1979) corrects the chances for all comparisons of one account in
one marketplace that could show a difference at all (Tarone 1990). The interval of a rate is Wilson's (1927), of 95 %.

A small chance says that the rate changed at the event, not that the event changed it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.drivers import wilson_interval
from healthkit.analysis.fitted_rates import (
    HISTORY_DAYS,
    MAX_FAULT_DELAY,
    POOLED_VARIATION_WEIGHT,
    History,
    PooledRates,
    estimate_delays,
    weekly_faults,
)
from healthkit.metrics.scores import Intervals, MeasureIntervals, day_numbers
from healthkit.schema.events_file import Event

LEVEL = 0.05
"""Largest chance, corrected for the number of comparisons, at which a difference is not put down to luck."""
LOOK_BACK_DAYS = 180
"""Events up to this many days before the as-of day are compared. [days]"""
MIN_WINDOW_DAYS = 28
"""Shortest window of orders before and after an event. [days]"""
MIN_DAYS = 7
"""Fewest clock days on each side of the event: a whole week, as weekdays differ. [days]"""
MIN_SHARE_KNOWN = 0.5
"""Smallest share of the faults that is known at the age at which orders are judged."""
CHANGE_TO_SEE = 0.5
"""The change that must be visible before "no difference" is said: the rate of faults is halved."""
VERDICTS = ("helped", "got worse", "no difference", "too early", "too few")
"""What an effect says. "too early" may still change with the orders to come; "too few" will not."""


class Group(NamedTuple):
    """The orders on one side of an event: first and last clock day, how much counts, and how much is at fault."""

    first_day: date
    last_day: date
    counted: int
    at_fault: int


@dataclass(frozen=True)
class EventEffect:
    """The effect of one event on one measure.

    `notes` are the notes of the events of that day. `window`, `side` and `target` are the measure's own; `before` and
    `after` the orders compared, each as it stood `known_within` days after its clock day, by when `share_known` of the
    faults are usually known. `low` and `high` bound the share at fault after the event (95 %). `chance` is the chance
    of such a difference by luck, `corrected_chance` that for all `comparisons` of the account; None where nothing was
    compared. `deflated` holds counted and at fault, before and after, as used by the test.
    """

    account: str
    marketplace: str
    day: date
    notes: str
    metric: str
    channel: str
    window: int
    side: str
    target: float
    verdict: str
    before: Group
    after: Group
    known_within: int = 0
    share_known: float = 1.0
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    corrected_chance: float | None = None
    comparisons: int = 0
    deflated: tuple[int, int, int, int] = field(default=(0, 0, 0, 0), repr=False)


@dataclass(frozen=True)
class MeasureOrders:
    """The orders of one measure of an account, and what the forecasts know of its faults.

    `last_day` is the last day that the files cover, `first_day` the first.
    """

    account: str
    marketplace: str
    metric: str
    channel: str
    window: int
    side: str
    target: float
    intervals: MeasureIntervals
    history: History
    pooled: PooledRates
    first_day: date
    last_day: date


def find_effects(orders: Iterable[MeasureOrders], events: Sequence[Event], as_of: date) -> list[EventEffect]:
    """Return the effect of each event of an account on each of its measures, newest event first.

    `events` are those of the account in one marketplace. Events of one day are one event. Left out are events after
    `as_of`, or more than LOOK_BACK_DAYS before it.
    """
    days = sorted({event.day for event in events})
    shown = [day for day in days if as_of - timedelta(days=LOOK_BACK_DAYS) <= day <= as_of]
    notes = {day: "; ".join(event.note for event in events if event.day == day) for day in shown}
    effects = [
        _compare(one, day, notes[day], *_neighbours(days, day)) for one in orders for day in reversed(shown)
    ]  # fmt: skip
    effects.sort(key=lambda effect: effect.day, reverse=True)
    return _judge(effects)


def _neighbours(days: Sequence[date], day: date) -> tuple[date, date]:
    """Return the days of the event before and of the one after an event; the ends of time where there is none."""
    place = days.index(day)
    return days[place - 1] if place else date.min, days[place + 1] if place + 1 < len(days) else date.max


def effects_table(effects: Iterable[EventEffect]) -> pd.DataFrame:
    """Return effects as a table, with one column for each figure of the groups (`before_counted`, ...)."""
    rows = []
    for effect in effects:
        row = asdict(effect)
        del row["deflated"]
        for side in ("before", "after"):
            row |= {f"{side}_{name}": value for name, value in row.pop(side)._asdict().items()}
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(_EFFECT_COLUMNS))
    dates = {name: pd.to_datetime(table[name]).astype("datetime64[s]") for name in table if name.endswith("day")}
    numbers = {name: table[name].astype(float) for name in ("low", "high", "chance", "corrected_chance")}
    return table.assign(**dates, **numbers)


def join_tables(effect_tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the effects of several accounts as one table; each account's chances stay corrected for its own."""
    filled = [table for table in effect_tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else effects_table([])


_GROUP_COLUMNS = tuple(f"{side}_{name}" for side in ("before", "after") for name in Group._fields)
_EFFECT_COLUMNS = (
    *(one.name for one in fields(EventEffect) if one.name not in ("before", "after", "deflated")), *_GROUP_COLUMNS
)  # fmt: skip


# -- the orders before and after ----------------------------------------------------------------------------------


def _compare(orders: MeasureOrders, day: date, notes: str, previous: date, following: date) -> EventEffect:
    """Return the effect of an event without its verdict: the groups, the interval and the uncorrected chance.

    `previous` and `following` are the days of the neighbouring events.
    """
    window = timedelta(days=max(orders.window, MIN_WINDOW_DAYS))
    first = max(day - window, previous, orders.first_day)
    end = min(day + window, following)  # The first clock day that is not compared.
    history = orders.history.for_account(orders.account)
    delays = estimate_delays(history, orders.pooled.delays).cumsum()
    counts = _CountsByAge.from_orders(orders, first, min(end, orders.last_day + timedelta(days=1)))
    age = counts.best_age(day, delays)
    last = orders.last_day - timedelta(days=age)
    before = Group(first, min(day - timedelta(days=1), last), *counts.sums(first, day, age))
    after = Group(day, min(end - timedelta(days=1), last), *counts.sums(day, end, age))
    effect = EventEffect(
        orders.account, orders.marketplace, day, notes, orders.metric, orders.channel, orders.window,
        orders.side, orders.target,
        # Whether more orders since the event will count is what distinguishes "too early" from "too few".
        "too early" if last < end - timedelta(days=1) else "too few", before, after, age, float(delays[age]),
    )  # fmt: skip
    if min((side.last_day - side.first_day).days + 1 for side in (before, after)) < MIN_DAYS:
        return effect
    if not before.counted or not after.counted:
        return effect
    variation = _weekly_variation(history, orders, delays, day)
    deflated = _deflate(
        before, after, counts.design_effect(first, day, age, variation), counts.design_effect(day, end, age, variation)
    )
    counted, at_fault = deflated[2:]
    low, high = wilson_interval(at_fault, counted)
    return replace(effect, low=low, high=high, chance=mid_p(*deflated), deflated=deflated)


@dataclass(frozen=True)
class _CountsByAge:
    """Counted orders and faults by clock day and age: `counted[d, a]` as it stood `a` days after clock day `first + d`.

    `last_day` is the number of the last day that the files cover; `fault_weight` the mean weight of a fault, itself
    weighted: above 1 where an order adds several units.
    """

    first: int
    last_day: int
    counted: np.ndarray
    at_fault: np.ndarray
    fault_weight: float

    @classmethod
    def from_orders(cls, orders: MeasureOrders, first: date, end: date) -> _CountsByAge:
        """Count the orders with clock days from `first` to the day before `end`."""
        begin, last_day = (int(day_numbers([day])[0]) for day in (first, orders.last_day))
        size = max(0, (end - first).days)
        counting, faults = orders.intervals.counting_intervals, orders.intervals.fault_intervals
        weight = faults.weight[(faults.clock >= begin) & (faults.clock < begin + size)].astype(float)
        mean = float((weight**2).sum() / weight.sum()) if weight.sum() else 1.0
        return cls(begin, last_day, _by_age(counting, begin, size), _by_age(faults, begin, size), mean)

    def _rows(self, first: date, end: date, age: int) -> slice:
        """Return the clock days from `first` to the day before `end` whose orders have an age."""
        begin, stop = (int(day_numbers([day])[0]) - self.first if day < date.max else 1 << 40 for day in (first, end))
        return slice(max(0, begin), max(0, begin, min(stop, self.last_day - age + 1 - self.first)))

    def sums(self, first: date, end: date, age: int) -> tuple[int, int]:
        """Return how much counts and is at fault of some clock days, as it stood at an age."""
        rows = self._rows(first, end, age)
        return int(self.counted[rows, age].sum()), int(self.at_fault[rows, age].sum())

    def best_age(self, day: date, delays: np.ndarray) -> int:
        """Return the age at which the orders before and after a day show most about a difference of their rates.

        `delays` is the share of faults known by each age. The precision of a difference grows with the faults that are
        known and with the harmonic mean of the numbers of orders; both are known without looking at the rates.
        """
        possible = np.flatnonzero(delays >= MIN_SHARE_KNOWN)
        event = int(day_numbers([day])[0]) - self.first
        precision = []
        for age in possible:
            mature = self.counted[: max(0, self.last_day - age + 1 - self.first), age]
            before, after = float(mature[:event].sum()), float(mature[event:].sum())
            precision.append(delays[age] * before * after / (before + after) if before and after else 0.0)
        return int(possible[int(np.argmax(precision))])

    def design_effect(self, first: date, end: date, age: int, variation: float) -> float:
        """Return by how much the variance of the faults exceeds that of independent ones.

        `variation` is the squared variation of the rate of faults from week to week; a week's faults share it.
        """
        rows = self._rows(first, end, age)
        counted, faults = self.counted[rows, age], float(self.at_fault[rows, age].sum())
        weeks = np.bincount(np.arange(counted.size) // 7, counted) if counted.size else np.zeros(1)
        rate = faults / max(1.0, float(counted.sum()))
        clustered = variation * float((weeks**2).sum()) * rate / max(1.0, float(counted.sum()))
        return self.fault_weight + clustered


def _by_age(intervals: Intervals, begin: int, size: int) -> np.ndarray:
    """Return the weight of the intervals that cover each age of each clock day. [clock days x ages]"""
    ages = MAX_FAULT_DELAY + 1
    chosen = (intervals.clock >= begin) & (intervals.clock < begin + size)
    clock, weight = intervals.clock[chosen], intervals.weight[chosen]
    first = np.maximum(intervals.known[chosen] - clock, 0)
    ended = np.minimum(intervals.ended[chosen] - clock, ages)
    covers = (first < ended) & (first < ages)
    row, weight = (clock[covers] - begin) * (ages + 1), weight[covers]
    edges = np.bincount(row + first[covers], weight, size * (ages + 1))
    edges -= np.bincount(row + ended[covers], weight, size * (ages + 1))
    return edges.reshape(size, ages + 1).cumsum(axis=1)[:, :ages]


def _weekly_variation(history: History, orders: MeasureOrders, delays: np.ndarray, day: date) -> float:
    """Return the squared variation of the rate of faults from week to week, apart from a change on the event's day.

    Before and after the event count as two accounts with a rate each. A bad spell may reach over two weeks, so twice
    the covariance of neighbouring weeks is added (Newey and West 1987). Little history is drawn to what all accounts
    show.
    """
    event = int(np.clip(int(day_numbers([day])[0]) - history.first, 0, HISTORY_DAYS))
    sides = np.zeros((2, history.days.shape[1]))
    sides[0, :event], sides[1, event:] = history.days[0, :event], history.days[0, event:]
    parts = replace(
        history, accounts=pd.Index(["before", "after"]), days=sides, account=(history.clock >= event).astype(np.int64)
    )
    known = delays[np.minimum(parts.ages, MAX_FAULT_DELAY)]
    faults = np.bincount(parts.account, minlength=2).astype(float)
    came, could = weekly_faults(parts, np.diff(delays, prepend=0.0), faults, sides @ known)
    excess = came - could
    above = float((excess**2 - could).sum()) + POOLED_VARIATION_WEIGHT * orders.pooled.weekly_variation
    alone = above / (float((could**2).sum()) + POOLED_VARIATION_WEIGHT)
    both = float((could[:, :-1] * could[:, 1:]).sum()) + POOLED_VARIATION_WEIGHT
    with_next = float((excess[:, :-1] * excess[:, 1:]).sum()) / both
    return float(np.clip(max(alone, 0.0) + 2 * max(with_next, 0.0), 0.0, 1.0))


def _deflate(before: Group, after: Group, effect_before: float, effect_after: float) -> tuple[int, int, int, int]:
    """Return counted and at fault, before and after, as numbers of independent orders that say as much.

    `effect_before` and `effect_after` are the design effects. Faults are rounded towards no difference.
    """
    rose = after.at_fault * before.counted > before.at_fault * after.counted
    numbers: list[int] = []
    for group, design_effect, is_higher in ((before, effect_before, not rose), (after, effect_after, rose)):
        scale = max(1.0, design_effect)
        counted, at_fault = max(1, round(group.counted / scale)), group.at_fault / scale
        numbers += [counted, min(counted, math.floor(at_fault) if is_higher else math.ceil(at_fault))]
    return numbers[0], numbers[1], numbers[2], numbers[3]


# -- the test and the verdict -------------------------------------------------------------------------------------


def mid_p(counted_before: int, at_fault_before: int, counted_after: int, at_fault_after: int) -> float:
    """Return the chance that two groups with the same rate differ at least as much: Fisher's exact test with mid-p.

    Two-sided: the chances of all tables that are less likely than the one found, and half of those as likely.

    >>> round(mid_p(10, 1, 10, 9), 5)
    0.00055
    >>> mid_p(100, 0, 50, 0)
    1.0
    """
    total = at_fault_before + at_fault_after
    lowest, highest = max(0, total - counted_before), min(total, counted_after)
    if lowest == highest:
        return 1.0
    after = np.arange(lowest, highest)
    steps = np.log((total - after) * (counted_after - after)) - np.log(
        (after + 1) * (counted_before - total + after + 1.0)
    )
    logs = np.concatenate([[0.0], steps.cumsum()])
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    found = chances[at_fault_after - lowest]
    likely = np.isclose(chances, found, rtol=1e-9, atol=0.0)
    return float(min(1.0, chances[~likely & (chances < found)].sum() + 0.5 * chances[likely].sum()))


def holm(chances: Sequence[float]) -> list[float]:
    """Return chances corrected by Holm's method for all being looked at together.

    >>> [round(one, 2) for one in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected, highest = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        corrected[place] = highest
    return corrected


def smallest_mid_p(counted_before: int, at_fault_before: int, counted_after: int, at_fault_after: int) -> float:
    """Return the smallest chance that `mid_p` can give for groups of these sizes with as many faults in all.

    >>> round(smallest_mid_p(10, 1, 10, 2), 3)
    0.105
    """
    total = at_fault_before + at_fault_after
    extremes = max(0, total - counted_before), min(total, counted_after)
    return min(mid_p(counted_before, total - after, counted_after, after) for after in extremes)


def correct_chances(chances: Sequence[float], smallest: Sequence[float]) -> tuple[list[float], int]:
    """Return chances corrected for all comparisons that could show a difference, and the number of these.

    `smallest` is the smallest chance that each comparison can give. Tarone's number is the smallest k for which at most
    k comparisons can give LEVEL / k; Holm's method is applied to these. The others cannot pass, and are times k.

    >>> correct_chances([0.01, 0.3, 0.02], [0.001, 0.2, 0.0001])
    ([0.02, 0.6, 0.02], 2)
    """
    number = next(
        (k for k in range(1, len(chances) + 1) if sum(one <= LEVEL / k for one in smallest) <= k), len(chances)
    )
    family = [place for place, one in enumerate(smallest) if one <= LEVEL / max(1, number)]
    corrected = [min(1.0, number * chance) for chance in chances]
    for place, chance in zip(family, holm([chances[place] for place in family]), strict=True):
        corrected[place] = chance
    return corrected, number


def _judge(effects: list[EventEffect]) -> list[EventEffect]:
    """Return effects with their verdicts and with chances corrected for all comparisons that were made."""
    compared = [place for place, effect in enumerate(effects) if effect.chance is not None]
    corrected, number = correct_chances(
        [effects[place].chance or 0.0 for place in compared],
        [smallest_mid_p(*effects[place].deflated) for place in compared],
    )
    for place, chance in zip(compared, corrected, strict=True):
        effect = effects[place]
        verdict = effect.verdict
        if chance <= LEVEL:
            before, after = effect.before, effect.after
            verdict = "helped" if after.at_fault * before.counted < before.at_fault * after.counted else "got worse"
        elif _is_change_visible(effect, number):
            verdict = "no difference"
        effects[place] = replace(effect, verdict=verdict, corrected_chance=chance, comparisons=number)
    return effects


def _is_change_visible(effect: EventEffect, comparisons: int) -> bool:
    """Return whether a change by CHANGE_TO_SEE would have stood out among so many comparisons."""
    counted_before, faults_before, counted_after, _ = effect.deflated
    changed = round(faults_before / counted_before * counted_after * CHANGE_TO_SEE)
    return mid_p(counted_before, faults_before, counted_after, changed) <= LEVEL / comparisons
