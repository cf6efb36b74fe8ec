"""Texts on why a rate moved between two days (a bridge): step labels, titles and captions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

from healthkit.report.text.figures import (
    MINUS,
    exact_rate,
    format_count,
    format_day,
    format_long_day,
    format_number,
    format_percent,
    format_quantity,
    format_rate,
    round_half_up,
)
from healthkit.report.text.labels import CLOCK_PARTICIPLES, capitalise_first, join_words, metric_words

STEP_LABELS = {"left": "Left", "removed": "Removed", "learnt late": "Learnt late", "new": "New"}
"""Kind of bridge step -> its label, for an order at fault on one of the two days only."""


class BridgePoint(NamedTuple):
    """One end of a bridge: day, window, orders counted and at fault, and the rate in units of its last digit."""

    day: date
    first_day: date
    last_day: date
    counted: int
    at_fault: int
    rate: int


class MovementPart(NamedTuple):
    """One step of a bridge: kind, orders at fault added, and rate change in units of the last displayed digit."""

    kind: str
    at_fault: int
    change: int


class RateMovement(NamedTuple):
    """The change of a rate between two days, in displayed digits so that its parts add up.

    Rates and changes are in units of the last displayed digit; `decimals` is the number of decimals of a
    percentage. `orders_entered` began to count, `orders_left` ceased to count. Parts without any change are left
    out.
    """

    metric: str
    clock: str
    window: int
    side: str
    decimals: int
    before: BridgePoint
    after: BridgePoint
    orders_entered: int
    orders_left: int
    parts: tuple[MovementPart, ...]

    @property
    def change(self) -> int:
        """The change of the displayed rate, in units of its last digit."""
        return self.after.rate - self.before.rate

    @property
    def values(self) -> list[int]:
        """The displayed rate before the first step and after each step, in units of its last digit."""
        return list(accumulate((part.change for part in self.parts), initial=self.before.rate))

    def format_point_rate(self, point: BridgePoint) -> str:
        """Format the rate at one end of the bridge as a percentage."""
        return format_units(point.rate, self.decimals) + "%"


def movement_from_bridge(bridge: Any) -> RateMovement:
    """Convert a `Bridge` to the digits in which its two rates are displayed.

    Both rates have as many decimals as the one that needs more.
    """
    rule_target = bridge.rule.target
    side, target = (rule_target.side, rule_target.share) if rule_target is not None else ("", None)
    decimals = _displayed_decimals(bridge, side, target)
    unit = Fraction(1, 10 ** (decimals + 2))
    units = {name: int(value / unit) for name, value in bridge.round_to_digits(decimals + 2).items()}
    before, after = _bridge_point(bridge.before, units["before"]), _bridge_point(bridge.after, units["after"])
    parts = (MovementPart(step.kind, step.at_fault, units[step.kind]) for step in bridge.steps)
    changed_parts = tuple(part for part in parts if part.at_fault or part.change)
    rule = bridge.rule
    return RateMovement(
        rule.metric,
        rule.clock,
        bridge.window,
        side,
        decimals,
        before,
        after,
        bridge.orders_entered,
        bridge.orders_left,
        changed_parts,
    )


def _bridge_point(count: Any, rate: int) -> BridgePoint:
    return BridgePoint(count.day, count.first_day, count.last_day, count.counted, count.at_fault, rate)


def _displayed_decimals(bridge: Any, side: str, target: Fraction | None) -> int:
    """Return the number of decimals with which both rates are displayed as everywhere else."""
    counts = [(count.counted, count.at_fault) for count in (bridge.before, bridge.after)]
    min_decimals = max(len(format_rate(*count, side, target).rstrip("%").partition(".")[2]) for count in counts)
    exact_rates = [exact_rate(*count, side) for count in counts]
    # A rate halfway between two digits may be rounded either way; one more decimal decides it.
    return next(
        decimals for decimals in range(min_decimals, min_decimals + 3)
        if [bridge.round_to_digits(decimals + 2)[name] for name in ("before", "after")]
        == [round_half_up(value * 100, decimals) / 100 for value in exact_rates]
    )  # fmt: skip


def format_units(units: int, decimals: int) -> str:
    """Format a number of units of the last displayed digit, such as 124 with two decimals as "1.24".

    >>> format_units(124, 2), format_units(-5, 1), format_units(-2225089, 2)
    ('1.24', '−0.5', '−22,250.89')
    """
    return f"{MINUS if units < 0 else ''}{abs(units) / 10**decimals:,.{decimals}f}"


def format_signed_units(units: int, decimals: int) -> str:
    """Format a change in units of the last displayed digit with its sign; 0 has no sign.

    >>> format_signed_units(74, 2), format_signed_units(-25, 2), format_signed_units(0, 2)
    ('+0.74', '−0.25', '0.00')
    """
    return f"{'+' if units > 0 else ''}{format_units(units, decimals)}"


def step_label(rate_movement: RateMovement, part: MovementPart) -> tuple[str, str]:
    """Return the label of one step of the bridge chart and a phrase with its order counts.

    Orders learnt late are in the window of the earlier day. The label does not say whether they counted then, since
    an order may begin to count with the event that puts it at fault.

    >>> day = BridgePoint(date(2026, 9, 30), date(2026, 7, 18), date(2026, 9, 15), 1188, 7, 59)
    >>> moved = RateMovement("order_defect_rate", "ordered_on", 60, "below", 2, day, day, 2935, 1188, ())
    >>> step_label(moved, MovementPart("learnt late", 7, 28)), step_label(moved, MovementPart("left", -1, -8))
    (('Learnt late:', '7 orders of earlier days'), ('Left the window:', '1 order at fault'))
    >>> step_label(moved._replace(after=day._replace(counted=2935)), MovementPart("orders", 0, -4))
    ('More orders:', '2,935 in, 1,188 out')
    """
    noun = metric_words(rate_movement.metric).noun.split()[-1]
    quantity = format_quantity(abs(part.at_fault), noun)
    return {
        "left": ("Left the window:", f"{quantity} at fault"),
        "removed": ("Removed:", f"{format_number(abs(part.at_fault))} no longer at fault"),
        "learnt late": ("Learnt late:", f"{quantity} of earlier days"),
        "new": ("New in the window:", f"{quantity} at fault"),
        "orders": (
            f"{_more_or_fewer_word(rate_movement)} {noun}s:",
            f"{format_number(rate_movement.orders_entered)} in, {format_number(rate_movement.orders_left)} out",
        ),
    }[part.kind]


def _more_or_fewer_word(rate_movement: RateMovement) -> str:
    return "More" if rate_movement.after.counted > rate_movement.before.counted else "Fewer"


def bridge_point_label(rate_movement: RateMovement, point: BridgePoint) -> tuple[str, str]:
    """Return the labels of one end of a bridge: its day, and the count behind its rate.

    >>> day = BridgePoint(date(2025, 12, 31), date(2025, 12, 1), date(2025, 12, 30), 612, 36, 941)
    >>> later = day._replace(day=date(2026, 1, 31))
    >>> moved = RateMovement("on_time_delivery_rate", "deliver_by_on", 30, "at least", 1, day, later, 0, 0, ())
    >>> bridge_point_label(moved, day)
    ('31 Dec 2025', '576 of 612')
    """
    return format_day(point.day, rate_movement.after.day.year), format_count(
        point.counted, point.at_fault, rate_movement.side
    )


def bridge_title(rate_movement: RateMovement) -> str:
    """Return the title of a bridge: which steps explain, outweigh or offset the change of the rate.

    >>> was = BridgePoint(date(2026, 9, 30), date(2026, 7, 18), date(2026, 9, 15), 2391, 14, 59)
    >>> now = BridgePoint(date(2026, 10, 31), date(2026, 8, 18), date(2026, 10, 16), 2498, 31, 124)
    >>> steps = ("left", -6, -25), ("removed", -2, -8), ("learnt late", 7, 28), ("new", 18, 74), ("orders", 0, -4)
    >>> parts = tuple(MovementPart(*step) for step in steps)
    >>> moved = RateMovement("order_defect_rate", "ordered_on", 60, "below", 2, was, now, 1305, 1198, parts)
    >>> bridge_title(moved)
    '18 new orders at fault explain most of the rise from 0.59% to 1.24%'
    >>> parts = MovementPart("left", -8, -30), MovementPart("new", 11, 44)
    >>> bridge_title(moved._replace(after=now._replace(rate=73), parts=parts))
    '11 new orders at fault outweigh the 8 that left: up from 0.59% to 0.73%'
    >>> parts = MovementPart("left", -8, -30), MovementPart("new", 8, 30)
    >>> bridge_title(moved._replace(after=now._replace(rate=59), parts=parts))
    '8 orders at fault that left and 8 new ones offset each other: 0.59% on both days'
    >>> bridge_title(moved._replace(after=now._replace(rate=0), parts=(MovementPart("left", -1, -59),)))
    '1 order at fault that left explains the fall from 0.59% to 0.00%'
    >>> bridge_title(moved._replace(after=was, parts=()))
    'The rate did not move: 0.59% on both days'
    """
    before, after = (
        rate_movement.format_point_rate(rate_movement.before),
        rate_movement.format_point_rate(rate_movement.after),
    )
    same_direction = _parts_by_size(rate_movement, 1 if rate_movement.change > 0 else -1)
    opposite = _parts_by_size(rate_movement, -1 if rate_movement.change > 0 else 1)
    if not rate_movement.parts:
        return f"The rate did not move: {before} on both days"
    if not rate_movement.change:
        return f"{_offset_sentence(same_direction, opposite, rate_movement)}: {before} on both days"
    change_noun, direction = ("rise", "up") if rate_movement.change > 0 else ("fall", "down")
    if order_count_sentence(rate_movement):
        subject = _parts_as_subject(rate_movement, _parts_of_kind(same_direction, "orders"))
        return f"{subject} explain most of the {change_noun} from {before} to {after}"
    opposing_part = opposite[0] if opposite and 2 * abs(opposite[0].change) >= abs(same_direction[0].change) else None
    explaining = _parts_that_explain(
        same_direction, abs(rate_movement.change), abs(opposing_part.change) if opposing_part else 0
    )
    verb_ending = "s" if len(explaining) == 1 and abs(explaining[0].at_fault) == 1 else ""
    subject = _parts_as_subject(rate_movement, explaining)
    if opposing_part:
        opposed = _part_as_object(rate_movement, opposing_part)
        return f"{subject} outweigh{verb_ending} {opposed}: {direction} from {before} to {after}"
    most_of = "" if len(explaining) == len(rate_movement.parts) else "most of "
    return f"{subject} explain{verb_ending} {most_of}the {change_noun} from {before} to {after}"


def _parts_by_size(rate_movement: RateMovement, sign: int) -> list[MovementPart]:
    """Return the parts that raise the rate (sign 1) or lower it (sign -1), the largest change first."""
    return sorted((part for part in rate_movement.parts if part.change * sign > 0), key=lambda part: -abs(part.change))


def _parts_of_kind(parts: Sequence[MovementPart], kind: str) -> list[MovementPart]:
    return [part for part in parts if part.kind == kind]


def _parts_that_explain(parts: list[MovementPart], change: int, opposing: int) -> list[MovementPart]:
    """Return the fewest parts that explain more than half of a change.

    `parts` are sorted by size; `opposing` is the size of the part against them, which is subtracted.
    """
    sums = [sum(abs(part.change) for part in parts[:count]) - opposing for count in range(1, len(parts) + 1)]
    return parts[: next((count for count, total in enumerate(sums, 1) if 2 * total > change), len(parts))]


def _offset_sentence(
    same_direction: list[MovementPart], opposite: list[MovementPart], rate_movement: RateMovement
) -> str:
    """Return which parts offset each other when the displayed rate stays the same; order counts come last."""
    if not same_direction:
        return "The rate hardly moved"
    first, last = sorted([same_direction[0], opposite[0]], key=lambda part: part.kind == "orders")
    return f"{_parts_as_subject(rate_movement, [first])} and {_part_as_object(rate_movement, last)} offset each other"


def _parts_as_subject(rate_movement: RateMovement, parts: Sequence[MovementPart]) -> str:
    """Return parts of a movement as the subject of a title."""
    noun = metric_words(rate_movement.metric).noun
    templates = {
        "left": "{} at fault that left", "removed": "{} cleared", "learnt late": "{} learnt late", "new": "{} at fault",
    }  # fmt: skip

    def part_phrase(part: MovementPart) -> str:
        if part.kind == "orders":
            return f"{_more_or_fewer_word(rate_movement).lower()} {noun}s"
        return templates[part.kind].format(
            format_quantity(abs(part.at_fault), f"new {noun}" if part.kind == "new" else noun)
        )

    return capitalise_first(join_words([part_phrase(part) for part in parts]))


def _part_as_object(rate_movement: RateMovement, part: MovementPart) -> str:
    """Return a part of a movement as the object of a title, without the noun of the subject."""
    count = abs(part.at_fault)
    return {
        "left": f"the {format_number(count)} that left",
        "removed": f"the {format_number(count)} cleared",
        "learnt late": f"the {format_number(count)} learnt late",
        "new": f"{format_number(count)} new {'one' if count == 1 else 'ones'}",
        "orders": f"having {_more_or_fewer_word(rate_movement).lower()} {metric_words(rate_movement.metric).noun}s",
    }[part.kind]


def order_count_sentence(rate_movement: RateMovement) -> str:
    """Return a sentence that the number of orders explains most of the change; empty if it does not.

    >>> was = BridgePoint(date(2026, 2, 1), date(2025, 12, 4), date(2026, 2, 1), 99, 1, 101)
    >>> now = BridgePoint(date(2026, 3, 9), date(2026, 1, 9), date(2026, 3, 9), 6, 1, 1667)
    >>> parts = MovementPart("left", -1, -884), MovementPart("new", 1, 884), MovementPart("orders", 0, 1566)
    >>> order_count_sentence(RateMovement("order_defect_rate", "ordered_on", 60, "below", 2, was, now, 6, 99, parts))
    'The rate rose mostly because fewer orders are counted: 99 before, 6 now.'
    """
    change_by_orders = sum(part.change for part in _parts_of_kind(rate_movement.parts, "orders"))
    if change_by_orders * rate_movement.change <= 0 or 2 * abs(change_by_orders) <= abs(rate_movement.change):
        return ""
    noun = metric_words(rate_movement.metric).noun
    reason = f"{_more_or_fewer_word(rate_movement).lower()} {noun}s are counted"
    counts = f"{format_number(rate_movement.before.counted)} before, {format_number(rate_movement.after.counted)} now"
    return f"The rate {'rose' if rate_movement.change > 0 else 'fell'} mostly because {reason}: {counts}."


def bridge_sum_sentence(rate_movement: RateMovement) -> str:
    """Return a bridge as a sum in percentage points: first rate, all steps, last rate.

    >>> was = BridgePoint(date(2026, 9, 30), date(2026, 9, 1), date(2026, 9, 30), 1231, 26, 21)
    >>> now = BridgePoint(date(2026, 10, 31), date(2026, 10, 2), date(2026, 10, 31), 1262, 56, 44)
    >>> parts = MovementPart("left", -26, -21), MovementPart("new", 56, 45), MovementPart("orders", 0, -1)
    >>> moved = RateMovement("late_shipment_rate", "ship_by_on", 30, "below", 1, was, now, 1262, 1231, parts)
    >>> bridge_sum_sentence(moved)
    'In percentage points: 2.1 − 2.1 + 4.5 − 0.1 = 4.4.'
    """
    steps = "".join(
        f" {MINUS if part.change < 0 else '+'} {format_units(abs(part.change), rate_movement.decimals)}"
        for part in rate_movement.parts
    )
    before, after = (
        format_units(point.rate, rate_movement.decimals) for point in (rate_movement.before, rate_movement.after)
    )
    return f"In percentage points: {before}{steps} = {after}."


def moved_orders_title(listed_orders: int, all_orders: int) -> str:
    """Return the title of the table of orders that moved a rate, with how many of them it lists.

    >>> moved_orders_title(200, 310), moved_orders_title(7, 7), moved_orders_title(1, 1), moved_orders_title(0, 0)
    ('200 of the 310 orders that moved the rate', 'The 7 orders that moved the rate', 'The order that moved the rate', 'No order at fault came or went')
    """  # noqa: E501 - four titles
    if not all_orders:
        return "No order at fault came or went"
    if all_orders == 1:
        return "The order that moved the rate"
    start = f"{format_number(listed_orders)} of the" if listed_orders < all_orders else "The"
    return f"{start} {format_number(all_orders)} orders that moved the rate"


def bridge_caption(rate_movement: RateMovement) -> list[str]:
    """Return the captions of a bridge: its sum, the effect of the number of orders, and how to read a step."""
    year = rate_movement.after.day.year
    sentences = [bridge_sum_sentence(rate_movement), order_count_sentence(rate_movement)]
    if _parts_of_kind(rate_movement.parts, "learnt late"):
        last_clock_day, earlier_day = (
            format_long_day(rate_movement.before.last_day, year),
            format_long_day(rate_movement.before.day, year),
        )
        sentences.append(
            f"“Learnt late”: {CLOCK_PARTICIPLES[rate_movement.clock]} by {last_clock_day}, "
            f"known only after {earlier_day}."
        )
    if rate_movement.parts and rate_movement.before.last_day < rate_movement.after.first_day:
        sentences.append(f"The two {rate_movement.window}-day windows share no day.")
    return sentences


def bars_caption(rate_movement: RateMovement, bars_start: int) -> list[str]:
    """Return notes on the scale of the bars: a start above 0%, and steps that pass 0% or 100%.

    `bars_start` is in units of the last displayed digit.

    >>> day = BridgePoint(date(2026, 10, 31), date(2026, 10, 11), date(2026, 10, 24), 412, 33, 920)
    >>> moved = RateMovement("on_time_delivery_rate", "deliver_by_on", 14, "at least", 1, day, day, 0, 0, ())
    >>> bars_caption(moved, 900), bars_caption(moved._replace(parts=(MovementPart("left", -40, 85),)), 0)
    (['The bars begin at 90%.'], ['Told one after the other, the steps pass above 100% on their way.'])
    """
    units_of_100_percent = 100 * 10**rate_movement.decimals
    notes = (
        [f"The bars begin at {format_percent(Fraction(bars_start, units_of_100_percent))}."] if bars_start > 0 else []
    )
    low, high = min(rate_movement.values), max(rate_movement.values)
    ends = [
        text for is_passed, text in ((low < 0, "below 0%"), (high > units_of_100_percent, "above 100%")) if is_passed
    ]
    return notes + ([f"Told one after the other, the steps pass {join_words(ends)} on their way."] if ends else [])
