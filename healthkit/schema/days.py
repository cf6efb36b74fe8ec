"""Days as callers give them: dates, timestamps or text; and names, of which one may stand for a list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

Day = date | str
"""A day: a date, a Timestamp (which is a date) or ISO text such as "2026-10-31"."""
Days = Day | Iterable[Day]
"""One day or several."""


class DayError(ValueError):
    """Raised if a value is no day; the message says how to write one."""


def to_day(value: Any) -> date:
    """Return a day given as a date, Timestamp, numpy datetime64 or ISO text; the time of day is dropped.

    >>> to_day("2026-10-31")
    datetime.date(2026, 10, 31)

    Raises DayError for anything else.
    """
    if hasattr(value, "astype") and not isinstance(value, date):
        value = value.astype("datetime64[s]").item()
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
        # NaT of pandas is a datetime that equals nothing.
        if isinstance(value, date) and value == value:
            return value.date() if isinstance(value, datetime) else value
    except ValueError:
        pass
    raise DayError(f"{value!r} is no day. Write it as 2026-10-31, or give a date or a Timestamp.")


def to_days(days: Any) -> list[date]:
    """Return one day, or each of several, sorted and without repetition.

    >>> to_days(["2026-10-31", date(2026, 10, 1), "2026-10-31"])
    [datetime.date(2026, 10, 1), datetime.date(2026, 10, 31)]
    """
    one = isinstance(days, str | date) or not isinstance(days, Iterable) or getattr(days, "ndim", 1) == 0
    return [to_day(days)] if one else sorted({to_day(day) for day in days})


def to_names(names: str | Iterable[str] | None) -> list[str] | None:
    """Return one name, or several, as a list without repetition; None stays None.

    >>> to_names("paper-moth"), to_names(["b", "a", "b"])
    (['paper-moth'], ['b', 'a'])
    """
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(dict.fromkeys(names))
