"""The log of a Delta table: read it, find lost entries, and write versions that replace all earlier ones.

A log has one JSON entry for each version and, now and then, a checkpoint, which lists all data files of a version. A
table is read from its newest checkpoint on, so entries before it may be broken without effect.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow.fs import FileSystem

from healthkit.files import temp_folders
from healthkit.schema import tables
from healthkit.store.locations import Folder, is_permission_error, list_files, open_filesystem, write_object
from healthkit.store.merge_sql import arrow_schema

LOG_FOLDER = "_delta_log"
TABLE_PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.logRetentionDuration": "interval 36500 days"}
"""Delta settings that keep every entry of a log, so that every version of a store stays readable."""
OPERATION_KEY = "healthkit"
"""Key in the commit info of a log entry that names the operation.

The operation is one of the three constants below; imports have no such key.
"""
REMOVE_OPERATION, REPAIR_OPERATION, PURGE_OPERATION = "removed", "repaired", "purged"
FILE_COUNT_KEY = "raw_files"
"""Key in the commit info of a log entry with the number of raw files that the operation removed."""

_ENTRY_NAME = re.compile(r"\d{20}\.json")
_CHECKPOINT_NAME = re.compile(r"\d{20}\.checkpoint(\.[0-9a-f.-]+)?\.parquet")
_DATA_FILE_NAME = re.compile(r"part-\d{5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-c\d{3}(\.\w+)?\.parquet")


def has_log_entries(table_folder: Folder) -> bool:
    """Return whether the log of a table contains an entry or a checkpoint."""
    if isinstance(table_folder, Path):
        # Stops at the first match: a log may have thousands of files, and each query asks.
        with suppress(FileNotFoundError), os.scandir(table_folder / LOG_FOLDER) as files:
            return any(_is_entry_or_checkpoint(file.name) for file in files)
        return False
    return _newest_version(open_filesystem(table_folder)) >= 0


def _is_entry_or_checkpoint(name: str) -> bool:
    return bool(_ENTRY_NAME.fullmatch(name) or _CHECKPOINT_NAME.fullmatch(name))


def _newest_version(filesystem: FileSystem, checkpoints_only: bool = False) -> int:
    """Return the highest version that an entry or a checkpoint is named after, or -1."""
    is_counted = _CHECKPOINT_NAME.fullmatch if checkpoints_only else _is_entry_or_checkpoint
    names = [PurePosixPath(path).name for path in list_files(filesystem, LOG_FOLDER)]
    return max((int(name.partition(".")[0]) for name in names if is_counted(name)), default=-1)


def list_log_entries(filesystem: FileSystem) -> dict[int, str]:
    """Return the paths of the entries of a log by version, in ascending order of versions."""
    paths = [PurePosixPath(path) for path in list_files(filesystem, LOG_FOLDER)]
    return {int(path.stem): str(path) for path in paths if _ENTRY_NAME.fullmatch(path.name)}


def read_log_entry(filesystem: FileSystem, version: int) -> list[dict[str, Any]] | None:
    """Return the actions in the log entry of a version, or None if the entry is missing or not JSON."""
    try:
        with filesystem.open_input_stream(f"{LOG_FOLDER}/{version:020d}.json") as file:
            actions = [json.loads(line) for line in file.read().decode("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        if is_permission_error(error):
            raise
        return None
    return actions if all(isinstance(action, dict) for action in actions) else None


def find_commit_info(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the commit info, such as time and operation, from the actions of a log entry.

    Return an empty dictionary if there is none.
    """
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def open_table(table_folder: Folder) -> tuple[DeltaTable | None, str]:
    """Open a Delta table; return it and a phrase that names a problem with its log.

    The table is None if it does not exist or cannot be read. The phrase is "" if there is no problem.
    """
    if not has_log_entries(table_folder):
        return None, ""
    filesystem = open_filesystem(table_folder)
    try:
        delta = DeltaTable(str(table_folder))
    except TableNotFoundError:
        return None, ""
    except (DeltaError, OSError) as error:
        if is_permission_error(error):
            raise
        broken = _broken_entries(filesystem, -1)
        return None, f"has a log that cannot be read from entry {broken[0] if broken else 0} on"
    broken = _broken_entries(filesystem, _newest_version(filesystem, checkpoints_only=True))
    return delta, f"lost the content of entry {broken[0]} of its log" if broken else ""


def _broken_entries(filesystem: FileSystem, after_version: int) -> list[int]:
    """Return the versions after a given one whose entries are missing, unreadable or incomplete."""
    last = max(list_log_entries(filesystem), default=-1)
    entries = {version: read_log_entry(filesystem, version) for version in range(after_version + 1, last + 1)}
    return [version for version, actions in entries.items() if actions is None or _has_lost_content(actions)]


def _has_lost_content(actions: list[dict[str, Any]]) -> bool:
    """Return whether an entry names no data file although its commit info counts some."""
    if any("add" in action for action in actions):
        return False
    info = find_commit_info(actions)
    metrics = info.get("operationMetrics")
    counts = metrics if isinstance(metrics, dict) else {}
    added = [counts[name] for name in ("num_added_files", "numFilesAdded") if name in counts]
    return not actions or (any(added) if added else info.get("operation") == "WRITE")


def data_file_rows(delta: DeltaTable) -> dict[str, int]:
    """Return the number of rows in each data file of a table, by path, as the log states them."""
    rows = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    return {row["path"]: int(row["num_records"] or 0) for row in rows}


def listed_file_rows(table_folder: Folder) -> tuple[dict[str, int], str]:
    """Return the row count of each data file that the log of a table lists, and what is wrong with the log.

    If the log is broken, these are the files that its readable entries leave in the table. What is wrong is "" if
    nothing is.
    """
    delta, problem = open_table(table_folder)
    if problem:
        return _replay_readable_entries(table_folder), problem
    return {} if delta is None else data_file_rows(delta), ""


def _replay_readable_entries(table_folder: Folder) -> dict[str, int]:
    filesystem, files = open_filesystem(table_folder), dict[str, int]()
    for version in list_log_entries(filesystem):
        actions = read_log_entry(filesystem, version) or []
        for action in [] if _has_lost_content(actions) else actions:
            if "add" in action:
                files[action["add"]["path"]] = _row_count(action["add"])
            elif "remove" in action:
                files.pop(action["remove"]["path"], None)
    return files


def _row_count(add_action: dict[str, Any]) -> int:
    try:
        return int(json.loads(add_action.get("stats") or "{}").get("numRecords", 0))
    except ValueError:
        return 0


def first_version_after_purge(table_folder: Folder) -> int | None:
    """Return the oldest readable version of a purged table, or None if the table was never purged."""
    filesystem = open_filesystem(table_folder)
    first = min(list_log_entries(filesystem), default=0)
    info = find_commit_info(read_log_entry(filesystem, first) or []) if first else {}
    # "PURGED" is what older versions of the kit wrote.
    is_purge = info.get(OPERATION_KEY) == PURGE_OPERATION or info.get("operation") == "PURGED"
    return first if is_purge else None


def is_own_data_file(table_folder: Folder, path: str, table: tables.Table) -> bool:
    """Return whether the store wrote the given file, judged by the file's name and columns.

    It is used for files that no log entry names.
    """
    if not _DATA_FILE_NAME.fullmatch(path) or (isinstance(table_folder, Path) and (table_folder / path).is_symlink()):
        return False
    try:
        with open_filesystem(table_folder).open_input_file(path) as file:
            columns = set(pq.read_schema(file).names)
    except (OSError, pa.ArrowException) as error:
        if is_permission_error(error):
            raise
        return False
    return "report" in columns and columns <= set(arrow_schema(table).names)


def read_rows_of_reports(
    table_folder: Folder, table: tables.Table, files: Collection[str], reports: Collection[str]
) -> pa.RecordBatchReader:
    """Stream the rows of the given data files that belong to the given reports."""
    # It loads pandas, which an import does without; only repairs and purges come here.
    dataset = import_module("pyarrow.dataset")
    filesystem, schemas = open_filesystem(table_folder), [arrow_schema(table)]
    for path in files:
        with filesystem.open_input_file(path) as file:
            schemas.append(pq.read_schema(file).remove_metadata())
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    rows = dataset.dataset(sorted(files), schema, format="parquet", filesystem=filesystem)
    return rows.scanner(filter=dataset.field("report").isin(pa.array(sorted(reports), pa.string()))).to_reader()


def write_full_version(
    table_folder: Folder, rows: pa.Table | pa.RecordBatchReader, operation: str, file_count: int
) -> int:
    """Write rows as the whole content of the next version of a table; return the number of the version.

    The version has an entry, enough if the log can be read, and a checkpoint, enough if it cannot be read.
    The table changes when one of the two appears: a process that is killed before leaves the table as it was. No file
    of an older version is changed. The caller keeps other writers out.
    """
    with _staging_folder(table_folder) as staging:
        write_deltalake(
            str(staging), rows, configuration=TABLE_PROPERTIES,
            commit_properties=CommitProperties(
                custom_metadata={OPERATION_KEY: operation, FILE_COUNT_KEY: str(file_count)}
            ),
        )  # fmt: skip
        DeltaTable(str(staging)).create_checkpoint()
        with (staging / LOG_FOLDER / log_file_names(0)[0]).open("a", encoding="utf-8") as entry:
            for old_file in listed_file_rows(table_folder)[0]:
                removal = {"path": old_file, "dataChange": True, "deletionTimestamp": int(time.time() * 1000)}
                entry.write("\n" + json.dumps({"remove": removal}))
        version = _newest_version(open_filesystem(table_folder)) + 1
        for path in staging.glob("*.parquet"):
            _move_into(table_folder, path, path.name)
        for name in log_file_names(0):
            new_name = name.replace(f"{0:020d}", f"{version:020d}")
            _move_into(table_folder, staging / LOG_FOLDER / name, f"{LOG_FOLDER}/{new_name}")
    return version


def log_file_names(version: int) -> tuple[str, str]:
    """Return the names of the two log files that `write_full_version` writes for a version.

    They are in the order in which the files appear.
    """
    return f"{version:020d}.json", f"{version:020d}.checkpoint.parquet"


@contextmanager
def _staging_folder(table_folder: Folder) -> Iterator[Path]:
    """Yield an empty folder, on the disk of a local table, that is removed afterwards."""
    if isinstance(table_folder, Path):
        (table_folder / LOG_FOLDER).mkdir(parents=True, exist_ok=True)
    staging = temp_folders.make(
        temp_folders.TABLE_PREFIX, table_folder if isinstance(table_folder, Path) else Path(tempfile.gettempdir())
    )
    try:
        yield staging / "table"
    finally:
        temp_folders.remove(staging)


def _move_into(table_folder: Folder, staged_file: Path, path: str) -> None:
    """Move a staged file into a table; it appears there whole or not at all."""
    if isinstance(table_folder, Path):
        with staged_file.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(staged_file, table_folder / path)
    else:
        write_object(table_folder, path, staged_file.read_bytes())
