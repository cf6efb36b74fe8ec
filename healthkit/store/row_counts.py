"""The number of rows of each raw file, as REPORTS states it, compared with the rows that can be read."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Protocol

import pyarrow as pa

from healthkit.schema import tables


class RowSource(Protocol):
    """Rows of one table, either in memory or as batches that are read again at each iteration."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""

    def to_batches(self) -> Iterable[pa.RecordBatch]:
        """Return the rows in batches; every call begins at the first row."""


def row_counts_as_json(rows_by_table: Mapping[str, RowSource]) -> str:
    """Return the number of rows of each table as the JSON text that REPORTS stores for a raw file.

    >>> row_counts_as_json({"orders": pa.table({"order_id": ["o1", "o2"]})})
    '{"orders": 2}'
    """
    return json.dumps({name: rows.num_rows for name, rows in rows_by_table.items()})


class RowCounts:
    """Numbers of rows that each raw file in REPORTS has in each table, with the account of the file.

    >>> brought = ['{"orders": 2}', '{"orders": 5}']
    >>> counts = RowCounts(pa.table({"report": ["a", "b"], "account": ["acme", None], "brought": brought}))
    >>> counts.expected_rows("orders"), counts.expected_rows("orders", ["acme"])
    ({'a': 2, 'b': 5}, {'a': 2})
    >>> counts.expected_rows_multi_account("orders")
    {'b': 5}
    """

    def __init__(self, reports: pa.Table) -> None:
        self._rows: dict[str, dict[str | None, dict[str, int]]] = {}
        self.files_without_row_counts: set[str] = set()
        """Reports of an older healthkit, whose numbers of rows are not recorded."""
        read = cache(_parse_row_counts)
        columns = (reports[name].to_pylist() for name in ("report", "account", "brought"))
        for report, account, brought in zip(*columns, strict=True):
            if brought is None:
                self.files_without_row_counts.add(report)
            for table, rows in read(brought).items():
                self._rows.setdefault(table, {}).setdefault(account, {})[report] = rows

    def expected_rows(self, table: str, accounts: Collection[str] | None = None) -> dict[str, int]:
        """Return the number of rows that each raw file has in a table, by report id.

        With `accounts` only the files of these accounts are included, without files of several accounts.
        """
        by_account = self._rows.get(table, {})
        parts = by_account.values() if accounts is None else (by_account.get(account, {}) for account in accounts)
        return {report: rows for part in parts for report, rows in part.items()}

    def has_orders(self, account: str) -> bool:
        """Return whether a file of this account alone has orders.

        >>> counts = RowCounts(pa.table({"report": ["a"], "account": ["acme"], "brought": ['{"orders": 2}']}))
        >>> counts.has_orders("acme"), counts.has_orders("other")
        (True, False)
        """
        return any(self.expected_rows(tables.ORDERS.name, [account]).values())

    def expected_rows_multi_account(self, table: str) -> dict[str, int]:
        """Return the number of rows in a table for each file of several accounts, by report id."""
        return self._rows.get(table, {}).get(None, {})


def _parse_row_counts(row_counts_json: str | None) -> dict[str, int]:
    """Return the rows of a file by table; of invalid JSON more than any file has, so that it counts as lost."""
    try:
        counts = json.loads(row_counts_json or "{}")
    except ValueError:
        counts = None
    if isinstance(counts, dict) and all(isinstance(rows, int) for rows in counts.values()):
        return counts
    return {tables.ORDERS.name: sys.maxsize}


def format_file_count(file_count: int) -> str:
    """Return a phrase that states a number of raw files.

    >>> format_file_count(1), format_file_count(1_200)
    ('1 raw file', '1,200 raw files')
    """
    return f"{file_count:,} raw {'file' if file_count == 1 else 'files'}"


def reports_with_missing_rows(expected: Mapping[str, int], found: Mapping[str, int]) -> set[str]:
    """Return the ids of the reports for which fewer rows were found than expected.

    >>> reports_with_missing_rows({"a": 2, "b": 3}, {"a": 2, "b": 1})
    {'b'}
    """
    return {report for report, rows in expected.items() if found.get(report, 0) < rows}
