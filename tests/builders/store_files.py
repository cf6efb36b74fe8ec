"""Stores of small files of orders, for the tests that damage them, kill their imports and look after them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from healthkit.ingest import importer
from healthkit.ingest.formats import ParsedFile
from healthkit.schema import tables
from healthkit.store import Store, arrow_schema
from healthkit.store import store as store_module

HEAD = (
    "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tfulfillment-channel\tsku\tquantity\tsales-channel"
)


def raw(folder: Path, account: str, number: int, rows: int = 20, channel: str = "Amazon.com") -> Path:
    """A file of so many orders, of which no other file tells."""
    place = folder / account
    place.mkdir(parents=True, exist_ok=True)
    lines = [HEAD] + [
        f"{number:03d}-{row:07d}-0000000\t2026-10-{row % 28 + 1:02d}T10:00:00+00:00\t2026-10-30T10:00:00+00:00"
        f"\tShipped\tMerchant\ts1\t1\t{channel}"
        for row in range(rows)
    ]
    path = place / f"orders-{number:03d}.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def orders(store: Store) -> list[str]:
    """The orders that the store holds, by name."""
    return sorted(store.ledger().orders.collect("pyarrow").to_native()["order_id"].to_pylist())


def import_all(store: Store, *paths: Path | list[Path]) -> None:
    """An import for each path, or for some together."""
    for path in paths:
        together = path if isinstance(path, list) else [path]
        refused = [one.refused for one in importer.import_files(together, store)]
        assert refused == [None] * max(len(refused), len(together))


def three_imports(folder: Path, *, together: bool = False) -> tuple[Store, list[Path]]:
    """A store of three imports, of a file each; or of one import of all, in an append for each file.

    It is a copy of one that is made once in a process: the copy takes 1/20 of the time of the imports.
    """
    made = Path(_made_once(together).name)
    for name in ("raw", "store"):
        shutil.copytree(made / name, folder / name, dirs_exist_ok=True)
    return Store(folder / "store"), sorted((folder / "raw" / "acme").iterdir())


@cache
def _made_once(together: bool) -> tempfile.TemporaryDirectory[str]:
    """A folder with three files and their store; it is removed at the end of the process."""
    folder = tempfile.TemporaryDirectory(prefix="three_imports_")
    files = [raw(Path(folder.name) / "raw", "acme", number) for number in range(3)]
    store = Store(Path(folder.name) / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "APPEND_ROWS", 30)
        import_all(store, *([files] if together else files))
    return folder


def parquet(store: Store, table: str) -> list[Path]:
    """The data files of a table, the oldest first."""
    return sorted((store.folder / table).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)


def entry(store: Store, table: str, number: int) -> Path:
    """An entry of the log of a table."""
    return store.folder / table / "_delta_log" / f"{number:020d}.json"


def cut(path: Path) -> None:
    """Let a file break off in its middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def changed(path: Path) -> None:
    """Let some bytes of a file be others."""
    data = bytearray(path.read_bytes())
    data[20:60] = bytes(40)
    path.write_bytes(bytes(data))


FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)


def taken(
    report: str, kind: str = "all_orders", account: str | None = "acme", days=(None, None), **held: list
) -> ParsedFile:
    """A raw file as a reader hands it over: its rows by table, of which only what matters is said."""
    made = {name: pa.Table.from_pylist([_row(name, report, row) for row in rows], schema=arrow_schema(_TABLES[name]))
            for name, rows in held.items()}  # fmt: skip
    return ParsedFile(report, f"{report}.txt", kind, account, made, rows=1, first_day=days[0], last_day=days[1])


_TABLES = {table.name: table for table in tables.RAW_TABLES}
_ORDER = {"account": "acme", "marketplace": "US", "order_id": "o1"}
_FILLED: dict[str, dict[str, Any]] = {
    "orders": {"ordered_on": date(2026, 3, 1)},
    "items": {"sku": "s1"},
    "shipments": {"shipment_id": "p1"},
    "feedback": {"feedback_id": "f1", "rating": 5, "received_on": date(2026, 3, 9), "rank": "1"},
    "defects": {"kind": "chargeback", "known_on": date(2026, 3, 9)},
}


def _row(name: str, report: str, row: dict[str, Any]) -> dict[str, Any]:
    return {**_ORDER, **_FILLED[name], "updated_at": FIRST, "report": report, **row}


def aged(folder: Path) -> None:
    """Let the files of a store be two days old, for the log as for the disk."""
    before = time.time() - 2 * 86_400
    for path in folder.rglob("*.parquet"):
        os.utime(path, (before, before))
    times = re.compile(r'("(?:modificationTime|deletionTimestamp)":)\d+')
    for path in folder.rglob("*.json"):
        path.write_text(times.sub(rf"\g<1>{before * 1000:.0f}", path.read_text()))
