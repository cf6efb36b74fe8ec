"""Is a store whole, and what if it is not: check, repair, compact, versions.

Every import names itself in the log of each table that it appends to, and in REPORTS last. So the files, the logs and
the imports can be held against each other: what is cut off, what is gone, and which raw files must be imported again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from healthkit import tables
from healthkit.store.bucket import Bucket
from healthkit.store.store import BATCH, VERSIONS, Store, StoreError

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
        if isinstance(store.folder, Path):
            found.spare += sum(path.name not in one.files for path in (store.folder / name).glob("*.parquet"))
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
        place = store.folder / table.name
        if isinstance(place, Bucket):
            made[table.name] = _look_afar(store, table)
            continue
        delta, problem = _opened(place)
        files = {} if delta is None else _files(delta)
        told = {path: _wrong_with(place / path, rows) for path, rows in files.items()}
        made[table.name] = _Looked(problem, files, {path: why for path, why in told.items() if why})
    return made


def _look_afar(store: Store, table: tables.Table) -> _Looked:
    """The same of a table in an object storage, where the log is read by the library alone."""
    try:
        delta = store.delta(table)
    except StoreError:
        return _Looked("has a log that cannot be read", {}, {})
    if delta is None:
        return _Looked("", {}, {})
    files, wrong = _files(delta), {}
    for fragment in delta.to_pyarrow_dataset().get_fragments():
        path = fragment.path.lstrip("/")
        try:
            read = sum(batch.num_rows for batch in fragment.to_batches())
        except (OSError, pa.ArrowException) as error:
            wrong[path] = f"is gone or cannot be read ({type(error).__name__})"
        else:
            wrong[path] = _other_rows(read, files[path])
    return _Looked("", files, {path: why for path, why in wrong.items() if why})


def _opened(place: Path) -> tuple[DeltaTable | None, str]:
    """A table, and what is wrong with its log."""
    if not (place / LOG).is_dir():
        return None, ""
    try:
        return DeltaTable(str(place)), ""
    except TableNotFoundError:
        return None, ""
    except DeltaError:
        broken = _first_broken(place)
        return None, f"has a log that cannot be read from entry {broken} on"


def _files(delta: DeltaTable) -> dict[str, int]:
    """The data files of a table, and how many rows its log says each has."""
    rows = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    return {row["path"]: int(row["num_records"] or 0) for row in rows}


def _wrong_with(path: Path, rows: int) -> str:
    """What is wrong with a data file; empty where nothing is."""
    if not path.is_file():
        return "is gone"
    try:
        with pq.ParquetFile(path) as file:
            read = sum(batch.num_rows for batch in file.iter_batches())
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read ({type(error).__name__}): it is cut off or changed"
    return _other_rows(read, rows)


def _other_rows(read: int, written: int) -> str:
    return "" if read == written else f"holds {read:,} rows, and {written:,} were written"


def _entries(place: Path) -> list[Path]:
    """The entries of a log, in their order."""
    return sorted(path for path in (place / LOG).glob("*.json") if path.stem.isdigit())


def _first_broken(place: Path) -> int:
    """The first entry of a log that is missing or no JSON; the number after the last where all are well."""
    number = -1
    for number, path in enumerate(_entries(place)):
        if int(path.stem) != number:
            return number
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                json.loads(line)
        except (OSError, ValueError):
            return number
    return number + 1


# -- imports and what became of their rows ------------------------------------------------------------------------


def _history(store: Store, table: tables.Table) -> list[dict[str, Any]]:
    """What was done to a table, the first first, as far as its log can be read; each with its `version`."""
    place = store.folder / table.name
    made: list[dict[str, Any]] = []
    if isinstance(place, Bucket):
        delta = _delta(store, table)
        return list(reversed(delta.history())) if delta is not None else made
    for number, path in enumerate(_entries(place)[: _first_broken(place)]):
        told: dict[str, Any] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            told |= json.loads(line).get("commitInfo", {})
        made.append(told | {"version": number})
    return made


def _lost_batches(store: Store, looked: Mapping[str, _Looked]) -> dict[str, set[str]]:
    """The imports that lost rows, by their own name, each with the tables that lack them."""
    lost: dict[str, set[str]] = {}
    there = {table.name: {entry.get(BATCH) for entry in _history(store, table)} for table in tables.RAW}
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


def _broken_batches(store: Store, table: tables.Table, broken: set[str]) -> set[str | None]:
    """The imports of which some data files of a table are; of a compacted file, all that came before it."""
    if not broken:
        return set()
    place = store.folder / table.name
    if isinstance(place, Bucket):
        return set()  # Which import wrote a file stands in entries of the log that are not at hand there.
    batches: set[str | None] = set()
    before: set[str | None] = set()
    history = {int(entry["version"]): entry for entry in _history(store, table)}
    for path in _entries(place):
        entry = history.get(int(path.stem), {})
        batch = entry.get(BATCH)
        added = {action["path"] for action in _added(path)}
        if added & broken:
            batches |= before if batch is None else {batch}
        before.add(batch)
    return batches - {None}


def _added(path: Path) -> Iterator[dict[str, Any]]:
    """The data files that one entry of a log adds."""
    for line in path.read_text(encoding="utf-8").splitlines():
        action = json.loads(line).get("add")
        if action is not None:
            yield action


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
    rows = DeltaTable(str(store.folder / tables.REPORTS.name), version=version).to_pyarrow_table(
        columns=["report", "name"]
    )
    return dict(zip(rows["report"].to_pylist(), rows["name"].to_pylist(), strict=True))


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
        delta = _delta(store, table)
        if delta is None:
            continue
        try:
            reports = delta.to_pyarrow_table(columns=["report"])["report"].value_counts()
        except (OSError, pa.ArrowException):
            continue
        rows += sum(one["counts"] for one in reports.to_pylist() if one["values"] not in taken)
    return rows


def _delta(store: Store, table: tables.Table) -> DeltaTable | None:
    """A table, None where there is none or its log cannot be read."""
    place = store.folder / table.name
    if isinstance(place, Path):
        return _opened(place)[0]
    try:
        return store.delta(table)
    except StoreError:
        return None


# -- mending ------------------------------------------------------------------------------------------------------


def repair(store: Store) -> list[str]:
    """Make a damaged store readable, and name the raw files that must be imported again.

    What is broken is moved aside, never deleted. A raw file of which any row is lost is forgotten as a whole, so that
    importing it again adds it whole. Raises StoreError where there is no store, and for one in an object storage.
    """
    store.must_exist()
    folder = store.folder
    if isinstance(folder, Bucket):
        raise StoreError(
            f"{folder} lies in an object storage, where nothing is moved aside. Bring what is gone or changed back "
            "from the storage's own versions, or import all raw files into a new store."
        )
    for table in EVERY:
        _mend_log(folder / table.name)
    looked = _look(store)
    reports = _reports_of(store, set(_lost_batches(store, looked)))
    for name, one in looked.items():
        _drop_broken_files(folder / name, one.wrong)
    if reports:
        delta = DeltaTable(str(folder / tables.REPORTS.name))
        listed = ", ".join(f"'{report}'" for report in sorted(reports))
        delta.delete(f"report in ({listed})")
    return sorted(reports.values())


def _mend_log(place: Path) -> None:
    """Move the entries of a log aside from the first on that cannot be read."""
    _, problem = _opened(place)
    if not problem:
        return
    first = _first_broken(place)
    for path in _entries(place):
        if int(path.stem) >= first:
            path.rename(path.with_name(path.name + ASIDE))
    for path in (place / LOG).glob("*.checkpoint*"):
        path.rename(path.with_name(path.name + ASIDE))
    (place / LOG / "_last_checkpoint").unlink(missing_ok=True)


def _drop_broken_files(place: Path, broken: Iterable[str]) -> None:
    """Move broken data files aside, and take them out of the table."""
    gone = list(broken)
    for path in gone:
        if (place / path).is_file():
            (place / path).rename(place / f"{path}{ASIDE}")
    if gone:
        DeltaTable(str(place)).repair()


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
