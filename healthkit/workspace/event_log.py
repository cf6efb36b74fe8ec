"""Add events to the events file and remove them, without a change to any other line of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from healthkit.files.temp_folders import write_atomically
from healthkit.schema.events_file import (
    COLUMNS,
    REQUIRED_COLUMNS,
    Event,
    EventsFileError,
    EventsTable,
    parse_events,
    rows_of,
)
from healthkit.store.locks import LockedError, hold_exclusive_lock

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def add_event(path: Path, event: Event) -> bool:
    """Add an event as the last line of an events file, which is made if it does not exist.

    Return False, and change nothing, if the file holds the event already. Every other byte of the file stays: order of
    columns, comments, separators, line ends and byte order mark. Raises EventsFileError for a file that is invalid or
    has no column for the marketplace of the event.
    """

    def with_event(table: EventsTable) -> tuple[str, ...] | None:
        if next(rows_of(table, event), None) is not None:
            return None
        columns = table.columns
        lines = list(table.lines)
        line_end = next(("\r\n" for line in lines if line.endswith("\r\n")), "\n")
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += line_end
        if not columns:
            columns = COLUMNS if event.marketplace else REQUIRED_COLUMNS
            lines.append(_csv_line(columns, ",", line_end))
        elif event.marketplace and "marketplace" not in columns:
            raise EventsFileError(
                f"{path.name} has no column marketplace. Add one to its header (and a cell to each row), or leave the "
                "marketplace of the event out: it is then of all of the account's."
            )
        cells = {"account": event.account, "day": str(event.day), "marketplace": event.marketplace, "note": event.note}
        return (*lines, _csv_line([cells.get(name, "") for name in columns], table.separator, line_end))

    return _change(path, with_event)


def remove_event(path: Path, event: Event) -> bool:
    """Remove the line of an event from an events file; every other byte of it stays.

    Return False, and change nothing, if the file does not hold the event. Raises EventsFileError for an invalid file.
    """

    def without_event(table: EventsTable) -> tuple[str, ...] | None:
        row = next(rows_of(table, event), None)
        return None if row is None else (*table.lines[:row], *table.lines[row + 1 :])

    return _change(path, without_event)


def _csv_line(cells: list[str] | tuple[str, ...], separator: str, line_end: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end).writerow(cells)
    line = text.getvalue()
    # A line that begins with # would be read as a comment.
    return f'"{cells[0]}"{line[len(cells[0]) :]}' if line.startswith("#") else line


def _change(path: Path, change: Callable[[EventsTable], tuple[str, ...] | None]) -> bool:
    """Replace the lines of a file by what `change` makes of them, under a lock; return whether anything changed."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with hold_exclusive_lock(path.parent):
            exists = path.is_file()
            before = path.read_bytes() if exists else b""
            lines = change(parse_events(before, path.name))
            if lines is None:
                return False
            mark = _BYTE_ORDER_MARK if before.startswith(_BYTE_ORDER_MARK) else b""
            mode = path.stat().st_mode if exists else None
            after = mark + "".join(lines).encode()
            parse_events(after, path.name)
            write_atomically(path, after)
            if mode is not None:
                path.chmod(mode & 0o7777)
            return True
    except LockedError:
        raise EventsFileError(f"Another process is changing {path.name}. Try again.") from None
