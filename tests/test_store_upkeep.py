"""The store is looked after: what is damaged is found, told and mended; versions; imports that are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import healthkit as hk
from healthkit import intake, tables
from healthkit.store import Store, StoreError, check, compact, repair, upkeep, versions
from healthkit.store import store as store_module

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SMALL = ("paper-moth", "clearbrook-bath")
HEAD = (
    "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tfulfillment-channel\tsku\tquantity\tsales-channel"
)


def raw(folder: Path, account: str, number: int, rows: int = 20) -> Path:
    """A file of so many orders, of which no other file tells."""
    place = folder / account
    place.mkdir(parents=True, exist_ok=True)
    lines = [HEAD] + [
        f"{number:03d}-{row:07d}-0000000\t2026-10-{row % 28 + 1:02d}T10:00:00+00:00\t2026-10-30T10:00:00+00:00"
        "\tShipped\tMerchant\ts1\t1\tAmazon.com"
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
        assert [one.refused for one in intake.take_in(together, store)] == [None] * len(together)


@pytest.fixture
def three(tmp_path) -> tuple[Store, list[Path]]:
    """A store of three imports, of a file each."""
    files = [raw(tmp_path / "raw", "acme", number) for number in range(3)]
    store = Store(tmp_path / "store")
    import_all(store, *files)
    return store, files


@pytest.fixture(params=["by an import each", "by one import in three appends"])
def three_files(request, three, tmp_path, monkeypatch) -> tuple[Store, list[Path]]:
    """A store of three files, each of which is one entry of a table's log."""
    if request.param == "by an import each":
        return three
    monkeypatch.setattr(store_module, "APPENDED", 30)
    _, files = three
    store = Store(tmp_path / "at once")
    import_all(store, *[files])
    delta = store.delta(tables.ORDERS)
    assert delta is not None
    assert (delta.version(), store.version()) == (2, 0)
    return store, files


def parquet(store: Store, table: str) -> list[Path]:
    return sorted((store.folder / table).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)


def entry(store: Store, table: str, number: int) -> Path:
    return store.folder / table / "_delta_log" / f"{number:020d}.json"


def test_a_whole_store_has_nothing_wrong(three):
    store, _ = three
    found = check(store)
    assert (found.damages, found.lost, found.unread, found.spare) == ([], [], 0, 0)
    assert found.rows == 3 * (20 + 20 + 1)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[20:60] = bytes(40)
    path.write_bytes(bytes(data))


def without_files(path: Path) -> None:
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith('{"add"')))


DAMAGES = {
    "a data file is cut off": lambda store: cut(parquet(store, "orders")[1]),
    "a data file is empty": lambda store: parquet(store, "orders")[1].write_bytes(b""),
    "a data file is gone": lambda store: parquet(store, "items")[1].unlink(),
    "a data file was changed": lambda store: changed(parquet(store, "orders")[1]),
    "the last entry of a log is gone": lambda store: entry(store, "orders", 2).unlink(),
    "the last entry of a log is cut off": lambda store: cut(entry(store, "items", 2)),
    "an entry in the middle of a log is gone": lambda store: entry(store, "orders", 1).unlink(),
    "the first entry of a log is gone": lambda store: entry(store, "orders", 0).unlink(),
    "an entry of a log is no text": lambda store: entry(store, "orders", 1).write_bytes(b"\xff\x00\xfe"),
    "a table is gone": lambda store: (store.folder / "orders").rename(store.folder / "lost"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_told_mended_and_whole_again_after_an_import(damage, three_files):
    store, files = three_files
    before = orders(store)
    DAMAGES[damage](store)
    found = check(store)
    assert found.damages, "the damage was not seen"
    assert found.lost, "which raw files lost rows was not told"
    # Never a smaller history that looks whole.
    with pytest.raises(StoreError, match=r"is damaged .* store check"):
        orders(store)
    assert repair(store) == (found.lost, False)
    assert check(store).damages == []
    left = orders(store)
    assert set(left) < set(before)
    import_all(store, *files)
    assert orders(store) == before
    assert check(store).damages == []
    assert repair(store) == ([], False)


EMPTIED = {
    "an entry is empty": lambda store: entry(store, "orders", 1).write_bytes(b""),
    "an entry lost the line of its data file": lambda store: without_files(entry(store, "items", 1)),
}


@pytest.mark.parametrize("damage", EMPTIED)
def test_an_entry_of_a_log_that_says_nothing_is_told_and_mended(damage, three_files):
    """The table can be read, without rows that it had: only a check sees that."""
    store, files = three_files
    before = orders(store)
    EMPTIED[damage](store)
    found = check(store)
    assert found.damages
    assert found.lost
    assert repair(store) == (found.lost, False)
    import_all(store, *files)
    assert orders(store) == before
    assert check(store).damages == []


@pytest.mark.parametrize("step", ["delete", "repair"])
def test_a_repair_that_breaks_off_is_done_by_the_next(step, three_files, monkeypatch):
    store, files = three_files
    before = orders(store)
    cut(parquet(store, "orders")[1])

    def broken(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upkeep.DeltaTable, step, broken)
        with pytest.raises(KeyboardInterrupt):
            repair(store)
    assert check(store).damages
    repair(store)
    import_all(store, *files)
    assert orders(store) == before
    assert check(store).damages == []


def test_a_damaged_list_of_raw_files_is_mended_too(three):
    store, files = three
    before = orders(store)
    cut(entry(store, "reports", 1))
    with pytest.raises(StoreError, match=r"reports of .* is damaged"):
        orders(store)
    assert any("log" in one.what for one in check(store).damages)
    repair(store)
    import_all(store, *files)
    assert orders(store) == before
    assert not check(store).damages


def test_compacting_changes_no_figure_and_old_versions_can_still_be_read(three, tmp_path):
    store, _ = three
    before = orders(store)
    old = [len(orders(Store(store.folder, number))) for number in range(3)]
    made = compact(store)
    assert made.after < made.before
    assert orders(store) == before
    assert [len(orders(Store(store.folder, number))) for number in range(3)] == old == [20, 40, 60]
    assert check(store).damages == []
    import_all(store, raw(tmp_path / "raw", "acme", 9))
    assert len(orders(store)) == 80


def test_a_compacted_file_that_breaks_costs_all_that_it_joined(three):
    store, files = three
    before = orders(store)
    compact(store)
    cut(max((store.folder / "orders").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns))
    assert len(check(store).lost) == 3
    assert len(repair(store).lost) == 3
    import_all(store, *files)
    assert orders(store) == before


def test_versions_are_listed_and_one_that_is_not_there_is_refused(three):
    store, _ = three
    made = versions(store)
    assert [(one.number, one.added, one.what) for one in made] == [(2, 1, "import"), (1, 1, "import"), (0, 1, "import")]
    with pytest.raises(StoreError, match="has no version 7; it has 0 to 2"):
        orders(Store(store.folder, 7))
    with pytest.raises(StoreError, match="nothing can be added"):
        Store(store.folder, 1).add([])


def test_scores_as_of_a_version_are_those_of_that_day(tmp_path):
    """A file that came later changes the newest figures and not those of the version before it."""
    store = Store(tmp_path / "store")
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    day = date(2026, 10, 20)
    before = hk.Desk(store.folder).score(day)
    import_all(store, raw(tmp_path / "raw", "acme", 2))
    again = hk.Desk(store.folder, version=0).score(day)
    pd.testing.assert_frame_equal(before, again)
    now = hk.Desk(store.folder).score(day)
    assert list(now["counted"]) != list(before["counted"])


# -- imports that are killed, many at once, a full disk -----------------------------------------------------------

IMPORT = """
import sys
from healthkit import intake
from healthkit.store import Store, store

store.APPENDED = 30  # Each file's rows are an append of their own, as those of a large file are several.

class Telling(Store):
    def add(self, takens):
        print("go", flush=True)
        super().add(takens)

list(intake.take_in(sys.argv[2:], Telling(sys.argv[1])))
print("done", flush=True)
"""


def begun(store: Store, *paths: Path) -> subprocess.Popen:
    words = [sys.executable, "-c", IMPORT, str(store.folder), *map(str, paths)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


KILLS = int(os.environ.get("KILLS", "12"))
"""So many imports are killed (KILLS=100 takes some minutes)."""


def test_imports_killed_at_any_moment_lose_nothing_and_double_nothing(tmp_path):
    """Two raw files are imported until they are in; the import before is killed at a random moment of its writing."""
    rng = random.Random(7)
    store = Store(tmp_path / "store")
    whole, torn = Counter[str](), 0
    for kill in range(KILLS):
        numbers = (2 * kill, 2 * kill + 1)
        files = [raw(tmp_path / "raw", f"acme-{kill % 3}", number) for number in numbers]
        before = appends(store)
        process = begun(store, *files)
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        # Some moment after some of its four appends (two tables, two files), or after none.
        wanted = before + rng.randrange(5)
        while appends(store) < wanted and process.poll() is None:
            time.sleep(0.0002)
        time.sleep(rng.uniform(0.0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Whatever became of it: what is read is what was there, and of what is new all or nothing, each order once.
        new = Counter(f"{number:03d}-{row:07d}-0000000" for number in numbers for row in range(20))
        seen = Counter(orders(store)) if store.exists() else Counter()
        assert seen in (whole, whole + new)
        torn += seen == whole and appends(store) > before
        whole += new
        import_all(store, files)
        assert Counter(orders(store)) == whole
    assert torn > KILLS // 4, "few kills came between two appends of an import; the others prove little"
    assert check(store).damages == []


def appends(store: Store) -> int:
    """How many entries the logs of the raw tables have."""
    return sum(len(list((store.folder / table.name).glob("_delta_log/*.json"))) for table in tables.RAW)


def test_four_imports_at_once_and_a_reader_throughout(tmp_path):
    store = Store(tmp_path / "store")
    import_all(store, raw(tmp_path / "raw", "acme", 900))
    sets = [[raw(tmp_path / "raw", f"acme-{who}", who * 10 + number) for number in range(4)] for who in range(4)]
    writers = [begun(store, *files) for files in sets]
    reads = 0
    while any(one.poll() is None for one in writers):
        seen = Counter(orders(store))
        assert max(seen.values()) == 1
        assert set(Counter(name[:3] for name in seen).values()) == {20}
        reads += 1
    assert all(one.returncode == 0 for one in writers)
    assert len(orders(store)) == 17 * 20
    assert reads
    assert check(store).damages == []


def test_the_same_file_by_two_at_once_stands_once(tmp_path):
    store = Store(tmp_path / "store")
    path = raw(tmp_path / "raw", "acme", 1)
    for one in [begun(store, path) for _ in range(3)]:
        assert one.wait() == 0
    assert len(orders(store)) == 20
    assert len(store.reports()) == 1


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/bin/mount").exists(), reason="a small disk needs root and mount")
def test_a_full_disk_leaves_what_was_there_and_says_so(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("this machine lets no disk be mounted")
    try:
        store = Store(small / "store")
        import_all(store, raw(tmp_path / "raw", "acme", 1))
        before = orders(store)
        big = raw(tmp_path / "raw", "acme", 2, rows=60_000)
        with pytest.raises(StoreError, match=r"no space left"):
            list(intake.take_in([big], store))
        assert orders(store) == before
        assert check(store).damages == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("appends", range(6))
def test_an_import_that_breaks_between_its_appends_is_not_read_and_stands_once_when_run_again(
    appends, tmp_path, monkeypatch
):
    files = [raw(tmp_path / "raw", "acme", number) for number in range(3)]
    store = Store(tmp_path / "store")
    import_all(store, raw(tmp_path / "raw", "acme", 9))
    before = orders(store)
    monkeypatch.setattr(store_module, "APPENDED", 30)
    real, made = store_module.write_deltalake, Counter[str]()

    def no_more(*args: Any, **told: Any) -> None:
        if made.total() == appends:
            raise OSError("No space left on device (os error 28)")
        made["appends"] += 1
        real(*args, **told)

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_deltalake", no_more)
        with pytest.raises(StoreError, match=r"no space left .* nothing was added"):
            list(intake.take_in(files, store))
    assert orders(store) == before
    assert (check(store).damages, check(store).unread) == ([], 20 * appends)
    import_all(store, files)
    again = orders(store)
    assert again == sorted({*again, *before})
    assert len(again) == 80
    assert check(store).damages == []


def test_a_clock_that_jumps_back_changes_nothing(three, tmp_path):
    """Imports are told apart by their order, not by the clock of the machine."""
    store, _ = three
    for path in (store.folder / "orders" / "_delta_log").glob("*.json"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if "commitInfo" in line:
                line["commitInfo"]["timestamp"] = 0
        path.write_text("\n".join(map(json.dumps, lines)))
    before = orders(store)
    import_all(store, raw(tmp_path / "raw", "acme", 5))
    assert set(before) < set(orders(store))
    assert check(store).damages == []


def test_reports_say_how_many_rows_of_each_table_a_raw_file_brought(three):
    store, _ = three
    brought = [json.loads(one) for one in store.reports()["brought"]]
    assert brought == [{"orders": 20, "items": 20}] * 3
