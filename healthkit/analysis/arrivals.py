"""How orders have been coming: how many a weekday, and how long until each was known to count.

Learnt from what was known on the evening of a day. The newest days are not full yet where orders become known late
(a delivered order counts once it is delivered), so the pace is taken from days that are old enough, and what the newest
days still lack is expected to come as it came before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from healthkit.metrics.scores import Intervals, day_numbers

PACE_WEEKS = 8
"""So many weeks make the recent pace."""
MAX_ORDER_DELAY = 120
"""A delay is not looked for beyond. [days]"""


class ExpectedOrders(NamedTuple):
    """How many are expected by clock day and the day on which they become known; all after the evening."""

    clock: np.ndarray
    known: np.ndarray
    many: np.ndarray

    def scale_volume(self, volume: float, since: date | None) -> ExpectedOrders:
        """The same with so many times as many of the clock days from one on."""
        if since is None:
            return self
        later = self.clock >= int(day_numbers([since])[0])
        return self._replace(many=np.where(later, self.many * volume, self.many))


@dataclass(frozen=True)
class ArrivalModel:
    """The pace and the delays of one measure's orders, as of a day.

    `pace` holds how many come on each weekday (Monday first), `delays` the share that becomes known so many days after
    its clock day (before it counts as on it). `first` is the clock day from which on days are not full yet; `held` how
    many are known already of it and the days after it.
    """

    as_of: int
    pace: np.ndarray
    delays: np.ndarray
    first: int
    held: np.ndarray

    def cells(self, last_day: int) -> ExpectedOrders:
        """What is still to come of all clock days up to a last one."""
        clocks = np.arange(self.first, last_day + 1)
        if clocks.size == 0:
            return ExpectedOrders(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
        whole = self.pace[(clocks + 3) % 7]  # day 0, the first of 1970, was a Thursday
        clock = np.repeat(clocks, self.delays.size)
        known = clock + np.tile(np.arange(self.delays.size), clocks.size)
        many = np.repeat(whole, self.delays.size) * np.tile(self.delays, clocks.size)
        # Known before its clock day: as far as such orders are known already, they are not expected again.
        early = np.zeros(clocks.size)
        early[: self.held.size] = self.held[: clocks.size]
        ahead = (clock > self.as_of) & (early[clock - self.first] > 0)
        share = np.maximum(0.0, 1 - early[clock - self.first] / np.maximum(np.repeat(whole, self.delays.size), 1e-9))
        many = np.where(ahead, many * share, many)
        later = (known > self.as_of) & (many > 0)
        return ExpectedOrders(clock[later], known[later], many[later])


def fit_arrivals(stays: Intervals, as_of: date) -> ArrivalModel:
    """The pace and delays of orders that count, learnt from stays as known on the evening of a day."""
    day = int(day_numbers([as_of])[0])
    delay = np.clip(stays.known - stays.clock, 0, MAX_ORDER_DELAY)
    delays = _delay_shares(delay, stays.weight, stays.clock <= day - MAX_ORDER_DELAY // 2)
    full = int(np.searchsorted(delays.cumsum(), 0.98)) if delays.size else 0
    last = day - full
    first = last - 7 * PACE_WEEKS + 1
    if stays.clock.size:
        first = max(first, int(stays.clock.min()))
    pace = np.zeros(7)
    inside = (stays.clock >= first) & (stays.clock <= last)
    sums = np.bincount((stays.clock[inside] + 3) % 7, stays.weight[inside], 7)
    times = np.bincount((np.arange(first, last + 1) + 3) % 7, minlength=7) if last >= first else np.zeros(7)
    whole = sums.sum() / max(1, last - first + 1)
    # A weekday that the files hold only once or twice says little by itself: it is drawn to the mean of all.
    pace = (sums + whole) / (times + 1) if last >= first else pace
    after = stays.clock[stays.clock > last] - last - 1
    held = np.bincount(after, stays.weight[stays.clock > last]) if after.size else np.zeros(0)
    return ArrivalModel(day, pace, delays, last + 1, held)


def _delay_shares(delay: np.ndarray, weight: np.ndarray, is_old_enough: np.ndarray) -> np.ndarray:
    """Which share becomes known after so many days, from those old enough; from all where few are."""
    chosen = is_old_enough if weight[is_old_enough].sum() >= 30 else np.ones(delay.size, dtype=bool)
    if not chosen.any():
        return np.ones(1)
    shares = np.bincount(delay[chosen], weight[chosen])
    return shares / shares.sum()
