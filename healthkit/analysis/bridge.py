"""Explain why a rate changed between two days.

Orders left, are new, were cleared or became known late. The steps add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd

from healthkit.metrics.counts import Counts
from healthkit.metrics.definitions import METRICS
from healthkit.metrics.policy import Policy, Rule
from healthkit.metrics.scores import Intervals, MeasureIntervals, day_numbers, select_intervals

BRIDGE_STEPS = ("left", "removed", "learnt late", "new", "orders")
"""The kinds of steps of a Bridge, in display order."""


class ExplainError(ValueError):
    """Raised if a rate or its change cannot be explained; the message says why and what to ask instead."""


class BridgeStep(NamedTuple):
    """One step of a Bridge: orders at fault that it adds or removes, and its effect on the displayed rate.

    `change` is a share of 1. The step `orders` changes the denominator only.
    """

    kind: str
    at_fault: int
    change: Fraction


class DayCount(NamedTuple):
    """The number of orders counted and at fault on one day, with the first and last clock day of the window."""

    day: date
    first_day: date
    last_day: date
    counted: int
    at_fault: int


@dataclass(frozen=True)
class Bridge:
    """The change of a rate between two days, split into steps that add up exactly.

    `orders` has one row per order that moved: order_id, step, causes, clock_day, known_on. `orders_entered` and
    `orders_left` are how many orders began and ceased to count. `lower_is_better` says whether the shown rate is the
    share at fault.
    """

    rule: Rule
    channel: str
    window: int
    before: DayCount
    after: DayCount
    orders_entered: int
    orders_left: int
    steps: tuple[BridgeStep, ...]
    orders: pd.DataFrame
    lower_is_better: bool

    def rate(self, count: DayCount) -> Fraction:
        """Return the exact displayed rate on one of the two days. [share of 1]"""
        share = Fraction(count.at_fault, count.counted)
        return share if self.lower_is_better else 1 - share

    def round_to_digits(self, digits: int) -> dict[str, Fraction]:
        """Round both rates and the steps to `digits` decimals, so that the rounded steps still add up.

        The rounded steps add up to the change of the rounded rates. Keys are `before`, `after` and the kinds of the
        steps.
        """
        unit = Fraction(1, 10**digits)
        before, after = (round(self.rate(count) / unit) for count in (self.before, self.after))
        exact = [step.change / unit for step in self.steps]
        parts = largest_remainder(exact, after - before)
        kinds = (step.kind for step in self.steps)
        return {
            "before": before * unit, "after": after * unit,
            **{kind: part * unit for kind, part in zip(kinds, parts, strict=True)},
        }  # fmt: skip


def largest_remainder(exact: list[Fraction], total: int) -> list[int]:
    """Round exact numbers to whole numbers that add up to `total`.

    The numbers with the largest remainders are rounded up first.

    >>> largest_remainder([Fraction(12, 10), Fraction(13, 10), Fraction(5, 10)], 3)
    [1, 1, 1]
    """
    floors = [value.numerator // value.denominator for value in exact]
    order = sorted(range(len(exact)), key=lambda place: (floors[place] - exact[place], place))
    missing = total - sum(floors)
    for turn in range(abs(missing)):
        place = order[turn % len(order)] if missing > 0 else order[-1 - turn % len(order)]
        floors[place] += 1 if missing > 0 else -1
    return floors


def bridge(
    counts: Counts,
    policy: Policy,
    account: str,
    marketplace: str,
    metric: str,
    before: date,
    after: date,
    *,
    channel: str = "seller",
    window: int | None = None,
) -> Bridge:
    """Explain how a displayed rate changed between two days, as a Bridge of exact steps.

    With n orders counted and k at fault, a step that adds c at fault moves the rate by c (1/n0 + 1/n1) / 2, and the
    change of the denominator by -(k0 + k1)/2 (n1 - n0) / (n0 n1). The sum is k1/n1 - k0/n0 exactly, whatever the order
    of the steps. The clock day of an order decides its step: outside the other day's window it left or is new; inside
    both it was removed (cleared) or learnt late.

    Raises ExplainError where different rules or none are in force on the two days, where nothing counts on one of them,
    and for a metric that is not a rate.
    """
    rule = _rule_of_both_days(policy, metric, channel, before, after)
    require_rate(metric)
    length = window or rule.windows[0]
    if not before < after:
        raise ExplainError(f"A rate moves forward in time: {after} is not after {before}.")
    intervals = select_intervals(counts, rule, account, marketplace, channel)
    start, finish = (_count_day(day, rule, length, intervals) for day in (before, after))
    ends = [start, finish]
    for end in ends:
        if end.counted == 0:
            raise ExplainError(f"{account} has no order that counts in this measure on {end.day}; choose another day.")
    orders = _changed_orders(intervals.faults, intervals.fault_intervals, ends, rule.lag, length)
    moved = _count_entered_and_left(intervals, ends, rule.lag, length)
    few = rule.target is None or rule.target.lower_is_better
    steps = _exact_steps(orders, start, finish, few)
    return Bridge(rule, channel, length, start, finish, *moved, steps, orders, few)


def require_rate(metric: str) -> None:
    """Raise ExplainError for a metric that is not a share of orders, such as a number of open cases."""
    if METRICS[metric].figure != "rate":
        raise ExplainError(f"{metric} is no rate of orders, so none of them can explain it; scores show its figures.")


def _rule_of_both_days(policy: Policy, metric: str, channel: str, before: date, after: date) -> Rule:
    """Return the rule in force on both days."""
    rules = [
        one for one in policy.rules_in_force_between(before, after) if one.metric == metric and channel in one.channels
    ]
    if not rules:
        raise ExplainError(f"{policy.name} asks nothing of {metric} ({channel}) on {before} or {after}.")
    # Rows that differ in what follows from a breach alone count and judge the same.
    alike = len({(one.basis, one.windows, one.lag, one.target, one.minimum) for one in rules}) == 1
    if not alike or min(one.since for one in rules) > before or max(one.until for one in rules) < after:
        changes = ", ".join(str(one.since) for one in rules)
        raise ExplainError(f"The rule of {metric} changes between {before} and {after} (rows begin on {changes}).")
    return max(rules, key=lambda one: one.since)


def _window_bounds(day: date, lag: int, window: int) -> tuple[int, int]:
    """Return the numbers of the first and last clock day of a day's window."""
    last = int(day_numbers([day])[0]) - lag
    return last - window + 1, last


def _count_day(day: date, rule: Rule, window: int, measure_stays: MeasureIntervals) -> DayCount:
    """Count the orders that count and are at fault on a day."""
    number = day_numbers([day])
    counted, at_fault = (
        int(intervals.count_by_day(number, 1, window, rule.lag, False)[0, 0])
        for intervals in (measure_stays.counting_intervals, measure_stays.fault_intervals)
    )
    first, last = (
        date.fromordinal(place + date(1970, 1, 1).toordinal()) for place in _window_bounds(day, rule.lag, window)
    )
    return DayCount(day, first, last, counted, at_fault)


def _covers_day(intervals: Intervals, end: DayCount, lag: int, window: int) -> np.ndarray:
    """Return which intervals cover a day."""
    first, last = intervals.bounds(window, lag, False)
    day = int(day_numbers([end.day])[0])
    return (first <= day) & (day <= last)


def _count_entered_and_left(
    measure_stays: MeasureIntervals, ends: list[DayCount], lag: int, window: int
) -> tuple[int, int]:
    """Count the orders that began and ceased to count between the two days."""
    intervals = measure_stays.counting_intervals
    on_before, on_after = (_covers_day(intervals, end, lag, window) for end in ends)
    return int(intervals.weight[on_after & ~on_before].sum()), int(intervals.weight[on_before & ~on_after].sum())


def _changed_orders(
    faults: pd.DataFrame, intervals: Intervals, ends: list[DayCount], lag: int, window: int
) -> pd.DataFrame:
    """Return the orders at fault on only one of the days, each with its step."""
    on_before, on_after = (np.where(_covers_day(intervals, end, lag, window), intervals.weight, 0) for end in ends)
    there = (on_before > 0) | (on_after > 0)
    place, names = pd.factorize(faults["order_id"].to_numpy(dtype=object)[there])
    before, after = (
        np.bincount(place, weights[there], len(names)).astype(np.int64) for weights in (on_before, on_after)
    )
    # The last interval of an order gives cause and first day, the first interval its clock day.
    last, first = np.zeros(len(names), dtype=np.int64), np.zeros(len(names), dtype=np.int64)
    rows = np.flatnonzero(there)
    last[place], first[place[::-1]] = rows, rows[::-1]
    chosen = before != after
    clock = intervals.clock[first[chosen]]
    within = [
        (begin <= clock) & (clock <= end) for begin, end in (_window_bounds(end.day, lag, window) for end in ends)
    ]
    more = (after > before)[chosen]
    return pd.DataFrame({
        "order_id": pd.array(names[chosen], dtype="str"), "causes": faults["causes"].array[last[chosen]],
        "clock_day": faults["clock_day"].array[first[chosen]], "known_on": faults["since"].array[last[chosen]],
        "step": np.select([more & ~within[0], more, ~within[1]], ["new", "learnt late", "left"], "removed"),
        "at_fault": (after - before)[chosen],
    })  # fmt: skip


def _exact_steps(
    orders: pd.DataFrame, before: DayCount, after: DayCount, lower_is_better: bool
) -> tuple[BridgeStep, ...]:
    """Return the steps in order, each with its exact share of the change."""
    sign = 1 if lower_is_better else -1
    each = sign * (Fraction(1, before.counted) + Fraction(1, after.counted)) / 2
    steps = []
    for kind in BRIDGE_STEPS[:-1]:
        many = int(orders["at_fault"].to_numpy()[(orders["step"] == kind).to_numpy()].sum())
        steps.append(BridgeStep(kind, many, many * each))
    faults = Fraction(before.at_fault + after.at_fault, 2)
    grew = Fraction(after.counted - before.counted, before.counted * after.counted)
    return (*steps, BridgeStep("orders", 0, -sign * faults * grew))
