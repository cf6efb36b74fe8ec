"""What the reports of some accounts need of a store, as plain files: each account's rows as known now.

Asking a store costs the same for one account as for fifty, and its engines hold threads that no fork survives. A batch
asks once and writes an excerpt; whoever prints a report opens that instead, by the same questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeGuard

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from healthkit.schema import tables
from healthkit.schema.tables import Ledger
from healthkit.store import Folder, Store, arrow_schema, parse_folder, refuse_unknown_accounts

MANIFEST_NAME = "excerpt.json"
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_SINGLE_THREADED = pa.ipc.IpcReadOptions(use_threads=False)


@dataclass(frozen=True)
class StoreSnapshot:
    """An excerpt of a store, opened; it answers what a report asks of a store."""

    place: Path
    folder: Folder
    counts: Path
    held: dict[str, dict[str, Any]]
    number: int

    @classmethod
    def opened(cls, folder: Path) -> StoreSnapshot:
        """The excerpt in a folder."""
        told = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        return cls(folder, parse_folder(told["store"]), Path(told["counts"]), told["accounts"], told["version"])

    def must_exist(self) -> None:
        """It does."""

    def version(self) -> int:
        """The version of the store that it was taken of."""
        return self.number

    def count_files(self, account: str) -> int:
        """How many raw files the figures of an account stand on."""
        return int(self.held[account]["files"])

    def check_accounts(self, wanted: Iterable[str], known: Iterable[str]) -> None:
        """Raise StoreError for an account that is not known."""
        refuse_unknown_accounts(wanted, list(known), self.folder)

    def ledger(self, accounts: Iterable[str] | None = None, only: Iterable[tables.Table] = tables.RAW_TABLES) -> Ledger:
        """The rows of one account, of some tables only or all. Raises StoreError for one that the excerpt lacks."""
        named = {table.name for table in only}
        wanted = list(self.held if accounts is None else accounts)
        refuse_unknown_accounts(wanted, list(self.held), self.place)
        parts = [self.place / self.held[account]["part"] for account in wanted]
        frames = {
            table.name: _lazy_frame([_read(part / f"{table.name}.arrow") for part in parts])
            if table.name in named
            else _lazy_frame([arrow_schema(table).empty_table()])
            for table in tables.RAW_TABLES
        }
        coverage = pd.concat([_read(part / "coverage.arrow").to_pandas() for part in parts], ignore_index=True)
        return Ledger(**frames, coverage=coverage)


def is_snapshot(folder: Folder) -> TypeGuard[Path]:
    """Whether a folder holds an excerpt rather than a store."""
    return isinstance(folder, Path) and (folder / MANIFEST_NAME).is_file()


def write_snapshot(store: Store, accounts: Iterable[str], counts: Path, folder: Path) -> None:
    """Write an excerpt of a store for some accounts; `counts` is the folder of the counts that go with it."""
    held: dict[str, dict[str, Any]] = {}
    reports = store.reports()["account"]
    files, shared = reports.value_counts().to_dict(), int(reports.isna().sum())
    for names in store.group_accounts(accounts):
        ledger = store.ledger(names).in_memory()
        frames = {table.name: nw.to_native(getattr(ledger, table.name).collect()) for table in tables.RAW_TABLES}
        places = {name: _row_ranges(frame) for name, frame in frames.items()}
        for account in names:
            part = f"{len(held):06d}"
            held[account] = {"part": part, "files": shared + int(files.get(account, 0))}
            (folder / part).mkdir(parents=True)
            for name, frame in frames.items():
                _write(frame.slice(*places[name].get(account, (0, 0))), folder / part / f"{name}.arrow")
            mine = ledger.coverage[ledger.coverage["account"] == account]
            _write(pa.Table.from_pandas(mine, preserve_index=False), folder / part / "coverage.arrow")
    told = {
        "store": str(store.folder.resolve()), "counts": str(counts.resolve()), "version": store.version(),
        "accounts": held,
    }  # fmt: skip
    (folder / MANIFEST_NAME).write_text(json.dumps(told), encoding="utf-8")


def _row_ranges(frame: pa.Table) -> dict[str, tuple[int, int]]:
    """Where the rows of each account begin, and how many they are: the tables of a ledger are in the order of their
    keys, of which the account is the first."""
    counts = pc.value_counts(frame["account"])
    names, many = (counts.field(name).to_pylist() for name in ("values", "counts"))
    begins = [0, *accumulate(many)]
    return {name: (begin, held) for name, begin, held in zip(names, begins, many, strict=False)}


def _write(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema, options=_COMPRESSED) as file:
        file.write_table(table)


def _read(path: Path) -> pa.Table:
    """A file read by this thread alone: whoever reads may be a fork."""
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file, options=_SINGLE_THREADED).read_all()


def _lazy_frame(parts: list[pa.Table]) -> tables.Frame:
    return nw.from_native(pa.concat_tables(parts)).lazy()
