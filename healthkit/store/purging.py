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
from healthkit.store.locations import files_in
from healthkit.store.logs import LOG, PURGED, entries, files_of, opened, said
from healthkit.store.maintenance import is_own, rows_by_report
from healthkit.store.removal import Removal, delete_reports, drop_reports
from healthkit.store.store import Store, StoreError

_LOG = logging.getLogger(__name__)

_ASIDE = r"(?P<aside>(\.broken\d*)?(#\d+)?)"
"""What follows the name of a file that a repair moved aside, or that was being written when a process was killed."""
_DATA = re.compile(r"part-\d{5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-c\d{3}(\.\w+)?\.parquet" + _ASIDE)
_LOGGED = re.compile(
    r"(\d{20}\.(json|crc|checkpoint(\.\d{10}\.\d{10})?\.parquet)|_last_checkpoint|_commit_[0-9a-f-]+\.json\.tmp)"
    + _ASIDE
)
"""How the Delta writer names data files and entries of a log: nothing else is removed. A data file that no entry names,
such as that of a killed import, is removed only where its columns are those of the table."""


@dataclass
class Purged:
    """What a purge came to: how many files were removed, and which were left because they may be the user's own."""

    removed: int = 0
    left: list[Path] = field(default_factory=list)


def purge(store: Store, removal: Removal) -> Purged:
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
        with locks.alone(folder):
            return _purge(store, folder, removal)
    except locks.LockedError as error:
        raise StoreError(
            f"Something else writes to {folder}: nothing was purged. Run it again when that is done."
        ) from error
    except DeltaError as error:
        raise StoreError(f"{folder} was not purged to the end ({error}). Run the same command again.") from error


def _purge(store: Store, folder: Path, removal: Removal) -> Purged:
    for table in (*tables.RAW, tables.REPORTS):
        if problem := opened(folder / table.name)[1]:
            raise store.damaged(table, ValueError(problem))
    drop_reports(store, {one.digest for one in removal.files})
    stays, purged = set(store.digests()), Purged()
    for table in tables.RAW:
        delta = store.delta(table)
        if delta is not None:
            _drop_unread(store, table, delta, stays)
        _purge_table(folder / table.name, table, purged)
    _purge_table(folder / tables.REPORTS.name, tables.REPORTS, purged)
    return purged


def _drop_unread(store: Store, table: tables.Table, delta: DeltaTable, stays: set[str]) -> None:
    """Delete the rows of a table that belong to no raw file of the store."""
    there = files_in(store.folder / table.name)
    reports = set[str]()
    for path in files_of(delta):
        try:
            reports |= rows_by_report(there, path, ["report"]).keys()
        except (OSError, KeyError, pa.ArrowException) as error:
            raise store.damaged(table, error) from error
    delete_reports(delta, reports - stays)


def _purge_table(place: Path, table: tables.Table, purged: Purged) -> None:
    """Leave of a table its rows of now, one entry of its log, and what sums that up."""
    if not place.is_dir():
        return
    named = set[str]()
    version = _begin_again(place, named)
    for path in _before(place / LOG, version):
        _unlink(path, purged)
    stays = set(files_of(DeltaTable(str(place)))) if version >= 0 else set()
    for path in _files(place):
        if path.name not in stays and (path.name in named or _is_left_over(path, table)):
            _unlink(path, purged)
    kept = stays | {f"{LOG}/{name}" for name in _own(version)}
    purged.left += [path for path in _every(place) if path.relative_to(place).as_posix() not in kept]


def _is_left_over(path: Path, table: tables.Table) -> bool:
    """Whether a file that no entry names is a data file of the table, or what became of one."""
    data_file = _DATA.fullmatch(path.name)
    return bool(data_file and (data_file["aside"] or is_own(path.parent, path.name, table)))


def _begin_again(place: Path, named: set[str]) -> int:
    """Write an entry that says all of a table, sum it up, and return its number; -1 where there is no table.

    `named` takes the data files that the entries before named.
    """
    there = files_in(place)
    for number in entries(there):
        for line in said(there, number) or []:
            named |= {line[what]["path"] for what in ("add", "remove") if what in line}
    if opened(place)[0] is None:
        return -1
    delta = DeltaTable(str(place))
    delta.create_checkpoint()
    version = delta.version() + 1
    summed = place / LOG / f"{delta.version():020d}.checkpoint.parquet"
    commit_info = {
        "timestamp": int(datetime.now(UTC).timestamp() * 1000),
        "operation": PURGED,
        "operationParameters": {},
    }
    lines = [{"commitInfo": commit_info}, *_actions(summed)]
    _write_whole(place / LOG / f"{version:020d}.json", "\n".join(map(json.dumps, lines)))
    DeltaTable(str(place)).create_checkpoint()
    return version


def _actions(summed: Path) -> Iterator[dict[str, Any]]:
    """What a table is and which data files it has, as lines of a log, from the file that sums it up."""
    for row in pq.read_table(summed, columns=["protocol", "metaData", "add"]).to_pylist(maps_as_pydicts="strict"):
        for name in ("protocol", "metaData", "add"):
            if row[name] is not None:
                yield {name: _without_empty(row[name])}


def _without_empty(value: Any) -> Any:
    """The same without the names that say nothing."""
    if isinstance(value, dict):
        return {name: _without_empty(inner) for name, inner in value.items() if inner is not None}
    return value


def _write_whole(path: Path, text: str) -> None:
    """Write a new file whole or not at all. Raises FileExistsError where there is one."""
    aside = path.with_name(f"_commit_{os.urandom(16).hex()}.json.tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        raise FileExistsError(17, "another program wrote this entry", str(path))
    os.replace(aside, path)


def _own(version: int) -> set[str]:
    """The names of the files that a purged log has."""
    return {f"{version:020d}.json", f"{version:020d}.checkpoint.parquet", "_last_checkpoint"} if version >= 0 else set()


def _before(log: Path, version: int) -> list[Path]:
    """The files of a log that are not of its newest entry, the oldest first."""
    return [path for path in _files(log) if _LOGGED.fullmatch(path.name) and path.name not in _own(version)]


def _files(folder: Path) -> list[Path]:
    """The files right in a folder, in the order of their names; links are none."""
    return (
        sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink()) if folder.is_dir() else []
    )


def _every(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _unlink(path: Path, purged: Purged) -> None:
    path.unlink()
    _LOG.debug("%s removed", path)
    purged.removed += 1
