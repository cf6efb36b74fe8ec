"""The rows of a table as they are stored, for DuckDB to read.

In a folder of this machine it reads the files itself: a third of the time that rows handed over by Arrow take. In an
object storage they come through deltalake.
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
    """The rows of the table that lies in this folder, of all accounts or some. They are read when they are asked for.

    Raises duckdb.Error where a file is gone or broken.
    """
    if isinstance(folder, Bucket):
        rows = connection.from_arrow(delta.to_pyarrow_dataset())
    elif files := [_escape_glob(str(folder / path)) for path in _files_with_accounts(delta, accounts)]:
        rows = connection.read_parquet(files, union_by_name=True)
    else:
        rows = connection.from_arrow(pa.schema(delta.schema().to_arrow()).empty_table())
    return rows if accounts is None else rows.filter(_account_filter(accounts))


def _files_with_accounts(delta: DeltaTable, accounts: Collection[str] | None) -> list[str]:
    """The files of a table by their paths within it; without those whose accounts all come before or after these."""
    added = delta.get_add_actions(flatten=True)
    paths = list(map(str, added.column("path").to_pylist()))
    if not accounts or not {"min.account", "max.account"} <= set(added.column_names):
        return paths
    first, last = min(accounts), max(accounts)
    bounds = zip(added.column("min.account").to_pylist(), added.column("max.account").to_pylist(), strict=True)
    return [
        path
        for path, (least, most) in zip(paths, bounds, strict=True)
        if least is None or most is None or (least <= last and first <= most)
    ]


def _account_filter(accounts: Collection[str]) -> duckdb.Expression:
    """Whether a row is of one of these accounts."""
    if not accounts:
        return duckdb.ConstantExpression(False)
    account, named = duckdb.ColumnExpression("account"), duckdb.ConstantExpression
    # Bounds too, for of a list no part of a file can be told to hold none.
    bounds = (account >= named(min(accounts))) & (account <= named(max(accounts)))
    return bounds & account.isin(*map(named, accounts))


def _escape_glob(path: str) -> str:
    """A path that is meant as it stands, where signs such as a star would be taken for a pattern.

    >>> _literally("what?/*.parquet")
    'what[?]/[*].parquet'
    """
    return re.sub(r"([*?[])", r"[\1]", path)
