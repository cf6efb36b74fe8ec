"""The result of reading one raw file: checked tables, with the days, notes and skipped rows of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import DAY, INSTANT
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, local_days, local_days_after_hours
from healthkit.schema.tables import RAW_TABLES, Table, check_table

Columns = Mapping[str, object]
"""Columns of one table by name: arrays of the same length, or single values that hold for every row."""

_TYPES = {
    "text": pa.string(),
    "day": DAY,
    "instant": INSTANT,
    "count": pa.int64(),
    "flag": pa.bool_(),
    "share": pa.float64(),
}
_TABLES = {table.name: table for table in RAW_TABLES}
_HOURS_LATER = re.compile(r"due_(\d+)h_on")


@dataclass
class ParsedFile:
    """Rows of one raw file as checked tables, with notes on what was skipped or assumed.

    `tables` holds Arrow tables by name; those of a large file are `SpillFile`s. `account` is None for a file that
    holds several accounts. `rows` counts the rows of the file and `skipped` those left out, by reason. `first_day` and
    `last_day` are those of the orders in the file, or of its events if it has no orders. `stated_day` is the day of a
    snapshot, if the file states one; no event in it is later. `digest` and `content` are SHA-256 digests: `digest`
    identifies the import (`report` if empty), `content` the bytes of the file, whatever account it is read for.
    `stated_marketplace` is the marketplace that the caller or the rows state; several are joined by `+`.
    """

    report: str
    name: str
    kind: str
    account: str | None
    tables: dict[str, Any]
    rows: int
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    first_day: date | None = None
    last_day: date | None = None
    digest: str | None = None
    stated_day: date | None = None
    content: str | None = None
    stated_marketplace: str | None = None


@dataclass
class FileContents:
    """Columns and other facts that a format module reads from one file.

    `build_parsed_file` completes and checks them. `tables` maps table names to the columns that the file knows. `days`
    are the days that the file covers, or the name of the column of the first table that holds them. `updated_at` is the
    time at which the file was made, for files whose rows have no update time of their own. With `keys_are_unique` the
    rows of all tables are known to have distinct keys, which saves the check.
    """

    tables: Mapping[str, Columns]
    days: str | pa.Array
    updated_at: datetime | None = None
    rows: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    keys_are_unique: bool = False
    stated_day: date | None = None
    stated_marketplace: str | None = None


def build_parsed_file(contents: FileContents, context: ReadContext, kind: str) -> ParsedFile:
    """Build the ParsedFile of one file from the contents that its format module read.

    Adds account, report and update time to every row, and the days that follow from instants. Raises TableError if a
    table breaks its schema.
    """
    common = {**context.origin_columns(), "updated_at": contents.updated_at}
    tables = {
        name: _build_table(_TABLES[name], {**common, **columns}, contents.keys_are_unique)
        for name, columns in contents.tables.items()
    }
    days = next(iter(tables.values()))[contents.days] if isinstance(contents.days, str) else contents.days
    first_day, last_day = first_and_last_day(days)
    return ParsedFile(
        context.report, context.name, kind, context.account, tables, contents.rows, contents.skipped, contents.notes,
        first_day, last_day, stated_day=contents.stated_day, stated_marketplace=contents.stated_marketplace,
    )  # fmt: skip


def _build_table(table: Table, columns: Columns, keys_are_unique: bool) -> pa.Table:
    """Build a checked table; columns that the file does not know stay empty or are derived."""
    rows = next((len(values) for values in columns.values() if isinstance(values, pa.Array | pa.ChunkedArray)), 0)
    made = {
        name: _make_column(columns.get(name), rows, _TYPES[column.kind])
        for name, column in table.columns.items()
    }  # fmt: skip
    for name in made.keys() - columns.keys():
        made[name] = _derive_days(name, columns, made)
    return check_table(pa.table(made), table, keys_are_unique)


def _derive_days(name: str, columns: Columns, made: Mapping[str, pa.Array]) -> pa.Array:
    """Return a column of days from an instant that the file knows; else the empty column.

    `ship_by_on` is the local day of `ship_by`, `shipped_on` that of `shipped_at`, and `due_48h_on` the local day 48
    hours after `received_at` or `requested_at`.
    """
    hours = _HOURS_LATER.fullmatch(name)
    stem = name.removesuffix("_on")
    sources = ("received_at", "requested_at") if hours else (f"{stem}_at", stem)
    source = next((column for column in sources if columns.get(column) is not None), None)
    if source is None or stem == name:
        return made[name]
    instants = made[source] if source in made else _make_column(columns[source], len(made[name]), INSTANT)
    if hours:
        return local_days_after_hours(instants, int(hours[1]), made["marketplace"])
    return local_days(instants, made["marketplace"])


def _make_column(value: object, rows: int, data_type: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if value is None:
        return pa.nulls(rows, data_type)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value if value.type == data_type else value.cast(data_type)
    return pa.repeat(pa.scalar(value, data_type), rows)


def columns_of_rows(table: str, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Convert rows that are given as dictionaries to the columns of the table with the given name.

    Columns that no row has are left out.
    """
    return {
        name: pa.array([row.get(name) for row in rows], _TYPES[column.kind])
        for name, column in _TABLES[table].columns.items()
        if any(name in row for row in rows)
    }


def first_and_last_day(days: pa.Array | pa.ChunkedArray) -> tuple[date | None, date | None]:
    """Return the earliest and the latest day in an array; both are None if it has no days.

    >>> first_and_last_day(pa.array([], pa.date32()))
    (None, None)
    """
    ends = pc.min_max(days)
    return ends["min"].as_py(), ends["max"].as_py()
