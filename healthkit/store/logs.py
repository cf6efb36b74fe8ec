"""The log of one table: what its entries say, which of them are broken, and how it is made to be read again."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow.fs import FileSystem

from healthkit.schema import tables
from healthkit.store.locations import Folder, file_exists, is_permission_error, list_files, open_filesystem
from healthkit.store.merge_sql import arrow_schema

LOG_FOLDER = "_delta_log"
TABLE_PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.logRetentionDuration": "interval 36500 days"}
"""No entry of a log is dropped, so that every version of a store can be read again."""
QUARANTINE_SUFFIX = ".broken"
"""The ending of what a repair moved aside; nothing is deleted."""
REPAIR_OPERATION = "MENDED"
"""What an entry of a log says that stands for one that was lost."""
COMMIT_INFO_KEY, REMOVE_OPERATION, PURGE_OPERATION = "healthkit", "removed", "PURGED"
"""An entry that dropped raw files because the user asked for it says so under `MADE_BY`, and under `HOW_MANY` how many;
`PURGED` is the operation of the first entry after a purge, which removed all entries before."""
FILE_COUNT_KEY = "raw_files"


_ENTRY_NAME = re.compile(r"\d{20}\.json")
_CHECKPOINT_NAME = re.compile(r"\d{20}\.checkpoint(\.[0-9a-f.-]+)?\.parquet")
_LAST_CHECKPOINT_FILE = "_last_checkpoint"


def _is_log_file(name: str) -> bool:
    """Whether a file in the folder of a log is named as one of the log's own; others are the user's."""
    return name == _LAST_CHECKPOINT_FILE or any(
        one.fullmatch(name) for one in (_ENTRY_NAME, _CHECKPOINT_NAME, re.compile(r"\d{20}\.crc"))
    )


def has_log_entries(table_folder: Folder) -> bool:
    """Whether the log of a table has anything to say."""
    if isinstance(table_folder, Path):
        # Not all of the names: a log may have thousands, and every question asks.
        with suppress(FileNotFoundError), os.scandir(table_folder / LOG_FOLDER) as found:
            return any(_is_entry_or_checkpoint(file.name) for file in found)
        return False
    return any(
        _is_entry_or_checkpoint(PurePosixPath(path).name)
        for path in list_files(open_filesystem(table_folder), LOG_FOLDER)
    )


def _is_entry_or_checkpoint(name: str) -> bool:
    """Whether a file is an entry of a log, or sums some up."""
    return _ENTRY_NAME.fullmatch(name) is not None or _CHECKPOINT_NAME.fullmatch(name) is not None


def open_table(table_folder: Folder) -> tuple[DeltaTable | None, str]:
    """A table, and what is wrong with its log."""
    if not has_log_entries(table_folder):
        return None, ""
    there = open_filesystem(table_folder)
    try:
        delta = DeltaTable(str(table_folder))
    except TableNotFoundError:
        return None, ""
    except (DeltaError, OSError) as error:
        if is_permission_error(error):
            raise
        broken = _broken_entries(there, -1)
        return None, f"has a log that cannot be read from entry {broken[0] if broken else 0} on"
    silent = _broken_entries(there, _last_checkpoint_version(there))
    return delta, f"lost what entry {silent[0]} of its log said" if silent else ""


def list_log_entries(filesystem: FileSystem) -> dict[int, str]:
    """The entries of a log: the path of each by its number, in their order."""
    paths = [PurePosixPath(path) for path in list_files(filesystem, LOG_FOLDER)]
    return {int(path.stem): str(path) for path in paths if _ENTRY_NAME.fullmatch(path.name)}


def _list_checkpoints(filesystem: FileSystem) -> list[str]:
    """The files in which a log is summed up now and then."""
    return [path for path in list_files(filesystem, LOG_FOLDER) if _CHECKPOINT_NAME.fullmatch(PurePosixPath(path).name)]


def _last_checkpoint_version(filesystem: FileSystem) -> int:
    """The last entry that is summed up; -1 where none is."""
    return max((int(PurePosixPath(path).name.partition(".")[0]) for path in _list_checkpoints(filesystem)), default=-1)


def read_log_entry(filesystem: FileSystem, number: int) -> list[dict[str, Any]] | None:
    """What an entry says, line by line; None where it is gone or no JSON."""
    try:
        with filesystem.open_input_stream(_entry_path(number)) as file:
            lines = [json.loads(line) for line in file.read().decode("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        if is_permission_error(error):
            raise
        return None
    return lines if all(isinstance(line, dict) for line in lines) else None


def data_file_rows(delta: DeltaTable) -> dict[str, int]:
    """The data files of a table, and how many rows its log says each has."""
    rows = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    return {row["path"]: int(row["num_records"] or 0) for row in rows}


def recoverable_file_rows(table_folder: Folder) -> dict[str, int]:
    """The data files of a table whose log cannot be read, as a repair would leave them, each with its rows."""
    there, summed = open_filesystem(table_folder), {}
    after = _last_checkpoint_version(there)
    if after >= 0:
        try:
            summed = data_file_rows(DeltaTable(str(table_folder), version=after))
        except (DeltaError, OSError) as error:
            if is_permission_error(error):
                raise
            after = -1
    added, removed = _replay_entries(there, after)
    return {path: rows for path, rows in summed.items() if path not in removed} | {
        path: _row_count(line) for path, line in added.items()
    }


def _replay_entries(filesystem: FileSystem, after_version: int) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """What the entries that can be read, after one that is summed up, say of each data file that was added and not
    removed again; and the files that were removed."""
    added: dict[str, dict[str, Any]] = {}
    removed: set[str] = set()
    for number in list_log_entries(filesystem):
        lines = read_log_entry(filesystem, number) or []
        for line in [] if number <= after_version or _has_lost_content(lines) else lines:
            if "add" in line:
                added[line["add"]["path"]] = line
            elif "remove" in line:
                removed.add(line["remove"]["path"])
                added.pop(line["remove"]["path"], None)
    return added, removed


def _row_count(add_line: dict[str, Any]) -> int:
    """How many rows a data file has, as its line in the log says."""
    try:
        return int(json.loads(add_line["add"].get("stats") or "{}").get("numRecords", 0))
    except ValueError:
        return 0


def _entry_path(number: int) -> str:
    return f"{LOG_FOLDER}/{number:020d}.json"


def find_commit_info(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What an entry says of itself: when it was made, and by what."""
    return next((line["commitInfo"] for line in lines if "commitInfo" in line), {})


def first_version_after_purge(table_folder: Folder) -> int | None:
    """The first version of a table that a purge left; None where none was ever purged."""
    there = open_filesystem(table_folder)
    first = min(list_log_entries(there), default=0)
    return (
        first
        if first and find_commit_info(read_log_entry(there, first) or []).get("operation") == PURGE_OPERATION
        else None
    )


def _has_lost_content(lines: list[dict[str, Any]]) -> bool:
    """Whether an entry lost what it said: it names no file, and should."""
    if any("add" in line for line in lines):
        return False
    info = find_commit_info(lines)
    measured = info.get("operationMetrics")
    counted = measured if isinstance(measured, dict) else {}
    added = [counted[name] for name in ("num_added_files", "numFilesAdded") if name in counted]
    return not lines or (any(added) if added else info.get("operation") == "WRITE")


def _broken_entries(filesystem: FileSystem, after_version: int) -> list[int]:
    """The entries that are gone, cannot be read or lost what they said, of those after one that is summed up."""
    last = max(list_log_entries(filesystem), default=-1)
    read = {number: read_log_entry(filesystem, number) for number in range(after_version + 1, last + 1)}
    return [number for number, lines in read.items() if lines is None or _has_lost_content(lines)]


# -- mending ------------------------------------------------------------------------------------------------------


def repair_log(table_folder: Folder, table: tables.Table) -> bool:
    """Let a log be read again, and say whether it could not be.

    An entry that is broken or gone is followed by others that still hold: one that says nothing takes its place. What
    sums up the log stands as long as it can be read.
    """
    there, broken = open_filesystem(table_folder), False
    for way in (
        _replace_broken_entries_after_checkpoint,
        _rebuild_without_checkpoints,
        _rebuild_as_one_entry,
        _quarantine_log,
    ):
        if not open_table(table_folder)[1]:
            break
        way(there, table)
        broken = True
    return broken


def _replace_broken_entries_after_checkpoint(filesystem: FileSystem, table: tables.Table) -> None:
    _replace_broken_entries(filesystem, table, _last_checkpoint_version(filesystem))


def _rebuild_without_checkpoints(filesystem: FileSystem, table: tables.Table) -> None:
    """Let the entries alone say what is in a table."""
    last = f"{LOG_FOLDER}/{_LAST_CHECKPOINT_FILE}"
    for path in [*_list_checkpoints(filesystem), *([last] if file_exists(filesystem, last) else [])]:
        quarantine_file(filesystem, path)
    _replace_broken_entries(filesystem, table, -1)


def _rebuild_as_one_entry(filesystem: FileSystem, table: tables.Table) -> None:
    """Let one entry say what can be known of all."""
    added, _ = _replay_entries(filesystem, -1)
    _quarantine_log(filesystem, table)
    lines = [json.dumps(line).encode() for line in added.values()]
    with filesystem.open_output_stream(_entry_path(0)) as file:
        file.write(b"\n".join([_first_entry(table), *lines]))


def _quarantine_log(filesystem: FileSystem, _: tables.Table) -> None:
    """Let a table be as if there were none yet."""
    for path in list_files(filesystem, LOG_FOLDER):
        if _is_log_file(PurePosixPath(path).name):
            quarantine_file(filesystem, path)


def _replace_broken_entries(filesystem: FileSystem, table: tables.Table, after_version: int) -> None:
    """Put entries that say nothing, or (the first) what a table is, in the place of those that are broken."""
    for number in _broken_entries(filesystem, after_version):
        if file_exists(filesystem, _entry_path(number)):
            quarantine_file(filesystem, _entry_path(number))
        with filesystem.open_output_stream(_entry_path(number)) as file:
            file.write(_empty_entry() if number else _first_entry(table))


def quarantine_file(filesystem: FileSystem, path: str) -> None:
    """Let a file be no part of a table any more, and stand beside it, under a name that none had before."""
    aside, number = f"{path}{QUARANTINE_SUFFIX}", 1
    while file_exists(filesystem, aside):
        aside, number = f"{path}{QUARANTINE_SUFFIX}{number}", number + 1
    filesystem.move(path, aside)


def _empty_entry() -> bytes:
    """An entry that says nothing but when it was written."""
    told = {
        "timestamp": int(datetime.now(UTC).timestamp() * 1000),
        "operation": REPAIR_OPERATION,
        "operationParameters": {},
    }
    return json.dumps({"commitInfo": told}).encode()


def create_empty_table(table_folder: Folder, table: tables.Table) -> None:
    """Begin a table that is not there, with no rows."""
    with open_filesystem(table_folder).open_output_stream(_entry_path(0)) as file:
        file.write(_first_entry(table))


def _first_entry(table: tables.Table) -> bytes:
    """An entry that says what a table is, as the first one does."""
    with tempfile.TemporaryDirectory() as place:
        DeltaTable.create(place, arrow_schema(table), configuration=dict(TABLE_PROPERTIES))
        lines = (Path(place) / _entry_path(0)).read_bytes().splitlines()
        return b"\n".join([_empty_entry(), *(line for line in lines if b'"commitInfo"' not in line)])
