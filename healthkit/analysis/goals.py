"""Find the smallest change of each kind with which a measure meets its target on a day, counted exactly."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from healthkit.analysis.rolloff import RollOffCalendar
from healthkit.analysis.what_if import ScenarioError, pick_saved_orders


class Goal(NamedTuple):
    """The smallest change of one kind with which a measure is on target on a day.

    `kind` is `cause`, `orders`, `volume` or `waiting`. `many` is the number of orders at fault fewer, of clean orders
    more, or of days; None where no change of that kind is enough, and then `best` is the rate that the largest one
    reaches. `by` is the share of a cause that is removed, `order_ids` the orders to win.
    """

    kind: str
    cause: str
    many: int | None
    by: Fraction
    order_ids: tuple[str, ...]
    best: Fraction | None


def goals(calendar: RollOffCalendar, by: date) -> list[Goal]:
    """Return the smallest change of each kind with which the target is met on a day of a calendar.

    The kinds are: each cause, orders, volume and waiting.

    Each is counted exactly; 0 where the measure is on target that day anyway. Raises ScenarioError for a day outside
    the calendar.
    """
    goal_day = _goal_day(calendar, by)
    causes = sorted({cause for one in goal_day.orders_at_fault for cause in one.causes.split("+")})
    return [
        *(_goal_by_cause(goal_day, cause) for cause in causes),
        _goal_by_orders(goal_day),
        _goal_by_volume(goal_day),
        _goal_by_waiting(goal_day),
    ]


def fewest_orders(calendar: RollOffCalendar, by: date, among: Collection[str]) -> Goal:
    """Return the fewest of some orders to win, whole, with which the target is met on a day of a calendar.

    `among` are ids of orders; others stay at fault. `many` is None where all of them together are not enough. Raises
    ScenarioError for a day outside the calendar.
    """
    goal_day = _goal_day(calendar, by)
    chosen = [one for one in goal_day.orders_at_fault if one.order_id in among]
    return _goal_by_orders(goal_day._replace(orders_at_fault=chosen))


def _goal_day(calendar: RollOffCalendar, by: date) -> _GoalDay:
    """Return one day of a calendar with its orders at fault. Raises ScenarioError for a day outside the calendar."""
    place = (by - calendar.as_of).days
    if not 0 <= place < len(calendar.days):
        raise ScenarioError(f"{by} is not in the calendar: it reaches from {calendar.as_of} to {calendar.last_day}.")
    counted, at_fault = (int(calendar.days[name].iloc[place]) for name in ("counted", "at_fault"))
    day = np.datetime64(by, "s")
    at_fault_orders = [
        _OrderAtFault(name, causes, many, leaves)
        for name, causes, many, enters, leaves in zip(
            *(calendar.orders[name].tolist() for name in ("order_id", "causes", "at_fault")),
            *(calendar.orders[name].to_numpy() for name in ("enters_on", "leaves_on")), strict=True,
        )
        if enters <= day < leaves
    ]  # fmt: skip
    return _GoalDay(calendar, by, counted, at_fault, at_fault_orders)


class _OrderAtFault(NamedTuple):
    """One order at fault on a day: how much it adds, and when it leaves."""

    order_id: str
    causes: str
    at_fault: int
    leaves_on: np.datetime64


class _GoalDay(NamedTuple):
    """One day of a calendar: how many count and are at fault, and the orders at fault."""

    calendar: RollOffCalendar
    day: date
    counted: int
    at_fault: int
    orders_at_fault: list[_OrderAtFault]

    def is_met(self, counted: int, at_fault: int) -> bool:
        """Return whether the target is met with these counts; with no orders it is."""
        target = self.calendar.rule.target
        assert target is not None
        return counted == 0 or bool(target.is_met(counted, at_fault))

    def rate(self, counted: int, at_fault: int) -> Fraction | None:
        """Return the shown rate of these counts."""
        target = self.calendar.rule.target
        assert target is not None
        if counted == 0:
            return None
        wrong = Fraction(at_fault, counted)
        return wrong if target.lower_is_better else 1 - wrong


def _goal_by_cause(goal_day: _GoalDay, cause: str) -> Goal:
    """Return the smallest share of one cause to remove, counted in whole orders as a step `fewer` removes them."""
    # A larger share takes the orders of a smaller one and more: each is the list up to some place.
    turn = pick_saved_orders(goal_day.calendar.orders, cause, Fraction(1))
    alone: dict[str, int] = {}
    for one in goal_day.orders_at_fault:
        if one.causes == cause:
            alone[one.order_id] = alone.get(one.order_id, 0) + one.at_fault
    left = goal_day.at_fault
    for many in range(len(turn) + 1):
        left -= int(alone.get(turn[many - 1], 0)) if many else 0
        rate = goal_day.rate(goal_day.counted, left)
        if goal_day.is_met(goal_day.counted, left):
            return Goal("cause", cause, many, Fraction(many, len(turn)), tuple(sorted(turn[:many])), rate)
    return Goal("cause", cause, None, Fraction(1), (), rate)


def _goal_by_orders(goal_day: _GoalDay) -> Goal:
    """Return the fewest orders to win, whatever their causes: those that would stay longest."""
    longest = sorted(goal_day.orders_at_fault, key=lambda one: one.order_id)
    longest.sort(key=lambda one: (one.at_fault, one.leaves_on), reverse=True)
    left, won = goal_day.at_fault, list[str]()
    while not goal_day.is_met(goal_day.counted, left) and len(won) < len(longest):
        left -= longest[len(won)].at_fault
        won.append(longest[len(won)].order_id)
    enough = goal_day.is_met(goal_day.counted, left)
    return Goal(
        "orders", "", len(won) if enough else None, Fraction(0), tuple(won), goal_day.rate(goal_day.counted, left)
    )


def _goal_by_volume(goal_day: _GoalDay) -> Goal:
    """Return the fewest additional clean orders; none can count where the window of that day is already past."""
    if goal_day.is_met(goal_day.counted, goal_day.at_fault):
        return Goal("volume", "", 0, Fraction(0), (), goal_day.rate(goal_day.counted, goal_day.at_fault))
    if (goal_day.day - goal_day.calendar.as_of).days - goal_day.calendar.lag < 1:
        return Goal("volume", "", None, Fraction(0), (), goal_day.rate(goal_day.counted, goal_day.at_fault))
    most = 1
    while not goal_day.is_met(goal_day.counted + most, goal_day.at_fault):
        most *= 2
        if most > 1_000_000_000:
            return Goal("volume", "", None, Fraction(0), (), None)
    low, high = most // 2, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if goal_day.is_met(goal_day.counted + middle, goal_day.at_fault) else (middle, high)
    return Goal("volume", "", high, Fraction(0), (), goal_day.rate(goal_day.counted + high, goal_day.at_fault))


def _goal_by_waiting(goal_day: _GoalDay) -> Goal:
    """Return the days until the measure is back on target for good, if nothing new goes wrong."""
    back = goal_day.calendar.back_on
    days = None if back is None else max(0, (back - goal_day.calendar.as_of).days)
    return Goal("waiting", "", days, Fraction(0), (), None)
