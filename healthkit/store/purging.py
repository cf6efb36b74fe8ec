"""Delete from disk what no query reads any more: rows, data files, logs with statistics, and older versions.

Each table is written anew with the rows of the raw files that stay (see `logs.write_full_version`); then all older
files of the store are deleted. REPORTS is last, so that a purge that was killed finds the names when it is run again.
At each step the newest version is whole. No import runs meanwhile (see `locks`). Files that are not proven to be the
store's are kept and named.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from healthkit.schema import tables
from healthkit.store.locations import open_filesystem
from healthkit.store.logs import (
    LOG_FOLDER,
    PURGE_OPERATION,
    data_file_rows,
    is_own_data_file,
    list_log_entries,
    log_file_names,
    read_log_entry,
    read_rows_of_reports,
    write_full_version,
)
from healthkit.store.maintenance import ALL_TABLES, check, exclusive_access
from healthkit.store.removal import Removal, drop_files_by_digest
from healthkit.store.store import Store, StoreError

_LOG = logging.getLogger(__name__)

_LEFT_DATA_FILE_NAME = re.compile(r"part-\d{5}-[0-9a-f-]{36}-c\d{3}(\.\w+)?\.parquet(#\d+|\.broken\d*)")
_LOG_FILE_NAME = re.compile(
    r"(\d{20}\.(json|crc|checkpoint(\.\d{10}\.\d{10})?\.parquet)|_last_checkpoint|_commit_[0-9a-f-]+\.json\.tmp)"
    r"(\.broken\d*)?(#\d+)?"
)
"""Names that the Delta writer gives to data files and files of a log.

`#1` follows while it writes, `.broken` was added by the repair of an older version. Only such files are deleted, and a
data file that no entry names only if its columns are those of the table.
"""


@dataclass
class PurgeResult:
    """Result of `purge`: the number of deleted files, and files left because they may belong to the user."""

    removed: int = 0
    files_left: list[Path] = field(default_factory=list)


def purge(store: Store, removal: Removal) -> PurgeResult:
    """Delete the raw files of a removal from every version of a store and from disk.

    All older versions are deleted too. The counts cache is the caller's to clear. Raises StoreError for a store in an
    object storage, for a damaged one, and if something else writes to it.
    """
    folder = store.folder
    if not isinstance(folder, Path):
        raise StoreError(
            f"{folder} lies in an object storage, which may keep what is deleted (older versions of objects, other "
            "regions): it cannot be purged from here. Remove without --purge, import what stays into a new store, and "
            "delete this one with the tools of the storage."
        )
    try:
        with exclusive_access(store, PURGE_OPERATION):
            return _purge(store, folder, removal)
    except DeltaError as error:
        raise StoreError(f"The purge of {folder} was not finished ({error}). Run it again.") from error


def _purge(store: Store, folder: Path, removal: Removal) -> PurgeResult:
    for damage in check(store).damages:  # A repair may save rows of what this would delete.
        table = next(table for table in ALL_TABLES if table.name == damage.table)
        raise store.damage_error(table, ValueError(damage.problem))
    drop_files_by_digest(store, {file.digest for file in removal.files})
    reports, result = set(store.digests_by_report()), PurgeResult()
    for table in ALL_TABLES:
        table_folder = folder / table.name
        if not table_folder.is_dir():
            continue
        listed_files, kept_files = _files_in_log(table_folder), set[str]()
        delta = store.delta(table)
        if delta is not None:
            rows = read_rows_of_reports(table_folder, table, data_file_rows(delta), reports)
            version = write_full_version(table_folder, rows, PURGE_OPERATION, len(removal.files))
            kept_files = {
                *data_file_rows(DeltaTable(str(table_folder))),
                *(f"{LOG_FOLDER}/{name}" for name in log_file_names(version)),
            }
        _delete_older_files(table_folder, table, listed_files, kept_files, result)
    return result


def _files_in_log(table_folder: Path) -> set[str]:
    """Return the data files that any readable entry of a log adds or removes."""
    filesystem = open_filesystem(table_folder)
    actions = [
        action for version in list_log_entries(filesystem) for action in read_log_entry(filesystem, version) or []
    ]
    return {action[name]["path"] for action in actions for name in ("add", "remove") if name in action}


def _delete_older_files(
    table_folder: Path, table: tables.Table, listed_files: set[str], kept_files: set[str], result: PurgeResult
) -> None:
    """Delete the store's own files of a table but those to keep: files of the log first, the oldest first."""
    paths = sorted(path for path in table_folder.rglob("*") if path.is_symlink() or path.is_file())
    for path in sorted(paths, key=lambda path: path.parent.name != LOG_FOLDER):
        name = path.relative_to(table_folder).as_posix()
        if name in kept_files:
            continue
        if not path.is_symlink() and (
            _LOG_FILE_NAME.fullmatch(path.name)
            if path.parent == table_folder / LOG_FOLDER
            else name in listed_files
            or _LEFT_DATA_FILE_NAME.fullmatch(name)
            or is_own_data_file(table_folder, name, table)
        ):
            path.unlink()
            _LOG.debug("%s deleted", path)
            result.removed += 1
        else:
            result.files_left.append(path)
