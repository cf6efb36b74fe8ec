"""Hold the counts against the rules, as of any day: one sweep answers today, history and the orders behind.

An order counts on the as-of days `[clock + lag, clock + lag + window - 1]`, from the day it was known to
count; it is at fault inside that stay from the day the fault was known until the day it was cleared. A
score is "how many stays cover the day": +1 at a stay's first day, -1 after its last, accumulated.

*With hindsight* is the same sweep with all that was learnt later: what was known later is taken as known
from the clock day on, and what was cleared later never was.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, cached_property
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from healthkit.metrics.definitions import METRICS
from healthkit.metrics.evidence import Files
from healthkit.metrics.exposure import Counts
from healthkit.metrics.policy import Policy, Rule, judge, judge_points
from healthkit.schema import tables

NEVER = np.iinfo(np.int64).max // 4
"""A day number later than any."""


class ScoreError(ValueError):
    """A question that cannot be answered; the message says why and what can be asked."""


def sweep(
    first: np.ndarray, last: np.ndarray, weight: np.ndarray, group: np.ndarray, groups: int, begin: int, days: int
) -> np.ndarray:
    """How much weight covers each of the days, by group. [groups x days]

    `first` and `last` are the day numbers that bound each stay, both ends in; a stay that ends before it
    begins covers nothing. `begin` is the number of the first day asked for.

    >>> sweep(np.array([1, 2]), np.array([2, 5]), np.array([1, 1]), np.array([0, 0]), 1, 0, 4)
    array([[0, 1, 2, 1]])
    """
    first, last = np.maximum(first - begin, 0), np.minimum(last - begin, days - 1)
    covers = first <= last
    row, weight = group[covers] * (days + 1), weight[covers]
    size = groups * (days + 1)
    edges = np.bincount(row + first[covers], weight, size) - np.bincount(row + last[covers] + 1, weight, size)
    return edges.reshape(groups, days + 1).cumsum(axis=1)[:, :days].astype(np.int64)


def day_numbers(days: object, empty: int = NEVER) -> np.ndarray:
    """Days as whole numbers since 1970-01-01; empty ones as the number given."""
    values = np.asarray(days, dtype="datetime64[D]")
    return np.where(np.isnat(values), empty, values.astype(np.int64))


def days_of(first: date, last: date) -> list[date]:
    """Every day from first to last, both ends in."""
    return [day.date() for day in pd.date_range(first, last)]


def score(
    counts: Counts,
    policies: Policy | Mapping[str, Policy],
    days: date | Iterable[date],
    *,
    window: int | None = None,
    lag: int | None = None,
    hindsight: bool = False,
    metrics: Iterable[str] | None = None,
) -> pd.DataFrame:
    """SCORES of every account and metric, or of some metrics, as displayed on each of the days.

    `policies` is one policy for all, or the policy of each marketplace. `window` and `lag` [days] replace
    those of the rules. A rule is held against the days on which it is in force. An account stands in the
    table from the day of its first order on; a marketplace without a policy does not stand in it.

    Raises PolicyError for a day before a policy begins, ScoreError for a window under 1 day, a lag under 0 or a metric
    that there is not.
    """
    wanted = set(METRICS if metrics is None else metrics)
    if unknown := wanted - set(METRICS):
        raise ScoreError(f"There is no metric {', '.join(sorted(unknown))}. There are: {', '.join(METRICS)}.")
    asked = [days] if isinstance(days, date) else sorted(set(days))
    if not asked:
        raise ScoreError("No as-of day was given. Give one day or a list of days.")
    if window is not None and window < 1:
        raise ScoreError(f"A window is at least 1 day long; {window} was asked for.")
    if lag is not None and lag < 0:
        raise ScoreError(f"A lag is 0 days or more; {lag} was asked for.")
    numbers = day_numbers(asked)
    pieces = []
    for held in _held(counts):
        policy = policies if isinstance(policies, Policy) else policies.get(held.marketplace)
        if policy is None:
            continue
        for rule in policy.between(asked[0], asked[-1]):
            if rule.metric not in wanted:
                continue
            for days_long in dict.fromkeys([window] if window is not None else rule.windows):
                ask = _Ask(
                    rule, days_long, rule.lag if lag is None else lag, _in_force(rule, asked, numbers), hindsight
                )
                pieces += [_scored(held, ask, channel) for channel in rule.channels]
    return _table([piece for piece in pieces if piece is not None])


@dataclass(frozen=True)
class _Ask:
    """One rule with the window and lag to be used, and the as-of days on which it is in force."""

    rule: Rule
    window: int
    lag: int
    days: np.ndarray
    hindsight: bool


class Stays(NamedTuple):
    """Stays of one metric, basis and channel as arrays: which account, the days that bound each, its weight."""

    account: np.ndarray
    clock: np.ndarray
    known: np.ndarray
    ended: np.ndarray
    weight: np.ndarray

    def at(self, rows: np.ndarray) -> Stays:
        """Some of the stays."""
        return Stays(*(values[rows] for values in self))

    def bounds(self, window: int, lag: int, hindsight: bool) -> tuple[np.ndarray, np.ndarray]:
        """First and last as-of day that each stay covers; the last is before the first where it covers none."""
        first, left = self.clock + lag, self.clock + lag + window
        if hindsight:
            return first, np.where(self.ended == NEVER, left, first) - 1
        return np.maximum(first, self.known), np.minimum(left, self.ended) - 1

    def on(self, days: np.ndarray, accounts: int, window: int, lag: int, hindsight: bool) -> np.ndarray:
        """How much covers each of the days. [accounts x days]"""
        begin, span = int(days[0]), int(days[-1] - days[0] + 1)
        return sweep(*self.bounds(window, lag, hindsight), self.weight, self.account, accounts, begin, span)[
            :, days - begin
        ]


_NONE = Stays(*(np.zeros(0, dtype=np.int64) for _ in Stays._fields))


@dataclass(frozen=True)
class _Held:
    """The counts of one marketplace as arrays, ready to be asked for by metric, basis and channel."""

    marketplace: str
    accounts: pd.Index
    begins_on: np.ndarray
    heard_on: np.ndarray
    silence: np.ndarray
    first_orders: dict[str, np.ndarray]
    counting: dict[_Asked, Stays]
    faults: dict[_Asked, Stays]
    assumed: dict[_Asked, list[tuple[str, Stays]]]
    unknown: dict[_Asked, Stays]
    files: list[Files]
    lacking: dict[str, tuple[np.ndarray, np.ndarray]]

    def reach(self, word: str) -> tuple[np.ndarray, np.ndarray]:
        """The day numbers from which and until which one kind of evidence tells all, by account."""
        if word not in self.lacking:
            self.lacking[word] = _reach(self.files, word)
        return self.lacking[word]


_Asked = tuple[str, str, str]
_KEPT: WeakKeyDictionary[Counts, list[_Held]] = WeakKeyDictionary()
"""The arrays of counts that were asked for before; they go when the counts go."""


def _held(counts: Counts) -> list[_Held]:
    """The counts as arrays, one marketplace after the other."""
    if counts not in _KEPT:
        _KEPT[counts] = [_arrays(counts, str(code)) for code in counts.coverage["marketplace"].unique()]
    return _KEPT[counts]


def _arrays(counts: Counts, marketplace: str) -> _Held:
    """The counts of one marketplace as arrays."""
    exposure, faults, coverage = (
        frame[(frame["marketplace"] == marketplace).to_numpy()]
        for frame in (counts.exposure, counts.faults, counts.coverage)
    )
    accounts = pd.Index(coverage["account"].astype("str"))
    files = [Files.of(row) for row in tables.records(coverage)]
    unknown = counts.unknown[(counts.unknown["marketplace"] == marketplace).to_numpy()]
    counting = _split(exposure, accounts, *_COUNT)
    assumed: dict[_Asked, list[tuple[str, Stays]]] = {}
    for frame, columns in ((exposure, _COUNT), (faults, _FAULT)):
        guesses = frame[frame["assumed"].notna().to_numpy()]
        for words in guesses["assumed"].unique():
            for key, stays in _split(guesses[(guesses["assumed"] == words).to_numpy()], accounts, *columns).items():
                assumed.setdefault(key, []).append((words, stays))
    return _Held(
        marketplace,
        accounts,
        day_numbers(coverage["begins_on"]),
        day_numbers(coverage["heard_on"]),
        np.array([account_files.silence for account_files in files], dtype=np.int64),
        _first_orders(counting, len(accounts)),
        counting,
        _split(faults, accounts, *_FAULT),
        assumed,
        _split(unknown, accounts, "until_day", "counted"),
        files,
        {},
    )


def _reach(files: Sequence[Files], word: str) -> tuple[np.ndarray, np.ndarray]:
    """The first and last day numbers between which one kind of evidence tells all, by account."""
    first, last = np.full(len(files), -NEVER), np.full(len(files), NEVER)
    for place, account_files in enumerate(files):
        reach = account_files.reach.get(word)
        if word not in account_files.evidence:
            last[place] = -NEVER
        elif reach is not None:
            begin, end = day_numbers([reach.first, reach.last])
            first[place], last[place] = begin - reach.slack, end + reach.slack
    return first, last


_COUNT = ("until_day", "counted")
_FAULT = ("cleared_on", "at_fault")


def _split(rows: pd.DataFrame, accounts: pd.Index, ended: str, weight: str) -> dict[_Asked, Stays]:
    """Rows of EXPOSURE or FAULTS as arrays, by metric, basis and channel."""
    whole = _stays(rows, accounts, ended, weight)
    named = [rows[name].cat for name in ("metric", "basis", "channel")]
    codes = np.stack([one.codes.to_numpy() for one in named]) if len(rows) else np.zeros((3, 0), dtype=np.int64)
    order = np.lexsort(codes)
    starts = np.flatnonzero(np.any(np.diff(codes[:, order], prepend=-1), axis=0))
    split = {}
    for part in np.split(order, starts[1:]):
        if len(part):
            metric, basis, channel = (
                str(one.categories[code]) for one, code in zip(named, codes[:, part[0]], strict=True)
            )
            split[metric, basis, channel] = Stays(*(values[part] for values in whole))
    return split


def _first_orders(counting: dict[_Asked, Stays], accounts: int) -> dict[str, np.ndarray]:
    """By channel, the number of the first clock day of each account; NEVER where it has no order there."""
    first: dict[str, np.ndarray] = {}
    for (_, _, channel), stays in counting.items():
        np.minimum.at(first.setdefault(channel, np.full(accounts, NEVER)), stays.account, stays.clock)
    return first | {tables.ALL: np.minimum.reduce(list(first.values()))} if first else first


def _stays(rows: pd.DataFrame, accounts: pd.Index, ended: str, weight: str) -> Stays:
    """Rows of EXPOSURE or FAULTS as arrays."""
    place = accounts.get_indexer(rows["account"].cat.categories.astype("str"))
    return _in_days(rows, ended, weight)._replace(account=place[rows["account"].cat.codes])


def _in_force(rule: Rule, days: list[date], numbers: np.ndarray) -> np.ndarray:
    """The numbers of the days on which a rule is in force, of days in order."""
    return numbers[bisect_left(days, rule.since) : bisect_right(days, rule.until)]


def _scored(held: _Held, ask: _Ask, channel: str) -> dict[str, Any] | None:
    """SCORES of one rule and window in one channel, for all accounts that have orders there."""
    if ask.days.size == 0 or channel not in held.first_orders:
        return None
    counts = _count(held, ask, channel)
    fallback = ask.rule.fallback
    if fallback is not None and ask.window in ask.rule.windows:
        longer = _count(held, replace(ask, window=fallback.window), channel)
        few = counts.counted < fallback.under
        counts = _Count(*(np.where(few, second, first) for first, second in zip(counts, longer, strict=True)))
    known = (ask.days[None, :] >= held.first_orders[channel][:, None]).ravel()
    return {name: values[known] for name, values in _columns(held, ask, channel, counts).items()}


class _Count(NamedTuple):
    """What a window holds, by account and day; `window` is its length, `proxy` what was assumed."""

    counted: np.ndarray
    at_fault: np.ndarray
    proxy: np.ndarray
    window: np.ndarray


def _count(held: _Held, ask: _Ask, channel: str) -> _Count:
    """How many count and are at fault in one window, and what had to be assumed."""
    asked = ask.rule.metric, str(ask.rule.basis), channel
    metric = METRICS[ask.rule.metric]

    def on(stays: Stays, window: int = ask.window) -> np.ndarray:
        return stays.on(ask.days, len(held.accounts), window, ask.lag, ask.hindsight)

    # What is a number is told of the account from the first word on, however long ago that was.
    reach = _EVER if metric.shows == "number" else ask.window
    counted, at_fault = on(held.counting.get(asked, _NONE), reach), on(held.faults.get(asked, _NONE))
    proxy = np.full(counted.shape, "", dtype=object)
    for place, files in enumerate(held.files):
        if metric.proxy and metric.proxy_unless not in files.evidence:
            proxy[place] = metric.proxy
    for words, stays in held.assumed.get(asked, ()):
        covered = on(stays) > 0
        proxy[covered] = [_and(before, words) for before in proxy[covered]]
    for place, files in enumerate(held.files):
        missing = [need for need in metric.needs if need not in files.evidence]
        if missing and len(missing) == len(metric.needs):
            counted[place] = at_fault[place] = 0
        words = "+".join(f"{need}_not_imported" for need in missing)
        if words:
            proxy[place] = [_and(before, words) for before in proxy[place]]
    if metric.shows == "number":
        has_evidence = np.array([set(metric.needs) <= files.evidence for files in held.files])
        counted = np.where(
            has_evidence[:, None] & (ask.days >= held.begins_on[:, None]),
            np.maximum(counted, _told_at_once(held, asked)),
            0,
        )
    proxy[counted == 0] = [_only_missing(words) for words in proxy[counted == 0]]
    return _Count(counted, at_fault, proxy, np.full(counted.shape, ask.window))


_EVER = 36_500
"""A window that holds everything. [days]"""


def _told_at_once(held: _Held, asked: _Asked) -> np.ndarray:
    """1 for accounts of which a file said that there was nothing to tell, from the beginning on; else 0."""
    some = np.zeros(len(held.accounts), dtype=np.int64)
    some[held.counting.get(asked, _NONE).account] = 1
    return (1 - some)[:, None]


@cache
def _only_missing(words: str) -> str:
    """Of what was assumed only what was not imported: of nothing counted nothing else was assumed.

    >>> _only_missing("tracking_not_scanned+contacts_not_imported")
    'contacts_not_imported'
    """
    return "+".join(word for word in words.split("+") if word.endswith("_not_imported"))


@cache
def _and(words: str, more: str) -> str:
    """Assumptions joined, each once.

    >>> _and("canceller_unknown", "canceller_unknown+cancel_day_from_order")
    'canceller_unknown+cancel_day_from_order'
    """
    return "+".join(dict.fromkeys(word for word in (*words.split("+"), *more.split("+")) if word))


@dataclass(frozen=True)
class _Words:
    """A column of texts of which few differ: the place of each among them."""

    place: np.ndarray
    words: list[str | None]

    @classmethod
    def of(cls, values: np.ndarray) -> _Words:
        """Texts as they stand."""
        place, words = pd.factorize(values)
        return cls(place, list(words))

    def __getitem__(self, chosen: np.ndarray) -> _Words:
        return replace(self, place=self.place[chosen])

    @classmethod
    def joined(cls, pieces: Sequence[_Words]) -> Any:
        """Several columns as one; a text that says nothing is empty."""
        known: dict[str | None, int] = {}
        places = []
        for piece in pieces:
            codes = np.array([known.setdefault(word or None, len(known)) for word in piece.words], dtype=np.int64)
            places.append(codes[piece.place])
        return pd.array(list(known), dtype="str").take(np.concatenate(places))


def _columns(held: _Held, ask: _Ask, channel: str, counts: _Count) -> dict[str, Any]:
    """Counts of accounts by days as columns of SCORES, account by account."""
    rule, target, (counted, at_fault, proxy, window) = ask.rule, ask.rule.target, counts
    shows = METRICS[rule.metric].shows
    first_days = ask.days - ask.lag - window + 1
    value = _value(rule, shows, counted, at_fault)
    status = judge_points(rule.points, value) if rule.points else judge(rule, counted, at_fault)
    whole = (status == "no target") | (shows == "number")
    status[_incomplete(held, ask, channel, counts) & np.isin(status, ("on target", "at risk")) & ~whole] = "incomplete"
    status[_short(held, ask, first_days) & (counted > 0) & ~whole] = "short history"
    wrong = np.divide(at_fault, counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    shown = wrong if target is None or target.wants_few else 1 - wrong
    if shows != "rate":
        shown = np.full(counted.shape, np.nan)
    room = np.full(counted.shape, None, dtype=object)
    if target is not None:
        room[counted > 0] = target.headroom(counted, at_fault)[counted > 0]
    if shows in ("average", "points"):
        at_fault = np.zeros_like(at_fault)
    cells = counted.shape

    def each_day(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, cells).ravel()

    def fill(value: float) -> np.ndarray:
        return np.full(counted.size, value)

    def same(word: str | None) -> _Words:
        return _Words(np.zeros(counted.size, dtype=np.int64), [word])

    return {
        "case": same("ours"),
        "account": _Words(np.repeat(np.arange(cells[0]), cells[1]), held.accounts.tolist()),
        "marketplace": same(held.marketplace),
        "channel": same(channel),
        "metric": same(rule.metric),
        "window": window.ravel(),
        "as_of": each_day(ask.days),
        "first_day": first_days.ravel(),
        "last_day": each_day(ask.days - ask.lag),
        "counted": counted.ravel(),
        "at_fault": at_fault.ravel(),
        "rate": shown.ravel(),
        "value": value.ravel(),
        "target": fill(np.nan if target is None else float(target.share)),
        "side": same(None if target is None else target.side),
        "status": _Words.of(status.ravel()),
        "headroom": room.ravel(),
        "proxy": _Words.of(proxy.ravel()),
        "rule": same(rule.id),
    }


def _short(held: _Held, ask: _Ask, first_days: np.ndarray) -> np.ndarray:
    """Where the files of orders do not cover a window: they begin later, end earlier or leave days out."""
    last_days = ask.days[None, :] - ask.lag
    short = (first_days < held.begins_on[:, None]) | (last_days - held.heard_on[:, None] > held.silence[:, None])
    for place, files in enumerate(held.files):
        for gap in files.gaps:
            first, last = day_numbers(gap)
            short[place] |= (first_days[place] <= last) & (last_days[0] >= first)
    return short


def _incomplete(held: _Held, ask: _Ask, channel: str, counts: _Count) -> np.ndarray:
    """Where more may be at fault than is known, so that what is on target by the known may not be.

    That is where some evidence of faults is missing or does not reach over the window, and where so many orders are
    unknown that the target would be missed if all of them were at fault.
    """
    first_days = ask.days - ask.lag - counts.window + 1
    lacking = np.zeros(counts.counted.shape, dtype=bool)
    for word in METRICS[ask.rule.metric].needs:
        first, last = held.reach(word)
        lacking |= (first[:, None] > first_days) | (last[:, None] < ask.days[None, :])
    key = ask.rule.metric, str(ask.rule.basis), channel
    if ask.rule.target is not None and key in held.unknown:
        unknown = held.unknown[key].on(ask.days, len(held.accounts), ask.window, ask.lag, ask.hindsight)
        at_worst = ask.rule.target.met(counts.counted + unknown, counts.at_fault + unknown)
        lacking |= (unknown > 0) & ~at_worst
    return lacking


def _value(rule: Rule, shows: str, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
    """The figure of a metric that is no rate: how many are open, hours on average, points; nothing known is empty."""
    value = np.full(counted.shape, np.nan)
    held = counted > 0
    if shows == "number":
        value[held] = at_fault[held]
    elif shows == "average":
        value[held] = at_fault[held] / counted[held] / 60
    elif shows == "points" and rule.points is not None:
        value[held] = rule.points.rating(counted, at_fault)[held]
    return value


def midnights(numbers: np.ndarray) -> np.ndarray:
    """Day numbers as midnights without a zone."""
    return numbers.astype("datetime64[D]").astype("datetime64[s]")


def _table(pieces: list[dict[str, Any]]) -> pd.DataFrame:
    """The pieces as one SCORES table, account by account, each metric's days in order."""
    if not pieces:
        return pd.DataFrame(columns=list(tables.SCORES.columns))
    # Typed by SCORES itself, so its check is the tests' to make: it takes longer than the sweep.
    rows = pd.DataFrame({
        name: _typed([piece[name] for piece in pieces], column.kind, name == "headroom")
        for name, column in tables.SCORES.columns.items()
    })  # fmt: skip
    if len({(name, *piece["marketplace"].words) for piece in pieces for name in piece["account"].words}) > 1:
        rows = rows.sort_values(["account", "marketplace"], kind="stable", ignore_index=True)
    return rows


def _typed(pieces: list[Any], kind: str, empty: bool) -> Any:
    """A column of SCORES in its own kind."""
    if kind == "text":
        return _Words.joined(pieces)
    values = np.concatenate(pieces)
    if kind == "day":
        return midnights(values)
    return pd.array(values, dtype="Int64") if empty else values


@dataclass(frozen=True, eq=False)
class Behind:
    """What stands behind one measure of one account: rows of FAULTS, and both kinds of stays as arrays."""

    fault_stays: Stays
    counting_stays: Stays
    frame: pd.DataFrame
    rows: np.ndarray

    @cached_property
    def faults(self) -> pd.DataFrame:
        """The rows of FAULTS."""
        return self.frame.iloc[self.rows]


def stays_behind(counts: Counts, rule: Rule, account: str, marketplace: str, channel: str) -> Behind:
    """The rows of EXPOSURE and FAULTS that a rule judges, of one account in one marketplace and channel."""
    named = {
        "metric": rule.metric, "basis": str(rule.basis),
        "account": account, "marketplace": marketplace, "channel": channel,
    }  # fmt: skip
    kept = _BEHIND.setdefault(counts, {})
    key = tuple(named.values())
    if key not in kept:
        if counts not in _ALL:
            _ALL[counts] = _in_days(counts.exposure, "until_day", "counted"), _in_days(counts.faults, *_FAULT)
        (exposure, faults), (counting, at_fault) = counts.rows_where(**named), _ALL[counts]
        while len(kept) >= BEHIND:
            kept.pop(next(iter(kept)))
        kept[key] = Behind(at_fault.at(faults), counting.at(exposure), counts.faults, faults)
    return kept[key]


def _in_days(rows: pd.DataFrame, ended: str, weight: str) -> Stays:
    """Rows of EXPOSURE or FAULTS as arrays, as if all were of one account."""
    clock, known, left = (day_numbers(rows[name]) for name in ("clock_day", "known_on", ended))
    return Stays(np.zeros(len(rows), dtype=np.int64), clock, known, left, rows[weight].to_numpy())


BEHIND = 32
"""What stands behind so many measures is kept for the next question."""
_ALL: WeakKeyDictionary[Counts, tuple[Stays, Stays]] = WeakKeyDictionary()
"""The rows of EXPOSURE and of FAULTS as arrays, of counts that were asked for."""
_BEHIND: WeakKeyDictionary[Counts, dict[tuple[str, ...], Behind]] = WeakKeyDictionary()


def orders_at_fault(
    counts: Counts, row: pd.Series, policy: Policy, *, hindsight: bool = False, since: date | None = None
) -> pd.DataFrame:
    """The orders behind one row of SCORES: rows of FAULTS at fault on its as-of day, or on any day since one before.

    One row an order; `at_fault` is how much it adds, in what the metric counts. To FAULTS are added `leaves_on`,
    the first as-of day on which the order no longer counts, and `enters_on`, the first on which it was at fault in
    this window.
    """
    rule = next(rule for rule in policy.rules if rule.id == row["rule"])
    lag = (row["as_of"] - row["last_day"]).days
    behind_it = stays_behind(counts, rule, row["account"], row["marketplace"], row["channel"])
    faults, stays = behind_it.faults, behind_it.fault_stays
    first, last = stays.bounds(int(row["window"]), lag, hindsight)
    day = int(day_numbers([row["as_of"]])[0])
    begin = day if since is None else min(day, int(day_numbers([since])[0]))
    covers = (first <= day) & (begin <= last) & (first <= last)
    leaves = stays.clock + lag + int(row["window"])
    enters = np.maximum(stays.clock + lag, day_numbers(faults["since"]))
    behind = faults[covers].assign(enters_on=midnights(enters[covers]), leaves_on=midnights(leaves[covers]))
    if behind["order_id"].is_unique:
        return behind.reset_index(drop=True)
    return behind.groupby("order_id", as_index=False, sort=False).agg(_ONE_ORDER)[[*behind.columns]]


_ONE_ORDER = {
    **dict.fromkeys(("account", "marketplace", "channel", "metric", "basis", "causes", "clock_day"), "first"),
    **dict.fromkeys(("since", "known_on", "enters_on"), "min"),
    **dict.fromkeys(("cleared_on", "leaves_on"), "max"),
    "at_fault": "sum",
    "assumed": "first",
}
"""How several late parcels of one order make one row: their units or parcels add up."""
