"""What each raw file brought, as REPORTS says, held against the rows that are there: none is missed in silence."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from healthkit import tables


class Rows(Protocol):
    """Rows of one table: in memory, or handed on batch by batch."""

    @property
    def num_rows(self) -> int:
        """How many they are."""

    def to_batches(self) -> Iterable[pa.RecordBatch]:
        """The rows, as often as they are asked for."""


def told(held: Mapping[str, Rows]) -> str:
    """How many rows of each table a raw file brings, as REPORTS keeps it.

    >>> told({"orders": pa.table({"order_id": ["o1", "o2"]})})
    '{"orders": 2}'
    """
    return json.dumps({name: rows.num_rows for name, rows in held.items()})


def stated(reports: pa.Table, accounts: Collection[str] | None = None) -> dict[str, dict[str, int]]:
    """How many rows of each table each report brought: reports by table.

    Of some accounts only the files that speak of one account are told: what others hold of them is not stated. Nor is
    what was imported before REPORTS said so.

    >>> stated(pa.table({"report": ["a", "b"], "account": ["acme", None], "brought": ['{"orders": 2}', None]}))
    {'orders': {'a': 2}}
    """
    if accounts is not None:
        reports = reports.filter(pc.is_in(reports["account"], pa.array(list(accounts), pa.string())))
    made: dict[str, dict[str, int]] = {}
    for report, brought in zip(reports["report"].to_pylist(), reports["brought"].to_pylist(), strict=True):
        for table, rows in _read(brought).items():
            made.setdefault(table, {})[report] = rows
    return made


def _read(brought: str | None) -> dict[str, int]:
    """What REPORTS says of one file; where that is broken, more than any file brings, so that it counts as lost."""
    try:
        return dict(json.loads(brought or "{}"))
    except (ValueError, TypeError):
        return {tables.ORDERS.name: sys.maxsize}


def raw_files(many: int) -> str:
    """So many raw files, in words.

    >>> raw_files(1), raw_files(1_200)
    ('1 raw file', '1,200 raw files')
    """
    return f"{many:,} raw {'file' if many == 1 else 'files'}"


def lacking(wanted: Mapping[str, int], there: Mapping[str, int]) -> set[str]:
    """The reports of which rows are missing.

    >>> lacking({"a": 2, "b": 3}, {"a": 2, "b": 1})
    {'b'}
    """
    return {report for report, rows in wanted.items() if there.get(report, 0) < rows}
