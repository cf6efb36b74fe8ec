"""Forecast how a rate changes as orders leave its window, and when it is back on target.

This is the usual scoring, over what was known at the end of a day. What was known then stays, whatever became known
later; new orders arrive at the recent pace, and none of them is at fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.arrivals import ExpectedOrders, VolumeChange, fit_arrivals
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy import Policy, Rule, judge
from healthkit.metrics.scores import Intervals, MeasureIntervals, day_numbers, numbers_to_days, select_intervals
from healthkit.schema.object_cache import cache_on_first_argument

MIN_DAYS_AHEAD = 90
"""Shortest calendar if no number of days is given. [days]"""


class OutlookError(ValueError):
    """Raised if a measure cannot be forecast; the message says why, after the id of `metric` if it is given."""

    def __init__(self, message: str, metric: str = "") -> None:
        super().__init__(f"{metric}: {message}" if metric else message)
        self.metric = metric


class RuleChange(NamedTuple):
    """Another rule from one day to another, both included; None leaves an end open."""

    rule: Rule
    since: date | None = None
    until: date | None = None


def rules_by_day(rule: Rule, changes: Sequence[RuleChange], first: date, days: int) -> list[tuple[Rule, slice]]:
    """Return the rule of each stretch of days from `first` on; of changes on the same day the last one holds.

    `days` is the number of days. Each slice selects the days of one rule among them.
    """
    place = np.full(days, -1)
    for number, change in enumerate(changes):
        begin = 0 if change.since is None else max(0, (change.since - first).days)
        end = days if change.until is None else max(0, (change.until - first).days + 1)
        place[begin:end] = number
    edges = [0, *(np.flatnonzero(np.diff(place)) + 1).tolist(), days]
    rules = [rule, *(change.rule for change in changes)]
    return [(rules[place[begin] + 1], slice(begin, end)) for begin, end in pairwise(edges) if days]


@dataclass(frozen=True)
class RollOffCalendar:
    """A forecast of one measure for each day from the as-of day on, if no new faults occur.

    `days` has day, counted, at_fault, rate, status, headroom, enters, leaves: how many at fault enter or leave the
    window on that day. `orders` has one row per order at fault now or later: order_id, causes, clock_day, known_on,
    enters_on, leaves_on, at_fault. `back_on` is the first day from which the measure stays on target: the as-of day
    itself where it is on target now and stays so, None where the last day is off target. `rule` judges the as-of day,
    and every other on which none of `rule_changes` holds.
    """

    account: str
    marketplace: str
    channel: str
    rule: Rule
    window: int
    lag: int
    as_of: date
    new_orders: bool
    days: pd.DataFrame
    orders: pd.DataFrame
    back_on: date | None
    rule_changes: tuple[RuleChange, ...] = ()

    @property
    def rules_by_day(self) -> list[tuple[Rule, slice]]:
        """The rule of each stretch of days (see the function of this name)."""
        return rules_by_day(self.rule, self.rule_changes, self.as_of, len(self.days))

    @property
    def last_day(self) -> date:
        """The last day of the calendar.

        Every order known on the as-of day has left the window by then.
        """
        return self.days["day"].iloc[-1].date()


@cache_on_first_argument(maxsize=1)
def counts_known_on(counts: Counts, as_of: date) -> Counts:
    """Return the counts as known at the end of a day.

    Rows that became known later are removed; intervals that ended later are open again. The result for the last day
    asked for is cached with the counts.
    """
    day = pd.Timestamp(as_of)

    def known(rows: pd.DataFrame, ended: str) -> pd.DataFrame:
        rows = rows[(rows["known_on"] <= day).to_numpy()]
        return rows.assign(**{ended: rows[ended].where(rows[ended] <= day)})

    return Counts(
        known(counts.exposure, "until_day"),
        known(counts.faults, "cleared_on"),
        counts.coverage,
        known(counts.unknown, "until_day"),
    )


def counts_of_measure(counts: Counts, calendar: RollOffCalendar) -> Counts:
    """Return the counts of the measure of a calendar alone, as known on its as-of day.

    They are scored in a tenth of the time. The results for the last measures asked for are cached with the counts.
    """
    measure = calendar.account, calendar.marketplace, calendar.channel
    return _counts_of_measure(counts, calendar.rule.metric, str(calendar.rule.basis), *measure, calendar.as_of)


@cache_on_first_argument(maxsize=8)
def _counts_of_measure(
    counts: Counts, metric: str, basis: str, account: str, marketplace: str, channel: str, as_of: date
) -> Counts:
    exposure, faults, unknown = counts.rows_where(
        metric=metric, basis=basis, account=account, marketplace=marketplace, channel=channel
    )
    if not exposure.size:  # Since when the account sells is known from other measures alone.
        return counts_known_on(counts, as_of)
    coverage = counts.coverage[counts.coverage["account"] == account]
    alone = Counts(counts.exposure.iloc[exposure], counts.faults.iloc[faults], coverage, counts.unknown.iloc[unknown])
    return counts_known_on(alone, as_of)


def roll_off_calendar(
    counts: Counts,
    policy: Policy,
    row: pd.Series,
    *,
    days_ahead: int | None = None,
    new_orders: bool = True,
    volume_changes: Sequence[VolumeChange] = (),
    pace_counts: Counts | None = None,
    rule_changes: Sequence[RuleChange] = (),
    holds_coming_changes: bool = False,
) -> RollOffCalendar:
    """Return the roll-off calendar of a row of SCORES: its counts and its status on each day ahead.

    It starts from what was known on the day of the row. It covers `days_ahead` days, and always reaches the day on
    which the last order known now has left the window. The rule of the row judges every day. New orders are expected as
    lately (in `pace_counts`, by default in `counts`), under the given changes of their volume. With
    `holds_coming_changes`, the counts are those known on the day with what a scenario changes later. Raises
    OutlookError for a row that is not a rate, or without a target.
    """
    rule = next((rule for rule in policy.rules if rule.id == row["rule"]), None)
    if pd.isna(row["rate"]) and row["counted"]:
        raise OutlookError("no rate of orders, so no orders that leave bring it back.", row["metric"])
    if rule is None or rule.target is None:
        raise OutlookError("no target, so there is no day on which it is back.", row["metric"])
    as_of, window = row["as_of"].date(), int(row["window"])
    lag = (row["as_of"] - row["last_day"]).days
    known = counts if holds_coming_changes else counts_known_on(counts, as_of)
    intervals = select_intervals(known, rule, row["account"], row["marketplace"], row["channel"])
    reach = max(
        MIN_DAYS_AHEAD if days_ahead is None else days_ahead, _days_until_all_left(intervals, as_of, window, lag)
    )
    numbers = int(day_numbers([as_of])[0]) + np.arange(reach + 1)
    at_fault = intervals.fault_intervals.count_by_day(numbers, 1, window, lag, False)[0]
    counted = intervals.counting_intervals.count_by_day(numbers, 1, window, lag, False)[0]
    if new_orders:
        usual = intervals
        if pace_counts is not None:
            where = (row["account"], row["marketplace"], row["channel"])
            usual = select_intervals(counts_known_on(pace_counts, as_of), rule, *where)
        new = fit_arrivals(usual.counting_intervals, as_of).expected_until(int(numbers[-1]))
        more = expected_counts(new.scale_volume(volume_changes), numbers, window, lag)
        counted = counted + np.rint(more).astype(np.int64)
    rules = rules_by_day(rule, rule_changes, as_of, numbers.size)
    days = _calendar_days(rules, numbers, counted, at_fault, intervals.fault_intervals, window, lag)
    orders = _orders_at_fault(intervals, numbers[0], window, lag)
    where = (row["account"], row["marketplace"], row["channel"])
    back_on = _find_back_on(days)
    return RollOffCalendar(
        *where, rule, window, lag, as_of, new_orders, days, orders, back_on, tuple(rule_changes)
    )  # fmt: skip


def _days_until_all_left(measure_stays: MeasureIntervals, as_of: date, window: int, lag: int) -> int:
    """Return the number of days until the last order known now has left the window."""
    clocks = np.concatenate([measure_stays.counting_intervals.clock, measure_stays.fault_intervals.clock])
    return int(clocks.max() + lag + window - day_numbers([as_of])[0]) if clocks.size else 0


def expected_counts(new_orders: ExpectedOrders, numbers: np.ndarray, window: int, lag: int) -> np.ndarray:
    """Return the expected number of orders that count on each day but are not known yet. [orders]"""
    edges = np.zeros(numbers.size + 1)
    first = np.maximum(np.maximum(new_orders.clock + lag, new_orders.known) - numbers[0], 0)
    last = np.minimum(new_orders.clock + lag + window - numbers[0], numbers.size)
    covers = first < last
    np.add.at(edges, first[covers], new_orders.expected[covers])
    np.add.at(edges, last[covers], -new_orders.expected[covers])
    return edges.cumsum()[:-1]


def _calendar_days(
    rules: list[tuple[Rule, slice]],
    numbers: np.ndarray,
    counted: np.ndarray,
    at_fault: np.ndarray,
    faults: Intervals,
    window: int,
    lag: int,
) -> pd.DataFrame:
    """Return the days of a calendar, each judged by its rule."""
    wrong = np.divide(at_fault, counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    rate, status, headroom = wrong.copy(), np.full(counted.shape, "", dtype=object), np.zeros_like(counted)
    for rule, part in rules:
        assert rule.target is not None
        rate[part] = rule.target.displayed_rate(wrong[part])
        status[part] = judge(rule, counted[part], at_fault[part])
        headroom[part] = np.where(counted[part] > 0, rule.target.headroom(counted[part], at_fault[part]), 0)
    first, last = faults.bounds(window, lag, False)
    real = first <= last
    span = numbers.size
    enters, leaves = (
        np.bincount(days[(days > numbers[0]) & (days <= numbers[-1])] - numbers[0], weights, span).astype(np.int64)
        for days, weights in (
            _changes_within(first[real], faults.weight[real], numbers),
            _changes_within(last[real] + 1, faults.weight[real], numbers),
        )
    )
    return pd.DataFrame({
        "day": numbers_to_days(numbers), "counted": counted, "at_fault": at_fault, "rate": rate, "status": status,
        "headroom": headroom, "enters": enters, "leaves": leaves,
    })  # fmt: skip


def _changes_within(days: np.ndarray, weights: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the days within the calendar, and the change on each."""
    within = (days > numbers[0]) & (days <= numbers[-1])
    return days[within], weights[within]


def _orders_at_fault(measure_stays: MeasureIntervals, as_of: int, window: int, lag: int) -> pd.DataFrame:
    """Return the orders at fault on the as-of day or later, sorted by the day on which they leave."""
    intervals = measure_stays.fault_intervals
    first, last = intervals.bounds(window, lag, False)
    coming = (last >= as_of) & (first <= last) & (intervals.ended > as_of)
    orders = measure_stays.fault_table.iloc[measure_stays.fault_rows[coming]].reset_index(drop=True)
    orders["enters_on"], orders["leaves_on"] = numbers_to_days(first[coming]), numbers_to_days(last[coming] + 1)
    # What is known later is what a scenario leaves of a stay: the order is counted with the stay before.
    orders["at_fault"] = orders["at_fault"].where((intervals.known <= as_of)[coming], 0)
    if orders["order_id"].is_unique:
        once = orders.assign(known_on=orders["since"])[_ORDER_COLUMNS]
    else:
        once = orders.groupby("order_id", as_index=False, sort=False).agg(
            causes=("causes", "last"), clock_day=("clock_day", "first"), known_on=("since", "min"),
            enters_on=("enters_on", "min"), leaves_on=("leaves_on", "max"), at_fault=("at_fault", "sum"),
        )  # fmt: skip
    return once.sort_values(["leaves_on", "order_id"], ignore_index=True)


_ORDER_COLUMNS = ["order_id", "causes", "clock_day", "known_on", "enters_on", "leaves_on", "at_fault"]


def _find_back_on(days: pd.DataFrame) -> date | None:
    """Return the first day from which no day is off target; None where the last one is."""
    off = (days["status"] == "off target").to_numpy()
    if off[-1]:
        return None
    place = int(np.flatnonzero(off)[-1]) + 1 if off.any() else 0
    return days["day"].iloc[place].date()


def headroom_changes(roll_off: RollOffCalendar) -> list[tuple[date, int]]:
    """Return the days on which the headroom changes, each with the new headroom. [orders]

    The first day returned is the as-of day.
    """
    changes: list[tuple[date, int]] = []
    for day, headroom in zip(roll_off.days["day"], roll_off.days["headroom"], strict=True):
        if not changes or changes[-1][1] != headroom:
            changes.append((day.date(), int(headroom)))
    return changes
