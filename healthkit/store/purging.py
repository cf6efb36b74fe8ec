"""Take what no question reads any more from disk: rows, data files, logs with their statistics, older versions.

Each table in turn: its rows that REPORTS does not name are deleted; a new entry of its log says all that is left, and
is summed up; then everything older is removed, and every data file that the new entry does not name. REPORTS comes
last, so that a purge that was killed finds the names when it is run again. At each step the newest version is whole. No
import runs meanwhile (see `locks`). Files that are not proven to be the store's stay, and are named.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from healthkit.schema import tables
from healthkit.store import locks
from healthkit.store.locations import open_filesystem
from healthkit.store.logs import (
    LOG_FOLDER,
    PURGE_OPERATION,
    data_file_rows,
    list_log_entries,
    open_table,
    read_log_entry,
)
from healthkit.store.maintenance import count_rows_by_report, is_own_data_file
from healthkit.store.removal import Removal, delete_rows_of_reports, drop_files_by_digest
from healthkit.store.store import Store, StoreError

_LOG = logging.getLogger(__name__)

_QUARANTINE_PATTERN = r"(?P<aside>(\.broken\d*)?(#\d+)?)"
"""What follows the name of a file that a repair moved aside, or that was being written when a process was killed."""
_DATA_FILE_PATTERN = re.compile(
    r"part-\d{5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-c\d{3}(\.\w+)?\.parquet" + _QUARANTINE_PATTERN
)
_LOG_FILE_PATTERN = re.compile(
    r"(\d{20}\.(json|crc|checkpoint(\.\d{10}\.\d{10})?\.parquet)|_last_checkpoint|_commit_[0-9a-f-]+\.json\.tmp)"
    + _QUARANTINE_PATTERN
)
"""How the Delta writer names data files and entries of a log: nothing else is removed. A data file that no entry names,
such as that of a killed import, is removed only where its columns are those of the table."""


@dataclass
class PurgeResult:
    """What a purge came to: how many files were removed, and which were left because they may be the user's own."""

    removed: int = 0
    left: list[Path] = field(default_factory=list)


def purge(store: Store, removal: Removal) -> PurgeResult:
    """Remove the raw files of a removal from every version of a store and from disk.

    All older versions go with them. What else was made of the store (the counts) is for the caller to remove. Raises
    StoreError for a store in an object storage, one that is damaged, and where something else writes to it.
    """
    folder = store.folder
    if not isinstance(folder, Path):
        raise StoreError(
            f"{folder} lies in an object storage, which may keep what is deleted (older versions of objects, other "
            "regions): it cannot be purged from here. Remove without --purge, import what stays into a new store, and "
            "delete this one with the tools of the storage."
        )
    try:
        with locks.hold_exclusive_lock(folder):
            return _purge(store, folder, removal)
    except locks.LockedError as error:
        raise StoreError(
            f"Something else writes to {folder}: nothing was purged. Run it again when that is done."
        ) from error
    except DeltaError as error:
        raise StoreError(f"{folder} was not purged to the end ({error}). Run the same command again.") from error


def _purge(store: Store, folder: Path, removal: Removal) -> PurgeResult:
    for table in (*tables.RAW_TABLES, tables.REPORTS):
        if problem := open_table(folder / table.name)[1]:
            raise store.damage_error(table, ValueError(problem))
    drop_files_by_digest(store, {one.digest for one in removal.files})
    stays, purged = set(store.digests_by_report()), PurgeResult()
    for table in tables.RAW_TABLES:
        delta = store.delta(table)
        if delta is not None:
            _delete_orphan_rows(store, table, delta, stays)
        _purge_table(folder / table.name, table, purged)
    _purge_table(folder / tables.REPORTS.name, tables.REPORTS, purged)
    return purged


def _delete_orphan_rows(store: Store, table: tables.Table, delta: DeltaTable, kept_reports: set[str]) -> None:
    """Delete the rows of a table that belong to no raw file of the store."""
    there = open_filesystem(store.folder / table.name)
    reports = set[str]()
    for path in data_file_rows(delta):
        try:
            reports |= count_rows_by_report(there, path, ["report"]).keys()
        except (OSError, KeyError, pa.ArrowException) as error:
            raise store.damage_error(table, error) from error
    delete_rows_of_reports(delta, reports - kept_reports)


def _purge_table(table_folder: Path, table: tables.Table, result: PurgeResult) -> None:
    """Leave of a table its rows of now, one entry of its log, and what sums that up."""
    if not table_folder.is_dir():
        return
    named = set[str]()
    version = _write_full_entry(table_folder, named)
    for path in _older_log_files(table_folder / LOG_FOLDER, version):
        _unlink(path, result)
    stays = set(data_file_rows(DeltaTable(str(table_folder)))) if version >= 0 else set()
    for path in _files_in_folder(table_folder):
        if path.name not in stays and (path.name in named or _is_leftover_data_file(path, table)):
            _unlink(path, result)
    kept = stays | {f"{LOG_FOLDER}/{name}" for name in _current_log_files(version)}
    result.left += [
        path for path in _files_below(table_folder) if path.relative_to(table_folder).as_posix() not in kept
    ]


def _is_leftover_data_file(path: Path, table: tables.Table) -> bool:
    """Whether a file that no entry names is a data file of the table, or what became of one."""
    data_file = _DATA_FILE_PATTERN.fullmatch(path.name)
    return bool(data_file and (data_file["aside"] or is_own_data_file(path.parent, path.name, table)))


def _write_full_entry(table_folder: Path, named_files: set[str]) -> int:
    """Write an entry that says all of a table, sum it up, and return its number; -1 where there is no table.

    `named` takes the data files that the entries before named.
    """
    there = open_filesystem(table_folder)
    for number in list_log_entries(there):
        for line in read_log_entry(there, number) or []:
            named_files |= {line[what]["path"] for what in ("add", "remove") if what in line}
    if open_table(table_folder)[0] is None:
        return -1
    delta = DeltaTable(str(table_folder))
    delta.create_checkpoint()
    version = delta.version() + 1
    summed = table_folder / LOG_FOLDER / f"{delta.version():020d}.checkpoint.parquet"
    commit_info = {
        "timestamp": int(datetime.now(UTC).timestamp() * 1000),
        "operation": PURGE_OPERATION,
        "operationParameters": {},
    }
    lines = [{"commitInfo": commit_info}, *_checkpoint_actions(summed)]
    _write_new_file(table_folder / LOG_FOLDER / f"{version:020d}.json", "\n".join(map(json.dumps, lines)))
    DeltaTable(str(table_folder)).create_checkpoint()
    return version


def _checkpoint_actions(checkpoint: Path) -> Iterator[dict[str, Any]]:
    """What a table is and which data files it has, as lines of a log, from the file that sums it up."""
    for row in pq.read_table(checkpoint, columns=["protocol", "metaData", "add"]).to_pylist(maps_as_pydicts="strict"):
        for name in ("protocol", "metaData", "add"):
            if row[name] is not None:
                yield {name: _drop_empty_values(row[name])}


def _drop_empty_values(value: Any) -> Any:
    """The same without the names that say nothing."""
    if isinstance(value, dict):
        return {name: _drop_empty_values(inner) for name, inner in value.items() if inner is not None}
    return value


def _write_new_file(path: Path, text: str) -> None:
    """Write a new file whole or not at all. Raises FileExistsError where there is one."""
    aside = path.with_name(f"_commit_{os.urandom(16).hex()}.json.tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        raise FileExistsError(17, "another program wrote this entry", str(path))
    os.replace(aside, path)


def _current_log_files(version: int) -> set[str]:
    """The names of the files that a purged log has."""
    return {f"{version:020d}.json", f"{version:020d}.checkpoint.parquet", "_last_checkpoint"} if version >= 0 else set()


def _older_log_files(log: Path, version: int) -> list[Path]:
    """The files of a log that are not of its newest entry, the oldest first."""
    return [
        path
        for path in _files_in_folder(log)
        if _LOG_FILE_PATTERN.fullmatch(path.name) and path.name not in _current_log_files(version)
    ]


def _files_in_folder(folder: Path) -> list[Path]:
    """The files right in a folder, in the order of their names; links are none."""
    return (
        sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink()) if folder.is_dir() else []
    )


def _files_below(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _unlink(path: Path, result: PurgeResult) -> None:
    path.unlink()
    _LOG.debug("%s removed", path)
    result.removed += 1
