"""Texts on events (what a seller changed) and on whether they helped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from healthkit.report.text.figures import format_long_day, format_quantity, format_rate, rate_decimals
from healthkit.report.text.labels import CLOCK_LABELS, Strong, metric_words
from healthkit.report.text.sentences import Sentence
from healthkit.schema.events_file import Event

VERDICT_LABELS = {
    "helped": "helped",
    "got worse": "got worse",
    "no difference": "no difference to be seen",
    "too early": "too early to say",
    "too few": "too few orders to say",
}
"""Verdict of an effect -> its words."""
COMPARISON_NOTE = (
    "Every order is judged at the same age, before and after alike, so that defects learnt late do not make new orders "
    "look better. The interval holds the rate after in 95 of 100 cases. The chance is that of a difference at least as "
    "large without any change (Fisher's exact test, mid-p), corrected by Holm's method for all comparisons of an "
    "account. It does not say that the event was the cause."
)
NO_EVENTS = 'No events. Add one with: python -m healthkit event add ACCOUNT DAY "what changed".'
MARKS_NOTE = "Dashed lines: days of what an account changed (events.csv)."
MAX_NOTE_LENGTH = 60
"""Longest note of an event in a sentence. [characters]"""


def shorten_note(note: str, length: int = MAX_NOTE_LENGTH) -> str:
    """Return a note, cut with an ellipsis to a number of characters.

    >>> shorten_note("new carrier"), shorten_note("new carrier", 6)
    ('new carrier', 'new c…')
    """
    return note if len(note) <= length else note[: length - 1].rstrip() + "…"


def number_phrase(first: int, last: int) -> str:
    """Return the number of an event, or those of several next to each other, for a mark in a chart.

    >>> number_phrase(1, 1), number_phrase(2, 4)
    ('1', '2–4')
    """
    return str(first) if first == last else f"{first}–{last}"


def no_effects_sentence(events: Sequence[Event], as_of: date, look_back_days: int) -> str:
    """Return why no event is compared on a day: there is none, none is recent enough, or no measure has the orders.

    >>> event = Event(date(2026, 9, 3), "acme", "", "new carrier")
    >>> no_effects_sentence([event], date(2026, 9, 1), 180)
    'No event lies in the 180 days up to 1 September 2026; the last is of 3 September 2026.'
    >>> no_effects_sentence([event], date(2026, 9, 30), 180)
    'The event of 3 September 2026 cannot be compared: no rate with a target has orders around it. See: python -m
    healthkit doctor.'
    """
    if not events:
        return NO_EVENTS
    last = max(event.day for event in events)
    recent = [event for event in events if 0 <= (as_of - event.day).days <= look_back_days]
    if not recent:
        return (
            f"No event lies in the {look_back_days} days up to {format_long_day(as_of, 0)}; "
            f"the last is of {format_long_day(last, 0)}."
        )
    which = f"The event of {format_long_day(recent[0].day, 0)}" if len(recent) == 1 else f"The {len(recent)} events"
    return (
        f"{which} cannot be compared: no rate with a target has orders around {'it' if len(recent) == 1 else 'them'}. "
        "See: python -m healthkit doctor."
    )


def event_name(day: date, note: str, year: int) -> str:
    """Return an event as it stands in a sentence: its day, and its note in brackets.

    >>> event_name(date(2026, 9, 3), "new carrier", 2026)
    '3 September (new carrier)'
    """
    return f"{format_long_day(day, year)} ({shorten_note(note)})"


def event_lines(
    events: Sequence[Event], effects: Sequence[Mapping[str, Any]], clock: str, year: int, most: int
) -> list[Sentence]:
    """Return a line for each event of a chart, by the number of its mark, with its effect on the measure.

    `effects` are the rows of `AccountView.event_effects` for the measure. The newest `most` events are given with their
    effect, earlier ones with day and note alone.
    """
    by_day = {as_day(row["day"]): row for row in effects}
    newest = sorted(by_day)[-most:]
    several = len(events) > 1
    lines: list[Sentence] = []
    for number, event in enumerate(events, 1):
        mark = Strong(f"{number}: since " if several else "Since ")
        name = event_name(event.day, event.note, year)
        effect = by_day.get(event.day)
        is_first_of_day = all(other.day != event.day for other in events[: number - 1])
        if effect is not None and event.day in newest and is_first_of_day:
            lines.append((mark, Strong(name), f": {effect_phrase(effect, clock)}"))
        else:
            lines.append((mark, Strong(name), "."))
    return lines


def as_day(value: Any) -> date:
    """Return a date or timestamp as a date."""
    return value.date() if hasattr(value, "date") else value


def effect_sentence(row: Mapping[str, Any], clock: str, name: str, year: int) -> str:
    """Return a sentence on the effect of an event on a measure; `name` is that of the measure.

    >>> row = {"day": date(2026, 9, 3), "notes": "new carrier", "verdict": "helped", "metric": "late_shipment_rate",
    ...     "side": "below", "target": 0.04, "known_within": 8, "before_counted": 1200, "before_at_fault": 73,
    ...     "after_counted": 1310, "after_at_fault": 38, "low": 0.0212, "high": 0.0396, "corrected_chance": 0.0004,
    ...     "comparisons": 3}
    >>> effect_sentence(row, "ship_by_on", "late shipments", 2026)
    'Since 3 September (new carrier): late shipments 6.1% before, 2.9% after (interval 2.1 to 4.0%), 8 days after the ship-by day; a difference like this comes by chance in fewer than 1 of 1,000 cases (3 comparisons allowed for): helped.'
    """  # noqa: E501 - the sentence
    return f"Since {event_name(as_day(row['day']), str(row['notes']), year)}: {name} {effect_phrase(row, clock)}"


def effect_phrase(row: Mapping[str, Any], clock: str) -> str:
    """Return the effect of an event: the rates before and after, the interval, the chance and the verdict."""
    words = VERDICT_LABELS[row["verdict"]]
    age, noun = int(row["known_within"]), metric_words(row["metric"]).noun
    days = f"{format_quantity(age, 'day')} after the {CLOCK_LABELS[clock]}" if age else f"on the {CLOCK_LABELS[clock]}"
    if not row["after_counted"] or not row["before_counted"]:
        when = "since" if not row["after_counted"] else "before"
        return f"{words}: no {noun} {when} is counted yet at the age compared, {days}."
    before, after = (
        format_rate(int(row[f"{when}_counted"]), int(row[f"{when}_at_fault"]), row["side"])
        for when in ("before", "after")
    )
    rates = f"{before} before, {after} after"
    if row["low"] is None or row["low"] != row["low"]:
        return f"{rates}, of {format_quantity(int(row['after_counted']), noun)}, {days}: {words}."
    chance = chance_phrase(float(row["corrected_chance"]), int(row["comparisons"]))
    return f"{rates} ({interval_phrase(row)}), {days}; {chance}: {words}."


def interval_phrase(row: Mapping[str, Any]) -> str:
    """Return the interval of the rate after an event, such as "interval 1.9 to 4.2%".

    >>> interval_phrase({"side": "at least", "target": 0.9, "low": 0.02, "high": 0.0434})
    'interval 95.7 to 98.0%'
    """
    low, high = float(row["low"]), float(row["high"])
    if row["side"] in ("at least", "above"):
        low, high = 1 - high, 1 - low
    decimals = rate_decimals(row["target"])
    return f"interval {low * 100:.{decimals}f} to {high * 100:.{decimals}f}%"


def chance_phrase(chance: float, comparisons: int = 1) -> str:
    """Return how often a difference comes by chance, with the number of comparisons if there are several.

    >>> chance_phrase(0.0004), chance_phrase(0.02), chance_phrase(0.31, 6), chance_phrase(0.8)
    ('a difference like this comes by chance in fewer than 1 of 1,000 cases', 'a difference like this comes by chance in about 1 of 50 cases', 'a difference like this comes by chance in about 31 of 100 cases (6 comparisons allowed for)', 'a difference like this may well be chance')
    """  # noqa: E501 - the phrases
    if chance > 0.5:
        return "a difference like this may well be chance"
    if chance < 0.001:
        often = "in fewer than 1 of 1,000 cases"
    elif chance <= 0.1:
        often = f"in about 1 of {round(1 / chance):,} cases"
    else:
        often = f"in about {round(chance * 100)} of 100 cases"
    several = f" ({comparisons} comparisons allowed for)" if comparisons > 1 else ""
    return f"a difference like this comes by chance {often}{several}"
