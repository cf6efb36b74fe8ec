"""The events file `events.csv`: what an account changed on which day, such as a new carrier.

An example::

    account,day,note
    lantern-hill,2026-09-03,new carrier
    # a line that begins with # is a comment
    lantern-hill,2026-10-01,handling time of 2 days

`account` is the account in the store, `day` the first day on which the change applies, in the marketplace's zone. A
column `marketplace` is optional: an event without one is of every marketplace of the account. The columns may be in any
order; others are kept and not read. Cells are separated by commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.user_files import find_user_file, user_file_places

FILE_NAME = "events.csv"
COLUMNS = ("account", "marketplace", "day", "note")
REQUIRED_COLUMNS = ("account", "day", "note")
MAX_NOTE_LENGTH = 200
"""Longest note of an event. [characters]"""
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
"""The days between which an event may be."""


class EventsFileError(ValueError):
    """Raised if the events file is invalid or cannot be changed; the message names file, row and what to do."""


@dataclass(frozen=True, order=True)
class Event:
    """A change that an account made: its first day, the account, the marketplace ("" for all of them) and a note."""

    day: date
    account: str
    marketplace: str
    note: str

    def is_of(self, account: str, marketplace: str) -> bool:
        """Return whether the event is one of an account in a marketplace."""
        return self.account == account and self.marketplace in ("", marketplace)


@dataclass(frozen=True)
class EventsTable:
    """The text of an events file with what was read from it.

    `lines` are the lines with their ends, `columns` the names in the header (empty without one), `separator` what
    separates its cells, and `events` the events by the number of the line that each is on (from 0).
    """

    lines: tuple[str, ...]
    columns: tuple[str, ...]
    separator: str
    events: dict[int, Event]


def find_events_file(store_folder: object) -> Path:
    """Return the path of the events file: beside the store, or in the working folder if only that one exists.

    Without a file it is where one would be: beside the store.
    """
    return find_user_file(FILE_NAME, store_folder) or user_file_places(FILE_NAME, store_folder)[0]


def read_events(path: Path) -> list[Event]:
    """Return the events of a file, sorted by day; none if there is no such file.

    Raises EventsFileError, which names file and row, for a file that is invalid.
    """
    return sorted(parse_events(path.read_bytes(), path.name).events.values()) if path.is_file() else []


def parse_events(content: bytes, name: str = FILE_NAME) -> EventsTable:
    r"""Parse the content of an events file; `name` is the file's name in errors.

    >>> [event.note for event in parse_events(b"account;day;note\nacme;2026-09-03;new carrier\n").events.values()]
    ['new carrier']

    Raises EventsFileError, which names file and row.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EventsFileError(f"{name} is not UTF-8. Save it as CSV UTF-8 in the spreadsheet, or as UTF-8.") from None
    lines = tuple(re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+", text))
    rows = [number for number, line in enumerate(lines) if line.strip(" \t\r\n,;") and not line.startswith("#")]
    if not rows:
        return EventsTable(lines, (), ",", {})
    header = lines[rows[0]]
    separator = max(",;\t", key=header.count)
    columns = tuple(cell.strip().lower() for cell in split_cells(header, separator))
    missing = [column for column in REQUIRED_COLUMNS if columns.count(column) != 1]
    if missing:
        raise EventsFileError(
            f"{name}, row {rows[0] + 1}: the header needs one column {' and one '.join(missing)}. "
            "Write: account,day,note (marketplace is optional)."
        )
    events: dict[int, Event] = {}
    row_of: dict[Event, int] = {}
    for number in rows[1:]:
        where = f"{name}, row {number + 1}"
        if lines[number].count('"') % 2:
            raise EventsFileError(f"{where}: a quote is not closed in its row. Write each event in one row.")
        event = _parse_event(split_cells(lines[number], separator), columns, where)
        if event in row_of:
            raise EventsFileError(f"{where}: the same event is in row {row_of[event] + 1}. Delete one of the two.")
        events[number], row_of[event] = event, number
    return EventsTable(lines, columns, separator, events)


def split_cells(line: str, separator: str) -> list[str]:
    """Return the cells of one line of CSV, without the quotes around them."""
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


def _parse_event(cells: list[str], columns: tuple[str, ...], where: str) -> Event:
    """Return the event of one row. Raises EventsFileError, which begins with `where`."""
    extra = [cell for cell in cells[len(columns) :] if cell.strip()]
    if extra:
        raise EventsFileError(f"{where}: there are more cells than columns. Put a note that holds a comma in quotes.")
    by_name = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
    return make_event(*(by_name.get(name, "") for name in ("account", "day", "note", "marketplace")), where=where)


def make_event(account: str, day: str | date, note: str, marketplace: str = "", *, where: str = "The event") -> Event:
    """Return a checked event; `day` is a date or text.

    >>> make_event("acme", "2026-09-03", "new carrier")
    Event(day=datetime.date(2026, 9, 3), account='acme', marketplace='', note='new carrier')

    Raises EventsFileError, which begins with `where`, for a field that is empty or wrong.
    """
    fields = {"account": account.strip(), "note": note.strip(), "marketplace": marketplace.strip().upper()}
    for name in ("account", "note"):
        if not fields[name]:
            raise EventsFileError(f"{where}: {name} is empty. Write {_MEANINGS[name]}.")
    for name, value in fields.items():
        if not value.isprintable():
            raise EventsFileError(f"{where}: {name} holds a line break or another control character. Take it out.")
    if len(fields["note"]) > MAX_NOTE_LENGTH:
        raise EventsFileError(f"{where}: the note is longer than {MAX_NOTE_LENGTH} characters. Shorten it.")
    if fields["marketplace"] and fields["marketplace"] not in MARKETPLACES:
        raise EventsFileError(
            f"{where}: {marketplace!r} is no marketplace. Write one of {', '.join(MARKETPLACES)}, or leave it empty."
        )
    return Event(_parse_day(day, where), fields["account"], fields["marketplace"], fields["note"])


_MEANINGS = {"account": "the account's name in the store", "note": "what changed, such as: new carrier"}
_DAY_PATTERNS = (
    re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"),
    re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})"),
)
"""The ways to write a day that can be read in one way only."""


def _parse_day(day: str | date, where: str) -> date:
    """Return a day given as a date or text. Raises EventsFileError for text that may be read in two ways or is no day.

    >>> _parse_day("3.9.2026", "row 2")
    datetime.date(2026, 9, 3)
    """
    found = day if isinstance(day, date) else None
    for match in (pattern.fullmatch(day.strip()) for pattern in _DAY_PATTERNS if isinstance(day, str)):
        if match:
            with suppress(ValueError):
                found = date(*(int(match[name]) for name in ("year", "month", "day")))
    if found is None or not FIRST_DAY <= found <= LAST_DAY:
        raise EventsFileError(
            f"{where}: {str(day)!r} is not a day from {FIRST_DAY.year} to {LAST_DAY.year} that can be read in one way. "
            "Write it as 2026-09-03 (in a spreadsheet, give the column the format Text first)."
        )
    return found


def rows_of(table: EventsTable, wanted: Event) -> Iterator[int]:
    """Yield the number of each line that holds an event (from 0)."""
    return (number for number, event in table.events.items() if event == wanted)
