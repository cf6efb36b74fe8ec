"""The embedded store under `data/`: append-only Delta tables; the newest known value wins on read.

An import only ever appends, its rows of REPORTS last: a raw file is in the store when its row is, so a
break in the middle of an import leaves nothing half-read behind, and the same file twice adds nothing.
The only room with deltalake and duckdb.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from healthkit import tables
from healthkit.tables import Ledger

_ARROW = {
    "text": pa.string(),
    "day": pa.date32(),
    "instant": pa.timestamp("us", "UTC"),
    "count": pa.int64(),
    "share": pa.float64(),
    "flag": pa.bool_(),
}


TRIES = 20
"""So often an append is tried when others write at the same moment."""


class StoreError(ValueError):
    """The store is not there or does not hold what was asked for; the message says what there is instead."""


class Taken(Protocol):
    """What a reader hands over of one raw file (see `readers.Taken`)."""

    report: str
    name: str
    kind: str
    account: str | None
    rows: int
    first_day: Any
    last_day: Any
    tables: dict[str, pa.Table]


def schema(table: tables.Table) -> pa.Schema:
    """The Arrow schema in which a table is stored."""
    return pa.schema([pa.field(name, _ARROW[column.kind]) for name, column in table.columns.items()])


class Store:
    """One store: a folder with one Delta table for each raw table.

    >>> Store("nowhere").reports()
    Traceback (most recent call last):
    StoreError: There is no store at nowhere. Import files first: python -m healthkit import PATH --data nowhere
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def exists(self) -> bool:
        """Whether anything was ever imported here."""
        return (self.folder / tables.REPORTS.name / "_delta_log").is_dir()

    def add(self, takens: Sequence[Taken]) -> None:
        """Append what readers took of raw files, all of it or nothing.

        Files that the store holds already must be left out by the caller (see `holds`).
        """
        self._check_name()
        for table in tables.RAW:
            parts = [taken.tables[table.name] for taken in takens if table.name in taken.tables]
            rows = pa.concat_tables([part.cast(schema(table)) for part in parts]) if parts else None
            if rows is not None and rows.num_rows:
                self._append(table, rows)
        # Last: from here on the rows above are read. A break before this line leaves them unread for ever.
        self._append(tables.REPORTS, self._rows_of_reports(takens))

    def _check_name(self) -> None:
        """Refuse a folder whose name the table format cannot hold."""
        odd = sorted(set("[]%") & set(str(self.folder.resolve())))
        if odd:
            raise StoreError(
                f"A store cannot lie in a folder whose path holds {' or '.join(odd)}: {self.folder.resolve()}. "
                "Choose another with --data."
            )

    def _append(self, table: tables.Table, rows: pa.Table) -> None:
        path = self.folder / table.name
        path.mkdir(parents=True, exist_ok=True)
        for attempt in range(TRIES):
            try:
                write_deltalake(str(path), rows, mode="append", schema_mode="merge")
                return
            except CommitFailedError as error:
                # Another import made the table, or its first rows, at the same moment; nothing of ours was kept.
                if attempt == TRIES - 1:
                    raise StoreError(
                        f"Too many imports at once into {self.folder}; nothing was added. Run this import again."
                    ) from error

    def _rows_of_reports(self, takens: Sequence[Taken]) -> pa.Table:
        number = self._reports().num_rows
        rows = [
            {
                "report": taken.report, "name": taken.name, "kind": taken.kind, "account": taken.account,
                "rows": taken.rows, "first_day": taken.first_day, "last_day": taken.last_day, "number": number + place,
            }
            for place, taken in enumerate(takens)
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=schema(tables.REPORTS))

    def _delta(self, table: tables.Table) -> DeltaTable | None:
        try:
            return DeltaTable(str(self.folder / table.name))
        except TableNotFoundError:
            return None

    def _reports(self) -> pa.Table:
        delta = self._delta(tables.REPORTS)
        if delta is None:
            return schema(tables.REPORTS).empty_table()
        held = delta.to_pyarrow_table().select(list(tables.REPORTS.columns)).sort_by("number")
        # Two imports of one file at the same moment both name it; it is one file all the same.
        first = pa.array(~pd.Series(held["report"].to_pylist(), dtype="str").duplicated())
        return held.filter(first)

    def reports(self) -> pd.DataFrame:
        """REPORTS: the raw files that were taken in, in the order of their import.

        Raises StoreError where nothing was ever imported.
        """
        self.must_exist()
        return self._reports().to_pandas(date_as_object=False).sort_values(["number", "report"], ignore_index=True)

    def holds(self) -> set[str]:
        """The reports (content hashes) that the store holds; empty where there is no store yet."""
        return set(self._reports()["report"].to_pylist())

    def version(self) -> int:
        """How often REPORTS was appended to: the number that names a state of the store."""
        delta = self._delta(tables.REPORTS)
        return -1 if delta is None else delta.version()

    def must_exist(self) -> None:
        """Raise StoreError, saying how to make one, where nothing was ever imported."""
        if not self.exists():
            raise StoreError(
                f"There is no store at {self.folder}. Import files first: "
                f"python -m healthkit import PATH --data {self.folder}"
            )

    def ledger(self, accounts: Iterable[str] | None = None) -> Ledger:
        """The raw tables as they are known now, of all accounts or some.

        Raises StoreError for an account that the store does not hold.
        """
        self.must_exist()
        wanted = None if accounts is None else list(dict.fromkeys(accounts))
        if wanted is not None:
            self.check_accounts(wanted, self.accounts())
        connection = duckdb.connect()
        connection.register("taken", self._reports())
        connection.execute(_PLACES.format("taken"))
        for table in tables.RAW:
            self._read(connection, table, wanted)
        connection.execute(_REMOVED)
        return _ledger(connection, _coverage(connection))

    def check_accounts(self, wanted: Iterable[str], known: Sequence[str]) -> None:
        """Raise StoreError, naming those there are, for an account that is not known."""
        refuse_unknown(wanted, known, self.folder)

    def files(self, account: str) -> int:
        """How many raw files the figures of an account stand on."""
        reports = self.reports()
        return int((reports["account"].isna() | (reports["account"] == account)).sum())

    def _read(self, connection: duckdb.DuckDBPyConnection, table: tables.Table, accounts: list[str] | None) -> None:
        """The rows of taken reports as the DuckDB tables `raw_…` (as stored) and the table's name (as known now)."""
        delta = self._delta(table)
        if delta is None:
            connection.register(f"empty_{table.name}", schema(table).empty_table())
            connection.execute(
                f"create temp table raw_{table.name} as select *, 0::hugeint as newer from empty_{table.name}"
            )
        else:
            connection.register(f"stored_{table.name}", delta.to_pyarrow_dataset())
            stored = {field.name for field in delta.schema().fields}
            columns = ", ".join(_column(table, name, name in stored) for name in table.columns)
            connection.execute(
                f"create temp table raw_{table.name} as select {columns}, {_NEWER} as newer "
                f"from stored_{table.name} held join places using (report) "
                "where $all or held.account in (select unnest($accounts))",
                {"all": accounts is None, "accounts": accounts or []},
            )
        connection.execute(_newest(table))

    def accounts(self) -> list[str]:
        """The accounts that have orders here, in the order of their names."""
        return [row[0] for row in self._ask("select distinct account from held order by 1")]

    def marketplaces(self, account: str | None = None) -> list[str]:
        """The marketplaces of the orders here, or of one account's, in the order of their codes."""
        question = (
            "select distinct marketplace from held where ordered_on is not null "
            "and ($account is null or account = $account) order by 1"
        )
        return [row[0] for row in self._ask(question, {"account": account})]

    def marketplace_of(self, account: str, order_ids: Iterable[str]) -> dict[str, str]:
        """The marketplace of those of an account's orders that the store knows, by order id."""
        asked = pa.table({"order_id": pa.array(list(order_ids), pa.string())})
        return dict(
            self._ask(
                "select distinct order_id, marketplace from held semi join asked using (order_id) "
                "where account = $account",
                {"account": account}, asked=asked,
            )
        )  # fmt: skip

    def _ask(
        self,
        question: str,
        values: Mapping[str, Any] | None = None,
        table: tables.Table = tables.ORDERS,
        **frames: pa.Table,
    ) -> list[tuple[Any, ...]]:
        """Rows of an SQL question to one raw table, which stands as `held`; of taken reports only."""
        delta = self._delta(table)
        if delta is None:
            return []
        with contextlib.closing(duckdb.connect()) as connection:
            for name, frame in {"taken": self._reports(), **frames}.items():
                connection.register(name, frame)
            connection.register("stored", delta.to_pyarrow_dataset())
            connection.execute("create temp view held as select * from stored semi join taken using (report)")
            return connection.execute(question, dict(values or {})).fetchall()


def refuse_unknown(wanted: Iterable[str], known: Sequence[str], folder: Path) -> None:
    """Raise StoreError, naming those there are, for an account that is not known."""
    there = set(known)
    unknown = [account for account in wanted if account not in there]
    if unknown:
        shown = ", ".join(known[:12]) + (f" and {len(known) - 12:,} more" if len(known) > 12 else "")
        raise StoreError(f"No account {', '.join(map(repr, unknown))} in {folder}. There are: {shown}.")


def ledger_of(raw: Mapping[str, pa.Table], coverage: pd.DataFrame | None = None) -> Ledger:
    """A ledger of tables in memory, for orders that stand in no store.

    `raw` holds Arrow tables by name; those left out are empty. The coverage is that of the orders given, and all
    that could be known of them is taken as known, unless told otherwise.
    """
    connection = duckdb.connect()
    for table in tables.RAW:
        rows = raw.get(table.name, schema(table).empty_table()).cast(schema(table))
        connection.register(f"given_{table.name}", rows)
        connection.execute(_PLACES.format(f"(select distinct report, 0 as number from given_{table.name})"))
        connection.execute(
            f"create temp table raw_{table.name} as select held.*, {_NEWER} as newer "
            f"from given_{table.name} held join places using (report)"
        )
        connection.execute(_newest(table))
    told = connection.execute(
        "select account, marketplace, min(ordered_on) as begins_on, max(ordered_on) as ends_on, "
        "date '9999-12-31' as heard_on, count(*) as orders, "
        "$evidence as evidence from orders where ordered_on is not null group by all order by all",
        {"evidence": "+".join(sorted(_all_evidence(connection)))},
    ).df()
    return _ledger(connection, told if coverage is None else coverage)


def _all_evidence(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """All that files can tell of; of scans only where a parcel says whether it was scanned."""
    every = {one for kinds in tables.EVIDENCE.values() for one in kinds}
    scans = connection.execute("select count(scanned) from shipments").fetchall()[0][0]
    return every if scans else every - {"scans"}


def _ledger(connection: duckdb.DuckDBPyConnection, coverage: pd.DataFrame) -> Ledger:
    frames = {table.name: nw.from_native(connection.table(table.name)) for table in tables.RAW}
    return Ledger(coverage=coverage, **frames)


_SQL = {
    "text": "varchar", "day": "date", "instant": "timestamptz", "count": "bigint", "share": "double",
    "flag": "boolean",
}  # fmt: skip


def _column(table: tables.Table, name: str, stored: bool) -> str:
    """One column as SQL; a store that was begun before there was such a column knows nothing of it."""
    kind = _SQL[table.columns[name].kind]
    value = f"held.{name}" if stored else f"null::{kind}"
    empty = table.columns[name].empty or table.columns[name].kind != "text"
    return f"{value} as {name}" if empty else f"coalesce({value}, '') as {name}"


_PLACES = """
    create or replace temp table places as
    select report, row_number() over (order by number, report) as place from {0}
"""
"""SQL that gives each report its place among all, in the order of their imports."""
_NEWER = "coalesce(epoch_us(held.updated_at), 0)::hugeint * 4294967296 + place"
"""Which of two rows is the newer, as one whole number: comparing it takes a fifth of what comparing its parts would."""


def _newest(table: tables.Table) -> str:
    """SQL that merges what several files state of one row: per column, the newest known value, or first, or last.

    The newest is that of the latest `updated_at`; of two, that of the later import. Of a `whole` table the newest
    row stands as it is, empty cells and all.
    """
    by = {"first": "min({0})", "last": "max({0})", "newest": "arg_max({0}, newer)"}
    newest = "arg_max_null({0}, newer)"
    merged = ", ".join(
        f"{(newest if table.whole else by[column.keep]).format(name)} as {name}"
        for name, column in table.columns.items()
        if name not in table.key
    )
    key = ", ".join(table.key)
    return (
        f"create temp table {table.name} as select {key}, {merged} from raw_{table.name} group by {key} order by {key}"
    )


_REMOVED = """
    create or replace temp table feedback as
    with spans as (select account, marketplace, report, min(received_on) as first_day, max(received_on) as last_day
                   from raw_feedback semi join (from taken where kind = 'feedback') using (report) group by all),
         held as (select account, marketplace, order_id, max(last_day) as held_till
                  from raw_feedback join spans using (account, marketplace, report) group by all),
         asked as (select account, marketplace, order_id, feedback_id, spans.report, last_day
                   from feedback join held using (account, marketplace, order_id)
                        join spans using (account, marketplace)
                   where last_day >= held_till and first_day < received_on and received_on < last_day),
         lacked as (select account, marketplace, order_id, feedback_id, min(last_day) as lacked_on
                    from asked anti join raw_feedback using (account, marketplace, order_id, report) group by all)
    select feedback.* replace (
        case when removed_on is null and lacked_on is not null
             then greatest(lacked_on, held_till + 1, received_on + 1) else removed_on end as removed_on)
    from feedback left join lacked using (account, marketplace, order_id, feedback_id)
         left join held using (account, marketplace, order_id)
    order by account, marketplace, order_id, feedback_id
"""
"""SQL that finds ratings which a later download of the same account and marketplace lacks: they were removed.

A download tells of the days between its first and its last rating, the two themselves left out, for either may be told
in part. It is later than those that hold the rating when it reaches as far as each of them: a rating of a past day may
go, and never comes. It was gone by the last day of the first such download, and not before the day after the last one
that held it. An order that is rated anew in the later download was not freed but rated again (see `metrics`).
"""


def _coverage(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """COVERAGE: the days that the raw files of each account's orders reach from and to, and what else was imported.

    What the files tell ends with the last day on which an order was placed or updated. A file without rows, such as
    one that says that there were no defects, is evidence where the account has but one marketplace.
    """
    every = " union ".join(f"select account, marketplace, report from raw_{table.name}" for table in tables.RAW)
    rows = connection.execute(f"""
        with said as ({every}),
             held as (select distinct account, marketplace, report from raw_orders where ordered_on is not null),
             reach as (select held.account, marketplace, min(first_day) as begins_on, max(last_day) as ends_on
                       from held join taken using (report) group by all),
             heard as (select account, marketplace, max(updated_at)::date as heard_on
                       from raw_orders where ordered_on is not null group by all),
             many as (select account, marketplace, count(*) as orders from orders
                      where ordered_on is not null group by all),
             alone as (select account, min(marketplace) as marketplace from many group by account having count(*) = 1),
             kinds as (select account, marketplace, kind from taken join alone using (account)
                       union select said.account, said.marketplace, taken.kind from said join taken using (report)
                       union select account, marketplace, 'refunds told' from raw_defects where kind = 'refund'
                       union select account, marketplace, 'scans told' from raw_shipments where scanned is not null),
             files as (select account, marketplace, list(distinct kind) as kinds from kinds group by all)
        select reach.*, greatest(ends_on, heard_on) as heard_on, orders, kinds
        from reach join heard using (account, marketplace) join many using (account, marketplace)
             left join files using (account, marketplace)
        order by account, marketplace
    """).df()
    held = [kinds if isinstance(kinds, (list, np.ndarray)) else () for kinds in rows.pop("kinds")]
    told = [{one for kind in kinds for one in tables.EVIDENCE.get(kind, ())} for kinds in held]
    return rows.assign(evidence=pd.Series(["+".join(sorted(one)) for one in told], dtype="str"))
