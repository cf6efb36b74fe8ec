"""Simulated futures: what a rate may come to at the usual pace of orders and of faults, through the same windows.

Each future draws a rate of faults from what the past leaves open, uneven weeks, a volume, and from them how many orders
come and on which days faults become known. Orders that count already get the chance of a fault that is left to them.
The counts are held against the rule in whole numbers, as everywhere. Nothing is drawn order by order: only the faults
are, or how many fall on the same days where they are many, so that the work grows with neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.outlook.arrivals import arrivals
from healthkit.analysis.outlook.fitted_rates import LONGEST, Learnt, Past, Portfolio, learn, past, portfolio
from healthkit.analysis.outlook.rolloff import OutlookError, expected, known_by
from healthkit.metrics.exposure import Counts
from healthkit.metrics.policy import Policy, Rule
from healthkit.metrics.scores import Behind, day_numbers, midnights, stays_behind

DRAWS = 4_000
"""So many futures are drawn unless told otherwise."""
BATCH = 2_000
"""So many are held in memory at once."""
PLACES = 1 << 16
"""The days on which a fault enters and leaves are looked up in a table of so many equally likely places."""
AT_ONCE = 1 << 20
"""So many faults drawn one by one are held before their days are added up."""
CROWDED = 1.0
"""From so many faults a place on, they are drawn by place and no longer one by one."""
DRIFT = 0.05
"""How far the rate of faults wanders from one week to the next. [share, standard deviation]"""
WEEKS = 12
"""So many weeks say how uneven the volume is."""
BANDS = {"low80": 0.1, "low50": 0.25, "middle": 0.5, "high50": 0.75, "high80": 0.9}
"""Which share of the futures lies below each edge of the bands."""


@dataclass(frozen=True)
class Futures:
    """What simulated futures of one measure say, looked at from the evening of a day.

    `days` has a row a day, the as-of day first: day, `off` (the share of futures off target on it) and the edges of the
    bands in which 5 and 8 of 10 lie (low80, low50, middle, high50, high80), as shown rates; empty where nothing counts.
    `breach` gives the chance to be off target on any day of the next 7, 30 and 60 (of those that the horizon holds).
    `back` are the days from which 1, 5 and 9 in 10 futures stay on target till the end; None where fewer do.
    `rate` is the shown rate with its Jeffreys interval of 80 % (low, now, high); None where nothing counts.
    """

    account: str
    rule: Rule
    as_of: date
    draws: int
    seed: int
    off_now: bool
    days: pd.DataFrame
    breach: dict[int, float]
    back: dict[int, date | None]
    back_by: np.ndarray
    rate: tuple[float, float, float] | None

    def chance_back_by(self, day: date) -> float:
        """The share of futures that are back for good by a day. Raises OutlookError beyond the horizon."""
        place = (day - self.as_of).days
        if not 0 <= place < self.back_by.size:
            last = self.as_of + timedelta(days=self.back_by.size - 1)
            raise OutlookError(f"{day} is not looked at: the futures reach from {self.as_of} to {last}.")
        return float(self.back_by[place])

    def chance_off(self, day: date) -> float:
        """The share of futures that are off target on a day. Raises OutlookError beyond the horizon."""
        place = (day - self.as_of).days
        if not 0 <= place < len(self.days):
            raise OutlookError(f"{day} is not looked at: the futures reach to {self.days['day'].iloc[-1].date()}.")
        return float(self.days["off"].iloc[place])


def futures(
    counts: Counts,
    policy: Policy,
    row: pd.Series,
    *,
    ahead: int = 90,
    draws: int = DRAWS,
    seed: int = 0,
) -> Futures:
    """Simulated futures of one row of SCORES, as could be made on the evening of its day.

    `counts` may hold other accounts: those of the same marketplace make the portfolio to which a small account is
    drawn. The same seed gives the same futures. Raises OutlookError for a row that is held against no target.
    """
    return Lookout(counts, row["as_of"].date()).futures(policy, row, ahead=ahead, draws=draws, seed=seed)


class Lookout:
    """What was known on one evening, for the futures of many accounts: what they share is learnt once."""

    def __init__(self, counts: Counts, as_of: date) -> None:
        self._known = known_by(counts, as_of)
        self._as_of = as_of
        self._shared: dict[tuple[str, ...], tuple[Past, Portfolio]] = {}

    def futures(
        self,
        policy: Policy,
        row: pd.Series,
        *,
        ahead: int = 90,
        draws: int = DRAWS,
        seed: int = 0,
        alone: Counts | None = None,
    ) -> Futures:
        """The futures of one row of SCORES of this evening (see `futures`).

        `alone` are the counts of the row's account, where they are at hand.
        """
        rule = next((rule for rule in policy.rules if rule.id == row["rule"]), None)
        if rule is None or rule.target is None or (pd.isna(row["rate"]) and row["counted"]):
            raise OutlookError(f"{row['metric']} is not held against a target, so no future can be off it.")
        account, marketplace, channel = row["account"], row["marketplace"], row["channel"]
        lag = (row["as_of"] - row["last_day"]).days
        every, shared = self._shares(rule, marketplace, channel)
        learnt = learn(every.of(account), shared)
        mine = self._known.of([account]) if alone is None else known_by(alone, self._as_of)
        behind = stays_behind(mine, rule, account, marketplace, channel)
        held = lay_out(behind, rule, self._as_of, int(row["window"]), lag, ahead, learnt)
        return simulate(held, learnt, draws=draws, seed=seed, account=account)

    def learn(self, policies: Mapping[str, Policy]) -> None:
        """Learn what accounts share in every measure of their marketplaces' policies, before it is asked for."""
        for marketplace, policy in policies.items():
            for rule in policy.on(self._as_of):
                for channel in rule.channels if rule.target is not None else ():
                    self._shares(rule, marketplace, channel)

    def _shares(self, rule: Rule, marketplace: str, channel: str) -> tuple[Past, Portfolio]:
        """The past of every account in one measure, and what they share."""
        key = rule.metric, str(rule.basis), marketplace, channel
        if key not in self._shared:
            every = past(self._known, rule, marketplace, channel, self._as_of)
            self._shared[key] = every, portfolio(every)
        return self._shared[key]


# -- what is known, and what may come ---------------------------------------------------------------------------


class Places(NamedTuple):
    """Where new faults may fall: the days (from 0, the as-of day) each covers, how likely, and in which week.

    `first` and `last` bound the cover; `likely` is the expected number at a rate of 1; `week` numbers the weeks of
    clock days; `order` is the day from which the order itself counts where it is new, -1 where it counts already.
    """

    first: np.ndarray
    last: np.ndarray
    likely: np.ndarray
    week: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Layout:
    """All that a simulation needs of one measure: what is known, day by day, and where more may come.

    `counted` and `at_fault` are known already, by day; `clocks` how many new orders are expected, by clock day from
    `begin` on, and `cover` which share of them counts on each day [clock days x days]. `uneven_volume` is the squared
    variation of the volume of weeks.
    """

    rule: Rule
    as_of: date
    counted: np.ndarray
    at_fault: np.ndarray
    clocks: np.ndarray
    cover: np.ndarray
    uneven_volume: float
    places: Places


def lay_out(behind: Behind, rule: Rule, as_of: date, window: int, lag: int, ahead: int, learnt: Learnt) -> Layout:
    """Lay out one measure for a simulation, from what stands behind it as known on the evening."""
    now = int(day_numbers([as_of])[0])
    numbers = now + np.arange(ahead + 1)
    counted, at_fault = (
        stays.on(numbers, 1, window, lag, False)[0] for stays in (behind.counting_stays, behind.fault_stays)
    )
    cells = arrivals(behind.counting_stays, as_of).cells(int(numbers[-1]))
    begin = int(cells.clock.min()) if cells.clock.size else now + 1
    span = max(0, int(numbers[-1]) - begin + 1)
    clocks = np.bincount(cells.clock - begin, cells.many, span) if cells.clock.size else np.zeros(span)
    cover = np.zeros((span, numbers.size))
    for place in np.flatnonzero(clocks > 0):
        mine = cells.clock == begin + place
        one = cells._replace(clock=cells.clock[mine], known=cells.known[mine], many=cells.many[mine] / clocks[place])
        cover[place] = expected(one, numbers, window, lag)
    places = _places(behind, now, window, lag, ahead, learnt, begin, clocks)
    return Layout(rule, as_of, counted, at_fault, clocks, cover, _uneven(behind, now), places)


def _places(
    behind: Behind, now: int, window: int, lag: int, ahead: int, learnt: Learnt, begin: int, clocks: np.ndarray
) -> Places:
    """Every pair of clock day and delay from which a fault would still be seen."""
    oldest = now - window - lag - LONGEST
    stays = behind.counting_stays
    there = (stays.clock > oldest) & (stays.ended > now)
    known = np.bincount(stays.clock[there] - oldest, stays.weight[there], max(1, now + ahead - oldest + 1))
    faults = behind.fault_stays
    bad = (faults.clock > oldest) & (faults.ended > now)
    gone = np.bincount(faults.clock[bad] - oldest, faults.weight[bad] > 0, known.size)
    clean = np.maximum(0.0, known - gone)
    new = np.zeros(known.size)
    new[begin - oldest : begin - oldest + clocks.size] = clocks
    clock = oldest + np.arange(known.size)
    # Of an order that counts already, the delays up to its age are ruled out; of a new one on a past day none is.
    delay = np.arange(LONGEST + 1)
    pieces = []
    for many, kept, is_new in (
        (clean, delay[None, :] > (now - clock)[:, None], False),
        (new, np.ones((clock.size, 1), dtype=bool) & (clock[:, None] + delay[None, :] > now), True),
    ):
        likely = many[:, None] * learnt.delays[None, :] * kept
        if is_new:
            # What could have been known by now, and is not, will be known next: a late parcel is confirmed late.
            late = many * (1 - (learnt.delays[None, :] * kept).sum(axis=1))
            likely[np.arange(clock.size), np.clip(now + 1 - clock, 0, LONGEST)] += late * (many > 0)
        at, after = np.nonzero(likely > 0)
        first = np.maximum(clock[at] + lag, clock[at] + after) - now
        last = clock[at] + lag + window - 1 - now
        seen = (first <= last) & (first <= ahead) & (last >= 0)
        pieces.append((
            np.maximum(first, 0)[seen], np.minimum(last, ahead)[seen], likely[at, after][seen], clock[at][seen],
            np.where(is_new, np.maximum(first, 0), -1)[seen],
        ))  # fmt: skip
    first, last, likely, clock, order = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
    week = (clock - clock.min()) // 7 if clock.size else clock
    return Places(first, last, likely, week, order)


def _uneven(behind: Behind, now: int) -> float:
    """The squared variation of the volume of the last weeks, beyond chance."""
    stays = behind.counting_stays
    back = (now - stays.clock) // 7
    inside = (back >= 1) & (back <= WEEKS)
    weeks = np.bincount(back[inside] - 1, stays.weight[inside], WEEKS)
    mean = weeks.mean()
    return float(np.clip(weeks.var() / mean**2 - 1 / mean, 0.0, 0.25)) if mean > 0 else 0.0


# -- drawing ------------------------------------------------------------------------------------------------------


def simulate(held: Layout, learnt: Learnt, *, draws: int = DRAWS, seed: int = 0, account: str = "") -> Futures:
    """Draw futures of a layout, in batches of bounded size, and read off what they say."""
    if draws < 1:
        raise OutlookError(f"{draws} futures cannot be drawn; ask for at least 1.")
    rng = np.random.default_rng(seed)
    off, rates = [], []
    tables = _tables(held.places, rng, learnt.mean * draws)
    for begin in range(0, draws, BATCH):
        counted, at_fault = draw(held, learnt, min(BATCH, draws - begin), rng, tables)
        off.append(_off(held.rule, counted, at_fault))
        rates.append(_rate(held.rule, counted, at_fault))
    return _read(held, np.concatenate(off), np.concatenate(rates), draws, seed, account)


def draw(
    held: Layout,
    learnt: Learnt,
    draws: int,
    rng: np.random.Generator,
    tables: list[_Table] | None = None,
    *,
    drift: float = DRIFT,
) -> tuple[np.ndarray, np.ndarray]:
    """How many count and are at fault in each future on each day. [futures x days]"""
    days = held.counted.size
    tables = _tables(held.places, rng) if tables is None else tables
    rate = rng.beta(learnt.at_fault, learnt.clean, draws)
    weeks = 1 + max((table.week for table in tables), default=0)
    level = rate[:, None] * np.exp(np.cumsum(rng.normal(-(DRIFT**2) / 2, DRIFT, (draws, weeks)), axis=1))
    if learnt.uneven > 0:
        level = level * rng.gamma(1 / learnt.uneven, learnt.uneven, (draws, weeks))
    np.minimum(level, 1.0, out=level)
    volume = np.ones((draws, 1))
    if held.uneven_volume > 0:
        volume = rng.gamma(1 / held.uneven_volume, held.uneven_volume, (draws, 1))
    edges = np.zeros(draws * (days + 1))
    extra = np.zeros(draws * (days + 1))
    singles: list[_Singles] = []
    for table in tables:
        many = rng.poisson(level[:, table.week] * (table.known + volume[:, 0] * table.new))
        if learnt.weights.max() == 1 and many.sum() > CROWDED * table.first.size * draws:
            _fall_together(table, many, days, rng, edges, extra)
        else:
            singles.append(_fall_singly(table, many, days, rng, learnt.weights))
        if sum(one.begin.size for one in singles) > AT_ONCE:
            _add(singles, edges, extra)
            singles = []
    _add(singles, edges, extra)
    at_fault, with_fault = (
        np.rint(both.reshape(draws, days + 1).cumsum(axis=1)[:, :days]).astype(np.int64) for both in (edges, extra)
    )
    clean = np.maximum(0.0, 1 - learnt.mean * float(learnt.weights.mean()))
    coming = rng.poisson(volume * held.clocks[None, :] * clean) @ held.cover
    counted = held.counted[None, :] + np.rint(coming).astype(np.int64) + with_fault
    return counted, np.minimum(held.at_fault[None, :] + at_fault, counted)


class _Singles(NamedTuple):
    """Faults one by one: the cell of the future's day on which each enters and leaves, of a new order or not, and what
    it adds."""

    begin: np.ndarray
    end: np.ndarray
    is_new: np.ndarray
    weight: np.ndarray


def _fall_singly(table: _Table, many: np.ndarray, days: int, rng: np.random.Generator, weights: np.ndarray) -> _Singles:
    """Give each fault of a week its days, one after the other."""
    future = np.repeat(np.arange(many.size) * (days + 1), many)
    if table.lookup is None:
        place = np.searchsorted(table.edges, rng.random(future.size))
    else:
        place = table.lookup[rng.integers(0, PLACES, future.size, dtype=np.uint16)]
    weight = weights[rng.integers(0, weights.size, future.size)] if weights.max() > 1 else np.ones(future.size)
    return _Singles(future + table.first[place], future + table.last[place] + 1, table.is_new[place], weight)


def _add(singles: list[_Singles], edges: np.ndarray, extra: np.ndarray) -> None:
    """Add the days of single faults to those of all futures."""
    if not singles:
        return
    held = _Singles(*(np.concatenate(columns) for columns in zip(*singles, strict=True)))
    for chosen, sums in ((slice(None), edges), (held.is_new, extra)):
        begin, end, weight = held.begin[chosen], held.end[chosen], held.weight[chosen]
        sums += np.bincount(begin, weight, sums.size) - np.bincount(end, weight, sums.size)


def _fall_together(
    table: _Table, many: np.ndarray, days: int, rng: np.random.Generator, edges: np.ndarray, extra: np.ndarray
) -> None:
    """The same for so many faults that each place has its number: how many of a future fall on each of them."""
    numbers = rng.multinomial(many, table.likely)
    for chosen, sums in ((slice(None), edges), (table.is_new, extra)):
        moves = np.zeros((table.first.size, days + 1))
        np.add.at(moves, (np.arange(table.first.size), table.first), 1.0)
        np.add.at(moves, (np.arange(table.first.size), table.last + 1), -1.0)
        sums += (numbers[:, chosen] @ moves[chosen]).ravel()


class _Table(NamedTuple):
    """The places of one week: how many faults they expect at a rate of 1, and a table from which to draw one."""

    week: int
    known: float
    new: float
    first: np.ndarray
    last: np.ndarray
    is_new: np.ndarray
    edges: np.ndarray
    lookup: np.ndarray | None
    likely: np.ndarray


def _tables(places: Places, rng: np.random.Generator, faults: float = np.inf) -> list[_Table]:
    """One table a week; a place stands in it as often as it is likely, what is left over shared out by chance.

    `faults` is how many will be drawn of each expected one; where few are, no table is worth its while.
    """
    made = []
    for week in np.unique(places.week):
        mine = places.week == week
        likely, is_new = places.likely[mine], places.order[mine] >= 0
        edges = likely.cumsum() / likely.sum()
        edges[-1] = 1.0
        lookup = None
        if likely.sum() * faults > PLACES // 4:
            lookup = np.searchsorted(edges, (np.arange(PLACES) + rng.random()) / PLACES).astype(np.int32)
        made.append(_Table(
            int(week), float(likely[~is_new].sum()), float(likely[is_new].sum()), places.first[mine], places.last[mine],
            is_new, edges, lookup, likely / likely.sum(),
        ))  # fmt: skip
    return made


def _off(rule: Rule, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
    """Where a future is off target: judged as `policy.judge` does."""
    assert rule.target is not None
    off = (counted > 0) & ~rule.target.met(counted, at_fault)
    return off if rule.minimum is None else off & (counted >= rule.minimum)


def _rate(rule: Rule, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
    """The shown rates; NaN where nothing counts."""
    assert rule.target is not None
    wrong = np.divide(at_fault, counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    return wrong if rule.target.wants_few else 1 - wrong


def _read(held: Layout, off: np.ndarray, rates: np.ndarray, draws: int, seed: int, account: str) -> Futures:
    """What the futures say."""
    days = off.shape[1]
    stamps = [held.as_of + timedelta(days=ahead) for ahead in range(days)]
    some = ~np.isnan(rates).all(axis=0)
    edges = np.full((len(BANDS), days), np.nan)
    if some.any():
        quantile = np.nanquantile if np.isnan(rates[:, some]).any() else np.quantile
        edges[:, some] = quantile(rates[:, some], list(BANDS.values()), axis=0)
    now = day_numbers([held.as_of])
    table = pd.DataFrame({
        "day": midnights(now + np.arange(days)), "off": off.mean(axis=0),
        **dict(zip(BANDS, edges, strict=True)),
    })  # fmt: skip
    last_off = np.where(off.any(axis=1), days - 1 - off[:, ::-1].argmax(axis=1), -1)
    back = np.sort(last_off + 1)
    when = {share: int(back[-(-draws * share // 10) - 1]) for share in (1, 5, 9)}
    return Futures(
        account=account,
        rule=held.rule,
        as_of=held.as_of,
        draws=draws,
        seed=seed,
        off_now=bool(_off(held.rule, held.counted[:1], held.at_fault[:1])[0]),
        days=table,
        breach={ahead: float(off[:, 1 : ahead + 1].any(axis=1).mean()) for ahead in (7, 30, 60) if ahead < days},
        back={share: stamps[place] if place < days else None for share, place in when.items()},
        back_by=np.searchsorted(back, np.arange(days), side="right") / draws,
        rate=_jeffreys(held, seed),
    )


def _jeffreys(held: Layout, seed: int) -> tuple[float, float, float] | None:
    """The shown rate of the as-of day between the ends of its Jeffreys interval of 80 %.

    Beta(k + 1/2, n - k + 1/2), its quantiles read off many draws; at none and at all the end is the rate itself.
    """
    n, k = int(held.counted[0]), int(held.at_fault[0])
    if not n:
        return None
    low, high = np.quantile(np.random.default_rng(seed).beta(k + 0.5, n - k + 0.5, 40_000), [0.1, 0.9])
    ends = 0.0 if k == 0 else float(low), k / n, 1.0 if k == n else float(high)
    assert held.rule.target is not None
    return ends if held.rule.target.wants_few else (1 - ends[2], 1 - ends[1], 1 - ends[0])
