"""Estimate how many orders arrive on each weekday, and how long it takes until each is known to count.

Only what was known at the end of a day is used. The newest days are incomplete where orders become known late (a
delivered order counts once it is delivered), so the number of orders a day is taken from days that are old enough, and
what the newest days still lack is expected to arrive with the usual delays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from healthkit.metrics.scores import Intervals, day_numbers

PACE_WEEKS = 8
"""Number of past weeks from which the number of orders by weekday is estimated. [weeks]"""
MAX_ORDER_DELAY = 120
"""Longest delay considered between the clock day of an order and the day it is known. [days]"""


class VolumeChange(NamedTuple):
    """A change of the number of new orders: those of clock days from `since` to `until` are multiplied by `factor`."""

    factor: float
    since: date
    until: date | None = None


def volume_factors(changes: Iterable[VolumeChange], clock: np.ndarray) -> np.ndarray:
    """Return by what the new orders of each clock day (a day number) are multiplied.

    >>> changes = [VolumeChange(2.0, date(1970, 1, 3)), VolumeChange(0.5, date(1970, 1, 4), date(1970, 1, 4))]
    >>> volume_factors(changes, np.arange(1, 5)).tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    factors = np.ones(clock.size)
    for change in changes:
        factors[days_between(clock, change.since, change.until)] *= change.factor
    return factors


def days_between(clock: np.ndarray, since: date | None, until: date | None) -> np.ndarray:
    """Return which day numbers lie from one day to another; None leaves an end open."""
    first, last = (None if day is None else int(day_numbers([day])[0]) for day in (since, until))
    inside = np.ones(clock.size, dtype=bool)
    if first is not None:
        inside &= clock >= first
    return inside if last is None else inside & (clock <= last)


class ExpectedOrders(NamedTuple):
    """Expected numbers of new orders, by the day that dates them and the day on which they become known."""

    clock: np.ndarray
    known: np.ndarray
    expected: np.ndarray

    def scale_volume(self, changes: Iterable[VolumeChange]) -> ExpectedOrders:
        """Return the expected orders under some changes of the volume."""
        return self._replace(expected=self.expected * volume_factors(changes, self.clock))


@dataclass(frozen=True)
class ArrivalModel:
    """A model of the new orders of one measure: their number by weekday, and the delays until they are known.

    `weekday_pace` holds the orders of each weekday (Monday first); `delays` the share that becomes known 0, 1, ... days
    after its clock day (0 where known before). `first_incomplete_day` is the first clock day whose orders are not all
    known yet, and `known_counts` what is known already of it and of the days after it.
    """

    as_of: int
    weekday_pace: np.ndarray
    delays: np.ndarray
    first_incomplete_day: int
    known_counts: np.ndarray

    def expected_until(self, last_day: int) -> ExpectedOrders:
        """Return the orders that are expected to become known, for all clock days up to `last_day`."""
        clocks = np.arange(self.first_incomplete_day, last_day + 1)
        if clocks.size == 0:
            return ExpectedOrders(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
        whole = self.weekday_pace[(clocks + 3) % 7]  # day 0, the first of 1970, was a Thursday
        clock = np.repeat(clocks, self.delays.size)
        known = clock + np.tile(np.arange(self.delays.size), clocks.size)
        many = np.repeat(whole, self.delays.size) * np.tile(self.delays, clocks.size)
        # Known before its clock day: as far as such orders are known already, they are not expected again.
        early = np.zeros(clocks.size)
        early[: self.known_counts.size] = self.known_counts[: clocks.size]
        ahead = (clock > self.as_of) & (early[clock - self.first_incomplete_day] > 0)
        share = np.maximum(
            0.0, 1 - early[clock - self.first_incomplete_day] / np.maximum(np.repeat(whole, self.delays.size), 1e-9)
        )
        many = np.where(ahead, many * share, many)
        later = (known > self.as_of) & (many > 0)
        return ExpectedOrders(clock[later], known[later], many[later])


def fit_arrivals(intervals: Intervals, as_of: date) -> ArrivalModel:
    """Fit a model of new orders to the intervals that were known at the end of a day."""
    day = int(day_numbers([as_of])[0])
    delay = np.clip(intervals.known - intervals.clock, 0, MAX_ORDER_DELAY)
    delays = _delay_shares(delay, intervals.weight, intervals.clock <= day - MAX_ORDER_DELAY // 2)
    full = int(np.searchsorted(delays.cumsum(), 0.98)) if delays.size else 0
    last = day - full
    first = last - 7 * PACE_WEEKS + 1
    if intervals.clock.size:
        first = max(first, int(intervals.clock.min()))
    pace = np.zeros(7)
    inside = (intervals.clock >= first) & (intervals.clock <= last)
    sums = np.bincount((intervals.clock[inside] + 3) % 7, intervals.weight[inside], 7)
    times = np.bincount((np.arange(first, last + 1) + 3) % 7, minlength=7) if last >= first else np.zeros(7)
    whole = sums.sum() / max(1, last - first + 1)
    # A weekday that the files hold only once or twice says little by itself: it is drawn to the mean of all.
    pace = (sums + whole) / (times + 1) if last >= first else pace
    after = intervals.clock[intervals.clock > last] - last - 1
    known_counts = np.bincount(after, intervals.weight[intervals.clock > last]) if after.size else np.zeros(0)
    return ArrivalModel(day, pace, delays, last + 1, known_counts)


def _delay_shares(delay: np.ndarray, weight: np.ndarray, is_old_enough: np.ndarray) -> np.ndarray:
    """Return the share of orders that becomes known after 0, 1, ... days, from old ones; from all where few are old."""
    chosen = is_old_enough if weight[is_old_enough].sum() >= 30 else np.ones(delay.size, dtype=bool)
    if not chosen.any():
        return np.ones(1)
    shares = np.bincount(delay[chosen], weight[chosen])
    return shares / shares.sum()
