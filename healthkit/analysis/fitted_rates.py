"""Fit the rates of faults to expect for an account, from its own history and that of all accounts.

Only what was known at the end of a day is used. The newest orders have not shown all of their faults yet: delays are
estimated with that in mind (each delay counts only orders old enough to show it), and a young order keeps the chance of
a fault that remains. The rate of a small account is shrunk towards that of all accounts, the more the more alike they
are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from healthkit.metrics.counts import Counts
from healthkit.metrics.policy import Basis
from healthkit.metrics.scores import day_numbers

HISTORY_DAYS = 540
"""Length of the history to which rates are fitted. [days]"""
MAX_FAULT_DELAY = 180
"""Longest delay considered between the clock day of an order and the day its fault is known. [days]"""
HALF_LIFE_DAYS = 20
"""Days of complete news after which an order has half the weight in the rate of faults. [days]"""
MIN_KNOWN_SHARE = 0.05
"""Least share of a day's orders that is known for the day to count in rates. [share]"""
POOLED_DELAYS_WEIGHT = 20
"""Weight of the delays of all accounts, as a number of the account's own faults. [faults]"""
POOLED_VARIATION_WEIGHT = 20.0
"""Weight of the weekly variation of all accounts, on the scale of the account's own. [expected faults squared]"""


@dataclass(frozen=True)
class History:
    """The counted orders and the faults of one measure by clock day, for one or more accounts.

    It holds what was known at the end of the day `as_of`.

    `days` holds how much counts on each clock day from `first` on [accounts x days]. For each fault: `account` is the
    row of its account, `clock` its clock day counted from `first`, `delay` its delay [days], and `weights` how much it
    adds. `known` is the share of all accounts' orders that is known to count at each age of 0, 1, ... days.
    """

    accounts: pd.Index
    first: int
    as_of: int
    days: np.ndarray
    account: np.ndarray
    clock: np.ndarray
    delay: np.ndarray
    weights: np.ndarray
    known: np.ndarray = field(default_factory=lambda: np.ones(MAX_FAULT_DELAY + 1))

    def for_account(self, account: str) -> History:
        """Return the history of one account alone; it is empty if the account has none."""
        row = self.accounts.get_indexer([account])[0]
        chosen = self.account == row
        days = self.days[[row]] if row >= 0 else np.zeros((1, self.days.shape[1]))
        alone = np.zeros(int(chosen.sum()), dtype=np.int64)
        return History(
            pd.Index([account]), self.first, self.as_of, days, alone, self.clock[chosen], self.delay[chosen],
            self.weights[chosen], self.known,
        )  # fmt: skip

    @property
    def ages(self) -> np.ndarray:
        """The age of each clock day on the day `as_of`. [days]"""
        return self.as_of - (self.first + np.arange(self.days.shape[1]))


@dataclass(frozen=True)
class PooledRates:
    """Rates estimated from all accounts together: mean rate of faults, its weight, delays and weekly variation.

    `mean_rate` is a share of what is counted; `strength` says how many counted orders it is worth; `delays` the share
    of faults known 0, 1, ... days after the clock day; `weekly_variation` the squared variation of the rate from week
    to week.
    """

    mean_rate: float
    strength: float
    delays: np.ndarray
    weekly_variation: float


@dataclass(frozen=True)
class FittedRates:
    """Rates fitted to one account: a distribution of its rate of faults, delays and weekly variation.

    The distribution is Beta(`at_fault`, `clean`). `weights` are how much past faults added, from which those of new
    faults are drawn.
    """

    at_fault: float
    clean: float
    delays: np.ndarray
    weekly_variation: float
    weights: np.ndarray
    known: np.ndarray = field(default_factory=lambda: np.ones(MAX_FAULT_DELAY + 1))

    @property
    def mean_rate(self) -> float:
        """The mean of the distribution of the rate of faults. [share]"""
        return self.at_fault / (self.at_fault + self.clean)


def collect_history(counts: Counts, metric: str, basis: Basis, marketplace: str, channel: str, as_of: date) -> History:
    """Return the history of one measure for all accounts of a marketplace.

    `counts` hold what was known on the day `as_of`. Faults cleared by then are left out. What may be cleared later is
    kept, to be on the careful side.
    """
    rows = counts.rows_where(metric=metric, basis=str(basis), marketplace=marketplace, channel=channel)
    exposure, faults = counts.exposure.iloc[rows[0]], counts.faults.iloc[rows[1]]
    last = int(day_numbers([as_of])[0])
    first = last - HISTORY_DAYS + 1
    names = pd.Index(exposure["account"].unique())
    clock = day_numbers(exposure["clock_day"])
    inside = (clock >= first) & (clock <= last)
    row = names.get_indexer(exposure["account"])[inside] * HISTORY_DAYS + clock[inside] - first
    orders = exposure["counted"].to_numpy()[inside].astype(float)
    days = np.bincount(row, orders, max(1, len(names)) * HISTORY_DAYS)
    waits = np.clip(day_numbers(exposure["known_on"])[inside] - clock[inside], 0, MAX_FAULT_DELAY)
    known = (
        _delay_shares(waits, last - clock[inside], orders).cumsum() if orders.any() else np.ones(MAX_FAULT_DELAY + 1)
    )
    uncleared = faults[faults["cleared_on"].isna().to_numpy()]
    once = uncleared.groupby(["account", "order_id", "clock_day"], as_index=False, sort=False).agg(
        since=("since", "min"), at_fault=("at_fault", "sum")
    )
    placed = day_numbers(once["clock_day"])
    rows_of_accounts = names.get_indexer(once["account"])
    chosen = (placed >= first) & (placed <= last) & (rows_of_accounts >= 0)
    delay = np.clip(day_numbers(once["since"]) - placed, 0, MAX_FAULT_DELAY)
    return History(
        names, first, last, days.reshape(-1, HISTORY_DAYS),
        rows_of_accounts[chosen], (placed - first)[chosen], delay[chosen],
        once["at_fault"].to_numpy()[chosen].astype(np.int64), known,
    )  # fmt: skip


def estimate_delays(history: History, pooled_delays: np.ndarray | None = None) -> np.ndarray:
    """Estimate the share of faults that become known after each delay of 0 to MAX_FAULT_DELAY days.

    Delays start at the clock day. The shares add up to 1.

    A fault with a delay d is seen only on an order at least d days old, so that short delays are over-represented. The
    estimator is that of Lynden-Bell (1971) for right-truncated data: from the longest delay downwards, the share with
    delay d among all faults with delays up to d on orders at least d days old. `pooled_delays` are added with the
    weight of POOLED_DELAYS_WEIGHT faults.
    """
    pooled = None if pooled_delays is None else POOLED_DELAYS_WEIGHT * pooled_delays
    return _delay_shares(history.delay, history.as_of - (history.first + history.clock), None, pooled)


def _delay_shares(
    delay: np.ndarray, age: np.ndarray, weights: np.ndarray | None = None, pooled: np.ndarray | None = None
) -> np.ndarray:
    """Return the share of each delay among right-truncated delays, each seen at an age; `pooled` are added to them."""
    size = MAX_FAULT_DELAY + 1
    seen = np.bincount(delay, weights, size).astype(float)
    gone = np.bincount(np.minimum(age, MAX_FAULT_DELAY) + 1, weights, size + 1)
    at_risk = (seen - gone[:size]).cumsum()
    if pooled is not None:
        seen += pooled
        at_risk += pooled.cumsum()
    share = np.divide(seen, at_risk, out=np.zeros(size), where=at_risk > 1e-9)
    share[0] = 1.0 if at_risk[0] > 0 or not seen.any() else share[0]
    up_to = np.ones(size)
    up_to[:-1] = np.cumprod(1 - share[:0:-1])[::-1]
    made = np.maximum(np.diff(up_to, prepend=0.0), 0)
    return np.asarray(made / made.sum())


def pool_rates_of_accounts(history: History) -> PooledRates:
    """Estimate the mean rate, its weight, the delays and the weekly variation of all accounts of a history."""
    delays = estimate_delays(history)
    k, e, squares = _weigh_by_age(history, delays)
    mean = float((min(k.sum(), e.sum()) + 0.5) / (e.sum() + 1))
    strength = _pooled_strength(k[e > 0], e[e > 0], squares[e > 0], mean)
    above, below = _weekly_excess(history, delays, k, e)
    return PooledRates(mean, strength, delays, float(np.clip(above / below if below > 0 else 0.0, 0.0, 1.0)))


def _pooled_strength(k: np.ndarray, e: np.ndarray, squares: np.ndarray, mean: float) -> float:
    """Return how many orders the mean rate of all accounts is worth beside the account's own. [orders]

    Moments of a beta-binomial (Kleinman 1973). `k` and `e` are weighted by age, so that chance alone leaves a variance
    of mean (1 - mean) `squares` in `k`, `squares` being the orders with the squares of the weights. The variance
    between accounts is not taken as the estimate itself, which is often none by chance, but as the mean of what it may
    be: a normal distribution about the estimate, cut off at none (Morris 1983).
    """
    least, chance = 0.5 / mean, mean * (1 - mean)
    if e.size < 2:
        return least
    noise = chance * squares / e
    spread = (e * (k / e - mean) ** 2 - noise).sum() + chance * squares.sum() / e.sum()
    scale = e.sum() - (e**2).sum() / e.sum()
    # The variance of a square of counts: twice the variance squared, and the fourth cumulant, which counts if few.
    error = math.sqrt((2 * noise**2 + chance * squares**3 / e**4).sum()) / scale
    z = spread / scale / error
    density, below = math.exp(-z * z / 2) / math.sqrt(2 * math.pi), math.erfc(-z / math.sqrt(2)) / 2
    between = max(error * (z + density / below) if z > -8 else error / -z, 1e-12)
    return float(np.clip(chance / between - 1, least, 1e4))


def fit_rates(history: History, pooled: PooledRates) -> FittedRates:
    """Fit the rate, the delays and the variation of a single account, shrunk towards the pooled rates."""
    delays = estimate_delays(history, pooled.delays)
    k, e, _ = _weigh_by_age(history, delays)
    above, below = _weekly_excess(history, delays, k, e)
    uneven = (above + POOLED_VARIATION_WEIGHT * pooled.weekly_variation) / (below + POOLED_VARIATION_WEIGHT)
    weights = history.weights if history.weights.size else np.ones(1, dtype=np.int64)
    at_fault = pooled.mean_rate * pooled.strength + k.sum()
    clean = (1 - pooled.mean_rate) * pooled.strength + max(0.0, e.sum() - k.sum())
    return FittedRates(
        float(at_fault), float(max(clean, 1e-9)), delays, float(np.clip(uneven, 0.0, 1.0)), weights, history.known
    )


def _weigh_by_age(history: History, delays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return by account the faults, the orders that could have shown theirs by then, and these with squared weights.

    Both are weighted by age.
    """
    shown = shown_shares(history, delays)
    # Days of which little is known yet bring no news for which older ones should be forgotten.
    informed = np.minimum(shown, 1.0)[::-1].cumsum()[::-1]
    weight = np.where(shown > 0, 0.5 ** (informed / HALF_LIFE_DAYS), 0.0)
    faults = np.bincount(history.account, weight[history.clock], history.days.shape[0])
    exposed = history.days @ np.column_stack([weight * shown, weight**2 * shown])
    return faults, exposed[:, 0], exposed[:, 1]


def shown_shares(history: History, delays: np.ndarray) -> np.ndarray:
    """Return for each clock day how many of the final faults are known, for each known of the final orders.

    Orders that count once they are delivered, shipped or reviewed bring their faults with them: then it is 1 also on
    young days. 0 where hardly any orders are known yet.
    """
    age = np.minimum(history.ages, MAX_FAULT_DELAY)
    known = history.known[age]
    return np.divide(delays.cumsum()[age], known, out=np.zeros(age.size), where=known >= MIN_KNOWN_SHARE)


def _weekly_excess(
    history: History, delays: np.ndarray, faults: np.ndarray, exposed: np.ndarray
) -> tuple[float, float]:
    """Return the variation of weekly faults beyond chance, and the expected number squared, both summed.

    Moments of a gamma-mixed Poisson.
    """
    came, could = weekly_faults(history, delays, faults, exposed)
    return float(((came - could) ** 2 - could).sum()), float((could**2).sum())


def weekly_faults(
    history: History, delays: np.ndarray, faults: np.ndarray, exposed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the faults of each week and the number to expect at the account's own rate. [accounts x weeks]

    `delays` are the shares of faults known after each delay; `faults` and `exposed` give the rate of each account. Both
    are 0 in weeks of which less than a third of the faults can be known yet, and in weeks older than half a year, so
    that a slow drift of the level is not taken for unevenness of weeks.
    """
    shown = shown_shares(history, delays)
    accounts, weeks = history.days.shape[0], HISTORY_DAYS // 7
    used = slice(HISTORY_DAYS - weeks * 7, HISTORY_DAYS)
    ripe = delays.cumsum()[np.minimum(history.ages[used], MAX_FAULT_DELAY)].reshape(weeks, 7).min(axis=1) > 1 / 3
    rate = np.divide(faults, exposed, out=np.zeros(faults.size), where=exposed > 0)
    could = (history.days * shown)[:, used].reshape(accounts, weeks, 7).sum(axis=2) * rate[:, None]
    week = (history.clock - used.start) // 7
    inside = week >= 0
    came = np.bincount(history.account[inside] * weeks + week[inside], minlength=accounts * weeks).reshape(
        accounts, weeks
    )
    recent = ripe & (np.arange(weeks) >= weeks - 26) & (could > 0)
    return came * recent, could * recent
