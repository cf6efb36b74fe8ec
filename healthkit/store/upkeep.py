"""Is a store whole, and what if it is not: check, repair, compact, versions.

Every import names itself in the log of each table that it appends to, and in REPORTS last. So the files, the logs and
the imports can be held against each other: what is cut off, what is gone, and which raw files must be imported again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow.fs import FileSystem

from healthkit import tables
from healthkit.store.folders import files_in, is_there, names_in
from healthkit.store.merging import connected
from healthkit.store.store import BATCH, MORE, PORTION, VERSIONS, Store
from healthkit.store.stored import rows_in

EVERY = (*tables.RAW, tables.REPORTS)
LOG = "_delta_log"
ASIDE = ".broken"
"""The ending of what a repair moved aside; nothing is deleted."""
SAFE_HOURS = 24
"""Files that no version needs are removed once they are so old: who reads may still hold them open."""
MANY_FILES = 100
"""REPORTS is made one file when it has more; older versions keep theirs, and can be read again."""


class Damage(NamedTuple):
    """One thing that is wrong: in which table, with what, and how many rows are lost where that is known."""

    table: str
    what: str
    rows: int | None = None


@dataclass
class Checked:
    """What a check found: damages, and what is no damage but worth knowing."""

    damages: list[Damage] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    unread: int = 0
    spare: int = 0
    """Data files that no version of a table names: left by imports that were killed."""
    lost: list[str] = field(default_factory=list)
    """The names of the raw files whose rows are lost, as far as they are known."""


def check(store: Store) -> Checked:
    """Hold files, logs and imports of a store against each other; every data file is read through.

    Raises StoreError where there is no store.
    """
    store.must_exist()
    looked = _look(store)
    found = Checked()
    for name, one in looked.items():
        found.files += len(one.files)
        found.rows += sum(rows for path, rows in one.files.items() if path not in one.wrong)
        there = names_in(files_in(store.folder / name), "")
        found.spare += sum(path.endswith(".parquet") and path not in one.files for path in there)
        found.damages += [Damage(name, one.problem)] if one.problem else []
        found.damages += [Damage(name, f"{path} {why}", one.files[path]) for path, why in one.wrong.items()]
    if not looked[tables.REPORTS.name].problem:
        batches = _lost_batches(store, looked)
        found.damages += [
            Damage(table, f"lacks the rows of {len(lost):,} imports that REPORTS names")
            for table, lost in _by_table(batches).items()
        ]
        found.lost = _names(store, set(batches))
        found.unread = _unread(store)
    return found


class _Looked(NamedTuple):
    """One table looked at: what is wrong with its log, its data files with their rows, and what is wrong with some."""

    problem: str
    files: dict[str, int]
    wrong: dict[str, str]


def _look(store: Store) -> dict[str, _Looked]:
    """Every table, each data file of it read through, once."""
    made = {}
    for table in EVERY:
        there = files_in(store.folder / table.name)
        delta, problem = _opened(store, table)
        files = {} if delta is None else _files(delta)
        told = {path: _wrong_with(there, path, rows) for path, rows in files.items()}
        made[table.name] = _Looked(problem, files, {path: why for path, why in told.items() if why})
    return made


def _opened(store: Store, table: tables.Table) -> tuple[DeltaTable | None, str]:
    """A table, and what is wrong with its log."""
    there = files_in(store.folder / table.name)
    if not names_in(there, LOG):
        return None, ""
    try:
        return DeltaTable(str(store.folder / table.name)), ""
    except TableNotFoundError:
        return None, ""
    except DeltaError:
        return None, f"has a log that cannot be read from entry {len(_log(there))} on"


def _files(delta: DeltaTable) -> dict[str, int]:
    """The data files of a table, and how many rows its log says each has."""
    rows = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    return {row["path"]: int(row["num_records"] or 0) for row in rows}


def _wrong_with(there: FileSystem, path: str, rows: int) -> str:
    """What is wrong with a data file; empty where nothing is."""
    if not is_there(there, path):
        return "is gone"
    try:
        with there.open_input_file(path) as opened, pq.ParquetFile(opened) as file:
            read = sum(batch.num_rows for batch in file.iter_batches())
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read ({type(error).__name__}): it is cut off or changed"
    return "" if read == rows else f"holds {read:,} rows, and {rows:,} were written"


def _entries(there: FileSystem) -> dict[int, str]:
    """The entries of a log: the path of each by its number, in their order."""
    paths = [PurePosixPath(path) for path in names_in(there, LOG)]
    return {int(path.stem): str(path) for path in paths if path.suffix == ".json" and path.stem.isdigit()}


def _log(there: FileSystem) -> list[list[dict[str, Any]]]:
    """What the entries of a log say, line by line, up to the first entry that is missing or no JSON."""
    made: list[list[dict[str, Any]]] = []
    for number, entry in _entries(there).items():
        if number != len(made):
            break
        try:
            with there.open_input_stream(entry) as file:
                made.append([json.loads(line) for line in file.read().decode("utf-8").splitlines()])
        except (OSError, ValueError):
            break
    return made


# -- imports and what became of their rows ------------------------------------------------------------------------


def _history(store: Store, table: tables.Table) -> list[dict[str, Any]]:
    """What was done to a table, the first first, as far as its log can be read; each with its `version`."""
    made: list[dict[str, Any]] = []
    for number, lines in enumerate(_log(files_in(store.folder / table.name))):
        told: dict[str, Any] = {}
        for line in lines:
            told |= line.get("commitInfo", {})
        made.append(told | {"version": number})
    return made


def _lost_batches(store: Store, looked: Mapping[str, _Looked]) -> dict[str, set[str]]:
    """The imports that lost rows, by their own name, each with the tables that lack them."""
    lost: dict[str, set[str]] = {}
    there = {table.name: _whole_batches(store, table) for table in tables.RAW}
    broken = {table.name: _broken_batches(store, table, set(looked[table.name].wrong)) for table in tables.RAW}
    for entry in _history(store, tables.REPORTS):
        batch = entry.get(BATCH)
        if batch is None:
            continue
        wanted = json.loads(entry.get(VERSIONS, "{}"))
        lacking = {name for name in wanted if batch not in there[name] or batch in broken[name]}
        if lacking:
            lost[batch] = lacking
    forgotten = _forgotten(store)
    return {batch: names for batch, names in lost.items() if batch not in forgotten}


def _whole_batches(store: Store, table: tables.Table) -> set[str | None]:
    """The imports all of whose appends are in a table's log, with their data files."""
    held: dict[str | None, set[int]] = {}
    ends: dict[str | None, int] = {}
    for lines in _log(files_in(store.folder / table.name)):
        told: dict[str, Any] = next((line["commitInfo"] for line in lines if "commitInfo" in line), {})
        if any("add" in line for line in lines):
            batch, number = told.get(BATCH), int(told.get(PORTION, 0))
            held.setdefault(batch, set()).add(number)
            if MORE not in told:
                ends[batch] = number
    return {batch for batch, last in ends.items() if held[batch] >= set(range(last + 1))}


def _broken_batches(store: Store, table: tables.Table, broken: set[str]) -> set[str | None]:
    """The imports of which some data files of a table are; of a compacted file, all that came before it."""
    if not broken:
        return set()
    batches: set[str | None] = set()
    before: set[str | None] = set()
    for lines in _log(files_in(store.folder / table.name)):
        batch = next((line["commitInfo"].get(BATCH) for line in lines if "commitInfo" in line), None)
        if broken & {line["add"]["path"] for line in lines if "add" in line}:
            batches |= before if batch is None else {batch}
        before.add(batch)
    return batches - {None}


def _by_table(batches: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same the other way round: the imports that each table lacks."""
    made: dict[str, set[str]] = {}
    for batch, names in batches.items():
        for name in names:
            made.setdefault(name, set()).add(batch)
    return made


def _reports_of(store: Store, batches: set[str]) -> dict[str, str]:
    """The raw files of some imports: their reports, each with its name."""
    made: dict[str, str] = {}
    for entry in _history(store, tables.REPORTS):
        if entry.get(BATCH) in batches:
            number = int(entry["version"])
            new = _held(store, number)
            made |= {report: new[report] for report in new.keys() - (_held(store, number - 1) if number else {}).keys()}
    return made


def _held(store: Store, version: int) -> dict[str, str]:
    """The reports of one version, each with its name."""
    folder = store.folder / tables.REPORTS.name
    with closing(connected()) as connection:
        rows = rows_in(connection, folder, DeltaTable(str(folder), version=version))
        return dict(rows.select("report", "name").fetchall())


def _names(store: Store, batches: set[str]) -> list[str]:
    return sorted(_reports_of(store, batches).values()) if batches else []


def _forgotten(store: Store) -> set[str]:
    """The imports whose raw files a repair took out of REPORTS; imported again, they are another import's."""
    gone: set[str] = set()
    before: list[str] = []
    for entry in _history(store, tables.REPORTS):
        if entry.get(BATCH) is not None:
            before.append(entry[BATCH])
        elif entry.get("operation") == "DELETE":
            left = _held(store, int(entry["version"]))
            gone |= {batch for batch in before if not _reports_of(store, {batch}).keys() & left.keys()}
    return gone


def _unread(store: Store) -> int:
    """How many rows belong to no raw file that REPORTS names: left by imports that were killed, and never read."""
    taken, rows = store.holds(), 0
    for table in tables.RAW:
        delta, _ = _opened(store, table)
        if delta is None:
            continue
        with suppress(OSError, duckdb.Error), closing(connected()) as connection:
            reports = rows_in(connection, store.folder / table.name, delta).aggregate("report, count(*)").fetchall()
            rows += sum(many for report, many in reports if report not in taken)
    return rows


# -- mending ------------------------------------------------------------------------------------------------------


def repair(store: Store) -> list[str]:
    """Make a damaged store readable, and name the raw files that must be imported again.

    What is broken is moved aside, never deleted. A raw file of which any row is lost is forgotten as a whole, so that
    importing it again adds it whole. Raises StoreError where there is no store.
    """
    store.must_exist()
    for table in EVERY:
        _mend_log(store, table)
    looked = _look(store)
    reports = _reports_of(store, set(_lost_batches(store, looked)))
    # REPORTS first: a repair that breaks off here is known by the broken files that are still there.
    _drop_broken_files(store, tables.REPORTS, looked[tables.REPORTS.name].wrong)
    if reports:
        delta = DeltaTable(str(store.folder / tables.REPORTS.name))
        listed = ", ".join(f"'{report}'" for report in sorted(reports))
        delta.delete(f"report in ({listed})")
    for table in tables.RAW:
        _drop_broken_files(store, table, looked[table.name].wrong)
    return sorted(reports.values())


def _mend_log(store: Store, table: tables.Table) -> None:
    """Move the entries of a log aside from the first on that cannot be read."""
    _, problem = _opened(store, table)
    if not problem:
        return
    there = files_in(store.folder / table.name)
    first = len(_log(there))
    broken = [entry for number, entry in _entries(there).items() if number >= first]
    for path in [*broken, *(path for path in names_in(there, LOG) if ".checkpoint" in path)]:
        there.move(path, f"{path}{ASIDE}")
    if is_there(there, f"{LOG}/_last_checkpoint"):
        there.delete_file(f"{LOG}/_last_checkpoint")


def _drop_broken_files(store: Store, table: tables.Table, broken: Collection[str]) -> None:
    """Move broken data files aside, and take them out of the table."""
    there = files_in(store.folder / table.name)
    for path in broken:
        if is_there(there, path):
            there.move(path, f"{path}{ASIDE}")
    if broken:
        DeltaTable(str(store.folder / table.name)).repair()


class Compacted(NamedTuple):
    """What compacting came to: data files before and after, and how many that nobody needs were removed."""

    before: int
    after: int
    removed: int


def compact(store: Store) -> Compacted:
    """Join the many small files of a store into few, and remove those that no version needs and none reads any more.

    Nothing that a question could be answered with changes; every version can still be read. Raises StoreError where
    there is no store.
    """
    store.must_exist()
    before = after = removed = 0
    for table in EVERY:
        delta = store.delta(table)
        if delta is None:
            continue
        before += len(_files(delta))
        if table is not tables.REPORTS or len(_files(delta)) > MANY_FILES:
            delta.optimize.compact()
        if table is not tables.REPORTS:
            removed += len(delta.vacuum(SAFE_HOURS, dry_run=False, enforce_retention_duration=False))
        after += len(_files(delta))
    return Compacted(before, after, removed)


class Version(NamedTuple):
    """One state of a store: its number, when it came to be, how many raw files were added or forgotten."""

    number: int
    at: datetime
    added: int
    what: str


def versions(store: Store) -> list[Version]:
    """The versions of a store, the newest first. Raises StoreError where there is no store."""
    store.must_exist()
    made = []
    for entry in reversed(_history(store, tables.REPORTS)):
        measured = entry.get("operationMetrics", {})
        what = {"WRITE": "import", "OPTIMIZE": "compacted", "DELETE": "repaired"}.get(
            entry.get("operation", ""), "other"
        )
        at = datetime.fromtimestamp(entry["timestamp"] / 1000, UTC)
        made.append(Version(int(entry["version"]), at, int(measured.get("num_added_rows", 0) or 0), what))
    return made
