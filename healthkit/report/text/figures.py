"""Figures as they are shown: numbers, rates and what is asked of them, counts, changes, days and room left."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from healthkit.metrics.sides import lower_is_better, meets_target
from healthkit.report.text.labels import DASH

MINUS = "\N{MINUS SIGN}"
MONTH_NAMES = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
NUMBER_WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def format_number(n: int) -> str:
    """Return a whole number with separators.

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
    """Return a number of things.

    >>> format_quantity(1), format_quantity(1262)
    ('1 order', '1,262 orders')
    """
    return f"{format_number(n)} {noun}" if n == 1 else f"{format_number(n)} {noun}s"


def exact_share(target: float | Fraction) -> Fraction:
    """Return the exact share behind a number of SCORES.

    >>> exact_share(0.025)
    Fraction(1, 40)
    """
    return Fraction(target).limit_denominator(100_000)


def exact_rate(counted: int, at_fault: int, side: str = "") -> Fraction:
    """Return the rate that is shown, exactly.

    >>> exact_rate(20, 1), exact_rate(20, 1, "at least")
    (Fraction(1, 20), Fraction(19, 20))
    """
    return Fraction(int(at_fault if lower_is_better(side) else counted - at_fault), int(counted))


def round_half_up(value: Fraction, digits: int) -> Fraction:
    """Round half up, away from zero."""
    scale = 10**digits
    whole = (abs(value) * scale + Fraction(1, 2)).__floor__()
    return Fraction(whole if value >= 0 else -whole, scale)


def rate_decimals(target: float | Fraction | None) -> int:
    """Return how many decimals a rate has: two where the limit is 1% or less, one elsewhere.

    >>> rate_decimals(0.01), rate_decimals(0.04), rate_decimals(None)
    (2, 1, 1)
    """
    return 2 if target is not None and min(exact_share(target), 1 - exact_share(target)) <= Fraction(1, 100) else 1


def format_rate(counted: int, at_fault: int, side: str = "", target: float | Fraction | None = None) -> str:
    """Return a rate as it is shown; a dash where nothing was counted.

    Digits are added until the shown rate stands on the true side of its target, and until
    a share that is neither nothing nor all is not shown as nothing or all.

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
    true = exact_rate(counted, at_fault, side)
    for places in range(rate_decimals(target), 12):
        shown = round_half_up(true * 100, places) / 100
        honest = (
            not side
            or target is None
            or meets_target(shown, side, exact_share(target)) == meets_target(true, side, exact_share(target))
        )
        if honest and (shown not in (0, 1) or shown == true):
            break
    return f"{float(shown * 100):.{places}f}%"


def format_percent(value: float | Fraction) -> str:
    """Return a target as a percentage, without needless digits.

    >>> format_percent(0.025), format_percent(Fraction(95, 100))
    ('2.5%', '95%')
    """
    return f"{float(exact_share(value) * 100):.4f}".rstrip("0").rstrip(".") + "%"


def format_target(side: str, value: float | Fraction | None) -> str:
    """Return what is asked, in words.

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
    """Return what is asked, as it stands in brackets behind a rate.

    >>> format_limit("below", 0.01), format_limit("at least", 0.9)
    ('limit 1%', 'target at least 90%')
    """
    return f"limit {format_percent(value)}" if side == "below" else f"target {format_target(side, value)}"


def format_count(counted: int, at_fault: int, side: str = "") -> str:
    """Return the count behind a rate: those at fault, or those in order where the target asks for many.

    >>> format_count(2498, 31, "below"), format_count(612, 36, "at least"), format_count(0, 0)
    ('31 of 2,498', '576 of 612', '0 orders')
    """
    if not counted:
        return "0 orders"
    return f"{format_number(at_fault if lower_is_better(side) else counted - at_fault)} of {format_number(counted)}"


def format_rate_change(
    now: tuple[int, int], before: tuple[int, int], side: str = "", target: float | Fraction | None = None
) -> str:
    """Return the change of a rate in percentage points, with better or worse; each pair is counted, at fault.

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
    places = rate_decimals(target)
    verdict = f", {'better' if (change < 0) == lower_is_better(side) else 'worse'}" if side else ""
    shown = round_half_up(change * 100, places)
    if not shown:
        return f"under {10**-places:.{places}f}" + (verdict or (" more" if change > 0 else " less"))
    return f"{'+' if shown > 0 else MINUS}{float(abs(shown)):.{places}f}{verdict}"


def format_day(value: date, year: int | None = None) -> str:
    """Return a day, short; with its year where that is not the given one.

    >>> format_day(date(2026, 11, 24)), format_day(date(2025, 12, 31), 2026)
    ('24 Nov', '31 Dec 2025')
    """
    text = f"{value.day} {MONTH_NAMES[value.month - 1][:3]}"
    return text if year in (None, value.year) else f"{text} {value.year}"


def format_long_day(value: date, year: int | None = None) -> str:
    """Return a day, its month in full; with its year where that is not the given one.

    >>> format_long_day(date(2026, 11, 24), 2026), format_long_day(date(2026, 11, 24), 0)
    ('24 November', '24 November 2026')
    """
    text = f"{value.day} {MONTH_NAMES[value.month - 1]}"
    return text if year in (None, value.year) else f"{text} {value.year}"


def format_month(value: date) -> str:
    """Return the month of a day, with its year.

    >>> format_month(date(2026, 10, 31))
    'October 2026'
    """
    return f"{MONTH_NAMES[value.month - 1]} {value.year}"


def format_day_range(first: date, last: date, year: int | None = None) -> str:
    """Return the days from first to last, short.

    >>> format_day_range(date(2026, 10, 2), date(2026, 10, 31)), format_day_range(date(2026, 8, 18), date(2026, 10, 16))
    ('2 – 31 Oct', '18 Aug – 16 Oct')
    >>> format_day_range(date(2025, 12, 18), date(2026, 1, 16), 2026)
    '18 Dec 2025 – 16 Jan'
    >>> format_day_range(date(2026, 10, 2), date(2026, 10, 2))
    '2 Oct'
    """
    if first == last:
        return format_day(last, year)
    alike = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if alike else format_day(first, year)} {DASH} {format_day(last, year)}"


def format_long_day_range(first: date, last: date, year: int | None = None) -> str:
    """Return the days from first to last, in a sentence.

    >>> format_long_day_range(date(2026, 10, 5), date(2026, 10, 9))
    '5 to 9 October'
    >>> format_long_day_range(date(2026, 8, 18), date(2026, 10, 16))
    '18 August to 16 October'
    """
    if first == last:
        return format_long_day(last, year)
    alike = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if alike else format_long_day(first, year)} to {format_long_day(last, year)}"


def format_headroom(left: int | None, noun: str = "order") -> str:
    """Return how many more may go wrong, in words.

    >>> format_headroom(-7), format_headroom(0), format_headroom(1), format_headroom(8)
    ('7 too many', 'no more room', '1 more order', '8 more orders')
    """
    if left is None:
        return ""
    if left < 0:
        return f"{format_number(-left)} too many"
    return f"{format_number(left)} more {noun if left == 1 else noun + 's'}" if left else "no more room"
