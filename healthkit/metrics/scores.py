"""SCORES: how many orders count and are at fault on any day, and their status. One sweep gives today and history.

An order counts on the as-of days `[clock + lag, clock + lag + window - 1]`, from the day on which it was known to
count. It is at fault within this interval from the day the fault was known until the day it was cleared. A score is the
number of intervals that cover a day: +1 on an interval's first day, -1 after its last, accumulated.

*With hindsight* is the same sweep with everything that was learnt later: what was known later is taken as known from
the clock day on, and what was cleared later was never at fault.
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
from healthkit.metrics.policy import MAX_WINDOW_DAYS, Policy, Rule, judge, judge_points
from healthkit.schema import tables
from healthkit.schema.days import Day, Days, to_day, to_days

NEVER = np.iinfo(np.int64).max // 4
"""The day number that stands for a day that never comes."""


class ScoreError(ValueError):
    """Raised if a score cannot be computed; the message says why and which values are valid."""


def sweep(
    first: np.ndarray, last: np.ndarray, weight: np.ndarray, group: np.ndarray, groups: int, begin: int, days: int
) -> np.ndarray:
    """Sum the weights of the intervals that cover each day, by group. [groups x days]

    `first` and `last` are the day numbers of each interval's first and last day; an interval that ends before it begins
    covers nothing. `group` is the row of each interval in the result. `begin` is the number of the first day returned.

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
    """Convert days to numbers of days since 1970-01-01; null days become the number `empty`."""
    values = np.asarray(days, dtype="datetime64[D]")
    return np.where(np.isnat(values), empty, values.astype(np.int64))


def list_days(first: Day, last: Day) -> list[date]:
    """Return every day from `first` to `last`, both included."""
    return [day.date() for day in pd.date_range(to_day(first), to_day(last))]


def score(
    counts: Counts,
    policies: Policy | Mapping[str, Policy],
    days: Days,
    *,
    window: int | Iterable[int] | None = None,
    lag: int | None = None,
    hindsight: bool = False,
    metrics: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Return the table SCORES for all accounts and metrics (or only `metrics`), as displayed on each day.

    `policies` is one policy for all marketplaces, or the policy of each. `window` (one, or any number of them) and
    `lag` [days] replace those of the rules. Each rule is applied to the days on which it is in force. Rows start on the
    day of the account's first order; marketplaces without a policy are left out.

    Raises PolicyError for a day before a policy begins, ScoreError for a window under 1 day, a negative lag or an
    unknown metric.
    """
    wanted = set(METRICS if metrics is None else metrics)
    if unknown := wanted - set(METRICS):
        raise ScoreError(f"Unknown metric {', '.join(sorted(unknown))}. The metrics are: {', '.join(METRICS)}.")
    as_of_days = to_days(days)
    if not as_of_days:
        raise ScoreError("No as-of day given; give one day or a list of days.")
    windows = None if window is None else list(dict.fromkeys(window if isinstance(window, Iterable) else [window]))
    if windows is not None and (not windows or min(windows) < 1):
        raise ScoreError(f"A window is at least 1 day, not {min(windows)}." if windows else "No window given.")
    if lag is not None and lag < 0:
        raise ScoreError(f"A lag is at least 0 days, not {lag}.")
    numbers = day_numbers(as_of_days)
    pieces = []
    for arrays in _arrays_by_marketplace(counts):
        policy = policies if isinstance(policies, Policy) else policies.get(arrays.marketplace)
        if policy is None:
            continue
        for rule in policy.rules_in_force_between(as_of_days[0], as_of_days[-1]):
            if rule.metric not in wanted:
                continue
            in_force = numbers[bisect_left(as_of_days, rule.since) : bisect_right(as_of_days, rule.until)]
            for days_long in dict.fromkeys(rule.windows if windows is None else windows):
                request = _ScoreRequest(rule, days_long, rule.lag if lag is None else lag, in_force, hindsight)
                pieces += [_score_rule(arrays, request, channel) for channel in rule.channels]
    rows = _build_scores([piece for piece in pieces if piece is not None])
    # With few orders a rule judges a longer window, which may be among those asked for.
    return rows if windows is None or len(windows) < 2 else rows.drop_duplicates(_KEYS, ignore_index=True)


_KEYS = ["account", "marketplace", "metric", "channel", "window", "as_of"]


@dataclass(frozen=True)
class _ScoreRequest:
    """A rule, the window and lag to apply, and the day numbers of the as-of days on which the rule is in force."""

    rule: Rule
    window: int
    lag: int
    days: np.ndarray
    hindsight: bool

    def count(self, intervals: Intervals, accounts: int, window: int | None = None) -> np.ndarray:
        """Return how much covers each day in the request's window, or in another. [accounts x days]"""
        return intervals.count_by_day(self.days, accounts, window or self.window, self.lag, self.hindsight)


class Intervals(NamedTuple):
    """Intervals of days in which orders count or are at fault, as arrays of equal length.

    `account` is the position of the account; `clock`, `known` and `ended` are day numbers: of the clock day, of the day
    on which the interval became known, and of the first day after its end (NEVER if it has none); `weight` is how much
    the interval adds.
    """

    account: np.ndarray
    clock: np.ndarray
    known: np.ndarray
    ended: np.ndarray
    weight: np.ndarray

    def select_rows(self, rows: np.ndarray) -> Intervals:
        """Return the intervals selected by `rows` (positions or a mask)."""
        return Intervals(*(values[rows] for values in self))

    def bounds(self, window: int, lag: int, hindsight: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the first and the last as-of day that each interval covers.

        The last is before the first if an interval covers no day.
        """
        first, left = self.clock + lag, self.clock + lag + window
        if hindsight:
            return first, np.where(self.ended == NEVER, left, first) - 1
        return np.maximum(first, self.known), np.minimum(left, self.ended) - 1

    def count_by_day(self, days: np.ndarray, accounts: int, window: int, lag: int, hindsight: bool) -> np.ndarray:
        """Return the total weight of the intervals that cover each day, by account. [accounts x days]

        `days` are sorted day numbers.
        """
        begin, span = int(days[0]), int(days[-1] - days[0] + 1)
        return sweep(*self.bounds(window, lag, hindsight), self.weight, self.account, accounts, begin, span)[
            :, days - begin
        ]


_CountKey = tuple[str, str, str]
"""Metric, basis and channel."""
_NO_INTERVALS = Intervals(*(np.zeros(0, dtype=np.int64) for _ in Intervals._fields))


@dataclass(frozen=True)
class _MarketplaceArrays:
    """The counts of one marketplace as arrays: intervals by metric, basis and channel, and days by account."""

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
    span_by_evidence: dict[str, tuple[np.ndarray, np.ndarray]]

    def evidence_span(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the first and the last day number that one kind of evidence covers, by account."""
        if kind not in self.span_by_evidence:
            self.span_by_evidence[kind] = _evidence_span(self.files, kind)
        return self.span_by_evidence[kind]


_ARRAYS_CACHE: WeakKeyDictionary[Counts, list[_MarketplaceArrays]] = WeakKeyDictionary()
"""The arrays of counts that were scored before; dropped with the counts."""


def _arrays_by_marketplace(counts: Counts) -> list[_MarketplaceArrays]:
    """Return the counts as arrays, one item for each marketplace."""
    if counts not in _ARRAYS_CACHE:
        _ARRAYS_CACHE[counts] = [_build_arrays(counts, str(code)) for code in counts.coverage["marketplace"].unique()]
    return _ARRAYS_CACHE[counts]


def _build_arrays(counts: Counts, marketplace: str) -> _MarketplaceArrays:
    """Return the counts of one marketplace as arrays."""
    exposure, faults, coverage, unknown = (
        frame[(frame["marketplace"] == marketplace).to_numpy()]
        for frame in (counts.exposure, counts.faults, counts.coverage, counts.unknown)
    )
    accounts = pd.Index(coverage["account"].astype("str"))
    files = [FileCoverage.from_row(row) for row in tables.records(coverage)]
    counting = _split_intervals(exposure, accounts, *_COUNTING_COLUMNS)
    assumed: dict[_CountKey, list[tuple[str, Intervals]]] = {}
    for frame, columns in ((exposure, _COUNTING_COLUMNS), (faults, _FAULT_COLUMNS)):
        frame = frame[frame["assumed"].notna().to_numpy()]
        for assumption in frame["assumed"].unique():
            rows = frame[(frame["assumed"] == assumption).to_numpy()]
            for key, intervals in _split_intervals(rows, accounts, *columns).items():
                assumed.setdefault(key, []).append((assumption, intervals))
    return _MarketplaceArrays(
        marketplace,
        accounts,
        day_numbers(coverage["begins_on"]),
        day_numbers(coverage["heard_on"]),
        np.array([account_files.max_silent_days for account_files in files], dtype=np.int64),
        _first_orders(counting, day_numbers(coverage["begins_on"])),
        counting,
        _split_intervals(faults, accounts, *_FAULT_COLUMNS),
        assumed,
        _split_intervals(unknown, accounts, *_COUNTING_COLUMNS),
        files,
        {},
    )


def _evidence_span(files: Sequence[FileCoverage], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last day number that one kind of evidence covers, by account."""
    first, last = np.full(len(files), -NEVER), np.full(len(files), NEVER)
    for position, account_files in enumerate(files):
        span = account_files.reach.get(kind)
        if kind not in account_files.evidence:
            last[position] = -NEVER
        elif span is not None:
            begin, end = day_numbers([span.first, span.last])
            first[position], last[position] = begin - span.tolerated_gap_days, end + span.tolerated_gap_days
    return first, last


_COUNTING_COLUMNS = ("until_day", "counted")
_FAULT_COLUMNS = ("cleared_on", "at_fault")


def _split_intervals(rows: pd.DataFrame, accounts: pd.Index, ended: str, weight: str) -> dict[_CountKey, Intervals]:
    """Return rows of EXPOSURE or FAULTS as intervals, by metric, basis and channel."""
    position = accounts.get_indexer(rows["account"].cat.categories.astype("str"))
    intervals = _to_intervals(rows, ended, weight)._replace(account=position[rows["account"].cat.codes])
    names = [rows[name].cat for name in ("metric", "basis", "channel")]
    codes = np.stack([name.codes.to_numpy() for name in names]) if len(rows) else np.zeros((3, 0), dtype=np.int64)
    order = np.lexsort(codes)
    starts = np.flatnonzero(np.any(np.diff(codes[:, order], prepend=-1), axis=0))
    split = {}
    for part in np.split(order, starts[1:]):
        if len(part):
            metric, basis, channel = (
                str(name.categories[code]) for name, code in zip(names, codes[:, part[0]], strict=True)
            )
            split[metric, basis, channel] = intervals.select_rows(part)
    return split


def _first_orders(counting: dict[_CountKey, Intervals], begins_on: np.ndarray) -> dict[str, np.ndarray]:
    """Return the first clock day of each account, by channel; NEVER where it has no order there.

    An account of which no order counts in any measure, for lack of the days that the measures need, has sold from the
    first day of its files on. Its orders are taken as seller-fulfilled.
    """
    first: dict[str, np.ndarray] = {}
    for (_, _, channel), intervals in counting.items():
        np.minimum.at(first.setdefault(channel, np.full(len(begins_on), NEVER)), intervals.account, intervals.clock)
    counts_nowhere = np.minimum.reduce(list(first.values())) == NEVER if first else np.full(len(begins_on), True)
    seller = first.get("seller", np.full(len(begins_on), NEVER))
    first["seller"] = np.where(counts_nowhere, begins_on, seller)
    return first | {tables.WHOLE_ACCOUNT: np.minimum.reduce(list(first.values()))}


def _score_rule(arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str) -> dict[str, Any] | None:
    """Return the columns of SCORES for one rule and window in one channel, of all accounts with orders there."""
    if request.days.size == 0 or channel not in arrays.first_orders:
        return None
    counts = _count_window(arrays, request, channel)
    fallback = request.rule.fallback
    if fallback is not None and request.window in request.rule.windows:
        longer = _count_window(arrays, replace(request, window=fallback.window), channel)
        few = counts.counted < fallback.under
        counts = _WindowCounts(*(np.where(few, second, first) for first, second in zip(counts, longer, strict=True)))
    has_begun = (request.days[None, :] >= arrays.first_orders[channel][:, None]).ravel()
    return {name: values[has_begun] for name, values in _score_columns(arrays, request, channel, counts).items()}


class _WindowCounts(NamedTuple):
    """The counts of a window, its length and the assumptions made (`proxy`), each by account and day."""

    counted: np.ndarray
    at_fault: np.ndarray
    proxy: np.ndarray
    window: np.ndarray


def _count_window(arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str) -> _WindowCounts:
    """Return how many count and are at fault in the window of a request, and the assumptions made."""
    metric, accounts = METRICS[request.rule.metric], len(arrays.accounts)
    keys = request.rule.metric, str(request.rule.basis), channel
    is_number = metric.figure == "number"
    # A number is shown for the account from the first file that holds it on, however long ago that was.
    counted = request.count(arrays.counting.get(keys, _NO_INTERVALS), accounts, MAX_WINDOW_DAYS if is_number else None)
    at_fault = request.count(arrays.faults.get(keys, _NO_INTERVALS), accounts)
    proxy = np.full(counted.shape, "", dtype=object)
    for position, files in enumerate(arrays.files):
        if metric.proxy and metric.proxy_unless not in files.evidence:
            proxy[position] = metric.proxy
    for assumption, intervals in arrays.assumed.get(keys, ()):
        is_covered = request.count(intervals, accounts) > 0
        proxy[is_covered] = [_add_assumption(before, assumption) for before in proxy[is_covered]]
    for position, files in enumerate(arrays.files):
        missing = [kind for kind in metric.required_evidence if kind not in files.evidence]
        if missing and len(missing) == len(metric.required_evidence):
            counted[position] = at_fault[position] = 0
        if missing:
            assumption = "+".join(f"{kind}_not_imported" for kind in missing)
            proxy[position] = [_add_assumption(before, assumption) for before in proxy[position]]
    if is_number:
        # A file that holds none of it says 0 for the account.
        has_evidence = np.array([set(metric.required_evidence) <= files.evidence for files in arrays.files])
        has_rows = np.isin(np.arange(accounts), arrays.counting.get(keys, _NO_INTERVALS).account)
        has_begun = request.days >= arrays.begins_on[:, None]
        counted = np.where(has_evidence[:, None] & has_begun, np.maximum(counted, ~has_rows[:, None]), 0)
    proxy[counted == 0] = [_keep_not_imported(assumptions) for assumptions in proxy[counted == 0]]
    return _WindowCounts(counted, at_fault, proxy, np.full(counted.shape, request.window))


@cache
def _keep_not_imported(assumptions: str) -> str:
    """Return the assumptions about files that were not imported; the others do not apply where nothing counts.

    >>> _keep_not_imported("tracking_not_scanned+contacts_not_imported")
    'contacts_not_imported'
    """
    return "+".join(word for word in assumptions.split("+") if word.endswith("_not_imported"))


@cache
def _add_assumption(assumptions: str, more: str) -> str:
    """Return two texts of assumptions joined by "+" as one, each assumption once.

    >>> _add_assumption("canceller_unknown", "canceller_unknown+cancel_day_from_order")
    'canceller_unknown+cancel_day_from_order'
    """
    return "+".join(dict.fromkeys(word for word in (*assumptions.split("+"), *more.split("+")) if word))


@dataclass(frozen=True)
class _TextColumn:
    """A column with few different texts: the texts, and the code of the text in each row."""

    codes: np.ndarray
    texts: list[str | None]

    @classmethod
    def from_values(cls, values: np.ndarray) -> _TextColumn:
        """Encode an array of texts."""
        codes, texts = pd.factorize(values)
        return cls(codes, list(texts))

    def __getitem__(self, rows: np.ndarray) -> _TextColumn:
        return replace(self, codes=self.codes[rows])

    @classmethod
    def concat(cls, columns: Sequence[_TextColumn]) -> Any:
        """Return the texts of several columns, one below the other; an empty text becomes null."""
        code_of: dict[str | None, int] = {}
        parts = []
        for column in columns:
            codes = np.array([code_of.setdefault(text or None, len(code_of)) for text in column.texts], dtype=np.int64)
            parts.append(codes[column.codes])
        return pd.array(list(code_of), dtype="str").take(np.concatenate(parts))


def _score_columns(
    arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str, counts: _WindowCounts
) -> dict[str, Any]:
    """Return counts of accounts by days as columns of SCORES, account by account."""
    rule, target, (counted, at_fault, proxy, window) = request.rule, request.rule.target, counts
    figure, shape = METRICS[rule.metric].figure, counted.shape
    first_days = request.days - request.lag - window + 1
    value = _metric_value(rule, figure, counted, at_fault)
    status = judge_points(rule.points, value) if rule.points else judge(rule, counted, at_fault)
    if figure != "number":
        needs_files = status != "no target"
        is_incomplete = _is_incomplete(arrays, request, channel, counts) & np.isin(status, ("on target", "at risk"))
        status[is_incomplete] = "incomplete"
        status[_has_short_history(arrays, request, first_days) & (counted > 0) & needs_files] = "short history"
    rate = np.full(shape, np.nan)
    if figure == "rate":
        np.divide(at_fault, counted, out=rate, where=counted > 0)
        rate = rate if target is None else target.displayed_rate(rate)
    headroom = np.full(shape, None, dtype=object)
    if target is not None:
        headroom[counted > 0] = target.headroom(counted, at_fault)[counted > 0]
    if figure in ("average", "points"):
        at_fault = np.zeros_like(at_fault)

    def by_day(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, shape).ravel()

    def text(value: str | None) -> _TextColumn:
        return _TextColumn(np.zeros(counted.size, dtype=np.int64), [value])

    return {
        "case": text("ours"),
        "account": _TextColumn(np.repeat(np.arange(shape[0]), shape[1]), arrays.accounts.tolist()),
        "marketplace": text(arrays.marketplace),
        "channel": text(channel),
        "metric": text(rule.metric),
        "window": window.ravel(),
        "as_of": by_day(request.days),
        "first_day": first_days.ravel(),
        "last_day": by_day(request.days - request.lag),
        "counted": counted.ravel(),
        "at_fault": at_fault.ravel(),
        "rate": rate.ravel(),
        "value": value.ravel(),
        "target": np.full(counted.size, np.nan if target is None else float(target.share)),
        "side": text(None if target is None else target.side),
        "status": _TextColumn.from_values(status.ravel()),
        "headroom": headroom.ravel(),
        "proxy": _TextColumn.from_values(proxy.ravel()),
        "rule": text(rule.id),
    }


def _has_short_history(arrays: _MarketplaceArrays, request: _ScoreRequest, first_days: np.ndarray) -> np.ndarray:
    """Return where the order files do not cover the window: they begin late, end early or leave days out."""
    last_days = request.days[None, :] - request.lag
    is_short = (first_days < arrays.begins_on[:, None]) | (
        last_days - arrays.heard_on[:, None] > arrays.max_silent_days[:, None]
    )
    for position, files in enumerate(arrays.files):
        for gap in files.gaps:
            first, last = day_numbers(gap)
            is_short[position] |= (first_days[position] <= last) & (last_days[0] >= first)
    return is_short


def _is_incomplete(
    arrays: _MarketplaceArrays, request: _ScoreRequest, channel: str, counts: _WindowCounts
) -> np.ndarray:
    """Return where more orders may be at fault than is known, so that "on target" may be wrong.

    That is where some evidence of faults is missing or does not cover the window, and where the target would be missed
    if all unknown orders were at fault.
    """
    rule, first_days = request.rule, request.days - request.lag - counts.window + 1
    is_incomplete = np.zeros(counts.counted.shape, dtype=bool)
    for kind in METRICS[rule.metric].required_evidence:
        first, last = arrays.evidence_span(kind)
        is_incomplete |= (first[:, None] > first_days) | (last[:, None] < request.days[None, :])
    keys = rule.metric, str(rule.basis), channel
    if rule.target is not None and keys in arrays.unknown:
        unknown = request.count(arrays.unknown[keys], len(arrays.accounts))
        is_met_at_worst = rule.target.is_met(counts.counted + unknown, counts.at_fault + unknown)
        is_incomplete |= (unknown > 0) & ~is_met_at_worst
    return is_incomplete


def _metric_value(rule: Rule, figure: str, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
    """Return the figure of a metric that is no rate (number open, average hours, points); NaN where nothing counts."""
    value = np.full(counted.shape, np.nan)
    some = counted > 0
    if figure == "number":
        value[some] = at_fault[some]
    elif figure == "average":
        value[some] = at_fault[some] / counted[some] / 60
    elif figure == "points" and rule.points is not None:
        value[some] = rule.points.rating(counted, at_fault)[some]
    return value


def numbers_to_days(numbers: np.ndarray) -> np.ndarray:
    """Convert day numbers (days since 1970-01-01) to midnights without a time zone."""
    return numbers.astype("datetime64[D]").astype("datetime64[s]")


def _build_scores(pieces: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the pieces as one table of SCORES: account by account, the days of each metric in order."""
    if not pieces:
        return pd.DataFrame(columns=list(tables.SCORES.columns))
    # `check_table` would take longer than the sweep; the tests check the types.
    rows = pd.DataFrame({
        name: _concat_column([piece[name] for piece in pieces], column.kind, name == "headroom")
        for name, column in tables.SCORES.columns.items()
    })  # fmt: skip
    if len({(account, *piece["marketplace"].texts) for piece in pieces for account in piece["account"].texts}) > 1:
        rows = rows.sort_values(["account", "marketplace"], kind="stable", ignore_index=True)
    return rows


def _concat_column(pieces: list[Any], kind: str, has_nulls: bool) -> Any:
    """Return the parts of one column of SCORES as one array of its type."""
    if kind == "text":
        return _TextColumn.concat(pieces)
    values = np.concatenate(pieces)
    if kind == "day":
        return numbers_to_days(values)
    return pd.array(values, dtype="Int64") if has_nulls else values


# -- the orders of one measure ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MeasureIntervals:
    """Intervals in which the orders of one account count and are at fault in one measure.

    `fault_rows` are the positions in `fault_table` (FAULTS) of the rows that `fault_intervals` hold.
    """

    fault_intervals: Intervals
    counting_intervals: Intervals
    fault_table: pd.DataFrame
    fault_rows: np.ndarray

    @cached_property
    def faults(self) -> pd.DataFrame:
        """The rows of FAULTS that belong to `fault_intervals`, in the same order."""
        return self.fault_table.iloc[self.fault_rows]


def select_intervals(counts: Counts, rule: Rule, account: str, marketplace: str, channel: str) -> MeasureIntervals:
    """Return the intervals of the orders that a rule judges, for one account, marketplace and channel."""
    keys = {
        "metric": rule.metric, "basis": str(rule.basis),
        "account": account, "marketplace": marketplace, "channel": channel,
    }  # fmt: skip
    cache = _INTERVALS_CACHE.setdefault(counts, {})
    key = tuple(keys.values())
    if key not in cache:
        if counts not in _ALL_INTERVALS:
            _ALL_INTERVALS[counts] = (
                _to_intervals(counts.exposure, *_COUNTING_COLUMNS),
                _to_intervals(counts.faults, *_FAULT_COLUMNS),
            )
        (exposure, faults, _), (counting, at_fault) = counts.rows_where(**keys), _ALL_INTERVALS[counts]
        while len(cache) >= INTERVALS_CACHE_SIZE:
            cache.pop(next(iter(cache)))
        cache[key] = MeasureIntervals(
            at_fault.select_rows(faults), counting.select_rows(exposure), counts.faults, faults
        )
    return cache[key]


def _to_intervals(rows: pd.DataFrame, ended: str, weight: str) -> Intervals:
    """Return rows of EXPOSURE or FAULTS as intervals of one account."""
    clock, known, end = (day_numbers(rows[name]) for name in ("clock_day", "known_on", ended))
    return Intervals(np.zeros(len(rows), dtype=np.int64), clock, known, end, rows[weight].to_numpy())


INTERVALS_CACHE_SIZE = 32
"""Maximum number of measures whose intervals are cached for each Counts."""
_ALL_INTERVALS: WeakKeyDictionary[Counts, tuple[Intervals, Intervals]] = WeakKeyDictionary()
"""All rows of EXPOSURE and of FAULTS as intervals."""
_INTERVALS_CACHE: WeakKeyDictionary[Counts, dict[tuple[str, ...], MeasureIntervals]] = WeakKeyDictionary()


def orders_at_fault(
    counts: Counts, row: pd.Series, policy: Policy, *, hindsight: bool = False, since: Day | None = None
) -> pd.DataFrame:
    """Return the orders at fault in one row of SCORES, on its as-of day or on any day from `since` until then.

    One row for each order, with the columns of FAULTS, `leaves_on` (the first as-of day on which the order no longer
    counts) and `enters_on` (the first on which it was at fault in this window). `at_fault` is how much the order adds,
    in the unit of the metric.
    """
    rule = next(rule for rule in policy.rules if rule.id == row["rule"])
    lag = (row["as_of"] - row["last_day"]).days
    measure = select_intervals(counts, rule, row["account"], row["marketplace"], row["channel"])
    intervals = measure.fault_intervals
    first, last = intervals.bounds(int(row["window"]), lag, hindsight)
    day = int(day_numbers([row["as_of"]])[0])
    begin = day if since is None else min(day, int(day_numbers([to_day(since)])[0]))
    covers = (first <= day) & (begin <= last) & (first <= last)
    orders, clock = measure.fault_table.iloc[measure.fault_rows[covers]].reset_index(drop=True), intervals.clock[covers]
    orders["enters_on"] = numbers_to_days(np.maximum(clock + lag, day_numbers(orders["since"])))
    orders["leaves_on"] = numbers_to_days(clock + lag + int(row["window"]))
    if orders["order_id"].is_unique:
        return orders
    return orders.groupby("order_id", as_index=False, sort=False).agg(_ORDER_AGGREGATION)[[*orders.columns]]


_ORDER_AGGREGATION = {
    **dict.fromkeys(("account", "marketplace", "channel", "metric", "basis", "causes", "clock_day"), "first"),
    **dict.fromkeys(("since", "known_on", "enters_on"), "min"),
    **dict.fromkeys(("cleared_on", "leaves_on"), "max"),
    "at_fault": "sum",
    "assumed": "first",
}
"""How late parcels of one order become one row: their units or parcels add up."""
