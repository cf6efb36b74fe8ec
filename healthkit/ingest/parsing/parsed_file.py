"""What one raw file says, as tables: either whole and checked, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import DAY, INSTANT
from healthkit.schema.tables import Table, check_table

_TYPES = {"text": pa.string(), "day": DAY, "instant": INSTANT, "count": pa.int64(), "flag": pa.bool_()}


@dataclass
class ParsedFile:
    """One raw file, read: its tables, how many rows it held, which were skipped and why, what was assumed.

    A table is an Arrow table, or of a large file a `spilled.Spilled`. `account` is None for a file that holds many
    accounts. `first_day` and `last_day` are those of the orders in it, or, where it holds none, of its events. `digest`
    is the same for the same file read again, `report` where none is said. `stated_day` is the day that the file says it
    is of, where it says one: no event in it is later. `content` is the digest of what the file holds, of whatever
    account it is; `stated_marketplace` the marketplace that the caller named or that its rows state, if any; several
    are joined by `+`.
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


def build_table(table: Table, rows: int, columns: Mapping[str, object], keys_are_unique: bool = False) -> pa.Table:
    """A whole table from the columns that a file knows; the others stay empty.

    A value that is no array stands in every row. With `keyed` the rows are known to have each key once, for they were
    put together by it. Raises TableError when the table does not hold.
    """
    made = {name: _make_column(columns.get(name), rows, _TYPES[column.kind]) for name, column in table.columns.items()}
    return check_table(pa.table(made), table, keys_are_unique)


def _make_column(value: object, rows: int, data_type: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if value is None:
        return pa.nulls(rows, data_type)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value.cast(data_type)
    return pa.repeat(pa.scalar(value, data_type), rows)


def first_and_last_day(days: pa.Array | pa.ChunkedArray) -> tuple[date | None, date | None]:
    """The first and the last of some days.

    >>> span(pa.array([], pa.date32()))
    (None, None)
    """
    ends = pc.min_max(days)
    return ends["min"].as_py(), ends["max"].as_py()
