"""The embedded store under `data/`: append-only Delta tables; the newest known value wins on read.

An import only ever appends, its rows of REPORTS last: a raw file is in the store when its row is, so a
break in the middle of an import leaves nothing half-read behind, and the same file twice adds nothing.
REPORTS says how many rows of each table a file brought: a store that lacks one of them is not read.
The only room with deltalake and duckdb.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from healthkit.schema import tables
from healthkit.schema.tables import Ledger
from healthkit.store import locks
from healthkit.store.coverage import build_coverage
from healthkit.store.locations import (
    Bucket,
    Folder,
    cache_folders,
    file_owner,
    first_unwritable_folder,
    is_permission_error,
    nearest_existing_folder,
    parse_folder,
)
from healthkit.store.logs import LOG_FOLDER, TABLE_PROPERTIES, first_version_after_purge, has_log_entries, open_table
from healthkit.store.merge_sql import (
    ADD_SETTLED_DEFECTS_SQL,
    MARK_REMOVED_RATINGS_SQL,
    RECENCY_SQL,
    REPORT_PLACES_SQL,
    arrow_schema,
    ledger_from_connection,
    mark_restored_orders,
    merge_rows_sql,
    open_connection,
    select_columns_sql,
)
from healthkit.store.row_counts import (
    RowCounts,
    RowSource,
    format_file_count,
    reports_with_missing_rows,
    row_counts_as_json,
)
from healthkit.store.scan import scan_table

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)

GROUP_ROWS = 1_200_000
"""Accounts are asked for together as long as files state no more rows of their orders: some 400,000 orders."""
APPEND_ROWS = 250_000
"""So many rows are appended at once: of a longer stream the writer takes in as much as it gets before it writes."""
APPEND_ATTEMPTS = 20
"""So often an append is tried when others write at the same moment."""


_PURGED_REASON = "older versions than {0} were purged"
"""Why a version cannot be read, by the first that can."""


class StoreError(ValueError):
    """The store is not there or does not hold what was asked for; the message says what there is instead."""


class NoPermissionError(StoreError):
    """The store is there, and this user may not read it or not write into it."""


class FileRows(Protocol):
    """What a reader hands over of one raw file (see `readers.Taken`)."""

    report: str
    digest: str | None
    name: str
    kind: str
    account: str | None
    content: str | None
    stated_marketplace: str | None
    rows: int
    first_day: Any
    last_day: Any
    tables: dict[str, Any]


class Store:
    """One store: a folder with one Delta table for each raw table, or such a place in an object storage.

    With a `version` it is read as it was when REPORTS had that version: rows of files that were imported later are not
    seen. Such a store is not added to.

    >>> Store("nowhere").reports()
    Traceback (most recent call last):
    StoreError: There is no store at nowhere. Import files first: python -m healthkit import PATH --data nowhere
    """

    def __init__(self, folder: str | Path | Bucket, version: int | None = None) -> None:
        self.folder = parse_folder(folder)
        self._pinned_version = version
        self._pinned_state: str | None = None
        self._reports_cache: tuple[str, pa.Table, RowCounts] | None = None

    def exists(self) -> bool:
        """Whether anything was ever imported here."""
        try:
            return has_log_entries(self.folder / tables.REPORTS.name)
        except OSError as error:
            raise self.damage_error(tables.REPORTS, error) from error

    @property
    def cache_folders(self) -> list[Path]:
        """The folders for what is made of this store and may be made again, the best first; the last is in the cache
        of the user, for a store that can only be read."""
        return cache_folders(self.folder)

    def add(self, new_files: Sequence[FileRows]) -> None:
        """Append what readers took of raw files, all of it or nothing.

        Files that the store holds already must be left out by the caller (see `imported_digests`).
        """
        self._check_folder_name()
        if self._pinned_version is not None:
            raise StoreError(f"Version {self._pinned_version} of {self.folder} is past; nothing can be added to it.")
        if not new_files:
            return
        self.must_be_writable()
        if isinstance(self.folder, Path):
            self.folder.mkdir(parents=True, exist_ok=True)
        with locks.hold_shared_lock(self.folder):
            for table in tables.RAW_TABLES:
                parts = [taken.tables[table.name] for taken in new_files if table.name in taken.tables]
                for rows in _append_batches(table, parts):
                    self._append(table, rows)
            # Last: from here on the rows above are read. A break before this line leaves them unread for ever.
            self._append(tables.REPORTS, self._report_rows(new_files))

    def must_be_writable(self) -> None:
        """Raise NoPermissionError where this user cannot write into the store, before anything is written."""
        if not isinstance(self.folder, Path):
            return
        tables_of = [self.folder.resolve() / table.name for table in (*tables.RAW_TABLES, tables.REPORTS)]
        try:
            refused = first_unwritable_folder(
                [
                    nearest_existing_folder(self.folder.resolve()),
                    *tables_of,
                    *(place / LOG_FOLDER for place in tables_of),
                ]
            )
        except OSError as error:
            raise self.permission_error(error) from error
        if refused is not None:
            raise NoPermissionError(
                f"No permission to write into {refused}{_owner_phrase(refused)}; nothing was changed. Ask for "
                "permission "
                "to write there, or import into a store of your own: --data FOLDER."
            )

    def permission_error(self, error: BaseException) -> NoPermissionError:
        """What is to be said where permission is missing to read or write this store, as an error of a library says."""
        message = " ".join(str(error).split())
        owner = _owner_phrase(nearest_existing_folder(self.folder.resolve())) if isinstance(self.folder, Path) else ""
        return NoPermissionError(
            f"No permission for the store {self.folder}{owner}: {message[:300]}. It is not damaged. Ask for permission "
            "to read all of its files (and to write into its folders, for import, repair and compact)."
        )

    def _check_folder_name(self) -> None:
        """Refuse a folder whose name the table format cannot hold."""
        odd = sorted(set("[]%") & set(str(self.folder.resolve())))
        if odd:
            raise StoreError(
                f"A store cannot lie in a folder whose path holds {' or '.join(odd)}: {self.folder.resolve()}. "
                "Choose another with --data."
            )

    def _append(self, table: tables.Table, rows: pa.Table) -> None:
        """Append rows, all or none."""
        path = self.folder / table.name
        if isinstance(path, Path):
            path.mkdir(parents=True, exist_ok=True)
        for attempt in range(APPEND_ATTEMPTS):
            try:
                write_deltalake(str(path), rows, mode="append", schema_mode="merge", configuration=TABLE_PROPERTIES)
                _LOG.info("%s: %d rows appended", path, rows.num_rows)
                return
            except CommitFailedError as error:
                # Another import made the table, or its first rows, at the same moment; nothing of ours was kept.
                _LOG.info(
                    "%s: another import wrote at the same moment, try %d of %d", path, attempt + 1, APPEND_ATTEMPTS
                )
                if attempt == APPEND_ATTEMPTS - 1:
                    raise StoreError(
                        f"Too many imports at once into {self.folder}; nothing was added. Run this import again."
                    ) from error
            except (DeltaError, OSError) as error:
                raise self.damage_error(table, error) from error

    def damage_error(self, table: tables.Table, error: Exception) -> StoreError:
        """What is to be said of a table that cannot be read or written."""
        if isinstance(self.folder, Path) and locks.is_purge_running(self.folder):
            return StoreError(
                f"{self.folder} is being repaired or purged at this moment. Run this again when that is done."
            )
        if isinstance(self.folder, Path) and self._pinned_version is not None:
            first = first_version_after_purge(self.folder / tables.REPORTS.name)
            if first is not None and self._pinned_version < first:
                return self._unreadable_version_error(_PURGED_REASON.format(first))
        said = str(error)
        if is_permission_error(error) and isinstance(self.folder, Path):
            return self.permission_error(error)
        if "No space left" in said or "os error 28" in said:
            return StoreError(
                f"There is no space left for {self.folder}; nothing was added. Make room, and run it again."
            )
        what, or_else = "is damaged", ""
        if isinstance(self.folder, Bucket):
            what = "cannot be read or written"
            or_else = " Where nothing is: are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION the bucket's?"
        return StoreError(
            f"The table {table.name} of {self.folder} {what} ({said.splitlines()[0][:120]}). See what is: "
            f"python -m healthkit store check --data {self.folder}{or_else}"
        )

    def _report_rows(self, new_files: Sequence[FileRows]) -> pa.Table:
        number = max(self._reports()["number"].to_pylist(), default=-1) + 1
        rows = [
            {
                "report": taken.report, "name": taken.name, "kind": taken.kind, "account": taken.account,
                "rows": taken.rows, "first_day": taken.first_day, "last_day": taken.last_day, "number": number + place,
                "digest": taken.digest or taken.report, "brought": row_counts_as_json(taken.tables),
                "content": taken.content,
                "stated_marketplace": taken.stated_marketplace,
            }
            for place, taken in enumerate(new_files)
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=arrow_schema(tables.REPORTS))

    def delta(self, table: tables.Table, version: int | None = None) -> DeltaTable | None:
        """One table as it is stored, None where there is none yet. Raises StoreError for a damaged one."""
        try:
            return DeltaTable(str(self.folder / table.name), version=version)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise self.damage_error(table, error) from error

    def _reports(self) -> pa.Table:
        """REPORTS, each file once: two imports of one file at the same moment both name it, and the rows of one are
        read."""
        return self.reports_with_row_counts()[0]

    def reports_with_row_counts(self) -> tuple[pa.Table, RowCounts]:
        """REPORTS, each file once, and what they brought; read again when it has changed."""
        delta = self._reports_delta()
        state = _state_id(delta)
        if self._reports_cache is None or self._reports_cache[0] != state:
            self._check_reports_log()
            once = "select distinct on (coalesce(digest, report)) * from ({0}) order by number, report"
            reports = self._query_reports(delta, once)
            self._reports_cache = state, reports, RowCounts(reports)
        return self._reports_cache[1:]

    def _check_reports_log(self) -> None:
        """Raise StoreError where REPORTS lost what its log said once: nothing else says which files there were."""
        if isinstance(self.folder, Path):  # An object is there whole or not at all.
            try:
                _, problem = open_table(self.folder / tables.REPORTS.name)
            except (DeltaError, OSError) as error:
                raise self.damage_error(tables.REPORTS, error) from error
            if problem:
                raise self.damage_error(tables.REPORTS, ValueError(problem))

    def digests_by_report(self) -> dict[str, str]:
        """All reports that REPORTS names, each with the digest of its file: of one file there may be several."""
        question = "select report, coalesce(digest, report) as digest from ({0})"
        rows = self._query_reports(self._reports_delta(), question)
        return dict(zip(rows["report"].to_pylist(), rows["digest"].to_pylist(), strict=True))

    def all_report_rows(self, delta: DeltaTable) -> pa.Table:
        """All rows of REPORTS as it is in one version, each import of a file; in the kinds of today."""
        return self._query_reports(delta, "{0}").cast(arrow_schema(tables.REPORTS))

    def _query_reports(self, delta: DeltaTable | None, query: str) -> pa.Table:
        """Rows of an SQL question to REPORTS."""
        try:
            with contextlib.closing(open_connection()) as connection:
                rows = self.stored_rows(connection, tables.REPORTS, delta)
                connection.register("stored", rows)
                columns = select_columns_sql(tables.REPORTS, rows.columns, "stored")
                return connection.sql(query.format(columns)).to_arrow_table()
        except (OSError, duckdb.Error) as error:
            raise self.damage_error(tables.REPORTS, error) from error

    def stored_rows(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: tables.Table,
        delta: DeltaTable | None,
        accounts: Collection[str] | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """The rows of a table as they are stored, of all accounts or some; none where there is no such table yet."""
        if delta is None:
            return connection.from_arrow(arrow_schema(table).empty_table())
        return scan_table(connection, self.folder / table.name, delta, accounts)

    @contextlib.contextmanager
    def read_errors_as_store_errors(self, table: tables.Table) -> Iterator[None]:
        """Raise StoreError where a table cannot be read."""
        try:
            yield
        except (OSError, pa.ArrowException, duckdb.Error) as error:
            raise self.damage_error(table, error) from error

    def _reports_delta(self) -> DeltaTable | None:
        """REPORTS at the version that is read. Raises StoreError for one that there is not."""
        newest = self.delta(tables.REPORTS)
        if newest is None or self._pinned_version is None:
            return newest
        if not 0 <= self._pinned_version <= newest.version():
            raise StoreError(f"{self.folder} has no version {self._pinned_version}; it has 0 to {newest.version()}.")
        try:
            held = (
                newest if newest.version() == self._pinned_version else self.delta(tables.REPORTS, self._pinned_version)
            )
        except StoreError as error:
            raise self._unreadable_version_error(f"its log has lost that state ({error.__cause__})") from error
        if held is None:
            first = first_version_after_purge(self.folder / tables.REPORTS.name)
            raise self._unreadable_version_error(
                "its log has lost that state" if first is None else _PURGED_REASON.format(first)
            )
        if self._pinned_state is not None and _state_id(held) != self._pinned_state:
            raise StoreError(
                f"{self.folder} was mended while it was open; its version {self._pinned_version} is another. "
                "Begin again."
            )
        return held

    def _unreadable_version_error(self, reason: str) -> StoreError:
        """What is to be said of a version that cannot be read, where newer ones can."""
        return StoreError(
            f"Version {self._pinned_version} of {self.folder} cannot be read any more: {reason}. Newer versions can: "
            f"python -m healthkit store versions --data {self.folder}"
        )

    def reports(self) -> pd.DataFrame:
        """REPORTS: the raw files that were taken in, in the order of their import.

        Raises StoreError where nothing was ever imported.
        """
        self.must_exist()
        return self._reports().to_pandas(date_as_object=False).sort_values(["number", "report"], ignore_index=True)

    def imported_digests(self) -> set[str]:
        """The digests of the files that the store holds; empty where there is no store yet."""
        reports = self._reports()
        return set(pc.coalesce(reports["digest"], reports["report"]).to_pylist())

    def version(self) -> int:
        """The version of REPORTS: the number that names a state of the store."""
        delta = self._reports_delta()
        return -1 if delta is None else delta.version()

    def state(self) -> str:
        """A name for what is held: the version and, for its number may come again after a repair, a digest of the files
        in which REPORTS stands."""
        return _state_id(self._reports_delta())

    def pin_version(self) -> Store:
        """The store as it is now: what is imported later is not seen. One that is not there yet is itself."""
        delta = self._reports_delta()
        if delta is None or self._pinned_version is not None:
            return self
        held = Store(self.folder, delta.version())
        held._pinned_state = _state_id(delta)
        return held

    def must_exist(self) -> None:
        """Raise StoreError, saying how to make one, where nothing was ever imported."""
        if not self.exists():
            raise StoreError(
                f"There is no store at {self.folder}. Import files first: "
                f"python -m healthkit import PATH --data {self.folder}"
            )

    def ledger(
        self, accounts: Iterable[str] | None = None, only: Collection[tables.Table] = tables.RAW_TABLES
    ) -> Ledger:
        """The raw tables as they are known now, of all accounts or some.

        With `only` some tables are read, and the others and COVERAGE are empty. Raises StoreError for an account that
        the store does not hold.
        """
        self.must_exist()
        wanted = None if accounts is None else list(dict.fromkeys(accounts))
        if wanted is not None:
            self.check_accounts(wanted, self.accounts())
        connection, (reports, brought) = open_connection(), self.reports_with_row_counts()
        connection.register("taken", reports)
        connection.execute(REPORT_PLACES_SQL.format("taken"))
        for table in tables.RAW_TABLES:
            try:
                if table in only:
                    self._create_merged_table(connection, table, wanted, brought)
                else:
                    connection.register(f"none_{table.name}", arrow_schema(table).empty_table())
                    connection.execute(f"create temp table {table.name} as select * from none_{table.name}")
            except (OSError, pa.ArrowInvalid, duckdb.Error) as error:
                raise self.damage_error(table, error) from error
        if len(only) < len(tables.RAW_TABLES):
            return ledger_from_connection(connection, arrow_schema(tables.COVERAGE).empty_table().to_pandas())
        mark_restored_orders(connection)
        connection.execute(MARK_REMOVED_RATINGS_SQL)
        connection.execute(ADD_SETTLED_DEFECTS_SQL)
        return ledger_from_connection(connection, build_coverage(connection))

    def check_accounts(self, wanted: Iterable[str], known: Sequence[str]) -> None:
        """Raise StoreError, naming those there are, for an account that is not known."""
        refuse_unknown_accounts(wanted, known, self.folder)

    def count_files(self, account: str) -> int:
        """How many raw files the figures of an account stand on."""
        reports = self.reports()
        return int((reports["account"].isna() | (reports["account"] == account)).sum())

    def _create_merged_table(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: tables.Table,
        accounts: list[str] | None,
        row_counts: RowCounts,
    ) -> None:
        """The rows of taken reports as the DuckDB tables `raw_…` (as stored) and the table's name (as known now).

        Raises StoreError where a report brought more rows than are there.
        """
        delta = self.delta(table)
        rows = self.stored_rows(connection, table, delta, accounts)
        connection.register(f"stored_{table.name}", rows)
        connection.execute(
            f"create temp table raw_{table.name} as select held.*, {RECENCY_SQL} as newer "
            f"from ({select_columns_sql(table, rows.columns, f'stored_{table.name}')}) held join places using (report)"
        )
        self._check_no_rows_missing(connection, table, accounts, row_counts, delta, f"raw_{table.name}")
        connection.execute(merge_rows_sql(table))

    def _check_no_rows_missing(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: tables.Table,
        accounts: Collection[str] | None,
        row_counts: RowCounts,
        delta: DeltaTable | None,
        rows: str,
    ) -> None:
        """Raise StoreError where a report brought more rows than are there: `rows`, of some accounts or all."""

        def lost(wanted: Mapping[str, int], rows: str) -> set[str]:
            counted = f"select report, count(*) from {rows} group by report"
            return reports_with_missing_rows(wanted, dict(connection.execute(counted).fetchall())) if wanted else set()

        missing = lost(row_counts.expected_rows(table.name, accounts), rows)
        if accounts is not None and (of_many := row_counts.expected_rows_multi_account(table.name)):
            # Of a file of many accounts the rows of others count too.
            connection.register("everywhere", self.stored_rows(connection, table, delta))
            missing |= lost(of_many, "everywhere")
        if missing:
            raise self._missing_rows_error(table, missing)

    def _missing_rows_error(self, table: tables.Table, missing_reports: Collection[str]) -> StoreError:
        """What is to be said where rows of raw files are not there."""
        if not Store(self.folder).digests_by_report().keys() & missing_reports:
            if self._pinned_version is None:
                return StoreError(f"{self.folder} was changed while this question ran. Run it again.")
            if (
                first := first_version_after_purge(self.folder / tables.REPORTS.name)
            ) is not None and self._pinned_version < first:
                return self._unreadable_version_error(_PURGED_REASON.format(first))
            return self._unreadable_version_error(
                f"a repair has since forgotten {format_file_count(len(missing_reports))} of it"
            )
        return self.damage_error(table, ValueError(f"it lacks rows of {format_file_count(len(missing_reports))}"))

    def accounts(self) -> list[str]:
        """The accounts that have orders here, in the order of their names."""
        return [row[0] for row in self._query_orders("select distinct account from held order by 1")]

    def accounts_in_reports(self, reports: Iterable[str]) -> list[str]:
        """The accounts of whose orders some of the taken reports tell."""
        asked = pa.table({"report": pa.array(list(reports), pa.string())})
        question = "select distinct account from held semi join asked using (report) order by 1"
        return [row[0] for row in self._query_orders(question, asked=asked)]

    def group_accounts(self, accounts: Iterable[str] | None = None) -> list[list[str]]:
        """All accounts or some, in groups whose tables fit into memory together: each group is one question to the
        store, for reading it costs the same for one account as for fifty."""
        rows = dict(self._query_orders("select account, count(*) from held group by account order by account"))
        return list(group_by_row_count(list(rows) if accounts is None else list(dict.fromkeys(accounts)), rows))

    def marketplaces(self, account: str | None = None) -> list[str]:
        """The marketplaces of the orders here, or of one account's, in the order of their codes."""
        question = "select distinct marketplace from held where ordered_on is not null order by 1"
        return [row[0] for row in self._query_orders(question, None if account is None else [account])]

    def marketplaces_by_account(self, accounts: Iterable[str]) -> dict[str, set[str]]:
        """The marketplaces of the orders of some accounts, in one question to the store."""
        found: dict[str, set[str]] = {}
        question = "select distinct account, marketplace from held where ordered_on is not null"
        for account, marketplace in self._query_orders(question, sorted(accounts)):
            found.setdefault(account, set()).add(marketplace)
        return found

    def marketplace_of(self, account: str, order_ids: Iterable[str]) -> dict[str, str]:
        """The marketplace of those of an account's orders that the store knows, by order id; several are joined by
        `+`, for two shops may each have an order of that number."""
        asked = pa.table({"order_id": pa.array(list(order_ids), pa.string())})
        question = (
            "select order_id, string_agg(distinct marketplace, '+' order by marketplace) "
            "from held semi join asked using (order_id) group by order_id"
        )
        return dict(self._query_orders(question, [account], asked=asked))

    def count_orders_in_reports(self, reports: Iterable[str], accounts: list[str] | None = None) -> tuple[int, int]:
        """How many orders some of the taken reports tell of, and of how many of these other reports tell too."""
        wanted = pa.table({"report": pa.array(list(reports), pa.string())})
        key = "account, marketplace, order_id"
        question = (
            f"with theirs as (select distinct {key} from held semi join asked using (report)), "
            f"others as (select distinct {key} from held anti join asked using (report)) "
            f"select count(*), count(*) filter (where exists (from others where others.account = theirs.account "
            "and others.marketplace = theirs.marketplace and others.order_id = theirs.order_id)) from theirs"
        )
        [(many, known_otherwise)] = self._query_orders(question, accounts, asked=wanted)
        return many, known_otherwise

    def _query_orders(self, query: str, accounts: list[str] | None = None, **frames: pa.Table) -> list[tuple[Any, ...]]:
        """Rows of an SQL question to ORDERS as `held`: the stored rows of taken reports, of all accounts or some."""
        reports, brought = self.reports_with_row_counts()  # First: the rows of what is named there are there already.
        delta = self.delta(tables.ORDERS)
        try:
            with contextlib.closing(open_connection()) as connection:
                for name, frame in {"taken": reports, **frames}.items():
                    connection.register(name, frame)
                connection.register("stored", self.stored_rows(connection, tables.ORDERS, delta, accounts))
                connection.execute("create temp view held as select * from stored semi join taken using (report)")
                self._check_no_rows_missing(connection, tables.ORDERS, accounts, brought, delta, "held")
                return connection.execute(query).fetchall()
        except (OSError, pa.ArrowException, duckdb.Error) as error:
            raise self.damage_error(tables.ORDERS, error) from error


def _owner_phrase(path: Path) -> str:
    """Whose a file is, in words; empty where that is not known."""
    owner = file_owner(path)
    return f", which belongs to {owner}" if owner else ""


def _state_id(delta: DeltaTable | None) -> str:
    """The name of a state of REPORTS."""
    if delta is None:
        return "-1"
    files = sorted(map(str, delta.get_add_actions(flatten=True).column("path").to_pylist()))
    return f"{delta.version()}-{hashlib.sha256('/'.join(files).encode()).hexdigest()[:8]}"


def group_by_row_count(accounts: list[str], rows: Mapping[str, int]) -> Iterator[list[str]]:
    """Accounts in groups of so many rows of orders, or one alone that has more.

    >>> list(grouped(["a", "b", "c"], {"a": 900_000, "b": 200_000, "c": 300_000}))
    [['a', 'b'], ['c']]
    """
    group: list[str] = []
    held = 0
    for name in accounts:
        if group and held + rows.get(name, 0) > GROUP_ROWS:
            yield group
            group, held = [], 0
        group.append(name)
        held += rows.get(name, 0)
    if group:
        yield group


def _append_batches(table: tables.Table, parts: Iterable[RowSource]) -> Iterator[pa.Table]:
    """The rows of one table that several files hold, in its kinds, as many together as are appended at once."""
    columns = arrow_schema(table)
    waiting: list[pa.RecordBatch] = []
    many = 0
    for batch in (batch.cast(columns) for part in parts for batch in part.to_batches()):
        if many and many + batch.num_rows > APPEND_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, many = [], 0
        waiting.append(batch)
        many += batch.num_rows
    if many:
        yield pa.Table.from_batches(waiting)


def refuse_unknown_accounts(wanted: Iterable[str], known: Sequence[str], folder: Folder) -> None:
    """Raise StoreError, naming those there are, for an account that is not known."""
    there = set(known)
    unknown = [account for account in wanted if account not in there]
    if unknown:
        shown = ", ".join(known[:12]) + (f" and {len(known) - 12:,} more" if len(known) > 12 else "")
        raise StoreError(f"No account {', '.join(map(repr, unknown))} in {folder}. There are: {shown}.")
