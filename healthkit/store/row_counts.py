"""What each raw file brought, as REPORTS says, held against the rows that are there: none is missed in silence."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Protocol

import pyarrow as pa

from healthkit.schema import tables


class RowSource(Protocol):
    """Rows of one table: in memory, or handed on batch by batch."""

    @property
    def num_rows(self) -> int:
        """How many they are."""

    def to_batches(self) -> Iterable[pa.RecordBatch]:
        """The rows, as often as they are asked for."""


def row_counts_as_json(rows_by_table: Mapping[str, RowSource]) -> str:
    """How many rows of each table a raw file brings, as REPORTS keeps it.

    >>> told({"orders": pa.table({"order_id": ["o1", "o2"]})})
    '{"orders": 2}'
    """
    return json.dumps({name: rows.num_rows for name, rows in rows_by_table.items()})


class RowCounts:
    """What REPORTS says of each raw file: how many rows of each table it brought, and whose it is.

    >>> said = ['{"orders": 2}', '{"orders": 5}']
    >>> held = Brought(pa.table({"report": ["a", "b"], "account": ["acme", None], "brought": said}))
    >>> held.of("orders"), held.of("orders", ["acme"]), held.of_many("orders")
    ({'a': 2, 'b': 5}, {'a': 2}, {'b': 5})
    """

    def __init__(self, reports: pa.Table) -> None:
        self._rows: dict[str, dict[str | None, dict[str, int]]] = {}
        self.files_without_row_counts: set[str] = set()
        """The reports that were imported before REPORTS said what they brought."""
        read = cache(_parse_row_counts)
        told = (reports[name].to_pylist() for name in ("report", "account", "brought"))
        for report, account, brought in zip(*told, strict=True):
            if brought is None:
                self.files_without_row_counts.add(report)
            for table, rows in read(brought).items():
                self._rows.setdefault(table, {}).setdefault(account, {})[report] = rows

    def of(self, table: str, accounts: Collection[str] | None = None) -> dict[str, int]:
        """How many rows of a table each report brought; of some accounts, the reports that speak of one alone."""
        rows = self._rows.get(table, {})
        held = rows.values() if accounts is None else (rows.get(account, {}) for account in accounts)
        return {report: many for one in held for report, many in one.items()}

    def expected_rows_multi_account(self, table: str) -> dict[str, int]:
        """How many rows of a table each report brought that speaks of many accounts."""
        return self._rows.get(table, {}).get(None, {})


def _parse_row_counts(row_counts_json: str | None) -> dict[str, int]:
    """What REPORTS says of one file; where that is broken, more than any file brings, so that it counts as lost."""
    try:
        told = json.loads(row_counts_json or "{}")
    except ValueError:
        told = None
    if isinstance(told, dict) and all(isinstance(rows, int) for rows in told.values()):
        return told
    return {tables.ORDERS.name: sys.maxsize}


def format_file_count(file_count: int) -> str:
    """So many raw files, in words.

    >>> raw_files(1), raw_files(1_200)
    ('1 raw file', '1,200 raw files')
    """
    return f"{file_count:,} raw {'file' if file_count == 1 else 'files'}"


def reports_with_missing_rows(expected: Mapping[str, int], found: Mapping[str, int]) -> set[str]:
    """The reports of which rows are missing.

    >>> lacking({"a": 2, "b": 3}, {"a": 2, "b": 1})
    {'b'}
    """
    return {report for report, rows in expected.items() if found.get(report, 0) < rows}
