"""Is a store whole, and what if it is not: check, repair, compact, versions.

REPORTS says how many rows of each table every raw file brought. Held against the rows that can be read, this tells
which raw files must be imported again, whatever became of files and logs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileSystem

from healthkit.schema import tables
from healthkit.store import locks
from healthkit.store.locations import Folder, file_exists, is_permission_error, list_files, open_filesystem
from healthkit.store.logs import (
    COMMIT_INFO_KEY,
    FILE_COUNT_KEY,
    PURGE_OPERATION,
    REPAIR_OPERATION,
    create_empty_table,
    data_file_rows,
    find_commit_info,
    has_log_entries,
    list_log_entries,
    open_table,
    quarantine_file,
    read_log_entry,
    recoverable_file_rows,
    repair_log,
)
from healthkit.store.merge_sql import arrow_schema
from healthkit.store.removal import delete_rows_of_reports, removed_reports
from healthkit.store.row_counts import RowCounts, format_file_count, reports_with_missing_rows
from healthkit.store.store import Store, StoreError

ALL_TABLES = (*tables.RAW_TABLES, tables.REPORTS)
UNNEEDED_FILE_HOURS = 24
"""Files that no version needs are removed once they are so old: who reads may still hold them open."""
MAX_REPORTS_FILES = 100
"""REPORTS is made one file when it has more; older versions keep theirs, and can be read again."""


class Damage(NamedTuple):
    """One thing that is wrong: in which table, with what, and how many rows are lost where that is known."""

    table: str
    what: str
    rows: int | None = None


@dataclass
class CheckResult:
    """What a check found: damages, and what is no damage but worth knowing."""

    damages: list[Damage] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    unread: int = 0
    removed: int = 0
    """Rows of raw files that were removed: older versions read them."""
    unnamed_data_files: int = 0
    """Data files that no version of a table names: left by imports that were killed."""
    lost_files: list[str] = field(default_factory=list)
    """The names of the raw files whose rows are lost, as far as they are known."""
    files_without_row_counts: int = 0
    """Raw files of which REPORTS does not say how many rows they brought: an older healthkit imported them."""


def check(store: Store) -> CheckResult:
    """Hold the raw files that REPORTS names against the rows that can be read; every data file is read through.

    Raises StoreError where there is no store.
    """
    with _permission_errors_explained(store):
        return _check(store)


@contextmanager
def _permission_errors_explained(store: Store) -> Iterator[None]:
    """Say in a sentence where permission is missing; nothing is taken for damaged by that."""
    try:
        yield
    except (DeltaError, OSError) as error:
        if is_permission_error(error) and isinstance(store.folder, Path):
            raise store.permission_error(error) from error
        raise


def _check(store: Store) -> CheckResult:
    _check_begun(store)
    # REPORTS first: the rows of what it names are there already.
    listed = _scan_table(store, tables.REPORTS)
    held = store.listed() if listed.is_intact else None
    looked = {table.name: _scan_table(store, table) for table in tables.RAW_TABLES}
    found = CheckResult()
    for name, one in {**looked, tables.REPORTS.name: listed}.items():
        found.files += len(one.files)
        found.rows += sum(rows for path, rows in one.files.items() if path not in one.wrong)
        found.unnamed_data_files += one.unnamed_data_files
        found.damages += [Damage(name, one.problem)] if one.problem else []
        found.damages += [Damage(name, f"{path} {why}", one.files[path]) for path, why in one.wrong.items()]
    if not store.exists():
        found.damages.append(Damage(tables.REPORTS.name, "is not there: which raw files were imported is not known"))
    if held is None:
        return found
    reports, brought = held
    for name, one in looked.items():
        if lost := reports_with_missing_rows(brought.of(name), one.held):
            found.damages.append(Damage(name, f"lacks rows of {format_file_count(len(lost))} that REPORTS names"))
    found.lost_files = _file_names(reports, _find_lost_reports(brought, looked))
    found.files_without_row_counts = len(brought.files_without_row_counts)
    known, removed = store.digests_by_report(), removed_reports(store)
    unread = [(report, rows) for one in looked.values() for report, rows in one.held.items() if report not in known]
    found.removed = sum(rows for report, rows in unread if report in removed)
    found.unread = sum(rows for _, rows in unread) - found.removed
    return found


def _check_begun(store: Store) -> None:
    """Raise StoreError where there is neither a store nor what is left of one."""
    if not any(has_log_entries(store.folder / table.name) for table in tables.RAW_TABLES):
        store.must_exist()


class _TableScan(NamedTuple):
    """One table looked at: what is wrong with its log; its data files, with the rows that the log says they have; what
    is wrong with some; how many rows of each report stand in the others; and how many files it does not name."""

    problem: str
    files: dict[str, int]
    wrong: dict[str, str]
    held: Counter[str]
    unnamed_data_files: int

    @property
    def is_intact(self) -> bool:
        """Whether all of it can be read."""
        return not self.problem and not self.wrong


def _scan_table(store: Store, table: tables.Table) -> _TableScan:
    """One table, each data file of it read through, once."""
    there = open_filesystem(store.folder / table.name)
    delta, problem = open_table(store.folder / table.name)
    files = (
        recoverable_file_rows(store.folder / table.name) if problem else {} if delta is None else data_file_rows(delta)
    )
    # What older versions of REPORTS name stays, so that they can be read again.
    unnamed = set(list_files(there, "")) - files.keys() if table is not tables.REPORTS else set()
    spare = sum(is_own_data_file(store.folder / table.name, path, table) for path in unnamed)
    looked = _TableScan(problem, files, {}, Counter(), spare)
    for path, rows in looked.files.items():
        held, why = _check_data_file(there, path, rows)
        if why:
            looked.wrong[path] = why
        else:
            looked.held.update(held)
    return looked


def _check_data_file(filesystem: FileSystem, path: str, logged_rows: int) -> tuple[Counter[str], str]:
    """How many rows of each report a data file holds, and what is wrong with it; empty where nothing is."""
    if not file_exists(filesystem, path):
        return Counter(), "is gone"
    try:
        row_counts = count_rows_by_report(filesystem, path)
    except (OSError, KeyError, pa.ArrowException) as error:
        if is_permission_error(error):
            raise
        return Counter(), f"cannot be read ({type(error).__name__}): it is cut off or changed"
    read = row_counts.total()
    return row_counts, "" if read == logged_rows else f"holds {read:,} rows, and {logged_rows:,} were written"


def count_rows_by_report(filesystem: FileSystem, path: str, columns: list[str] | None = None) -> Counter[str]:
    """How many rows of each report a data file holds; some of its columns are read, or all."""
    held: Counter[str] = Counter()
    with filesystem.open_input_file(path) as opened, pq.ParquetFile(opened) as file:
        for batch in file.iter_batches(columns=columns):
            batch.validate(full=True)
            counts = batch["report"].value_counts()
            held.update(dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True)))
    return held


def _find_lost_reports(row_counts: RowCounts, scans: Mapping[str, _TableScan]) -> set[str]:
    """The reports of which rows are lost. Of those that do not say what they brought any may be, where anything is."""
    lost = set[str]().union(*(reports_with_missing_rows(row_counts.of(name), one.held) for name, one in scans.items()))
    return lost if all(one.is_intact for one in scans.values()) else lost | row_counts.files_without_row_counts


def _file_names(reports: pa.Table, lost_reports: set[str]) -> list[str]:
    """The names of the raw files of some reports, sorted."""
    pairs = zip(reports["report"].to_pylist(), reports["name"].to_pylist(), strict=True)
    return sorted(name for report, name in pairs if report in lost_reports)


# -- mending ------------------------------------------------------------------------------------------------------


class RepairResult(NamedTuple):
    """What a repair came to: the raw files to import again, and whether there may be more, whose names are lost."""

    lost_files: list[str]
    names_incomplete: bool = False


def repair(store: Store) -> RepairResult:
    """Make a damaged store readable, and name the raw files that must be imported again.

    What is broken is moved aside, never deleted. A raw file of which any row is lost is forgotten as a whole, so that
    importing it again adds it whole; where the list of raw files itself was damaged, all are to be imported again, and
    those that are held add nothing. Raises StoreError where there is no store.
    """
    try:
        with _permission_errors_explained(store):
            _check_begun(store)
            store.must_be_writable()
            with locks.hold_shared_lock(store.folder):
                return _repair(store)
    except (DeltaError, FileNotFoundError) as error:
        raise StoreError(
            f"Something else wrote to {store.folder} while it was mended ({error}). Run the repair again."
        ) from error


def _repair(store: Store) -> RepairResult:
    unnamed = not store.exists()
    if unnamed:
        create_empty_table(store.folder / tables.REPORTS.name, tables.REPORTS)
    mended = {table.name for table in ALL_TABLES if repair_log(store.folder / table.name, table)}
    listed = _scan_table(store, tables.REPORTS)
    _drop_broken_files(store, tables.REPORTS, listed.wrong)
    reports, brought = store.listed()
    looked = {table.name: _scan_table(store, table) for table in tables.RAW_TABLES}
    lost = _find_lost_reports(brought, looked)
    _forget_reports(store, lost)
    for table in tables.RAW_TABLES:
        _drop_broken_files(store, table, looked[table.name].wrong)
    return RepairResult(_file_names(reports, lost), unnamed or tables.REPORTS.name in mended or bool(listed.wrong))


def _forget_reports(store: Store, reports: set[str]) -> None:
    """Take raw files out of REPORTS, each by whatever imports named it."""
    known = store.digests_by_report()
    lost = {known[report] for report in reports if report in known}  # Another repair may have been faster.
    delta = store.delta(tables.REPORTS)
    if delta is not None:
        delete_rows_of_reports(delta, [report for report, digest in known.items() if digest in lost])


def _drop_broken_files(store: Store, table: tables.Table, broken_files: Collection[str]) -> None:
    """Move broken data files aside, and take them out of the table."""
    there = open_filesystem(store.folder / table.name)
    for path in broken_files:
        if file_exists(there, path):
            quarantine_file(there, path)
    if broken_files:
        DeltaTable(str(store.folder / table.name)).repair()


# -- few files, and none that nobody needs ------------------------------------------------------------------------


class CompactResult(NamedTuple):
    """What compacting came to: data files before and after, and how many that nobody needs were removed."""

    before: int
    after: int
    removed: int


def compact(store: Store) -> CompactResult:
    """Join the many small files of a store into few, and remove what is never read: rows that killed imports left, and
    files that no version needs, once they are a day old.

    Nothing that a question could be answered with changes; every version can still be read. Raises StoreError where
    there is no store, or one whose logs or files cannot be read.
    """
    store.must_exist()
    with _permission_errors_explained(store):
        store.must_be_writable()
        for table in ALL_TABLES:
            if problem := open_table(store.folder / table.name)[1]:
                raise store.damage_error(table, ValueError(problem))
        with locks.hold_shared_lock(store.folder):
            return _compact_all(store)


def _compact_all(store: Store) -> CompactResult:
    before = after = removed = 0
    for table in ALL_TABLES:
        delta = store.delta(table)
        if delta is None:
            continue
        try:
            before += len(data_file_rows(delta))
            removed += _compact(store, table, delta)
            after += len(data_file_rows(delta))
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise store.damage_error(table, error) from error
    return CompactResult(before, after, removed)


def _compact(store: Store, table: tables.Table, delta: DeltaTable) -> int:
    """Join the files of one table; how many files were removed."""
    if table is tables.REPORTS:
        if len(data_file_rows(delta)) > MAX_REPORTS_FILES:
            delta.optimize.compact()
        return 0
    there = open_filesystem(store.folder / table.name)
    files = there.get_file_info([path for path in list_files(there, "") if path.endswith(".parquet")])
    # Imports that wrote these would be done by now.
    old = {file.path for file in files if file.mtime < datetime.now(UTC) - timedelta(hours=UNNEEDED_FILE_HOURS)}
    _delete_orphan_rows(store, there, delta, old)
    delta.optimize.compact()
    return _remove_unneeded(store, table, delta, old)


def _delete_orphan_rows(store: Store, filesystem: FileSystem, delta: DeltaTable, old_files: set[str]) -> None:
    """Drop the rows of old files that belong to no raw file. Those of a file that was removed older versions read."""
    row_counts = [
        count_rows_by_report(filesystem, path, ["report"]) for path in data_file_rows(delta).keys() & old_files
    ]
    delete_rows_of_reports(
        delta, set[str]().union(*row_counts) - store.digests_by_report().keys() - removed_reports(store)
    )


def _remove_unneeded(store: Store, table: tables.Table, delta: DeltaTable, old_files: set[str]) -> int:
    """Remove old data files that no version needs: those that the log took out of the table, and those that an import
    wrote and never named. How many they were; files of the user's own stay."""
    there = open_filesystem(store.folder / table.name)
    expired = set(delta.vacuum(UNNEEDED_FILE_HOURS, dry_run=True, enforce_retention_duration=False))
    if not old_files and not expired:
        return 0
    added, removed = set(data_file_rows(delta)), set[str]()
    for number in list_log_entries(there):
        for line in read_log_entry(there, number) or []:
            for paths, what in ((added, "add"), (removed, "remove")):
                paths |= {line[what]["path"]} if what in line else set()
    unneeded = expired & removed - data_file_rows(delta).keys()
    unneeded |= {
        path for path in old_files - added - removed if is_own_data_file(store.folder / table.name, path, table)
    }
    gone = [path for path in sorted(unneeded) if file_exists(there, path)]
    for path in gone:
        there.delete_file(path)
    return len(gone)


_DATA_FILE = re.compile(r"part-\d{5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-c\d{3}\.\w+\.parquet")


def is_own_data_file(folder: Folder, path: str, table: tables.Table) -> bool:
    """Whether a file that no log names was written by an import: by its name, and by its columns."""
    if not _DATA_FILE.fullmatch(path) or (isinstance(folder, Path) and (folder / path).is_symlink()):
        return False
    try:
        with open_filesystem(folder).open_input_file(path) as opened:
            columns = set(pq.read_schema(opened).names)
    except (OSError, pa.ArrowException) as error:
        if is_permission_error(error):
            raise
        return False
    return "report" in columns and columns <= set(arrow_schema(table).names)


class Version(NamedTuple):
    """One state of a store: its number, when it came to be, how many raw files were added or forgotten."""

    number: int
    at: datetime
    added: int
    what: str


_OPERATION_NAMES = {
    "WRITE": "import",
    "OPTIMIZE": "compacted",
    "DELETE": "repaired",
    REPAIR_OPERATION: "repaired",
    PURGE_OPERATION: "purged",
}


def versions(store: Store) -> list[Version]:
    """The versions of a store, the newest first. Raises StoreError where there is no store."""
    store.must_exist()
    with _permission_errors_explained(store):
        return _versions(store)


def _versions(store: Store) -> list[Version]:
    there = open_filesystem(store.folder / tables.REPORTS.name)
    made = []
    for number in sorted(list_log_entries(there), reverse=True):
        info = find_commit_info(read_log_entry(there, number) or [])
        # What is said in another way was not written so: it is passed over.
        with suppress(AttributeError, KeyError, TypeError, ValueError, OSError, OverflowError):
            at = datetime.fromtimestamp(info["timestamp"] / 1000, UTC)
            added = int(info.get(FILE_COUNT_KEY) or info.get("operationMetrics", {}).get("num_added_rows", 0) or 0)
            what = info.get(COMMIT_INFO_KEY) or _OPERATION_NAMES.get(info.get("operation", ""), "other")
            made.append(Version(number, at, added, what))
    return made
