"""The smallest change of each kind that meets a target by a day, counted exactly."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from healthkit.analysis.rolloff import RollOffCalendar
from healthkit.analysis.what_if import ScenarioError, pick_saved_orders


class Goal(NamedTuple):
    """The smallest change of one kind that has a measure on target on a day.

    `kind` is `cause`, `orders`, `volume` or `waiting`. `many` is how many orders at fault fewer, how many clean orders
    more, or how many days; None where no change of that kind is enough, and then `best` is the rate that the largest
    comes to. `by` is the share of a cause that goes, `order_ids` those that would have to be won.
    """

    kind: str
    cause: str
    many: int | None
    by: Fraction
    order_ids: tuple[str, ...]
    best: Fraction | None


def goals(calendar: RollOffCalendar, by: date) -> list[Goal]:
    """What it would take to be on target on a day of a calendar: by each cause, by orders, by volume, by waiting.

    Each is the smallest that is enough, counted exactly. Where the measure is on target that day anyway, nothing is
    needed (0). Raises ScenarioError for a day that the calendar does not hold.
    """
    place = (by - calendar.as_of).days
    if not 0 <= place < len(calendar.days):
        raise ScenarioError(f"{by} is not in the calendar: it reaches from {calendar.as_of} to {calendar.last}.")
    counted, at_fault = (int(calendar.days[name].iloc[place]) for name in ("counted", "at_fault"))
    day = np.datetime64(by, "s")
    there = [
        _OrderAtFault(name, causes, many, leaves)
        for name, causes, many, enters, leaves in zip(
            *(calendar.orders[name].tolist() for name in ("order_id", "causes", "at_fault")),
            *(calendar.orders[name].to_numpy() for name in ("enters_on", "leaves_on")), strict=True,
        )
        if enters <= day < leaves
    ]  # fmt: skip
    asked = _GoalDay(calendar, by, counted, at_fault, there)
    causes = sorted({cause for one in there for cause in one.causes.split("+")})
    return [
        *(_goal_by_cause(asked, cause) for cause in causes),
        _goal_by_orders(asked),
        _goal_by_volume(asked),
        _goal_by_waiting(asked),
    ]


class _OrderAtFault(NamedTuple):
    """One order at fault on a day: how much it adds, and when it leaves."""

    order_id: str
    causes: str
    at_fault: int
    leaves_on: np.datetime64


class _GoalDay(NamedTuple):
    """One day of a calendar: how many count and are at fault, and those orders."""

    held: RollOffCalendar
    by: date
    counted: int
    at_fault: int
    there: list[_OrderAtFault]

    def met(self, counted: int, at_fault: int) -> bool:
        """Whether so many are on target; of no order nothing is off."""
        target = self.held.rule.target
        assert target is not None
        return counted == 0 or bool(target.met(counted, at_fault))

    def rate(self, counted: int, at_fault: int) -> Fraction | None:
        """The shown rate of so many."""
        target = self.held.rule.target
        assert target is not None
        if counted == 0:
            return None
        wrong = Fraction(at_fault, counted)
        return wrong if target.lower_is_better else 1 - wrong


def _goal_by_cause(goal_day: _GoalDay, cause: str) -> Goal:
    """The smallest share of one cause, in whole orders that have it; as `fewer` takes them."""
    # A larger share takes the orders of a smaller one and more: each is the list up to some place.
    turn = pick_saved_orders(goal_day.held.orders, cause, Fraction(1))
    alone: dict[str, int] = {}
    for one in goal_day.there:
        if one.causes == cause:
            alone[one.order_id] = alone.get(one.order_id, 0) + one.at_fault
    left = goal_day.at_fault
    for many in range(len(turn) + 1):
        left -= int(alone.get(turn[many - 1], 0)) if many else 0
        rate = goal_day.rate(goal_day.counted, left)
        if goal_day.met(goal_day.counted, left):
            return Goal("cause", cause, many, Fraction(many, len(turn)), tuple(sorted(turn[:many])), rate)
    return Goal("cause", cause, None, Fraction(1), (), rate)


def _goal_by_orders(goal_day: _GoalDay) -> Goal:
    """The fewest orders to be won, whatever their causes: those that would stay longest."""
    longest = sorted(goal_day.there, key=lambda one: one.order_id)
    longest.sort(key=lambda one: (one.at_fault, one.leaves_on), reverse=True)
    left, won = goal_day.at_fault, list[str]()
    while not goal_day.met(goal_day.counted, left) and len(won) < len(longest):
        left -= longest[len(won)].at_fault
        won.append(longest[len(won)].order_id)
    enough = goal_day.met(goal_day.counted, left)
    return Goal(
        "orders", "", len(won) if enough else None, Fraction(0), tuple(won), goal_day.rate(goal_day.counted, left)
    )


def _goal_by_volume(goal_day: _GoalDay) -> Goal:
    """The fewest clean orders more; none can come in time where the window of that day is past already."""
    if goal_day.met(goal_day.counted, goal_day.at_fault):
        return Goal("volume", "", 0, Fraction(0), (), goal_day.rate(goal_day.counted, goal_day.at_fault))
    if (goal_day.by - goal_day.held.as_of).days - goal_day.held.lag < 1:
        return Goal("volume", "", None, Fraction(0), (), goal_day.rate(goal_day.counted, goal_day.at_fault))
    most = 1
    while not goal_day.met(goal_day.counted + most, goal_day.at_fault):
        most *= 2
        if most > 1_000_000_000:
            return Goal("volume", "", None, Fraction(0), (), None)
    low, high = most // 2, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if goal_day.met(goal_day.counted + middle, goal_day.at_fault) else (middle, high)
    return Goal("volume", "", high, Fraction(0), (), goal_day.rate(goal_day.counted + high, goal_day.at_fault))


def _goal_by_waiting(goal_day: _GoalDay) -> Goal:
    """How many days until the measure is back for good, if nothing new goes wrong."""
    back = goal_day.held.back_on
    days = None if back is None else max(0, (back - goal_day.held.as_of).days)
    return Goal("waiting", "", days, Fraction(0), (), None)
