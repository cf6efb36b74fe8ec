"""Why a rate moved between two days: its steps, their labels, the title and the captions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

from healthkit.report.wording.figures import MINUS, count, day, exact, long_day, number, percent, rate, rounded, things
from healthkit.report.wording.names import PLACED, listed, metric, opening

STEP_NAMES = {"left": "Left", "removed": "Removed", "learnt late": "Learnt late", "new": "New"}
"""Why an order is at fault on one of two days only, in a word."""


class Seen(NamedTuple):
    """What was seen on one day: its window, how many counted, how many at fault, the rate in its last shown digit."""

    day: date
    first_day: date
    last_day: date
    counted: int
    at_fault: int
    rate: int


class Part(NamedTuple):
    """One step of a rate that moved: its kind, how many at fault it adds, its change in the rate's last shown digit."""

    kind: str
    at_fault: int
    change: int


class Movement(NamedTuple):
    """A rate that moved, as sentences and drawings speak of it; its shown parts add up, and `places` is its decimals.

    `came` and `went` are how many began and ceased to count. Parts that moved nothing are left out.
    """

    metric: str
    clock: str
    window: int
    side: str
    places: int
    before: Seen
    after: Seen
    came: int
    went: int
    parts: tuple[Part, ...]

    @property
    def change(self) -> int:
        """How far the shown rate moved, in its last digit."""
        return self.after.rate - self.before.rate

    @property
    def values(self) -> list[int]:
        """The shown rate before, and after every step."""
        return list(accumulate((part.change for part in self.parts), initial=self.before.rate))

    def rate(self, seen: Seen) -> str:
        """The rate of one of the two days, as it is shown."""
        return plain_number(seen.rate, self.places) + "%"


def movement(bridge: Any) -> Movement:
    """A Bridge in the digits in which its two rates are shown.

    Both rates have as many digits as the one that needs more.
    """
    asked = bridge.rule.target
    side, target = (asked.side, asked.share) if asked is not None else ("", None)
    places = _places(bridge, side, target)
    unit = Fraction(1, 10 ** (places + 2))
    shown = {name: int(value / unit) for name, value in bridge.shown(places + 2).items()}
    before, after = _seen(bridge.before, shown["before"]), _seen(bridge.after, shown["after"])
    parts = (Part(step.kind, step.at_fault, shown[step.kind]) for step in bridge.steps)
    moved = tuple(part for part in parts if part.at_fault or part.change)
    rule = bridge.rule
    return Movement(
        rule.metric, rule.clock, bridge.window, side, places, before, after, bridge.came, bridge.went, moved
    )


def _seen(count: Any, rate: int) -> Seen:
    return Seen(count.day, count.first_day, count.last_day, count.counted, count.at_fault, rate)


def _places(bridge: Any, side: str, target: Fraction | None) -> int:
    """So many decimals that both rates are shown as everywhere else."""
    counts = [(count.counted, count.at_fault) for count in (bridge.before, bridge.after)]
    least = max(len(rate(*count, side, target).rstrip("%").partition(".")[2]) for count in counts)
    true = [exact(*count, side) for count in counts]
    # A rate halfway between two digits may be rounded either way; one digit more settles it.
    return next(
        places for places in range(least, least + 3)
        if [bridge.shown(places + 2)[name] for name in ("before", "after")]
        == [rounded(value * 100, places) / 100 for value in true]
    )  # fmt: skip


def plain_number(units: int, places: int) -> str:
    """Whole units of the last digit as a number.

    >>> plain_number(124, 2), plain_number(-5, 1), plain_number(-2225089, 2)
    ('1.24', '−0.5', '−22,250.89')
    """
    return f"{MINUS if units < 0 else ''}{abs(units) / 10**places:,.{places}f}"


def signed(units: int, places: int) -> str:
    """A change with its sign; none where nothing of it shows.

    >>> signed(74, 2), signed(-25, 2), signed(0, 2)
    ('+0.74', '−0.25', '0.00')
    """
    return f"{'+' if units > 0 else ''}{plain_number(units, places)}"


def step_label(moved: Movement, part: Part) -> tuple[str, str]:
    """A step's name, and the counts behind it.

    Orders learnt late are of the earlier day's window; whether they counted then is not said, for an order may begin to
    count with the event that puts it at fault.

    >>> day = Seen(date(2026, 9, 30), date(2026, 7, 18), date(2026, 9, 15), 1188, 7, 59)
    >>> moved = Movement("order_defect_rate", "ordered_on", 60, "below", 2, day, day, 2935, 1188, ())
    >>> step_label(moved, Part("learnt late", 7, 28)), step_label(moved, Part("left", -1, -8))
    (('Learnt late:', '7 orders of earlier days'), ('Left the window:', '1 order at fault'))
    >>> step_label(moved._replace(after=day._replace(counted=2935)), Part("orders", 0, -4))
    ('More orders:', '2,935 in, 1,188 out')
    """
    noun = metric(moved.metric).noun.split()[-1]
    many = things(abs(part.at_fault), noun)
    return {
        "left": ("Left the window:", f"{many} at fault"),
        "removed": ("Removed:", f"{number(abs(part.at_fault))} no longer at fault"),
        "learnt late": ("Learnt late:", f"{many} of earlier days"),
        "new": ("New in the window:", f"{many} at fault"),
        "orders": (f"{_more_or_fewer(moved)} {noun}s:", f"{number(moved.came)} in, {number(moved.went)} out"),
    }[part.kind]


def _more_or_fewer(moved: Movement) -> str:
    return "More" if moved.after.counted > moved.before.counted else "Fewer"


def seen_label(moved: Movement, seen: Seen) -> tuple[str, str]:
    """A day, and how many of how many on it.

    >>> day = Seen(date(2025, 12, 31), date(2025, 12, 1), date(2025, 12, 30), 612, 36, 941)
    >>> later = day._replace(day=date(2026, 1, 31))
    >>> seen_label(Movement("on_time_delivery_rate", "deliver_by_on", 30, "at least", 1, day, later, 0, 0, ()), day)
    ('31 Dec 2025', '576 of 612')
    """
    return day(seen.day, moved.after.day.year), count(seen.counted, seen.at_fault, moved.side)


def bridge_title(moved: Movement) -> str:
    """Which steps explain most of a rise or fall, or what outweighs or offsets what.

    >>> was = Seen(date(2026, 9, 30), date(2026, 7, 18), date(2026, 9, 15), 2391, 14, 59)
    >>> now = Seen(date(2026, 10, 31), date(2026, 8, 18), date(2026, 10, 16), 2498, 31, 124)
    >>> parts = Part("left", -6, -25), Part("removed", -2, -8), Part("learnt late", 7, 28), Part("new", 18, 74)
    >>> moved = Movement("order_defect_rate", "ordered_on", 60, "below", 2, was, now, 1305, 1198,
    ...                  (*parts, Part("orders", 0, -4)))
    >>> bridge_title(moved)
    '18 new orders at fault explain most of the rise from 0.59% to 1.24%'
    >>> bridge_title(moved._replace(after=now._replace(rate=73), parts=(Part("left", -8, -30), Part("new", 11, 44))))
    '11 new orders at fault outweigh the 8 that left: up from 0.59% to 0.73%'
    >>> bridge_title(moved._replace(after=now._replace(rate=59), parts=(Part("left", -8, -30), Part("new", 8, 30))))
    '8 orders at fault that left and 8 new ones offset each other: 0.59% on both days'
    >>> bridge_title(moved._replace(after=now._replace(rate=0), parts=(Part("left", -1, -59),)))
    '1 order at fault that left explains the fall from 0.59% to 0.00%'
    >>> bridge_title(moved._replace(after=was, parts=()))
    'The rate did not move: 0.59% on both days'
    """
    before, after = moved.rate(moved.before), moved.rate(moved.after)
    along = _ranked(moved, 1 if moved.change > 0 else -1)
    against = _ranked(moved, -1 if moved.change > 0 else 1)
    if not moved.parts:
        return f"The rate did not move: {before} on both days"
    if not moved.change:
        return f"{_offset(along, against, moved)}: {before} on both days"
    way, direction = ("rise", "up") if moved.change > 0 else ("fall", "down")
    if mostly_orders(moved):
        return f"{_subjects(moved, _of_kind(along, 'orders'))} explain most of the {way} from {before} to {after}"
    foe = against[0] if against and 2 * abs(against[0].change) >= abs(along[0].change) else None
    named = _enough(along, abs(moved.change), abs(foe.change) if foe else 0)
    ends = "s" if len(named) == 1 and abs(named[0].at_fault) == 1 else ""
    if foe:
        return f"{_subjects(moved, named)} outweigh{ends} {_object(moved, foe)}: {direction} from {before} to {after}"
    whole = "" if len(named) == len(moved.parts) else "most of "
    return f"{_subjects(moved, named)} explain{ends} {whole}the {way} from {before} to {after}"


def _ranked(moved: Movement, sign: int) -> list[Part]:
    """The parts that raise the rate, or those that lower it, the longest first."""
    return sorted((part for part in moved.parts if part.change * sign > 0), key=lambda part: -abs(part.change))


def _of_kind(parts: Sequence[Part], kind: str) -> list[Part]:
    return [part for part in parts if part.kind == kind]


def _enough(along: list[Part], change: int, foe: int) -> list[Part]:
    """The fewest of the longest parts that, less the one against them, make more than half of the change."""
    reach = [sum(abs(part.change) for part in along[:many]) - foe for many in range(1, len(along) + 1)]
    return along[: next((many for many, sums in enumerate(reach, 1) if 2 * sums > change), len(along))]


def _offset(along: list[Part], against: list[Part], moved: Movement) -> str:
    """What cancels what where the shown rate stays; the denominator stands last."""
    if not along:
        return "The rate hardly moved"
    first, last = sorted([along[0], against[0]], key=lambda part: part.kind == "orders")
    return f"{_subjects(moved, [first])} and {_object(moved, last)} offset each other"


def _subjects(moved: Movement, parts: Sequence[Part]) -> str:
    """Parts as the opening of a title."""
    noun = metric(moved.metric).noun
    words = {
        "left": "{} at fault that left", "removed": "{} cleared", "learnt late": "{} learnt late", "new": "{} at fault",
    }  # fmt: skip

    def named(part: Part) -> str:
        if part.kind == "orders":
            return f"{_more_or_fewer(moved).lower()} {noun}s"
        return words[part.kind].format(things(abs(part.at_fault), f"new {noun}" if part.kind == "new" else noun))

    return opening(listed([named(part) for part in parts]))


def _object(moved: Movement, part: Part) -> str:
    """A part as what is outweighed, after the word for the orders was said."""
    many = abs(part.at_fault)
    return {
        "left": f"the {number(many)} that left",
        "removed": f"the {number(many)} cleared",
        "learnt late": f"the {number(many)} learnt late",
        "new": f"{number(many)} new {'one' if many == 1 else 'ones'}",
        "orders": f"having {_more_or_fewer(moved).lower()} {metric(moved.metric).noun}s",
    }[part.kind]


def mostly_orders(moved: Movement) -> str:
    """That the denominator does most of it; empty where it does not.

    >>> was = Seen(date(2026, 2, 1), date(2025, 12, 4), date(2026, 2, 1), 99, 1, 101)
    >>> now = Seen(date(2026, 3, 9), date(2026, 1, 9), date(2026, 3, 9), 6, 1, 1667)
    >>> parts = Part("left", -1, -884), Part("new", 1, 884), Part("orders", 0, 1566)
    >>> mostly_orders(Movement("order_defect_rate", "ordered_on", 60, "below", 2, was, now, 6, 99, parts))
    'The rate rose mostly because fewer orders are counted: 99 before, 6 now.'
    """
    orders = sum(part.change for part in _of_kind(moved.parts, "orders"))
    if orders * moved.change <= 0 or 2 * abs(orders) <= abs(moved.change):
        return ""
    noun = metric(moved.metric).noun
    why = f"{_more_or_fewer(moved).lower()} {noun}s are counted"
    counts = f"{number(moved.before.counted)} before, {number(moved.after.counted)} now"
    return f"The rate {'rose' if moved.change > 0 else 'fell'} mostly because {why}: {counts}."


def bridge_sum(moved: Movement) -> str:
    """The rate of the first day, every step and the rate of the last day, written out as a sum.

    >>> was = Seen(date(2026, 9, 30), date(2026, 9, 1), date(2026, 9, 30), 1231, 26, 21)
    >>> now = Seen(date(2026, 10, 31), date(2026, 10, 2), date(2026, 10, 31), 1262, 56, 44)
    >>> parts = Part("left", -26, -21), Part("new", 56, 45), Part("orders", 0, -1)
    >>> bridge_sum(Movement("late_shipment_rate", "ship_by_on", 30, "below", 1, was, now, 1262, 1231, parts))
    'In percentage points: 2.1 − 2.1 + 4.5 − 0.1 = 4.4.'
    """
    steps = "".join(
        f" {MINUS if part.change < 0 else '+'} {plain_number(abs(part.change), moved.places)}" for part in moved.parts
    )
    before, after = (plain_number(seen.rate, moved.places) for seen in (moved.before, moved.after))
    return f"In percentage points: {before}{steps} = {after}."


def moved_title(listed_orders: int, all_orders: int) -> str:
    """What the table of orders that moved a rate holds.

    >>> moved_title(200, 310), moved_title(7, 7), moved_title(1, 1), moved_title(0, 0)
    ('200 of the 310 orders that moved the rate', 'The 7 orders that moved the rate', 'The order that moved the rate', 'No order at fault came or went')
    """  # noqa: E501 - four titles
    if not all_orders:
        return "No order at fault came or went"
    if all_orders == 1:
        return "The order that moved the rate"
    some = f"{number(listed_orders)} of the" if listed_orders < all_orders else "The"
    return f"{some} {number(all_orders)} orders that moved the rate"


def bridge_caption(moved: Movement) -> list[str]:
    """What stands under the steps: the sum, whether the denominator did most of it, and how to read a step."""
    year = moved.after.day.year
    told = [bridge_sum(moved), mostly_orders(moved)]
    if _of_kind(moved.parts, "learnt late"):
        clock_day, seen_day = long_day(moved.before.last_day, year), long_day(moved.before.day, year)
        told.append(f"“Learnt late”: {PLACED[moved.clock]} by {clock_day}, known only after {seen_day}.")
    if moved.parts and moved.before.last_day < moved.after.first_day:
        told.append(f"The two {moved.window}-day windows share no day.")
    return told


def bars_caption(moved: Movement, begin: int) -> list[str]:
    """Where bars do not begin at nothing, and that steps pass an end of the scale on their way.

    >>> day = Seen(date(2026, 10, 31), date(2026, 10, 11), date(2026, 10, 24), 412, 33, 920)
    >>> moved = Movement("on_time_delivery_rate", "deliver_by_on", 14, "at least", 1, day, day, 0, 0, ())
    >>> bars_caption(moved, 900), bars_caption(moved._replace(parts=(Part("left", -40, 85),)), 0)
    (['The bars begin at 90%.'], ['Told one after the other, the steps pass above 100% on their way.'])
    """
    whole = 100 * 10**moved.places
    told = [f"The bars begin at {percent(Fraction(begin, whole))}."] if begin > 0 else []
    low, high = min(moved.values), max(moved.values)
    ends = [text for passed, text in ((low < 0, "below 0%"), (high > whole, "above 100%")) if passed]
    return told + ([f"Told one after the other, the steps pass {listed(ends)} on their way."] if ends else [])
