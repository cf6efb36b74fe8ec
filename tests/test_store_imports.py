"""Imports that are killed, break off, run at once, or find no room: all of a file or nothing, each order once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from healthkit.ingest import importer
from healthkit.schema import tables
from healthkit.store import Store, StoreError, check
from healthkit.store import store as store_module
from tests.builders.slow import slow_after
from tests.builders.store_files import import_all, orders, raw, three_imports

IMPORT = """
import sys
from healthkit.ingest import importer
from healthkit.store import Store, store

store.APPEND_ROWS = 30  # Each file's rows are an append of their own, as those of a large file are several.

class Telling(Store):
    def add(self, takens):
        print("go", flush=True)
        super().add(takens)

list(importer.import_files(sys.argv[2:], Telling(sys.argv[1])))
print("done", flush=True)
"""


def begun(store: Store, *paths: Path) -> subprocess.Popen:
    words = [sys.executable, "-c", IMPORT, str(store.folder), *map(str, paths)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


KILLS = int(os.environ.get("KILLS", "8"))
"""So many imports are killed (KILLS=100 takes some minutes)."""


@pytest.mark.parametrize("kills", slow_after(1, [2, KILLS]))
def test_imports_killed_at_any_moment_lose_nothing_and_double_nothing(kills, store, tmp_path):
    """Two raw files are imported until they are in; the import before is killed at a random moment of its writing."""
    rng = random.Random(7)
    whole, torn = Counter[str](), 0
    for kill in range(kills):
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
    assert torn > kills // 4 or kills == 2, "few kills came between two appends of an import; the others prove little"
    assert check(store).damages == []


def appends(store: Store) -> int:
    """How many entries the logs of the raw tables have."""
    return sum(len(list((store.folder / table.name).glob("_delta_log/*.json"))) for table in tables.RAW_TABLES)


@pytest.mark.slow
def test_four_imports_at_once_and_a_reader_throughout(store, tmp_path):
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


def test_the_same_file_by_two_at_once_stands_once(store, tmp_path):
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
            list(importer.import_files([big], store))
        assert orders(store) == before
        assert check(store).damages == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("appends", slow_after(2, [3, 0, 1, 2, 4, 5]))
def test_an_import_that_breaks_between_its_appends_is_not_read_and_stands_once_when_run_again(
    appends, store, tmp_path, monkeypatch
):
    files = [raw(tmp_path / "raw", "acme", number) for number in range(3)]
    import_all(store, raw(tmp_path / "raw", "acme", 9))
    before = orders(store)
    monkeypatch.setattr(store_module, "APPEND_ROWS", 30)
    real, made = store_module.write_deltalake, Counter[str]()

    def no_more(*args: Any, **told: Any) -> None:
        if made.total() == appends:
            raise OSError("No space left on device (os error 28)")
        made["appends"] += 1
        real(*args, **told)

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_deltalake", no_more)
        with pytest.raises(StoreError, match=r"no space left .* nothing was added"):
            list(importer.import_files(files, store))
    assert orders(store) == before
    assert (check(store).damages, check(store).orphan_rows) == ([], 20 * appends)
    import_all(store, files)
    again = orders(store)
    assert again == sorted({*again, *before})
    assert len(again) == 80
    assert check(store).damages == []


def test_a_clock_that_jumps_back_changes_nothing(tmp_path):
    """Imports are told apart by their order, not by the clock of the machine."""
    store, _ = three_imports(tmp_path)
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


def test_an_import_that_broke_off_leaves_nothing_to_the_next_of_another_marketplace(store, tmp_path, monkeypatch):
    """Which file a row is of says its mark, and that is another one of each import."""
    path = raw(tmp_path / "raw", "acme", 1, channel="")
    real = store_module.write_deltalake

    def no_reports(place: str, *rows: Any, **told: Any) -> None:
        if place.endswith("reports"):
            raise KeyboardInterrupt
        real(place, *rows, **told)

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_deltalake", no_reports)
        with pytest.raises(KeyboardInterrupt):
            list(importer.import_files([path], store, marketplace="CA"))
    [outcome] = importer.import_files([path], store, marketplace="US")
    assert outcome.refused is None
    assert store.marketplaces() == ["US"]
    assert len(orders(store)) == 20
    assert (check(store).damages, check(store).orphan_rows) == ([], 40)
    assert [one.already_stored for one in importer.import_files([path], store, marketplace="CA")] == [True]
