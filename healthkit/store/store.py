"""The store under `data/`: append-only Delta tables; of several values of a cell the newest is read.

An import only appends, its rows of REPORTS last: a raw file is in the store when REPORTS has its row. So an import that
is killed leaves nothing that is read, and importing a file twice adds nothing. REPORTS states the number of rows of
each table in a file: a query on a store that lacks one of them raises StoreError.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake
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
from healthkit.store.logs import (
    LOG_FOLDER,
    TABLE_PROPERTIES,
    data_file_rows,
    first_version_after_purge,
    has_log_entries,
    open_table,
)
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
"""Largest number of rows of ORDERS for which accounts are read together (some 400,000 orders). [rows]"""
APPEND_ROWS = 250_000
"""Largest number of rows in one append, since the Delta writer collects them in memory. [rows]"""
DISTINCT_TIMES = ("ordered_at", "shipped_at", "confirmed_at", "delivered_at", "updated_at")
"""Columns of times that nearly every row has of its own, so that a dictionary of them costs time and saves no space."""
WRITER_PROPERTIES = WriterProperties(
    compression="SNAPPY",
    column_properties={"order_id": ColumnProperties(dictionary_enabled=False)}
    | dict.fromkeys(DISTINCT_TIMES, ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")),
)
"""How Parquet files are written; columns that a table lacks are ignored."""
APPEND_ATTEMPTS = 20
"""Number of attempts to append rows while other writers commit first."""
_PURGED_REASON = "older versions than {0} were purged"
"""The reason why a version cannot be read; the place is for the first readable one."""


class StoreError(ValueError):
    """Raised if the store is missing or damaged, or lacks what was requested.

    The message states what to do.
    """


class NoPermissionError(StoreError):
    """Raised if the user may not read the store or may not write into it."""


class FileRows(Protocol):
    """Interface of a parsed raw file: its name and digest, its account and days, and its rows by table."""

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
    """A store of raw files in a local folder or an object storage, with one Delta table per raw table.

    With a `version` the store is read-only and is read as it was in that version of REPORTS, without files that were
    imported later.

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
        """Return whether any file was ever imported into the store."""
        try:
            return has_log_entries(self.folder / tables.REPORTS.name)
        except OSError as error:
            raise self.damage_error(tables.REPORTS, error) from error

    @property
    def cache_folders(self) -> list[Path]:
        """Folders in which this store can keep its caches, in order of preference.

        The last one is in the user's cache.
        """
        return cache_folders(self.folder)

    def add(self, new_files: Sequence[FileRows]) -> None:
        """Append parsed raw files to the store, either all or none of them.

        The caller leaves out files that the store already has (see `imported_digests`). Raises StoreError for a store
        that is opened as of a version, cannot be written or is damaged.
        """
        self._check_folder_name()
        if self._pinned_version is not None:
            raise StoreError(
                f"Version {self._pinned_version} of {self.folder} is an old version; nothing can be added to it."
            )
        if not new_files:
            return
        self.must_be_writable()
        if isinstance(self.folder, Path):
            self.folder.mkdir(parents=True, exist_ok=True)
        with locks.hold_shared_lock(self.folder):
            for table in tables.RAW_TABLES:
                parts = [file.tables[table.name] for file in new_files if table.name in file.tables]
                for rows in _append_batches(table, parts):
                    self._append(table, rows)
            # Last: this makes the rows above part of the store. Without it they are never read.
            self._append(tables.REPORTS, self._report_rows(new_files))

    def must_be_writable(self) -> None:
        """Raise NoPermissionError if this user cannot write into the store.

        The check itself writes nothing.
        """
        if not isinstance(self.folder, Path):
            return
        table_folders = [self.folder.resolve() / table.name for table in (*tables.RAW_TABLES, tables.REPORTS)]
        try:
            refused = first_unwritable_folder(
                [
                    nearest_existing_folder(self.folder.resolve()),
                    *table_folders,
                    *(folder / LOG_FOLDER for folder in table_folders),
                ]
            )
        except OSError as error:
            raise self.permission_error(error) from error
        if refused is not None:
            raise NoPermissionError(
                f"No permission to write into {refused}{_owner_phrase(refused)}; nothing was changed. Ask for "
                "permission to write there, or import into a store of your own: --data FOLDER."
            )

    def permission_error(self, error: BaseException) -> NoPermissionError:
        """Return an error saying that the permission to read or write this store is missing.

        `error` is the error that a library raised.
        """
        message = " ".join(str(error).split())
        owner = _owner_phrase(nearest_existing_folder(self.folder.resolve())) if isinstance(self.folder, Path) else ""
        return NoPermissionError(
            f"No permission for the store {self.folder}{owner}: {message[:300]}. It is not damaged. Ask for permission "
            "to read all of its files (and to write into its folders, for import, repair and compact)."
        )

    def _check_folder_name(self) -> None:
        """Raise StoreError for a folder whose path Delta Lake does not support."""
        unsupported = sorted(set("[]%") & set(str(self.folder.resolve())))
        if unsupported:
            raise StoreError(
                f"The path of a store must not contain {' or '.join(unsupported)}: {self.folder.resolve()}. Choose "
                "another folder with --data."
            )

    def _append(self, table: tables.Table, rows: pa.Table) -> None:
        """Append rows to a table, all or none."""
        path = self.folder / table.name
        if isinstance(path, Path):
            path.mkdir(parents=True, exist_ok=True)
        for attempt in range(APPEND_ATTEMPTS):
            try:
                write_deltalake(
                    str(path), rows, mode="append", schema_mode="merge", configuration=TABLE_PROPERTIES,
                    writer_properties=WRITER_PROPERTIES,
                )  # fmt: skip
                _LOG.info("%s: %d rows appended", path, rows.num_rows)
                return
            except CommitFailedError as error:
                # Another import committed first; nothing of this one was written.
                _LOG.info("%s: another import committed first, attempt %d of %d", path, attempt + 1, APPEND_ATTEMPTS)
                if attempt == APPEND_ATTEMPTS - 1:
                    raise StoreError(
                        f"Too many imports at once into {self.folder}; nothing was added. Run this import again."
                    ) from error
            except (DeltaError, OSError) as error:
                raise self.damage_error(table, error) from error

    def damage_error(self, table: tables.Table, error: Exception) -> StoreError:
        """Return an error saying why a table of the store cannot be read or written.

        `error` is the error that a library raised.
        """
        if isinstance(self.folder, Path) and locks.is_purge_running(self.folder):
            return StoreError(
                f"{self.folder} is being repaired or purged at this moment. Run this again when that is done."
            )
        if isinstance(self.folder, Path) and self._pinned_version is not None:
            first = first_version_after_purge(self.folder / tables.REPORTS.name)
            if first is not None and self._pinned_version < first:
                return self._unreadable_version_error(_PURGED_REASON.format(first))
        message = str(error)
        if is_permission_error(error) and isinstance(self.folder, Path):
            return self.permission_error(error)
        if "No files found" in message and isinstance(self.folder, Path) and self._has_all_files(table):
            return self._changed_error()
        if "No space left" in message or "os error 28" in message:
            return StoreError(
                f"There is no space left for {self.folder}; nothing was added. Make room, and run it again."
            )
        problem, hint = "is damaged", ""
        if isinstance(self.folder, Bucket):
            problem = "cannot be read or written"
            hint = " If it finds nothing: are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION the bucket's?"
        return StoreError(
            f"The table {table.name} of {self.folder} {problem} ({message.splitlines()[0][:120]}). For details: "
            f"python -m healthkit store check --data {self.folder}{hint}"
        )

    def _has_all_files(self, table: tables.Table) -> bool:
        """Return whether all data files of a table's newest version exist, so that a missing one is of an older one."""
        delta, problem = open_table(self.folder / table.name)
        paths = [] if delta is None else data_file_rows(delta)
        return not problem and all(os.path.exists(f"{self.folder}/{table.name}/{path}") for path in paths)

    def _changed_error(self) -> StoreError:
        return StoreError(f"{self.folder} was changed while this query ran. Run it again.")

    def _report_rows(self, new_files: Sequence[FileRows]) -> pa.Table:
        number = max(self._reports()["number"].to_pylist(), default=-1) + 1
        rows = [
            {
                "report": file.report, "name": file.name, "kind": file.kind, "account": file.account,
                "rows": file.rows, "first_day": file.first_day, "last_day": file.last_day, "number": number + position,
                "digest": file.digest or file.report, "brought": row_counts_as_json(file.tables),
                "content": file.content,
                "stated_marketplace": file.stated_marketplace,
            }
            for position, file in enumerate(new_files)
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=arrow_schema(tables.REPORTS))

    def delta(self, table: tables.Table, version: int | None = None) -> DeltaTable | None:
        """Open a table at its newest or at the given version; return None if the table does not exist.

        Raises StoreError for a damaged table.
        """
        try:
            return DeltaTable(str(self.folder / table.name), version=version)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise self.damage_error(table, error) from error

    def _reports(self) -> pa.Table:
        """Return REPORTS with each file once, even if two simultaneous imports both added it."""
        return self.reports_with_row_counts()[0]

    def reports_with_row_counts(self) -> tuple[pa.Table, RowCounts]:
        """Return REPORTS, with each file once, and the row counts of its files.

        The result is cached until REPORTS changes.
        """
        delta = self._reports_delta()
        state = _state_id(delta)
        if self._reports_cache is None or self._reports_cache[0] != state:
            self._check_reports_log()
            once = "select distinct on (coalesce(digest, report)) * from ({0}) order by number, report"
            reports = self._query_reports(delta, once)
            self._reports_cache = state, reports, RowCounts(reports)
        return self._reports_cache[1:]

    def _check_reports_log(self) -> None:
        """Raise StoreError if an entry of the log of REPORTS is lost; nothing else names the raw files."""
        if isinstance(self.folder, Path):  # Objects are written whole or not at all.
            try:
                _, problem = open_table(self.folder / tables.REPORTS.name)
            except (DeltaError, OSError) as error:
                raise self.damage_error(tables.REPORTS, error) from error
            if problem:
                raise self.damage_error(tables.REPORTS, ValueError(problem))

    def digests_by_report(self) -> dict[str, str]:
        """Return the digest of the raw file of each report, by report id.

        Two simultaneous imports of one file give it two reports.
        """
        query = "select report, coalesce(digest, report) as digest from ({0})"
        rows = self._query_reports(self._reports_delta(), query)
        return dict(zip(rows["report"].to_pylist(), rows["digest"].to_pylist(), strict=True))

    def all_report_rows(self, delta: DeltaTable) -> pa.Table:
        """Return all rows of REPORTS in the given version, in the present schema."""
        return self._query_reports(delta, "{0}").cast(arrow_schema(tables.REPORTS))

    def _query_reports(self, delta: DeltaTable | None, query: str) -> pa.Table:
        """Run an SQL query on REPORTS, for which `{0}` stands."""
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
        """Return the stored rows of a table as a DuckDB relation; empty if the table does not exist.

        With `accounts` only the rows of these accounts are included.
        """
        if delta is None:
            return connection.from_arrow(arrow_schema(table).empty_table())
        return scan_table(connection, self.folder / table.name, delta, accounts)

    @contextlib.contextmanager
    def read_errors_as_store_errors(self, table: tables.Table) -> Iterator[None]:
        """Convert errors that occur when a table is read to StoreError, inside a `with` block."""
        try:
            yield
        except (OSError, pa.ArrowException, duckdb.Error) as error:
            raise self.damage_error(table, error) from error

    def _reports_delta(self) -> DeltaTable | None:
        """Return REPORTS at the version that this store reads. Raises StoreError for a version that does not exist."""
        newest = self.delta(tables.REPORTS)
        if newest is None or self._pinned_version is None:
            return newest
        if not 0 <= self._pinned_version <= newest.version():
            raise StoreError(f"{self.folder} has no version {self._pinned_version}; it has 0 to {newest.version()}.")
        try:
            is_newest = newest.version() == self._pinned_version
            delta = newest if is_newest else self.delta(tables.REPORTS, self._pinned_version)
        except StoreError as error:
            raise self._unreadable_version_error(f"its log has lost that state ({error.__cause__})") from error
        if delta is None:
            first = first_version_after_purge(self.folder / tables.REPORTS.name)
            raise self._unreadable_version_error(
                "its log has lost that state" if first is None else _PURGED_REASON.format(first)
            )
        if self._pinned_state is not None and _state_id(delta) != self._pinned_state:
            raise StoreError(
                f"{self.folder} was repaired while it was open; its version {self._pinned_version} is another. "
                "Open it again."
            )
        return delta

    def _unreadable_version_error(self, reason: str) -> StoreError:
        """Return the error for a version that cannot be read although newer ones can."""
        return StoreError(
            f"Version {self._pinned_version} of {self.folder} cannot be read any more: {reason}. Newer versions can: "
            f"python -m healthkit store versions --data {self.folder}"
        )

    def reports(self) -> pd.DataFrame:
        """Return the table REPORTS, which lists the imported raw files in the order of their import.

        Raises StoreError if nothing was ever imported.
        """
        self.must_exist()
        return self._reports().to_pandas(date_as_object=False).sort_values(["number", "report"], ignore_index=True)

    def imported_digests(self) -> set[str]:
        """Return the digests of all imported raw files; empty if there is no store."""
        reports = self._reports()
        return set(pc.coalesce(reports["digest"], reports["report"]).to_pylist())

    def version(self) -> int:
        """Return the number of the version that this store reads, or -1 if there is no store.

        It is the version of REPORTS.
        """
        delta = self._reports_delta()
        return -1 if delta is None else delta.version()

    def state(self) -> str:
        """Return an id of the state of the store, made of its version and a digest of REPORTS.

        The digest is of the names of the data files.
        """
        return _state_id(self._reports_delta())

    def pin_version(self) -> Store:
        """Return a store that always reads the present version, even after later imports.

        Returns this store itself if it is pinned already or does not exist.
        """
        delta = self._reports_delta()
        if delta is None or self._pinned_version is not None:
            return self
        pinned = Store(self.folder, delta.version())
        pinned._pinned_state = _state_id(delta)
        return pinned

    def must_exist(self) -> None:
        """Raise StoreError if no file was ever imported.

        The message gives the command that creates a store.
        """
        if not self.exists():
            raise StoreError(
                f"There is no store at {self.folder}. Import files first: "
                f"python -m healthkit import PATH --data {self.folder}"
            )

    def ledger(
        self, accounts: Iterable[str] | None = None, only: Collection[tables.Table] = tables.RAW_TABLES
    ) -> Ledger:
        """Return the merged rows of all raw tables as a ledger.

        With `accounts`, only the rows of these accounts are included. With `only`, just these tables are read; the
        others and COVERAGE are empty. Raises StoreError for an unknown account and for a damaged store.
        """
        self.must_exist()
        wanted = None if accounts is None else list(dict.fromkeys(accounts))
        reports, row_counts = self.reports_with_row_counts()
        # An account with a file of orders is known; below, these are checked for missing rows.
        if wanted is not None and not (tables.ORDERS in only and all(map(row_counts.has_orders, wanted))):
            self.check_accounts(wanted, self.accounts())
        connection = open_connection()
        connection.register("reports", reports)
        connection.execute(REPORT_PLACES_SQL.format("reports"))
        for table in tables.RAW_TABLES:
            try:
                if table in only:
                    self._create_merged_table(connection, table, wanted, row_counts)
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
        """Raise StoreError if one of the wanted accounts is unknown.

        The message lists known accounts.
        """
        refuse_unknown_accounts(wanted, known, self.folder)

    def count_files(self, account: str) -> int:
        """Return the number of raw files that can contain rows of the given account.

        All files of several accounts are counted.
        """
        reports = self.reports()
        return int((reports["account"].isna() | (reports["account"] == account)).sum())

    def _create_merged_table(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: tables.Table,
        accounts: list[str] | None,
        row_counts: RowCounts,
    ) -> None:
        """Create two DuckDB tables of one table: `raw_…` with the stored rows and one with the merged rows.

        Raises StoreError if rows of a report are missing.
        """
        delta = self.delta(table)
        rows = self.stored_rows(connection, table, delta, accounts)
        connection.register(f"stored_{table.name}", rows)
        columns = select_columns_sql(table, rows.columns, f"stored_{table.name}")
        connection.execute(
            f"create temp table raw_{table.name} as select stored_rows.*, {RECENCY_SQL} as newer "
            f"from ({columns}) stored_rows join places using (report)"
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
        """Raise StoreError if the DuckDB relation named `rows` lacks rows of a report."""

        def missing_in(rows: str, expected: Mapping[str, int]) -> set[str]:
            query = f"select report, count(*) from {rows} group by report"
            return (
                reports_with_missing_rows(expected, dict(connection.execute(query).fetchall())) if expected else set()
            )

        missing = missing_in(rows, row_counts.expected_rows(table.name, accounts))
        if accounts is not None and (shared := row_counts.expected_rows_multi_account(table.name)):
            # The counts of a file with several accounts include the rows of all of them.
            connection.register("all_rows", self.stored_rows(connection, table, delta))
            missing |= missing_in("all_rows", shared)
        if missing:
            raise self._missing_rows_error(table, missing)

    def _missing_rows_error(self, table: tables.Table, missing_reports: Collection[str]) -> StoreError:
        """Return the error for reports with missing rows."""
        if not Store(self.folder).digests_by_report().keys() & missing_reports:
            if self._pinned_version is None:
                return self._changed_error()
            if (
                first := first_version_after_purge(self.folder / tables.REPORTS.name)
            ) is not None and self._pinned_version < first:
                return self._unreadable_version_error(_PURGED_REASON.format(first))
            return self._unreadable_version_error(
                f"a repair has since left out {format_file_count(len(missing_reports))} of it"
            )
        return self.damage_error(table, ValueError(f"it lacks rows of {format_file_count(len(missing_reports))}"))

    def accounts(self) -> list[str]:
        """Return the sorted names of the accounts that have orders, or figures of the marketplace's own."""
        with_orders = self._query_orders("select distinct account from known_rows")
        return sorted({account for account, *_ in (*with_orders, *self._places_with_figures())})

    def accounts_in_reports(self, reports: Iterable[str]) -> list[str]:
        """Return the accounts that have orders in the given reports."""
        wanted = pa.table({"report": pa.array(list(reports), pa.string())})
        query = "select distinct account from known_rows semi join wanted using (report) order by 1"
        return [row[0] for row in self._query_orders(query, wanted=wanted)]

    def reports_by_account(self) -> dict[str, list[str]]:
        """Return the ids of the reports with rows of each account, in the order of import.

        A file of several accounts is a report of those whose rows it has; one without any row, of all accounts.
        """
        reports = self.reports()
        owners = {report: {account} for account, report in reports[["account", "report"]].itertuples(index=False)}
        shared = pa.table({"report": pa.array(reports.loc[reports["account"].isna(), "report"], pa.string())})
        for report in shared["report"].to_pylist():
            owners[report] = set()
        for table in tables.RAW_TABLES if len(shared) else ():
            query = "select distinct account, report from stored semi join shared using (report)"
            with self.read_errors_as_store_errors(table), contextlib.closing(open_connection()) as connection:
                connection.register("shared", shared)
                connection.register("stored", self.stored_rows(connection, table, self.delta(table)))
                for account, report in connection.execute(query).fetchall():
                    owners[report].add(account)
        everyone = {account for accounts in owners.values() for account in accounts}
        found: dict[str, list[str]] = {account: [] for account in sorted(everyone)}
        for report in reports["report"]:
            for account in owners[report] or everyone:
                found[account].append(report)
        return found

    def group_accounts(self, accounts: Iterable[str] | None = None) -> list[list[str]]:
        """Split accounts into groups whose rows fit into memory together.

        Without `accounts`, all accounts of the store are grouped. Each group is one query: reading the store takes as
        long for one account as for fifty.
        """
        rows = {account: 0 for account, _ in self._places_with_figures()}
        rows |= dict(self._query_orders("select account, count(*) from known_rows group by account order by account"))
        return list(group_by_row_count(sorted(rows) if accounts is None else list(dict.fromkeys(accounts)), rows))

    def marketplaces(self, account: str | None = None) -> list[str]:
        """Return the sorted codes of the marketplaces in which there are orders, or figures of the marketplace's own.

        With `account`, only the orders of this account are considered.
        """
        if account is not None and not self._may_hold(account):
            return []
        query = "select distinct marketplace from known_rows where ordered_on is not null"
        found = {code for (code,) in self._query_orders(query, None if account is None else [account])}
        return sorted(found if account is not None else found | {code for _, code in self._places_with_figures()})

    def _places_with_figures(self) -> list[tuple[str, str]]:
        """Return the accounts and marketplaces of which the marketplace's own reports hold figures."""
        return self._query_rows(tables.READINGS, "select distinct account, marketplace from known_rows order by 1")

    def marketplaces_by_account(self, accounts: Iterable[str]) -> dict[str, set[str]]:
        """Return the marketplaces in which each of the given accounts has orders, by account."""
        found: dict[str, set[str]] = {}
        query = "select distinct account, marketplace from known_rows where ordered_on is not null"
        for account, marketplace in self._query_orders(query, sorted(accounts)):
            found.setdefault(account, set()).add(marketplace)
        return found

    def marketplace_of(self, account: str, order_ids: Iterable[str]) -> dict[str, str]:
        """Return the marketplace of each known order of an account, by order id.

        Several marketplaces of one order id are joined by `+`. Two shops outside Amazon may each have an order of the
        same number.
        """
        if not self._may_hold(account):
            return {}
        wanted = pa.table({"order_id": pa.array(list(order_ids), pa.string())})
        query = (
            "select order_id, string_agg(distinct marketplace, '+' order by marketplace) "
            "from known_rows semi join wanted using (order_id) group by order_id"
        )
        return dict(self._query_orders(query, [account], wanted=wanted))

    def count_orders_in_reports(self, reports: Iterable[str], accounts: list[str] | None = None) -> tuple[int, int]:
        """Return the number of orders in the given reports, and how many of them are in other reports too."""
        wanted = pa.table({"report": pa.array(list(reports), pa.string())})
        key = "account, marketplace, order_id"
        query = (
            f"with chosen as (select distinct {key} from known_rows semi join wanted using (report)), "
            f"others as (select distinct {key} from known_rows anti join wanted using (report)) "
            f"select count(*), count(*) filter (where exists (from others where others.account = chosen.account "
            "and others.marketplace = chosen.marketplace and others.order_id = chosen.order_id)) from chosen"
        )
        [(orders, in_other_reports)] = self._query_orders(query, accounts, wanted=wanted)
        return orders, in_other_reports

    def _may_hold(self, account: str) -> bool:
        """Return whether a raw file of an account, or of several accounts, was imported."""
        owners = self._reports()["account"]
        return owners.null_count > 0 or bool(pc.any(pc.equal(owners, account), min_count=0).as_py())

    def _query_orders(self, query: str, accounts: list[str] | None = None, **frames: pa.Table) -> list[tuple[Any, ...]]:
        """Run an SQL query on `known_rows`: the stored rows of ORDERS, of all accounts or some."""
        return self._query_rows(tables.ORDERS, query, accounts, **frames)

    def _query_rows(
        self, table: tables.Table, query: str, accounts: list[str] | None = None, **frames: pa.Table
    ) -> list[tuple[Any, ...]]:
        """Run an SQL query on `known_rows`: the stored rows of a table, of all accounts or some."""
        reports, row_counts = self.reports_with_row_counts()  # First: the rows of its reports were written before.
        delta = self.delta(table)
        try:
            with contextlib.closing(open_connection()) as connection:
                for name, frame in {"reports": reports, **frames}.items():
                    connection.register(name, frame)
                connection.register("stored", self.stored_rows(connection, table, delta, accounts))
                connection.execute(
                    "create temp view known_rows as select * from stored semi join reports using (report)"
                )
                self._check_no_rows_missing(connection, table, accounts, row_counts, delta, "known_rows")
                return connection.execute(query).fetchall()
        except (OSError, pa.ArrowException, duckdb.Error) as error:
            raise self.damage_error(table, error) from error


def _owner_phrase(path: Path) -> str:
    """Return a phrase that names a file's owner; "" if it is not known."""
    owner = file_owner(path)
    return f", which belongs to {owner}" if owner else ""


def _state_id(delta: DeltaTable | None) -> str:
    """Return an id of a state of REPORTS."""
    if delta is None:
        return "-1"
    files = sorted(map(str, delta.get_add_actions(flatten=True).column("path").to_pylist()))
    return f"{delta.version()}-{hashlib.sha256('/'.join(files).encode()).hexdigest()[:8]}"


def group_by_row_count(accounts: list[str], rows: Mapping[str, int]) -> Iterator[list[str]]:
    """Split accounts into groups with at most `GROUP_ROWS` rows and yield each group.

    An account with more rows is a group by itself.

    >>> list(group_by_row_count(["a", "b", "c"], {"a": 900_000, "b": 200_000, "c": 300_000}))
    [['a', 'b'], ['c']]
    """
    group: list[str] = []
    group_rows = 0
    for name in accounts:
        if group and group_rows + rows.get(name, 0) > GROUP_ROWS:
            yield group
            group, group_rows = [], 0
        group.append(name)
        group_rows += rows.get(name, 0)
    if group:
        yield group


def _append_batches(table: tables.Table, parts: Iterable[RowSource]) -> Iterator[pa.Table]:
    """Yield the rows of several files, cast to the schema of a table, in batches of up to `APPEND_ROWS`."""
    schema = arrow_schema(table)
    waiting: list[pa.RecordBatch] = []
    waiting_rows = 0
    for batch in (batch.cast(schema) for part in parts for batch in part.to_batches()):
        if waiting_rows and waiting_rows + batch.num_rows > APPEND_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, waiting_rows = [], 0
        waiting.append(batch)
        waiting_rows += batch.num_rows
    if waiting_rows:
        yield pa.Table.from_batches(waiting)


def refuse_unknown_accounts(wanted: Iterable[str], known: Sequence[str], folder: Folder) -> None:
    """Raise StoreError if one of the wanted accounts is unknown.

    The message lists known accounts.
    """
    known_names = set(known)
    unknown = [account for account in wanted if account not in known_names]
    if unknown:
        if not known:
            raise StoreError(f"No account {', '.join(map(repr, unknown))} in {folder}: the store holds no account.")
        shown = ", ".join(known[:12]) + (f" and {len(known) - 12:,} more" if len(known) > 12 else "")
        raise StoreError(f"No account {', '.join(map(repr, unknown))} in {folder}. There are: {shown}.")
