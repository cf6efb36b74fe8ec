"""A snapshot of a store for given accounts: plain files with the rows that their reports need.

Reading a store costs the same for one account as for fifty, and its engines run threads that do not survive a fork. A
batch reads the store once and writes a snapshot; each worker opens that instead, through the same methods.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeGuard

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from healthkit.schema import tables
from healthkit.schema.events_file import Event
from healthkit.schema.tables import Ledger
from healthkit.store import Folder, Store, arrow_schema, parse_folder, refuse_unknown_accounts

MANIFEST_NAME = "excerpt.json"
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_SINGLE_THREADED = pa.ipc.IpcReadOptions(use_threads=False)


@dataclass(frozen=True)
class StoreSnapshot:
    """An opened snapshot of a store; it has the methods of `Store` that a report needs."""

    snapshot_folder: Path
    folder: Folder
    counts_folder: Path
    parts_by_account: dict[str, dict[str, Any]]
    store_version: int
    events: tuple[Event, ...] = ()

    @classmethod
    def open(cls, folder: Path) -> StoreSnapshot:
        """Open the snapshot in a folder."""
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        return cls(
            folder, parse_folder(manifest["store"]), Path(manifest["counts"]), manifest["accounts"],
            manifest["version"],
            tuple(Event(date.fromisoformat(day), *texts) for day, *texts in manifest["events"]),
        )  # fmt: skip

    def must_exist(self) -> None:
        """Do nothing, because an opened snapshot exists.

        `Store.must_exist` raises StoreError if there is no store.
        """

    def version(self) -> int:
        """Return the version of the store from which the snapshot was made."""
        return self.store_version

    def count_files(self, account: str) -> int:
        """Return the number of raw files on which the figures of an account are based."""
        return int(self.parts_by_account[account]["files"])

    def check_accounts(self, wanted: Iterable[str], known: Iterable[str]) -> None:
        """Raise StoreError if a wanted account is not among the known accounts."""
        refuse_unknown_accounts(wanted, list(known), self.folder)

    def ledger(
        self, accounts: Iterable[str] | None = None, only: Collection[tables.Table] = tables.RAW_TABLES
    ) -> Ledger:
        """Return the raw tables with the rows of the given accounts, by default of all accounts.

        Tables that are not in `only` are empty. Raises StoreError for an account that is not in the snapshot.
        """
        named = {table.name for table in only}
        wanted = list(self.parts_by_account if accounts is None else accounts)
        refuse_unknown_accounts(wanted, list(self.parts_by_account), self.snapshot_folder)
        parts = [self.snapshot_folder / self.parts_by_account[account]["part"] for account in wanted]
        frames = {
            table.name: _lazy_frame([_read(part / f"{table.name}.arrow") for part in parts])
            if table.name in named
            else _lazy_frame([arrow_schema(table).empty_table()])
            for table in tables.RAW_TABLES
        }
        coverage = pd.concat([_read(part / "coverage.arrow").to_pandas() for part in parts], ignore_index=True)
        return Ledger(**frames, coverage=coverage)


def is_snapshot(folder: Folder) -> TypeGuard[Path]:
    """Return whether a folder holds a snapshot of a store rather than a store."""
    return isinstance(folder, Path) and (folder / MANIFEST_NAME).is_file()


def write_snapshot(
    store: Store, accounts: Iterable[str], counts: Path, folder: Path, events: Iterable[Event] = ()
) -> None:
    """Write a snapshot of a store for the given accounts into a folder.

    `counts` is the folder of the counts that belong to it, `events` what the accounts changed.
    """
    parts: dict[str, dict[str, Any]] = {}
    reports = store.reports()["account"]
    files, shared = reports.value_counts().to_dict(), int(reports.isna().sum())
    for names in store.group_accounts(accounts):
        ledger = store.ledger(names).in_memory()
        frames = {table.name: nw.to_native(getattr(ledger, table.name).collect()) for table in tables.RAW_TABLES}
        places = {name: _row_ranges(frame) for name, frame in frames.items()}
        for account in names:
            part = f"{len(parts):06d}"
            parts[account] = {"part": part, "files": shared + int(files.get(account, 0))}
            (folder / part).mkdir(parents=True)
            for name, frame in frames.items():
                _write(frame.slice(*places[name].get(account, (0, 0))), folder / part / f"{name}.arrow")
            coverage = ledger.coverage[ledger.coverage["account"] == account]
            _write(pa.Table.from_pandas(coverage, preserve_index=False), folder / part / "coverage.arrow")
    manifest = {
        "store": str(store.folder.resolve()), "counts": str(counts.resolve()), "version": store.version(),
        "accounts": parts,
        "events": [
            (str(one.day), one.account, one.marketplace, one.note) for one in events if one.account in parts
        ],
    }  # fmt: skip
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")


def _row_ranges(frame: pa.Table) -> dict[str, tuple[int, int]]:
    """Return the first row and the number of rows of each account: tables of a ledger are sorted by key, the account
    first."""
    counts = pc.value_counts(frame["account"])
    names, many = (counts.field(name).to_pylist() for name in ("values", "counts"))
    begins = [0, *accumulate(many)]
    return {name: (begin, size) for name, begin, size in zip(names, begins, many, strict=False)}


def _write(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema, options=_COMPRESSED) as file:
        file.write_table(table)


def _read(path: Path) -> pa.Table:
    """Read a file in the calling thread alone, because the reader may be a fork."""
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file, options=_SINGLE_THREADED).read_all()


def _lazy_frame(parts: list[pa.Table]) -> tables.Frame:
    return nw.from_native(pa.concat_tables(parts)).lazy()
