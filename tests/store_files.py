"""Stores of small files of orders, for the tests that damage them, kill their imports and look after them."""

from __future__ import annotations

from pathlib import Path

from healthkit.ingest import importer
from healthkit.store import Store

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
        assert [one.refused for one in importer.import_files(together, store)] == [None] * len(together)


def three_imports(folder: Path) -> tuple[Store, list[Path]]:
    """A store of three imports, of a file each."""
    files = [raw(folder / "raw", "acme", number) for number in range(3)]
    store = Store(folder / "store")
    import_all(store, *files)
    return store, files


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
