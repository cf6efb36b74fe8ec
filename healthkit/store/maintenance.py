"""Check a store for damage, repair it, compact it, and list its versions.

REPORTS states how many rows of each table every raw file has. Compared with the rows that can be read, this shows which
raw files must be imported again, whatever happened to data files and logs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileSystem

from healthkit.schema import tables
from healthkit.store import locks
from healthkit.store.locations import file_exists, is_permission_error, list_files, open_filesystem
from healthkit.store.logs import (
    FILE_COUNT_KEY,
    OPERATION_KEY,
    REPAIR_OPERATION,
    data_file_rows,
    find_commit_info,
    has_log_entries,
    is_own_data_file,
    list_log_entries,
    listed_file_rows,
    open_table,
    read_log_entry,
    read_rows_of_reports,
    write_full_version,
)
from healthkit.store.removal import delete_rows_of_reports, read_reports_files, removed_reports
from healthkit.store.row_counts import RowCounts, format_file_count, reports_with_missing_rows
from healthkit.store.store import WRITER_PROPERTIES, Store, StoreError

ALL_TABLES = (*tables.RAW_TABLES, tables.REPORTS)
UNNEEDED_FILE_HOURS = 24
"""Age from which `compact` removes data files that no version needs. [hours]

A reader may still have a younger file open.
"""
MAX_REPORTS_FILES = 100
"""Number of data files of REPORTS above which `compact` joins them.

Older versions keep their files.
"""


class Damage(NamedTuple):
    """One damage to a table: a phrase that names the problem, and the number of lost rows if it is known."""

    table: str
    problem: str
    rows: int | None = None


@dataclass
class CheckResult:
    """Result of `check`: all damages, the size of the store, and facts that are no damage."""

    damages: list[Damage] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    orphan_rows: int = 0
    """Number of rows without a raw file in the store, left by killed imports or by a repair."""
    rows_of_removed_files: int = 0
    """Number of rows of removed raw files, which only older versions of the store contain."""
    unnamed_data_files: int = 0
    """Number of data files that no table lists, left by killed imports, by `compact` or by a repair."""
    lost_files: list[str] = field(default_factory=list)
    """Names of the raw files that lost rows, as far as the names are known."""
    files_without_row_counts: int = 0
    """Number of raw files that an older healthkit imported without recording their numbers of rows."""


def check(store: Store) -> CheckResult:
    """Read every data file of a store and return the damages found.

    Raises StoreError if there is no store.
    """
    with _permission_errors_explained(store):
        return _check(store)


@contextmanager
def _permission_errors_explained(store: Store) -> Iterator[None]:
    """Raise NoPermissionError if the user may not read or write a file, which is no damage."""
    try:
        yield
    except (DeltaError, OSError) as error:
        if is_permission_error(error) and isinstance(store.folder, Path):
            raise store.permission_error(error) from error
        raise


def _check(store: Store) -> CheckResult:
    _refuse_missing_store(store)
    scans = _scan_tables(store)
    result = CheckResult()
    for name, scan in scans.items():
        result.files += len(scan.files)
        result.rows += sum(rows for path, rows in scan.files.items() if path not in scan.broken_files)
        result.unnamed_data_files += scan.unnamed_data_files
        result.damages += [Damage(name, scan.log_problem)] if scan.log_problem else []
        result.damages += [
            Damage(name, f"{path} {problem}", scan.files[path]) for path, problem in scan.broken_files.items()
        ]
    if not store.exists():
        result.damages.append(Damage(tables.REPORTS.name, "is missing: the names of the raw files are lost"))
    if not scans[tables.REPORTS.name].is_intact:
        return result
    reports, row_counts = store.reports_with_row_counts()
    raw_scans = _raw_scans(scans)
    for name, scan in raw_scans.items():
        if lost := reports_with_missing_rows(row_counts.expected_rows(name), scan.rows_by_report):
            result.damages.append(Damage(name, f"lacks rows of {format_file_count(len(lost))} that REPORTS names"))
    result.lost_files = _file_names(reports, _find_lost_reports(row_counts, raw_scans))
    result.files_without_row_counts = len(row_counts.files_without_row_counts)
    known, removed = store.digests_by_report(), removed_reports(store)
    orphans = [item for scan in raw_scans.values() for item in scan.rows_by_report.items() if item[0] not in known]
    result.rows_of_removed_files = sum(rows for report, rows in orphans if report in removed)
    result.orphan_rows = sum(rows for _, rows in orphans) - result.rows_of_removed_files
    return result


def _refuse_missing_store(store: Store) -> None:
    """Raise StoreError if no table has a log."""
    if not any(has_log_entries(store.folder / table.name) for table in tables.RAW_TABLES):
        store.must_exist()


class _TableScan(NamedTuple):
    """What a table holds: a problem with its log; its data files with the rows that the log states; the problems of
    broken ones; the rows of each report in the others; and the number of data files that the log does not list."""

    log_problem: str
    files: dict[str, int]
    broken_files: dict[str, str]
    rows_by_report: Counter[str]
    unnamed_data_files: int

    @property
    def is_intact(self) -> bool:
        """Whether the whole table can be read."""
        return not self.log_problem and not self.broken_files


def _scan_tables(store: Store) -> dict[str, _TableScan]:
    """Read all tables, REPORTS first: the rows of the raw files that it names are written before it."""
    return {table.name: _scan_table(store, table) for table in (tables.REPORTS, *tables.RAW_TABLES)}


def _raw_scans(scans: Mapping[str, _TableScan]) -> dict[str, _TableScan]:
    return {name: scan for name, scan in scans.items() if name != tables.REPORTS.name}


def _scan_table(store: Store, table: tables.Table) -> _TableScan:
    """Read each data file of a table once."""
    folder = store.folder / table.name
    filesystem = open_filesystem(folder)
    files, log_problem = listed_file_rows(folder)
    # Older versions of REPORTS need the files that the newest does not list.
    unlisted = set(list_files(filesystem, "")) - files.keys() if table is not tables.REPORTS else set()
    scan = _TableScan(
        log_problem, files, {}, Counter(), sum(is_own_data_file(folder, path, table) for path in unlisted)
    )
    for path, rows in files.items():
        row_counts, problem = _check_data_file(filesystem, path, rows)
        if problem:
            scan.broken_files[path] = problem
        else:
            scan.rows_by_report.update(row_counts)
    return scan


def _check_data_file(filesystem: FileSystem, path: str, logged_rows: int) -> tuple[Counter[str], str]:
    """Return the rows of each report in a data file, and its problem; "" if there is none."""
    if not file_exists(filesystem, path):
        return Counter(), "is gone"
    try:
        row_counts = _count_rows_by_report(filesystem, path)
    except (OSError, KeyError, pa.ArrowException) as error:
        if is_permission_error(error):
            raise
        return Counter(), f"cannot be read ({type(error).__name__}): it is cut off or changed"
    read = row_counts.total()
    return row_counts, "" if read == logged_rows else f"holds {read:,} rows, and {logged_rows:,} were written"


def _count_rows_by_report(filesystem: FileSystem, path: str, columns: list[str] | None = None) -> Counter[str]:
    """Return the number of rows of each report in a data file; reads some columns or, by default, all."""
    row_counts: Counter[str] = Counter()
    with filesystem.open_input_file(path) as opened, pq.ParquetFile(opened) as file:
        for batch in file.iter_batches(columns=columns):
            batch.validate(full=True)
            counts = batch["report"].value_counts()
            row_counts.update(dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True)))
    return row_counts


def _find_lost_reports(row_counts: RowCounts, scans: Mapping[str, _TableScan]) -> set[str]:
    """Return the reports that lost rows; if anything is damaged, also all those without row counts."""
    lost = set[str]().union(
        *(
            reports_with_missing_rows(row_counts.expected_rows(name), scan.rows_by_report)
            for name, scan in scans.items()
        )
    )
    return lost if all(scan.is_intact for scan in scans.values()) else lost | row_counts.files_without_row_counts


def _file_names(reports: pa.Table, lost_reports: set[str]) -> list[str]:
    """Return the sorted names of the raw files of some reports."""
    pairs = zip(reports["report"].to_pylist(), reports["name"].to_pylist(), strict=True)
    return sorted(name for report, name in pairs if report in lost_reports)


@contextmanager
def exclusive_access(store: Store, operation: str) -> Iterator[None]:
    """Keep imports and other operations out of a store inside a `with` block.

    Raises StoreError if one is running.
    """
    try:
        with locks.hold_exclusive_lock(store.folder):
            yield
    except locks.LockedError as error:
        raise StoreError(
            f"Something else writes to {store.folder}: nothing was {operation}. Run it again when that is done."
        ) from error


class RepairResult(NamedTuple):
    """Result of `repair`: the names of the raw files to import again.

    With `names_incomplete` there may be more such files, whose names are lost.
    """

    lost_files: list[str]
    names_incomplete: bool = False


def repair(store: Store) -> RepairResult:
    """Write a new version of a damaged store with only the raw files that lost no rows.

    Returns the raw files to import again. A raw file that lost a row in any table is left out as a whole, so that a
    second import adds it whole. If the list of raw files was damaged, all are to be imported again; those that the
    store still has add nothing. A repair that is killed is finished by running it again. Damaged files stay in their
    folders, and no query reads them; `purge` deletes them. Raises StoreError if there is no store or something else
    writes to it.
    """
    with _permission_errors_explained(store):
        _refuse_missing_store(store)
        store.must_be_writable()
        try:
            with exclusive_access(store, REPAIR_OPERATION):
                return _repair(store)
        except (DeltaError, OSError) as error:
            if is_permission_error(error):
                raise
            raise StoreError(f"The repair of {store.folder} was not finished ({error}). Run it again.") from error


def _repair(store: Store) -> RepairResult:
    scans = _scan_tables(store)
    report_scan, raw_scans = scans[tables.REPORTS.name], _raw_scans(scans)
    reports_folder = store.folder / tables.REPORTS.name
    report_rows = read_reports_files(
        open_filesystem(reports_folder), report_scan.files.keys() - report_scan.broken_files
    )
    digests = pc.coalesce(report_rows["digest"], report_rows["report"])
    lost = _find_lost_reports(RowCounts(report_rows), raw_scans)
    # A file that two imports added at the same moment has two reports; both go.
    lost_digests = digests.filter(pc.is_in(report_rows["report"], pa.array(sorted(lost), pa.string())))
    is_kept = pc.invert(pc.is_in(digests, lost_digests.combine_chunks()))
    kept_rows = report_rows.filter(is_kept)
    for table in tables.RAW_TABLES:
        scan, folder = raw_scans[table.name], store.folder / table.name
        if not scan.is_intact:
            readable = scan.files.keys() - scan.broken_files
            rows = read_rows_of_reports(folder, table, readable, kept_rows["report"].to_pylist())
            write_full_version(folder, rows, REPAIR_OPERATION, len(lost))
    is_list_damaged = not report_scan.is_intact or not store.exists()
    if lost or is_list_damaged:  # Last: until then a killed repair leaves the same raw files to be found lost.
        write_full_version(reports_folder, kept_rows, REPAIR_OPERATION, len(lost))
    return RepairResult(_file_names(report_rows, lost), is_list_damaged)


class CompactResult(NamedTuple):
    """Result of `compact`: the numbers of data files before and after, and of removed files."""

    before: int
    after: int
    removed: int


def compact(store: Store) -> CompactResult:
    """Join the small data files of a store, and remove old files and rows that no version needs.

    No figure changes, and every version stays readable. Raises StoreError if there is no store, or a damaged one.
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
    """Join the data files of one table and return the number of files that were removed."""
    if table is tables.REPORTS:
        if len(data_file_rows(delta)) > MAX_REPORTS_FILES:
            delta.optimize.compact()
        return 0
    filesystem = open_filesystem(store.folder / table.name)
    files = filesystem.get_file_info([path for path in list_files(filesystem, "") if path.endswith(".parquet")])
    # An import that wrote these is finished by now.
    old_files = {file.path for file in files if file.mtime < datetime.now(UTC) - timedelta(hours=UNNEEDED_FILE_HOURS)}
    _delete_orphan_rows(store, filesystem, delta, old_files)
    delta.optimize.compact(writer_properties=WRITER_PROPERTIES)
    return _remove_unneeded(store, table, delta, old_files)


def _delete_orphan_rows(store: Store, filesystem: FileSystem, delta: DeltaTable, old_files: set[str]) -> None:
    """Delete the rows of old files that belong to no raw file of any version."""
    row_counts = [
        _count_rows_by_report(filesystem, path, ["report"]) for path in data_file_rows(delta).keys() & old_files
    ]
    delete_rows_of_reports(
        delta, set[str]().union(*row_counts) - store.digests_by_report().keys() - removed_reports(store)
    )


def _remove_unneeded(store: Store, table: tables.Table, delta: DeltaTable, old_files: set[str]) -> int:
    """Remove old data files that no version needs and return their number; files of the user's own stay."""
    folder = store.folder / table.name
    filesystem = open_filesystem(folder)
    current = data_file_rows(delta).keys()
    expired, replaced = (
        set(delta.vacuum(hours, dry_run=True, enforce_retention_duration=False)) for hours in (UNNEEDED_FILE_HOURS, 0)
    )
    unlisted = {path for path in old_files - current - replaced if is_own_data_file(folder, path, table)}
    removed = [path for path in sorted((expired - current) | unlisted) if file_exists(filesystem, path)]
    for path in removed:
        filesystem.delete_file(path)
    return len(removed)


class Version(NamedTuple):
    """One version of a store: its number, its time, the number of raw files added or removed, and the operation."""

    number: int
    at: datetime
    added: int
    what: str


_DELTA_OPERATIONS = {
    "WRITE": "import", "OPTIMIZE": "compacted", "DELETE": "repaired", "MENDED": "repaired", "PURGED": "purged",
}  # fmt: skip


def versions(store: Store) -> list[Version]:
    """Return the versions of a store, the newest first.

    Raises StoreError if there is no store.
    """
    store.must_exist()
    with _permission_errors_explained(store):
        return _versions(store)


def _versions(store: Store) -> list[Version]:
    filesystem = open_filesystem(store.folder / tables.REPORTS.name)
    found = []
    for number in sorted(list_log_entries(filesystem), reverse=True):
        info = find_commit_info(read_log_entry(filesystem, number) or [])
        # An entry that does not have the usual form is not listed.
        with suppress(AttributeError, KeyError, TypeError, ValueError, OSError, OverflowError):
            at = datetime.fromtimestamp(info["timestamp"] / 1000, UTC)
            added = int(info.get(FILE_COUNT_KEY) or info.get("operationMetrics", {}).get("num_added_rows", 0) or 0)
            what = info.get(OPERATION_KEY) or _DELTA_OPERATIONS.get(info.get("operation", ""), "other")
            found.append(Version(number, at, added, what))
    return found
