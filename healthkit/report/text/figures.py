"""Formatting of numbers, rates, targets, counts, changes, dates and headroom."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from functools import lru_cache

from healthkit.metrics.sides import lower_is_better, meets_target
from healthkit.report.text.labels import DASH

MINUS = "\N{MINUS SIGN}"
MONTH_NAMES = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
NUMBER_WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def format_number(n: int) -> str:
    """Format a whole number with thousands separators.

    >>> format_number(1262), format_number(-7)
    ('1,262', '−7')
    """
    return f"{int(n):,}".replace("-", MINUS)


def spell_number(n: int) -> str:
    """Return a whole number in words up to twelve, in digits beyond.

    >>> spell_number(2), spell_number(31)
    ('two', '31')
    """
    return NUMBER_WORDS[n] if 0 <= n < len(NUMBER_WORDS) else format_number(n)


def format_quantity(n: int, noun: str = "order") -> str:
    """Format a number with its noun, in the plural unless the number is 1.

    >>> format_quantity(1), format_quantity(1262)
    ('1 order', '1,262 orders')
    """
    return f"{format_number(n)} {noun}" if n == 1 else f"{format_number(n)} {noun}s"


@lru_cache(maxsize=256)
def exact_share(target: float | Fraction) -> Fraction:
    """Convert a target, stored as a float in SCORES, to the exact fraction that it represents.

    >>> exact_share(0.025)
    Fraction(1, 40)
    """
    return Fraction(target).limit_denominator(100_000)


def exact_rate(counted: int, at_fault: int, side: str = "") -> Fraction:
    """Return the exact rate: the share at fault, or the share without fault if higher is better.

    >>> exact_rate(20, 1), exact_rate(20, 1, "at least")
    (Fraction(1, 20), Fraction(19, 20))
    """
    return Fraction(int(at_fault if lower_is_better(side) else counted - at_fault), int(counted))


def round_half_up(value: Fraction, digits: int) -> Fraction:
    """Round a fraction to a number of decimals; halves are rounded away from zero."""
    scale = 10**digits
    whole = (abs(value) * scale + Fraction(1, 2)).__floor__()
    return Fraction(whole if value >= 0 else -whole, scale)


@lru_cache(maxsize=256)
def rate_decimals(target: float | Fraction | None) -> int:
    """Return the number of decimals of a rate: two if its target is within 1% of 0% or 100%, one otherwise.

    >>> rate_decimals(0.01), rate_decimals(0.04), rate_decimals(None)
    (2, 1, 1)
    """
    return 2 if target is not None and min(exact_share(target), 1 - exact_share(target)) <= Fraction(1, 100) else 1


def format_rate(counted: int, at_fault: int, side: str = "", target: float | Fraction | None = None) -> str:
    """Format a rate as a percentage; a dash if nothing was counted.

    Decimals are added until the formatted rate is on the same side of the target as the exact one, and until only
    exactly 0 and 1 are shown as 0% and 100%.

    >>> format_rate(2498, 31, "below", 0.01)
    '1.24%'
    >>> format_rate(1000, 10, "below", 0.01), format_rate(10040, 100, "below", 0.01)
    ('1.00%', '0.996%')
    >>> format_rate(612, 36, "at least", 0.90), format_rate(2000, 201, "at least", 0.90)
    ('94.1%', '89.95%')
    >>> format_rate(0, 0, "below", 0.01), format_rate(5000, 1, "below", 0.04), format_rate(12, 0)
    ('–', '0.02%', '0.0%')
    """
    if not counted:
        return DASH
    exact = exact_rate(counted, at_fault, side)
    for decimals in range(rate_decimals(target), 12):
        rounded = round_half_up(exact * 100, decimals) / 100
        same_side = (
            not side
            or target is None
            or meets_target(rounded, side, exact_share(target)) == meets_target(exact, side, exact_share(target))
        )
        if same_side and (rounded not in (0, 1) or rounded == exact):
            break
    return f"{float(rounded * 100):.{decimals}f}%"


def format_percent(value: float | Fraction) -> str:
    """Format a target share as a percentage without trailing zeros.

    >>> format_percent(0.025), format_percent(Fraction(95, 100))
    ('2.5%', '95%')
    """
    return f"{float(exact_share(value) * 100):.4f}".rstrip("0").rstrip(".") + "%"


def format_target(side: str, value: float | Fraction | None) -> str:
    """Format the target of a rate in words, such as "under 1%".

    >>> format_target("below", 0.01), format_target("at least", 0.9)
    ('under 1%', 'at least 90%')
    >>> format_target("at most", 0.0), format_target("", None)
    ('none', 'no target')
    """
    if not side or value is None:
        return "no target"
    if side == "at most" and exact_share(value) == 0:
        return "none"
    return {"below": "under", "above": "over"}.get(side, side) + " " + format_percent(value)


def format_limit(side: str, value: float | Fraction) -> str:
    """Format the target of a rate for the brackets after it, such as "limit 1%".

    >>> format_limit("below", 0.01), format_limit("at least", 0.9)
    ('limit 1%', 'target at least 90%')
    >>> format_limit("", 0)
    'no target'
    """
    if not side:
        return format_target(side, value)
    return f"limit {format_percent(value)}" if side == "below" else f"target {format_target(side, value)}"


def format_count(counted: int, at_fault: int, side: str = "") -> str:
    """Format the count behind a rate: at fault, or without fault if higher is better, of all counted.

    >>> format_count(2498, 31, "below"), format_count(612, 36, "at least"), format_count(0, 0)
    ('31 of 2,498', '576 of 612', '0 orders')
    """
    if not counted:
        return "0 orders"
    return f"{format_number(at_fault if lower_is_better(side) else counted - at_fault)} of {format_number(counted)}"


def format_rate_change(
    now: tuple[int, int], before: tuple[int, int], side: str = "", target: float | Fraction | None = None
) -> str:
    """Format the change of a rate in percentage points, with "better" or "worse" if it has a target.

    `now` and `before` are counts: counted, at fault.

    >>> format_rate_change((2498, 31), (2391, 14), "below", 0.01)
    '+0.66, worse'
    >>> format_rate_change((612, 36), (600, 30), "at least", 0.9), format_rate_change((10, 1), (20, 2), "below", 0.04)
    ('−0.9, worse', 'no change')
    >>> format_rate_change((10, 1), (0, 0), "below", 0.04), format_rate_change((1000, 10), (1001, 10))
    ('–', 'under 0.1 more')
    """
    if not now[0] or not before[0]:
        return DASH
    change = exact_rate(*now, side) - exact_rate(*before, side)
    if not change:
        return "no change"
    decimals = rate_decimals(target)
    verdict = f", {'better' if (change < 0) == lower_is_better(side) else 'worse'}" if side else ""
    rounded = round_half_up(change * 100, decimals)
    if not rounded:
        return f"under {10**-decimals:.{decimals}f}" + (verdict or (" more" if change > 0 else " less"))
    return f"{'+' if rounded > 0 else MINUS}{float(abs(rounded)):.{decimals}f}{verdict}"


def format_day(value: date, year: int | None = None) -> str:
    """Format a date with a short month; its year is added if `year` is given and differs.

    >>> format_day(date(2026, 11, 24)), format_day(date(2025, 12, 31), 2026)
    ('24 Nov', '31 Dec 2025')
    """
    text = f"{value.day} {MONTH_NAMES[value.month - 1][:3]}"
    return text if year in (None, value.year) else f"{text} {value.year}"


def format_long_day(value: date, year: int | None = None) -> str:
    """Format a date with the full month; its year is added if `year` is given and differs.

    >>> format_long_day(date(2026, 11, 24), 2026), format_long_day(date(2026, 11, 24), 0)
    ('24 November', '24 November 2026')
    """
    text = f"{value.day} {MONTH_NAMES[value.month - 1]}"
    return text if year in (None, value.year) else f"{text} {value.year}"


def format_month(value: date) -> str:
    """Format the month and year of a date.

    >>> format_month(date(2026, 10, 31))
    'October 2026'
    """
    return f"{MONTH_NAMES[value.month - 1]} {value.year}"


def format_day_range(first: date, last: date, year: int | None = None) -> str:
    """Format a range of dates with short months, such as "2 – 31 Oct".

    >>> format_day_range(date(2026, 10, 2), date(2026, 10, 31)), format_day_range(date(2026, 8, 18), date(2026, 10, 16))
    ('2 – 31 Oct', '18 Aug – 16 Oct')
    >>> format_day_range(date(2025, 12, 18), date(2026, 1, 16), 2026)
    '18 Dec 2025 – 16 Jan'
    >>> format_day_range(date(2026, 10, 2), date(2026, 10, 2))
    '2 Oct'
    """
    if first == last:
        return format_day(last, year)
    same_month = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if same_month else format_day(first, year)} {DASH} {format_day(last, year)}"


def format_long_day_range(first: date, last: date, year: int | None = None) -> str:
    """Format a range of dates with full months for a sentence, such as "5 to 9 October".

    >>> format_long_day_range(date(2026, 10, 5), date(2026, 10, 9))
    '5 to 9 October'
    >>> format_long_day_range(date(2026, 8, 18), date(2026, 10, 16))
    '18 August to 16 October'
    """
    if first == last:
        return format_long_day(last, year)
    same_month = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if same_month else format_long_day(first, year)} to {format_long_day(last, year)}"


def format_headroom(headroom: int | None, noun: str = "order") -> str:
    """Format the headroom: how many more orders may be at fault, or how many are too many.

    >>> format_headroom(-7), format_headroom(0), format_headroom(1), format_headroom(8)
    ('7 too many', 'no more room', '1 more order', '8 more orders')
    """
    if headroom is None:
        return ""
    if headroom < 0:
        return f"{format_number(-headroom)} too many"
    return f"{format_number(headroom)} more {noun if headroom == 1 else noun + 's'}" if headroom else "no more room"
