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
from healthkit.store.locations import Folder, files_in, is_denied, is_there, names_in
from healthkit.store.merge_sql import schema

LOG = "_delta_log"
KEPT = {"delta.enableExpiredLogCleanup": "false", "delta.logRetentionDuration": "interval 36500 days"}
"""No entry of a log is dropped, so that every version of a store can be read again."""
ASIDE = ".broken"
"""The ending of what a repair moved aside; nothing is deleted."""
MENDED = "MENDED"
"""What an entry of a log says that stands for one that was lost."""
MADE_BY, REMOVED, PURGED = "healthkit", "removed", "PURGED"
"""An entry that dropped raw files because the user asked for it says so under `MADE_BY`, and under `HOW_MANY` how many;
`PURGED` is the operation of the first entry after a purge, which removed all entries before."""
HOW_MANY = "raw_files"


_ENTRY = re.compile(r"\d{20}\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint(\.[0-9a-f.-]+)?\.parquet")
_LAST = "_last_checkpoint"


def _is_of_log(name: str) -> bool:
    """Whether a file in the folder of a log is named as one of the log's own; others are the user's."""
    return name == _LAST or any(one.fullmatch(name) for one in (_ENTRY, _CHECKPOINT, re.compile(r"\d{20}\.crc")))


def is_begun(place: Folder) -> bool:
    """Whether the log of a table has anything to say."""
    if isinstance(place, Path):
        # Not all of the names: a log may have thousands, and every question asks.
        with suppress(FileNotFoundError), os.scandir(place / LOG) as found:
            return any(_says_something(file.name) for file in found)
        return False
    return any(_says_something(PurePosixPath(path).name) for path in names_in(files_in(place), LOG))


def _says_something(name: str) -> bool:
    """Whether a file is an entry of a log, or sums some up."""
    return _ENTRY.fullmatch(name) is not None or _CHECKPOINT.fullmatch(name) is not None


def opened(place: Folder) -> tuple[DeltaTable | None, str]:
    """A table, and what is wrong with its log."""
    if not is_begun(place):
        return None, ""
    there = files_in(place)
    try:
        delta = DeltaTable(str(place))
    except TableNotFoundError:
        return None, ""
    except (DeltaError, OSError) as error:
        if is_denied(error):
            raise
        broken = _broken_entries(there, -1)
        return None, f"has a log that cannot be read from entry {broken[0] if broken else 0} on"
    silent = _broken_entries(there, _checkpoint(there))
    return delta, f"lost what entry {silent[0]} of its log said" if silent else ""


def entries(there: FileSystem) -> dict[int, str]:
    """The entries of a log: the path of each by its number, in their order."""
    paths = [PurePosixPath(path) for path in names_in(there, LOG)]
    return {int(path.stem): str(path) for path in paths if _ENTRY.fullmatch(path.name)}


def _checkpoints(there: FileSystem) -> list[str]:
    """The files in which a log is summed up now and then."""
    return [path for path in names_in(there, LOG) if _CHECKPOINT.fullmatch(PurePosixPath(path).name)]


def _checkpoint(there: FileSystem) -> int:
    """The last entry that is summed up; -1 where none is."""
    return max((int(PurePosixPath(path).name.partition(".")[0]) for path in _checkpoints(there)), default=-1)


def said(there: FileSystem, number: int) -> list[dict[str, Any]] | None:
    """What an entry says, line by line; None where it is gone or no JSON."""
    try:
        with there.open_input_stream(_entry(number)) as file:
            lines = [json.loads(line) for line in file.read().decode("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        if is_denied(error):
            raise
        return None
    return lines if all(isinstance(line, dict) for line in lines) else None


def files_of(delta: DeltaTable) -> dict[str, int]:
    """The data files of a table, and how many rows its log says each has."""
    rows = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    return {row["path"]: int(row["num_records"] or 0) for row in rows}


def files_left(place: Folder) -> dict[str, int]:
    """The data files of a table whose log cannot be read, as a repair would leave them, each with its rows."""
    there, summed = files_in(place), {}
    after = _checkpoint(there)
    if after >= 0:
        try:
            summed = files_of(DeltaTable(str(place), version=after))
        except (DeltaError, OSError) as error:
            if is_denied(error):
                raise
            after = -1
    added, removed = _changes(there, after)
    return {path: rows for path, rows in summed.items() if path not in removed} | {
        path: _rows(line) for path, line in added.items()
    }


def _changes(there: FileSystem, after: int) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """What the entries that can be read, after one that is summed up, say of each data file that was added and not
    removed again; and the files that were removed."""
    added: dict[str, dict[str, Any]] = {}
    removed: set[str] = set()
    for number in entries(there):
        lines = said(there, number) or []
        for line in [] if number <= after or _is_silent(lines) else lines:
            if "add" in line:
                added[line["add"]["path"]] = line
            elif "remove" in line:
                removed.add(line["remove"]["path"])
                added.pop(line["remove"]["path"], None)
    return added, removed


def _rows(added: dict[str, Any]) -> int:
    """How many rows a data file has, as its line in the log says."""
    try:
        return int(json.loads(added["add"].get("stats") or "{}").get("numRecords", 0))
    except ValueError:
        return 0


def _entry(number: int) -> str:
    return f"{LOG}/{number:020d}.json"


def info_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What an entry says of itself: when it was made, and by what."""
    return next((line["commitInfo"] for line in lines if "commitInfo" in line), {})


def purged_before(place: Folder) -> int | None:
    """The first version of a table that a purge left; None where none was ever purged."""
    there = files_in(place)
    first = min(entries(there), default=0)
    return first if first and info_of(said(there, first) or []).get("operation") == PURGED else None


def _is_silent(lines: list[dict[str, Any]]) -> bool:
    """Whether an entry lost what it said: it names no file, and should."""
    if any("add" in line for line in lines):
        return False
    info = info_of(lines)
    measured = info.get("operationMetrics")
    counted = measured if isinstance(measured, dict) else {}
    added = [counted[name] for name in ("num_added_files", "numFilesAdded") if name in counted]
    return not lines or (any(added) if added else info.get("operation") == "WRITE")


def _broken_entries(there: FileSystem, after: int) -> list[int]:
    """The entries that are gone, cannot be read or lost what they said, of those after one that is summed up."""
    last = max(entries(there), default=-1)
    read = {number: said(there, number) for number in range(after + 1, last + 1)}
    return [number for number, lines in read.items() if lines is None or _is_silent(lines)]


# -- mending ------------------------------------------------------------------------------------------------------


def mend(place: Folder, table: tables.Table) -> bool:
    """Let a log be read again, and say whether it could not be.

    An entry that is broken or gone is followed by others that still hold: one that says nothing takes its place. What
    sums up the log stands as long as it can be read.
    """
    there, broken = files_in(place), False
    for way in (_fill_after_checkpoint, _fill_whole, _sum_up, _begin_anew):
        if not opened(place)[1]:
            break
        way(there, table)
        broken = True
    return broken


def _fill_after_checkpoint(there: FileSystem, table: tables.Table) -> None:
    _fill(there, table, _checkpoint(there))


def _fill_whole(there: FileSystem, table: tables.Table) -> None:
    """Let the entries alone say what is in a table."""
    last = f"{LOG}/{_LAST}"
    for path in [*_checkpoints(there), *([last] if is_there(there, last) else [])]:
        put_aside(there, path)
    _fill(there, table, -1)


def _sum_up(there: FileSystem, table: tables.Table) -> None:
    """Let one entry say what can be known of all."""
    added, _ = _changes(there, -1)
    _begin_anew(there, table)
    lines = [json.dumps(line).encode() for line in added.values()]
    with there.open_output_stream(_entry(0)) as file:
        file.write(b"\n".join([_beginning(table), *lines]))


def _begin_anew(there: FileSystem, _: tables.Table) -> None:
    """Let a table be as if there were none yet."""
    for path in names_in(there, LOG):
        if _is_of_log(PurePosixPath(path).name):
            put_aside(there, path)


def _fill(there: FileSystem, table: tables.Table, after: int) -> None:
    """Put entries that say nothing, or (the first) what a table is, in the place of those that are broken."""
    for number in _broken_entries(there, after):
        if is_there(there, _entry(number)):
            put_aside(there, _entry(number))
        with there.open_output_stream(_entry(number)) as file:
            file.write(_nothing() if number else _beginning(table))


def put_aside(there: FileSystem, path: str) -> None:
    """Let a file be no part of a table any more, and stand beside it, under a name that none had before."""
    aside, number = f"{path}{ASIDE}", 1
    while is_there(there, aside):
        aside, number = f"{path}{ASIDE}{number}", number + 1
    there.move(path, aside)


def _nothing() -> bytes:
    """An entry that says nothing but when it was written."""
    told = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "operation": MENDED, "operationParameters": {}}
    return json.dumps({"commitInfo": told}).encode()


def begin(place: Folder, table: tables.Table) -> None:
    """Begin a table that is not there, with no rows."""
    with files_in(place).open_output_stream(_entry(0)) as file:
        file.write(_beginning(table))


def _beginning(table: tables.Table) -> bytes:
    """An entry that says what a table is, as the first one does."""
    with tempfile.TemporaryDirectory() as place:
        DeltaTable.create(place, schema(table), configuration=dict(KEPT))
        lines = (Path(place) / _entry(0)).read_bytes().splitlines()
        return b"\n".join([_nothing(), *(line for line in lines if b'"commitInfo"' not in line)])
