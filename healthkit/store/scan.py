"""The stored rows of a Delta table as a DuckDB relation.

DuckDB reads the Parquet files of a local folder itself, in a third of the time that rows from Arrow take. In an object
storage deltalake reads them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from healthkit.store.locations import Bucket, Folder


def scan_table(
    connection: duckdb.DuckDBPyConnection, folder: Folder, delta: DeltaTable, accounts: Collection[str] | None = None
) -> duckdb.DuckDBPyRelation:
    """Return the rows of a Delta table as a DuckDB relation, which reads them when it is used.

    With `accounts` only the rows of these accounts are included. Raises duckdb.Error if a file is missing or broken.
    """
    if isinstance(folder, Bucket):
        rows = connection.from_arrow(delta.to_pyarrow_dataset())
    elif files := [_escape_glob(str(folder / path)) for path in _files_with_accounts(delta, accounts)]:
        rows = connection.read_parquet(files, union_by_name=True)
    else:
        rows = connection.from_arrow(pa.schema(delta.schema().to_arrow()).empty_table())
    return rows if accounts is None else rows.filter(_account_filter(accounts))


def _files_with_accounts(delta: DeltaTable, accounts: Collection[str] | None) -> list[str]:
    """Return the data files of a table, without those whose range of account names does not touch these."""
    added = delta.get_add_actions(flatten=True)
    paths = list(map(str, added.column("path").to_pylist()))
    if not accounts or not {"min.account", "max.account"} <= set(added.column_names):
        return paths
    first, last = min(accounts), max(accounts)
    columns = (added.column(name).to_pylist() for name in ("min.account", "max.account"))
    return [
        path
        for path, lowest, highest in zip(paths, *columns, strict=True)
        if lowest is None or highest is None or (lowest <= last and first <= highest)
    ]


def _account_filter(accounts: Collection[str]) -> duckdb.Expression:
    """Return a DuckDB filter for the rows of some accounts."""
    if not accounts:
        return duckdb.ConstantExpression(False)
    account, constant = duckdb.ColumnExpression("account"), duckdb.ConstantExpression
    # DuckDB skips row groups by bounds, not by a list.
    bounds = (account >= constant(min(accounts))) & (account <= constant(max(accounts)))
    return bounds & account.isin(*map(constant, accounts))


def _escape_glob(path: str) -> str:
    """Return a path with its glob characters escaped.

    >>> _escape_glob("what?/*.parquet")
    'what[?]/[*].parquet'
    """
    return re.sub(r"([*?[])", r"[\1]", path)
