"""Files read by other processes: the same store, the same outcomes in the same order, whatever becomes of a process."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from healthkit.ingest import parallel_reading
from healthkit.ingest.importer import import_files
from healthkit.schema.tables import RAW_TABLES
from healthkit.store import Store
from tests.builders.sample import SAMPLE

ACCOUNTS = ("minato-bungu", "thistle-and-wren")


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """Two accounts of the sample, one file twice, one that is refused, and one that two accounts have."""
    folder = tmp_path_factory.mktemp("raw")
    for account in ACCOUNTS:
        shutil.copytree(SAMPLE / account, folder / account)
    one = folder / ACCOUNTS[1] / "all_orders_2026-10.txt"
    shutil.copy(one, one.with_name("again.txt"))
    shutil.copy(one, folder / ACCOUNTS[0] / "of_another.txt")
    one.with_name("refused.txt").write_bytes(one.read_bytes().replace(b"2026-10-", b"2026-99-", 1))
    return folder


@pytest.fixture(scope="module")
def alone(raw, tmp_path_factory) -> tuple[list[tuple], dict[str, list]]:
    store = Store(tmp_path_factory.mktemp("alone") / "store")
    return told(store, raw, 1), held(store)


def told(store: Store, raw: Path, jobs: int) -> list[tuple]:
    """What an import says of each file, in order."""
    return [
        (
            one.name,
            one.refused,
            one.already_stored,
            one.parsed_file and (one.parsed_file.rows, one.parsed_file.skipped, one.parsed_file.notes),
        )
        for one in import_files([raw], store, jobs=jobs, anyway=True)
    ]


def held(store: Store) -> dict[str, list]:
    """All that a store knows, by table; each row with the digest of its file, for its report is of one import alone."""
    ledger, digests = store.ledger(), dict(store.reports()[["report", "digest"]].to_numpy().tolist())
    rows = {table.name: getattr(ledger, table.name).collect("pyarrow").to_native().to_pylist() for table in RAW_TABLES}
    return {name: [row | {"report": digests[row["report"]]} for row in those] for name, those in rows.items()}


def test_many_processes_leave_the_same_store_and_say_the_same(raw, alone, store, monkeypatch):
    monkeypatch.setattr(parallel_reading, "MIN_PARALLEL_BYTES", 0)
    by_others = []
    monkeypatch.setattr(
        parallel_reading.ParallelReading,
        "take_result",
        lambda self, *asked, of=parallel_reading.ParallelReading.take_result: kept(by_others, of(self, *asked)),
    )
    assert told(store, raw, 3) == alone[0]
    assert held(store) == alone[1]
    # Orders are read by others, their confirmations by the import itself, which knows the orders.
    kinds = {one.kind for one in by_others if isinstance(one, parallel_reading.ParsedFile)}
    assert {"all_orders", "order_report", "performance_json"} <= kinds
    assert "confirmations" not in kinds
    assert any(isinstance(one, parallel_reading.ReaderError) for one in by_others)


def kept(found: list, one: object) -> object:
    found.append(one)
    return one


@pytest.mark.parametrize("call", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("pause", [0, 0.1])
def test_a_process_that_is_lost_costs_nothing_but_time(raw, alone, store, monkeypatch, call, pause):
    """Whenever it is lost, and whether or not the pool has noticed before the next file is begun."""
    monkeypatch.setattr(parallel_reading, "MIN_PARALLEL_BYTES", 0)
    asked = []

    def of(self, *files, of=parallel_reading.ParallelReading.take_result):
        asked.append(files)
        if len(asked) == call:
            for process in list(self._pool._processes.values()):
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(pause)
        return of(self, *files)

    monkeypatch.setattr(parallel_reading.ParallelReading, "take_result", of)
    assert told(store, raw, 2) == alone[0]
    assert held(store) == alone[1]


def test_few_files_begin_no_process(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel_reading, "ProcessPoolExecutor", None)
    assert told(Store(tmp_path / "store"), raw, 8)
