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

from healthkit.metrics.counts import Counts
from healthkit.metrics.definitions import METRICS
from healthkit.metrics.evidence import FileCoverage
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


def list_days(first: date, last: date) -> list[date]:
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
    for held in _arrays_by_marketplace(counts):
        policy = policies if isinstance(policies, Policy) else policies.get(held.marketplace)
        if policy is None:
            continue
        for rule in policy.rules_in_force_between(asked[0], asked[-1]):
            if rule.metric not in wanted:
                continue
            for days_long in dict.fromkeys([window] if window is not None else rule.windows):
                ask = _ScoreRequest(
                    rule, days_long, rule.lag if lag is None else lag, _days_in_force(rule, asked, numbers), hindsight
                )
                pieces += [_score_rule(held, ask, channel) for channel in rule.channels]
    return _build_scores([piece for piece in pieces if piece is not None])


@dataclass(frozen=True)
class _ScoreRequest:
    """One rule with the window and lag to be used, and the as-of days on which it is in force."""

    rule: Rule
    window: int
    lag: int
    days: np.ndarray
    hindsight: bool


class Intervals(NamedTuple):
    """Stays of one metric, basis and channel as arrays: which account, the days that bound each, its weight."""

    account: np.ndarray
    clock: np.ndarray
    known: np.ndarray
    ended: np.ndarray
    weight: np.ndarray

    def select_rows(self, rows: np.ndarray) -> Intervals:
        """Some of the stays."""
        return Intervals(*(values[rows] for values in self))

    def bounds(self, window: int, lag: int, hindsight: bool) -> tuple[np.ndarray, np.ndarray]:
        """First and last as-of day that each stay covers; the last is before the first where it covers none."""
        first, left = self.clock + lag, self.clock + lag + window
        if hindsight:
            return first, np.where(self.ended == NEVER, left, first) - 1
        return np.maximum(first, self.known), np.minimum(left, self.ended) - 1

    def count_by_day(self, days: np.ndarray, accounts: int, window: int, lag: int, hindsight: bool) -> np.ndarray:
        """How much covers each of the days. [accounts x days]"""
        begin, span = int(days[0]), int(days[-1] - days[0] + 1)
        return sweep(*self.bounds(window, lag, hindsight), self.weight, self.account, accounts, begin, span)[
            :, days - begin
        ]


_NO_INTERVALS = Intervals(*(np.zeros(0, dtype=np.int64) for _ in Intervals._fields))


@dataclass(frozen=True)
class _MarketplaceArrays:
    """The counts of one marketplace as arrays, ready to be asked for by metric, basis and channel."""

    marketplace: str
    accounts: pd.Index
    begins_on: np.ndarray
    heard_on: np.ndarray
    max_silent_days: np.ndarray
    first_orders: dict[str, np.ndarray]
    counting: dict[_CountKey, Intervals]
    faults: dict[_CountKey, Intervals]
    assumed: dict[_CountKey, list[tuple[str, Intervals]]]
    unknown: dict[_CountKey, Intervals]
    files: list[FileCoverage]
    lacking: dict[str, tuple[np.ndarray, np.ndarray]]

    def reach(self, word: str) -> tuple[np.ndarray, np.ndarray]:
        """The day numbers from which and until which one kind of evidence tells all, by account."""
        if word not in self.lacking:
            self.lacking[word] = _evidence_span(self.files, word)
        return self.lacking[word]


_CountKey = tuple[str, str, str]
_ARRAYS_CACHE: WeakKeyDictionary[Counts, list[_MarketplaceArrays]] = WeakKeyDictionary()
"""The arrays of counts that were asked for before; they go when the counts go."""


def _arrays_by_marketplace(counts: Counts) -> list[_MarketplaceArrays]:
    """The counts as arrays, one marketplace after the other."""
    if counts not in _ARRAYS_CACHE:
        _ARRAYS_CACHE[counts] = [_build_arrays(counts, str(code)) for code in counts.coverage["marketplace"].unique()]
    return _ARRAYS_CACHE[counts]


def _build_arrays(counts: Counts, marketplace: str) -> _MarketplaceArrays:
    """The counts of one marketplace as arrays."""
    exposure, faults, coverage = (
        frame[(frame["marketplace"] == marketplace).to_numpy()]
        for frame in (counts.exposure, counts.faults, counts.coverage)
    )
    accounts = pd.Index(coverage["account"].astype("str"))
    files = [FileCoverage.from_row(row) for row in tables.records(coverage)]
    unknown = counts.unknown[(counts.unknown["marketplace"] == marketplace).to_numpy()]
    counting = _split_intervals(exposure, accounts, *_COUNTING_COLUMNS)
    assumed: dict[_CountKey, list[tuple[str, Intervals]]] = {}
    for frame, columns in ((exposure, _COUNTING_COLUMNS), (faults, _FAULT_COLUMNS)):
        guesses = frame[frame["assumed"].notna().to_numpy()]
        for words in guesses["assumed"].unique():
            for key, stays in _split_intervals(
                guesses[(guesses["assumed"] == words).to_numpy()], accounts, *columns
            ).items():
                assumed.setdefault(key, []).append((words, stays))
    return _MarketplaceArrays(
        marketplace,
        accounts,
        day_numbers(coverage["begins_on"]),
        day_numbers(coverage["heard_on"]),
        np.array([account_files.max_silent_days for account_files in files], dtype=np.int64),
        _first_orders(counting, len(accounts)),
        counting,
        _split_intervals(faults, accounts, *_FAULT_COLUMNS),
        assumed,
        _split_intervals(unknown, accounts, "until_day", "counted"),
        files,
        {},
    )


def _evidence_span(files: Sequence[FileCoverage], word: str) -> tuple[np.ndarray, np.ndarray]:
    """The first and last day numbers between which one kind of evidence tells all, by account."""
    first, last = np.full(len(files), -NEVER), np.full(len(files), NEVER)
    for place, account_files in enumerate(files):
        reach = account_files.reach.get(word)
        if word not in account_files.evidence:
            last[place] = -NEVER
        elif reach is not None:
            begin, end = day_numbers([reach.first, reach.last])
            first[place], last[place] = begin - reach.tolerated_gap_days, end + reach.tolerated_gap_days
    return first, last


_COUNTING_COLUMNS = ("until_day", "counted")
_FAULT_COLUMNS = ("cleared_on", "at_fault")


def _split_intervals(rows: pd.DataFrame, accounts: pd.Index, ended: str, weight: str) -> dict[_CountKey, Intervals]:
    """Rows of EXPOSURE or FAULTS as arrays, by metric, basis and channel."""
    whole = _intervals_of_accounts(rows, accounts, ended, weight)
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
            split[metric, basis, channel] = Intervals(*(values[part] for values in whole))
    return split


def _first_orders(counting: dict[_CountKey, Intervals], accounts: int) -> dict[str, np.ndarray]:
    """By channel, the number of the first clock day of each account; NEVER where it has no order there."""
    first: dict[str, np.ndarray] = {}
    for (_, _, channel), stays in counting.items():
        np.minimum.at(first.setdefault(channel, np.full(accounts, NEVER)), stays.account, stays.clock)
    return first | {tables.WHOLE_ACCOUNT: np.minimum.reduce(list(first.values()))} if first else first


def _intervals_of_accounts(rows: pd.DataFrame, accounts: pd.Index, ended: str, weight: str) -> Intervals:
    """Rows of EXPOSURE or FAULTS as arrays."""
    place = accounts.get_indexer(rows["account"].cat.categories.astype("str"))
    return _to_intervals(rows, ended, weight)._replace(account=place[rows["account"].cat.codes])


def _days_in_force(rule: Rule, days: list[date], numbers: np.ndarray) -> np.ndarray:
    """The numbers of the days on which a rule is in force, of days in order."""
    return numbers[bisect_left(days, rule.since) : bisect_right(days, rule.until)]


def _score_rule(arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str) -> dict[str, Any] | None:
    """SCORES of one rule and window in one channel, for all accounts that have orders there."""
    if request.days.size == 0 or channel not in arrays.first_orders:
        return None
    counts = _count_window(arrays, request, channel)
    fallback = request.rule.fallback
    if fallback is not None and request.window in request.rule.windows:
        longer = _count_window(arrays, replace(request, window=fallback.window), channel)
        few = counts.counted < fallback.under
        counts = _WindowCounts(*(np.where(few, second, first) for first, second in zip(counts, longer, strict=True)))
    known = (request.days[None, :] >= arrays.first_orders[channel][:, None]).ravel()
    return {name: values[known] for name, values in _score_columns(arrays, request, channel, counts).items()}


class _WindowCounts(NamedTuple):
    """What a window holds, by account and day; `window` is its length, `proxy` what was assumed."""

    counted: np.ndarray
    at_fault: np.ndarray
    proxy: np.ndarray
    window: np.ndarray


def _count_window(arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str) -> _WindowCounts:
    """How many count and are at fault in one window, and what had to be assumed."""
    asked = request.rule.metric, str(request.rule.basis), channel
    metric = METRICS[request.rule.metric]

    def on(stays: Intervals, window: int = request.window) -> np.ndarray:
        return stays.count_by_day(request.days, len(arrays.accounts), window, request.lag, request.hindsight)

    # What is a number is told of the account from the first word on, however long ago that was.
    reach = _UNLIMITED_WINDOW if metric.figure == "number" else request.window
    counted, at_fault = (
        on(arrays.counting.get(asked, _NO_INTERVALS), reach),
        on(arrays.faults.get(asked, _NO_INTERVALS)),
    )
    proxy = np.full(counted.shape, "", dtype=object)
    for place, files in enumerate(arrays.files):
        if metric.proxy and metric.proxy_unless not in files.evidence:
            proxy[place] = metric.proxy
    for words, stays in arrays.assumed.get(asked, ()):
        covered = on(stays) > 0
        proxy[covered] = [_join_assumptions(before, words) for before in proxy[covered]]
    for place, files in enumerate(arrays.files):
        missing = [need for need in metric.required_evidence if need not in files.evidence]
        if missing and len(missing) == len(metric.required_evidence):
            counted[place] = at_fault[place] = 0
        words = "+".join(f"{need}_not_imported" for need in missing)
        if words:
            proxy[place] = [_join_assumptions(before, words) for before in proxy[place]]
    if metric.figure == "number":
        has_evidence = np.array([set(metric.required_evidence) <= files.evidence for files in arrays.files])
        counted = np.where(
            has_evidence[:, None] & (request.days >= arrays.begins_on[:, None]),
            np.maximum(counted, _accounts_without_rows(arrays, asked)),
            0,
        )
    proxy[counted == 0] = [_keep_not_imported(words) for words in proxy[counted == 0]]
    return _WindowCounts(counted, at_fault, proxy, np.full(counted.shape, request.window))


_UNLIMITED_WINDOW = 36_500
"""A window that holds everything. [days]"""


def _accounts_without_rows(arrays: _MarketplaceArrays, key: _CountKey) -> np.ndarray:
    """1 for accounts of which a file said that there was nothing to tell, from the beginning on; else 0."""
    some = np.zeros(len(arrays.accounts), dtype=np.int64)
    some[arrays.counting.get(key, _NO_INTERVALS).account] = 1
    return (1 - some)[:, None]


@cache
def _keep_not_imported(words: str) -> str:
    """Of what was assumed only what was not imported: of nothing counted nothing else was assumed.

    >>> _only_missing("tracking_not_scanned+contacts_not_imported")
    'contacts_not_imported'
    """
    return "+".join(word for word in words.split("+") if word.endswith("_not_imported"))


@cache
def _join_assumptions(words: str, more: str) -> str:
    """Assumptions joined, each once.

    >>> _and("canceller_unknown", "canceller_unknown+cancel_day_from_order")
    'canceller_unknown+cancel_day_from_order'
    """
    return "+".join(dict.fromkeys(word for word in (*words.split("+"), *more.split("+")) if word))


@dataclass(frozen=True)
class _TextColumn:
    """A column of texts of which few differ: the place of each among them."""

    place: np.ndarray
    words: list[str | None]

    @classmethod
    def of(cls, values: np.ndarray) -> _TextColumn:
        """Texts as they stand."""
        place, words = pd.factorize(values)
        return cls(place, list(words))

    def __getitem__(self, chosen: np.ndarray) -> _TextColumn:
        return replace(self, place=self.place[chosen])

    @classmethod
    def joined(cls, pieces: Sequence[_TextColumn]) -> Any:
        """Several columns as one; a text that says nothing is empty."""
        known: dict[str | None, int] = {}
        places = []
        for piece in pieces:
            codes = np.array([known.setdefault(word or None, len(known)) for word in piece.words], dtype=np.int64)
            places.append(codes[piece.place])
        return pd.array(list(known), dtype="str").take(np.concatenate(places))


def _score_columns(
    arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str, counts: _WindowCounts
) -> dict[str, Any]:
    """Counts of accounts by days as columns of SCORES, account by account."""
    rule, target, (counted, at_fault, proxy, window) = request.rule, request.rule.target, counts
    shows = METRICS[rule.metric].figure
    first_days = request.days - request.lag - window + 1
    value = _metric_value(rule, shows, counted, at_fault)
    status = judge_points(rule.points, value) if rule.points else judge(rule, counted, at_fault)
    whole = (status == "no target") | (shows == "number")
    status[_is_incomplete(arrays, request, channel, counts) & np.isin(status, ("on target", "at risk")) & ~whole] = (
        "incomplete"
    )
    status[_has_short_history(arrays, request, first_days) & (counted > 0) & ~whole] = "short history"
    wrong = np.divide(at_fault, counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    shown = wrong if target is None or target.lower_is_better else 1 - wrong
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

    def same(word: str | None) -> _TextColumn:
        return _TextColumn(np.zeros(counted.size, dtype=np.int64), [word])

    return {
        "case": same("ours"),
        "account": _TextColumn(np.repeat(np.arange(cells[0]), cells[1]), arrays.accounts.tolist()),
        "marketplace": same(arrays.marketplace),
        "channel": same(channel),
        "metric": same(rule.metric),
        "window": window.ravel(),
        "as_of": each_day(request.days),
        "first_day": first_days.ravel(),
        "last_day": each_day(request.days - request.lag),
        "counted": counted.ravel(),
        "at_fault": at_fault.ravel(),
        "rate": shown.ravel(),
        "value": value.ravel(),
        "target": fill(np.nan if target is None else float(target.share)),
        "side": same(None if target is None else target.side),
        "status": _TextColumn.of(status.ravel()),
        "headroom": room.ravel(),
        "proxy": _TextColumn.of(proxy.ravel()),
        "rule": same(rule.id),
    }


def _has_short_history(arrays: _MarketplaceArrays, request: _ScoreRequest, first_days: np.ndarray) -> np.ndarray:
    """Where the files of orders do not cover a window: they begin later, end earlier or leave days out."""
    last_days = request.days[None, :] - request.lag
    short = (first_days < arrays.begins_on[:, None]) | (
        last_days - arrays.heard_on[:, None] > arrays.max_silent_days[:, None]
    )
    for place, files in enumerate(arrays.files):
        for gap in files.gaps:
            first, last = day_numbers(gap)
            short[place] |= (first_days[place] <= last) & (last_days[0] >= first)
    return short


def _is_incomplete(
    arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str, counts: _WindowCounts
) -> np.ndarray:
    """Where more may be at fault than is known, so that what is on target by the known may not be.

    That is where some evidence of faults is missing or does not reach over the window, and where so many orders are
    unknown that the target would be missed if all of them were at fault.
    """
    first_days = request.days - request.lag - counts.window + 1
    lacking = np.zeros(counts.counted.shape, dtype=bool)
    for word in METRICS[request.rule.metric].required_evidence:
        first, last = arrays.reach(word)
        lacking |= (first[:, None] > first_days) | (last[:, None] < request.days[None, :])
    key = request.rule.metric, str(request.rule.basis), channel
    if request.rule.target is not None and key in arrays.unknown:
        unknown = arrays.unknown[key].count_by_day(
            request.days, len(arrays.accounts), request.window, request.lag, request.hindsight
        )
        at_worst = request.rule.target.is_met(counts.counted + unknown, counts.at_fault + unknown)
        lacking |= (unknown > 0) & ~at_worst
    return lacking


def _metric_value(rule: Rule, shows: str, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
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


def numbers_to_days(numbers: np.ndarray) -> np.ndarray:
    """Day numbers as midnights without a zone."""
    return numbers.astype("datetime64[D]").astype("datetime64[s]")


def _build_scores(pieces: list[dict[str, Any]]) -> pd.DataFrame:
    """The pieces as one SCORES table, account by account, each metric's days in order."""
    if not pieces:
        return pd.DataFrame(columns=list(tables.SCORES.columns))
    # Typed by SCORES itself, so its check is the tests' to make: it takes longer than the sweep.
    rows = pd.DataFrame({
        name: _concat_column([piece[name] for piece in pieces], column.kind, name == "headroom")
        for name, column in tables.SCORES.columns.items()
    })  # fmt: skip
    if len({(name, *piece["marketplace"].words) for piece in pieces for name in piece["account"].words}) > 1:
        rows = rows.sort_values(["account", "marketplace"], kind="stable", ignore_index=True)
    return rows


def _concat_column(pieces: list[Any], kind: str, empty: bool) -> Any:
    """A column of SCORES in its own kind."""
    if kind == "text":
        return _TextColumn.joined(pieces)
    values = np.concatenate(pieces)
    if kind == "day":
        return numbers_to_days(values)
    return pd.array(values, dtype="Int64") if empty else values


@dataclass(frozen=True, eq=False)
class MeasureIntervals:
    """What stands behind one measure of one account: rows of FAULTS, and both kinds of stays as arrays."""

    fault_intervals: Intervals
    counting_intervals: Intervals
    frame: pd.DataFrame
    rows: np.ndarray

    @cached_property
    def faults(self) -> pd.DataFrame:
        """The rows of FAULTS."""
        return self.frame.iloc[self.rows]


def select_intervals(counts: Counts, rule: Rule, account: str, marketplace: str, channel: str) -> MeasureIntervals:
    """The rows of EXPOSURE and FAULTS that a rule judges, of one account in one marketplace and channel."""
    named = {
        "metric": rule.metric, "basis": str(rule.basis),
        "account": account, "marketplace": marketplace, "channel": channel,
    }  # fmt: skip
    kept = _INTERVALS_CACHE.setdefault(counts, {})
    key = tuple(named.values())
    if key not in kept:
        if counts not in _ALL_INTERVALS:
            _ALL_INTERVALS[counts] = (
                _to_intervals(counts.exposure, "until_day", "counted"),
                _to_intervals(counts.faults, *_FAULT_COLUMNS),
            )
        (exposure, faults), (counting, at_fault) = counts.rows_where(**named), _ALL_INTERVALS[counts]
        while len(kept) >= INTERVALS_CACHE_SIZE:
            kept.pop(next(iter(kept)))
        kept[key] = MeasureIntervals(
            at_fault.select_rows(faults), counting.select_rows(exposure), counts.faults, faults
        )
    return kept[key]


def _to_intervals(rows: pd.DataFrame, ended: str, weight: str) -> Intervals:
    """Rows of EXPOSURE or FAULTS as arrays, as if all were of one account."""
    clock, known, left = (day_numbers(rows[name]) for name in ("clock_day", "known_on", ended))
    return Intervals(np.zeros(len(rows), dtype=np.int64), clock, known, left, rows[weight].to_numpy())


INTERVALS_CACHE_SIZE = 32
"""What stands behind so many measures is kept for the next question."""
_ALL_INTERVALS: WeakKeyDictionary[Counts, tuple[Intervals, Intervals]] = WeakKeyDictionary()
"""The rows of EXPOSURE and of FAULTS as arrays, of counts that were asked for."""
_INTERVALS_CACHE: WeakKeyDictionary[Counts, dict[tuple[str, ...], MeasureIntervals]] = WeakKeyDictionary()


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
    behind_it = select_intervals(counts, rule, row["account"], row["marketplace"], row["channel"])
    faults, stays = behind_it.faults, behind_it.fault_intervals
    first, last = stays.bounds(int(row["window"]), lag, hindsight)
    day = int(day_numbers([row["as_of"]])[0])
    begin = day if since is None else min(day, int(day_numbers([since])[0]))
    covers = (first <= day) & (begin <= last) & (first <= last)
    leaves = stays.clock + lag + int(row["window"])
    enters = np.maximum(stays.clock + lag, day_numbers(faults["since"]))
    behind = faults[covers].assign(enters_on=numbers_to_days(enters[covers]), leaves_on=numbers_to_days(leaves[covers]))
    if behind["order_id"].is_unique:
        return behind.reset_index(drop=True)
    return behind.groupby("order_id", as_index=False, sort=False).agg(_ORDER_AGGREGATION)[[*behind.columns]]


_ORDER_AGGREGATION = {
    **dict.fromkeys(("account", "marketplace", "channel", "metric", "basis", "causes", "clock_day"), "first"),
    **dict.fromkeys(("since", "known_on", "enters_on"), "min"),
    **dict.fromkeys(("cleared_on", "leaves_on"), "max"),
    "at_fault": "sum",
    "assumed": "first",
}
"""How several late parcels of one order make one row: their units or parcels add up."""
