"""Note days in the future, or after the file's own last update, for every kind of file.

The checks read the parsed tables, so parsers need no check of their own. Promises and deadlines may be in the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.parsed_file import ParsedFile
from healthkit.schema.tables import FUTURE_DAY_COLUMNS, ITEMS, SHIPMENTS

_CHECK = "Check the year, and the order of day and month."
_UPDATED_AT = "updated_at"
_PROMISE_COLUMNS = ("ship_by", "deliver_by")
_OUTCOME_COLUMNS = ("cleared_on", "excused_on", "unresolved_on", "resolved_on", "removed_on")
"""Columns that may be later than the newest event of a file, from which its rows take their time of update."""
_TABLES_WITH_ORDER_UPDATE = (ITEMS.name, SHIPMENTS.name)
"""Tables whose rows take the time of update of their orders in the same file."""
_DAY = pa.date32()
_SLACK = timedelta(days=1)
"""Tolerance between a local day and a time of update in UTC."""


@dataclass
class _LateRows:
    """The number of rows with a late day, and the latest such day of each column."""

    rows: int = 0
    latest: dict[str, date] = field(default_factory=dict)

    def add(self, batch: Any, late: Mapping[str, Any]) -> None:
        """Count the rows of a batch that have a late day in any column; `late` holds one mask a column."""
        late = {name: mask for name, mask in late.items() if pc.any(mask, min_count=0).as_py()}
        if not late:
            return
        self.rows += pc.sum(_combine_masks(late.values(), batch)).as_py() or 0
        for name, mask in late.items():
            newest = pc.max(batch[name].filter(mask)).cast(_DAY).as_py()
            if newest is not None:
                self.latest[name] = max(newest, self.latest.get(name, newest))

    def columns(self) -> str:
        """Return the columns with their latest days, for a note.

        >>> _LateRows(2, {"ordered_on": date(2026, 12, 5), "shipped_on": date(2026, 12, 7)}).columns()
        'ordered_on up to 2026-12-05, shipped_on up to 2026-12-07'
        """
        return ", ".join(f"{name} up to {day}" for name, day in self.latest.items())


def describe_late_days(parsed_file: ParsedFile, import_day: date | None) -> list[str]:
    """Return notes on days in a parsed file that are later than possible, one per table and reason.

    `import_day` is the latest day that can have begun at the import; None omits that check. A file that states its own
    day (`ParsedFile.stated_day`) can contain no event after it.
    """
    return [
        note
        for name, rows in parsed_file.tables.items()
        for note in _describe_table(name, rows, import_day, parsed_file.stated_day)
    ]


def _describe_table(table: str, rows: Any, import_day: date | None, stated: date | None) -> Iterator[str]:
    """Yield the notes on one table."""
    future, stamped, own = _LateRows(), _LateRows(), _LateRows()
    stamps, promises = [], []
    names = [one.name for one in rows.schema if one.type == _DAY or one.name in (_UPDATED_AT, *_PROMISE_COLUMNS)]
    for batch in rows.select(names).to_batches():
        days = _day_columns(batch.schema)
        in_future = _later_than(batch, days, import_day)
        future.add(batch, in_future)
        others = pc.invert(_combine_masks(in_future.values(), batch))
        last_utc_day = None if import_day is None else import_day + _SLACK
        stamped.add(batch, _restrict_masks(others, _later_than(batch, [_UPDATED_AT], last_utc_day)))
        own.add(batch, _restrict_masks(others, _after_update(batch, stated)))
        stamps.append(batch[_UPDATED_AT])
        promises += [batch[name] for name in _PROMISE_COLUMNS if name in batch.schema.names]
    of_all = f"of {rows.num_rows:,} rows"
    if future.rows:
        yield (
            f"{table}: {future.rows:,} {of_all} {_has_or_have(future.rows)} in the future ({future.columns()}; "
            f"today is {import_day} at the latest). What it says holds only from that day on. {_CHECK}"
        )
    if (
        stamped.rows
        and table not in _TABLES_WITH_ORDER_UPDATE
        and not _is_derived_update(_newest_time(stamps), _newest_time(promises), future.latest)
    ):
        yield (
            f"{table}: {stamped.rows:,} {of_all} {'was' if stamped.rows == 1 else 'were'} last updated in the future "
            f"({stamped.columns()}; today is {import_day} at the latest). Files with an earlier time of update do not "
            f"replace what it says. {_CHECK}"
        )
    if own.rows:
        bound = f"{stated}, the day of the file" if stated is not None else "the time of its own last update"
        yield f"{table}: {own.rows:,} {of_all} {_has_or_have(own.rows)} after {bound} ({own.columns()}). {_CHECK}"


def _has_or_have(rows: int) -> str:
    return "has a day" if rows == 1 else "have a day"


def _newest_time(times: Iterable[Any]) -> datetime | None:
    """Return the newest time in some columns."""
    found = (pc.max(column).as_py() for column in times)
    return max((time for time in found if time is not None), default=None)


def _is_derived_update(updated_at: datetime | None, promise: datetime | None, late: Mapping[str, date]) -> bool:
    """Return whether a time of update is taken from the newest promise or late day, so that it needs no note."""
    if updated_at is None or updated_at == promise:
        return True
    return any(abs((updated_at.date() - day).days) <= 1 for day in late.values())


def _day_columns(schema: pa.Schema) -> list[str]:
    """Return the columns with days of events. Every time of an event has such a column beside it."""
    return [one.name for one in schema if one.type == _DAY and one.name not in FUTURE_DAY_COLUMNS]


def _after_update(rows: Any, stated: date | None = None) -> dict[str, Any]:
    """Return by column which rows have a day after the stated one, or else after their own time of update."""
    columns = [name for name in _day_columns(rows.schema) if name not in _OUTCOME_COLUMNS]
    if stated is not None:
        return _later_than(rows, columns, stated)
    bound = pc.add(rows[_UPDATED_AT], pa.scalar(_SLACK, pa.duration("us"))).cast(_DAY)
    return {name: pc.fill_null(pc.greater(rows[name], bound), False) for name in _filled_columns(rows, columns)}


def _later_than(rows: Any, columns: list[str], day: date | None) -> dict[str, Any]:
    """Return by column which rows have a day later than `day`; columns without such a row are left out."""
    if day is None:
        return {}
    bound = pa.scalar(day, _DAY)
    days = {name: rows[name].cast(_DAY) for name in columns}
    newest = {name: pc.max(column).as_py() for name, column in days.items()}
    return {
        name: pc.fill_null(pc.greater(column, bound), False)
        for name, column in days.items()
        if newest[name] is not None and newest[name] > day
    }


def _filled_columns(rows: Any, columns: list[str]) -> list[str]:
    """Return the columns that have any value."""
    return [name for name in columns if rows[name].null_count < rows.num_rows]


def _restrict_masks(selection: Any, late: Mapping[str, Any]) -> dict[str, Any]:
    return {name: pc.and_(mask, selection) for name, mask in late.items()}


def _combine_masks(masks: Iterable[Any], rows: Any) -> Any:
    """Return which rows are marked in any of the masks."""
    combined = pa.repeat(pa.scalar(False), rows.num_rows)
    for mask in masks:
        combined = pc.or_(combined, mask)
    return combined
