"""What the reports of some accounts need of a store, as plain files: each account's rows as known now.

Asking a store costs the same for one account as for fifty, and its engines hold threads that no fork survives. A batch
asks once and writes an excerpt; whoever prints a report opens that instead, by the same questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from healthkit import tables
from healthkit.store import Store, refuse_unknown
from healthkit.tables import Ledger

MARK = "excerpt.json"
AT_ONCE = 50
"""So many accounts are asked for at once: bounded memory, and few questions."""


@dataclass(frozen=True)
class Excerpt:
    """An excerpt of a store, opened; it answers what a report asks of a store."""

    place: Path
    folder: Path
    counts: Path
    held: dict[str, dict[str, Any]]
    number: int

    @classmethod
    def opened(cls, place: Path) -> Excerpt:
        """The excerpt in a folder."""
        told = json.loads((place / MARK).read_text(encoding="utf-8"))
        return cls(place, Path(told["store"]), Path(told["counts"]), told["accounts"], told["version"])

    def must_exist(self) -> None:
        """It does."""

    def version(self) -> int:
        """The version of the store that it was taken of."""
        return self.number

    def files(self, account: str) -> int:
        """How many raw files the figures of an account stand on."""
        return int(self.held[account]["files"])

    def check_accounts(self, wanted: Iterable[str], known: Iterable[str]) -> None:
        """Raise StoreError for an account that is not known."""
        refuse_unknown(wanted, list(known), self.folder)

    def ledger(self, accounts: Iterable[str] | None = None) -> Ledger:
        """The rows of one account. Raises StoreError for one that the excerpt does not hold."""
        wanted = list(self.held if accounts is None else accounts)
        refuse_unknown(wanted, list(self.held), self.place)
        parts = [self.place / self.held[account]["part"] for account in wanted]
        held = {table.name: _lazy([_read(part / f"{table.name}.parquet") for part in parts]) for table in tables.RAW}
        coverage = pd.concat([_read(part / "coverage.parquet").to_pandas() for part in parts], ignore_index=True)
        return Ledger(**held, coverage=coverage)


def is_excerpt(folder: Path) -> bool:
    """Whether a folder holds an excerpt rather than a store."""
    return (folder / MARK).is_file()


def write(store: Store, accounts: Iterable[str], counts: Path, folder: Path) -> None:
    """Write an excerpt of a store for some accounts; `counts` is the folder of the counts that go with it."""
    held: dict[str, dict[str, Any]] = {}
    for names in _parts(list(dict.fromkeys(accounts)), AT_ONCE):
        ledger = store.ledger(names).in_memory()
        frames = {table.name: nw.to_native(getattr(ledger, table.name).collect()) for table in tables.RAW}
        for account in names:
            part = f"{len(held):06d}"
            held[account] = {"part": part, "files": store.files(account)}
            (folder / part).mkdir(parents=True)
            for name, frame in frames.items():
                _write(frame.filter(pc.equal(frame["account"], account)), folder / part / f"{name}.parquet")
            mine = ledger.coverage[ledger.coverage["account"] == account]
            _write(pa.Table.from_pandas(mine, preserve_index=False), folder / part / "coverage.parquet")
    told = {
        "store": str(store.folder.resolve()), "counts": str(counts.resolve()), "version": store.version(),
        "accounts": held,
    }  # fmt: skip
    (folder / MARK).write_text(json.dumps(told), encoding="utf-8")


def _parts(names: list[str], size: int) -> Iterator[list[str]]:
    left = iter(names)
    while part := list(islice(left, size)):
        yield part


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="lz4")


def _read(path: Path) -> pa.Table:
    """A file read by this thread alone: whoever reads may be a fork."""
    return pq.read_table(path, use_threads=False)


def _lazy(parts: list[pa.Table]) -> tables.Frame:
    return nw.from_native(pa.concat_tables(parts)).lazy()
