"""The orders of one measure of one account, by order id, as known on any day.

`metrics.counts` does not name the orders that count. If a question is *which* orders, for one account, the intervals
that `metrics.definitions` gives are read again here, order by order. Orders are referred to by their position in one
sorted list of ids, so that every question is an operation on arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.metrics.definitions import METRICS
from healthkit.metrics.policy import Basis, Rule
from healthkit.metrics.scores import NEVER, day_numbers
from healthkit.schema.object_cache import cache_on_first_argument
from healthkit.schema.tables import CHANNELS, DAY_FROM_LIST, WHOLE_ACCOUNT, Ledger, collect_to_pandas

INSTANT_COLUMNS = {
    "ordered_on": ("orders", "order_id", "ordered_at"),
    "ship_by_on": ("orders", "order_id", "ship_by"),
    "shipped_on": ("orders", "order_id", "shipped_at"),
    "deliver_by_on": ("orders", "order_id", "deliver_by"),
    "received_on": ("contacts", "contact_id", "received_at"),
    "requested_on": ("returns", "return_id", "requested_at"),
}
"""The columns that hold the instant from which a clock day is taken: table, id column, instant column."""
CHANNEL_NUMBERS = {name: place for place, name in enumerate((*CHANNELS, WHOLE_ACCOUNT))}
"""The number that stands for each channel in arrays."""


class IntervalArrays(NamedTuple):
    """Intervals in which orders count or are at fault, as arrays of equal length.

    `order` is the position of the order, `channel` the number of its channel, and `cause` the number of the cause.
    `clock`, `known` and `ended` are the day numbers that bound the interval (NEVER if it is open); `weight` is how much
    it adds.
    """

    order: np.ndarray
    channel: np.ndarray
    clock: np.ndarray
    known: np.ndarray
    ended: np.ndarray
    weight: np.ndarray
    cause: np.ndarray

    def select(self, chosen: np.ndarray) -> IntervalArrays:
        """Return the intervals selected by `chosen` (positions or a mask)."""
        return IntervalArrays(*(values[chosen] for values in self))


@dataclass(frozen=True)
class DaySnapshot:
    """The intervals in which orders count, and those in which they are at fault, on one day.

    `ids` and `causes` name the orders and the causes. `order_counts_once` says that an order with several defects is at
    fault once; parcels and units count each.
    """

    ids: np.ndarray
    causes: list[str]
    counting: IntervalArrays
    faults: IntervalArrays
    order_counts_once: bool

    @cached_property
    def total_counted(self) -> int:
        """The number of orders counted (of parcels or units if the metric counts these)."""
        return int(self.counting.weight.sum())

    @cached_property
    def total_at_fault(self) -> int:
        """The number of orders at fault (of parcels or units if the metric counts these).

        An order with several defects counts once.
        """
        return int(self.is_at_fault.sum()) if self.order_counts_once else int(self.faults.weight.sum())

    @cached_property
    def is_counted(self) -> np.ndarray:
        """A mask of the orders that are counted."""
        return _mask(self.counting.order, len(self.ids))

    @cached_property
    def is_at_fault(self) -> np.ndarray:
        """A mask of the orders that are at fault."""
        return _mask(self.faults.order, len(self.ids))

    @cached_property
    def order_cause_pairs(self) -> np.ndarray:
        """Pairs of an order at fault and one of its causes, each pair once. [pairs x 2]

        A pair holds the position of the order and the number of the cause.
        """
        many = max(1, len(self.causes))
        codes = np.unique(self.faults.order * many + self.faults.cause)
        return np.stack([codes // many, codes % many], axis=1)

    @property
    def counted_by_order(self) -> np.ndarray:
        """The number that each order adds to the number counted."""
        return np.bincount(self.counting.order, self.counting.weight, len(self.ids)).astype(np.int64)

    @property
    def at_fault_by_order(self) -> np.ndarray:
        """The number that each order adds to the number at fault."""
        at_fault = np.zeros(len(self.ids), dtype=np.int64)
        (np.maximum if self.order_counts_once else np.add).at(at_fault, self.faults.order, self.faults.weight)
        return at_fault

    def ids_of(self, chosen: np.ndarray) -> tuple[str, ...]:
        """Return the ids of the orders selected by `chosen` (positions or a mask)."""
        return tuple(self.ids[chosen])


def _mask(positions: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[positions] = True
    return mask


@dataclass(frozen=True, eq=False)
class OrderTimeline:
    """For one account and metric, the intervals in which each order counts and those in which it is at fault.

    `ids` are the sorted order ids, `causes` the causes of faults. `on_marketplace_list` marks the orders at fault that
    the marketplace's own list names.
    """

    ids: np.ndarray
    causes: list[str]
    counting: IntervalArrays
    faults: IntervalArrays
    on_marketplace_list: np.ndarray
    order_counts_once: bool

    @classmethod
    def from_ledger(cls, ledger: Ledger, rule: Rule, account: str, marketplace: str) -> OrderTimeline:
        """Create the timeline of an account's orders in the metric of a rule.

        The timeline is cached with the ledger.
        """
        return _read_timeline(ledger, rule.metric, rule.basis, account, marketplace)

    @classmethod
    def _from_frames(cls, counting: pd.DataFrame, faults: pd.DataFrame, order_counts_once: bool) -> OrderTimeline:
        names = [_plain_texts(frame["order_id"]) for frame in (counting, faults)]
        codes, ids = pd.factorize(np.concatenate(names), sort=True)
        cause, causes = pd.factorize(_plain_texts(faults["cause"]), sort=True)
        parts = codes[: len(counting)], codes[len(counting) :]
        listed = np.array([DAY_FROM_LIST in (text or "") for text in _plain_texts(faults["assumed"])], dtype=bool)
        return cls(
            np.asarray(ids, dtype=object), [str(name) for name in causes],
            _interval_arrays(counting, parts[0], "until_day", "counted", np.zeros(len(counting), dtype=np.int64)),
            _interval_arrays(faults, parts[1], "cleared_on", "at_fault", cause),
            _mask(parts[1][listed], len(ids)), order_counts_once,
        )  # fmt: skip

    @cache_on_first_argument()
    def snapshot_on(self, first: date, last: date, as_of: date, channels: tuple[str, ...]) -> DaySnapshot:
        """Return a snapshot of the orders with clock days from `first` to `last`, as known at the end of `as_of`."""
        begin, end, day = day_numbers([first, last, as_of])
        numbers = [CHANNEL_NUMBERS[name] for name in channels]
        counting, faults = (
            rows.select(
                np.isin(rows.channel, numbers) & (rows.clock >= begin) & (rows.clock <= end)
                & (rows.known <= day) & (rows.ended > day)
            )
            for rows in (self.counting, self.faults)
        )  # fmt: skip
        return DaySnapshot(self.ids, self.causes, counting, faults, self.order_counts_once)

    def in_utc(self, ledger: Ledger, clock: str) -> OrderTimeline | None:
        """Return the timeline with clock days in UTC; None if the files hold days without times."""
        if clock not in INSTANT_COLUMNS:
            return None
        table, name, instant = INSTANT_COLUMNS[clock]
        rows = getattr(ledger, table).filter(~nw.col(instant).is_null()).select(name, instant)
        instants = collect_to_pandas(rows)
        if instants.empty:
            return None
        utc = pd.to_datetime(instants[instant], utc=True).dt.tz_localize(None)
        place = pd.Index(self.ids).get_indexer(_plain_texts(instants[name]))
        days = np.full(len(self.ids), NEVER)
        # Backwards, so that of several the first stands.
        days[place[place >= 0][::-1]] = day_numbers(utc)[place >= 0][::-1]
        return replace(
            self, counting=_replace_clock_days(self.counting, days), faults=_replace_clock_days(self.faults, days)
        )

    def exclude_orders(self, excluded: np.ndarray) -> OrderTimeline:
        """Return the timeline without the orders that the mask `excluded` marks."""
        counting, faults = (rows.select(~excluded[rows.order]) for rows in (self.counting, self.faults))
        return replace(self, counting=counting, faults=faults)


@cache_on_first_argument()
def _read_timeline(ledger: Ledger, metric_id: str, basis: Basis, account: str, marketplace: str) -> OrderTimeline:
    metric = METRICS[metric_id]
    of_account = (nw.col("account") == account) & (nw.col("marketplace") == marketplace)
    intervals = metric.find_counted_orders(ledger, basis)
    counting, faults = (collect_to_pandas(frame.filter(of_account)) for frame in (intervals.counting, intervals.faults))
    return OrderTimeline._from_frames(counting, faults, metric.counted_unit == "orders")


def _plain_texts(values: pd.Series) -> np.ndarray:
    """Return texts as an array of str; missing values as None."""
    return np.asarray(values.to_numpy(dtype=object, na_value=None))


def _interval_arrays(
    frame: pd.DataFrame, order: np.ndarray, ended: str, weight: str, cause: np.ndarray
) -> IntervalArrays:
    """Convert a frame of intervals to arrays; no interval begins before the clock day, however early it was known."""
    channel = pd.Index(list(CHANNEL_NUMBERS)).get_indexer(_plain_texts(frame["channel"]))
    clock, known, end = (day_numbers(frame[name]) for name in ("clock_day", "known_on", ended))
    return IntervalArrays(
        order, channel, clock, np.maximum(clock, known), end, frame[weight].to_numpy(dtype=np.int64), cause
    )


def _replace_clock_days(rows: IntervalArrays, days: np.ndarray) -> IntervalArrays:
    """Return rows with other clock days, where there are such."""
    clock = days[rows.order]
    return rows._replace(clock=np.where(clock == NEVER, rows.clock, clock))


def to_date(value: Any) -> date:
    """Convert a timestamp or a date to a date."""
    return value.date() if isinstance(value, datetime) else value
