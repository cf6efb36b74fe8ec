"""Pages printed by a Dask cluster are the same to the byte, and a worker that is killed loses none."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from healthkit import batch
from healthkit.batch.cluster import ClusterError, connect_to_cluster
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import MONTH

ACCOUNTS = ["clearbrook-bath", "minato-bungu", "paper-moth", "applegate-plants"]


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as held:
        yield held


def pages(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".html", ".json", ".csv")
    }


def test_two_workers_print_the_same_bytes(cluster, sample_store, tmp_path):
    desk = Workspace(sample_store)
    here = batch.generate_reports(desk, MONTH, ACCOUNTS, tmp_path / "here")
    with connect_to_cluster(cluster.scheduler_address) as executor:
        there = batch.generate_reports(desk, MONTH, ACCOUNTS, tmp_path / "there", executor=executor)
    assert (there.page_count, there.failures) == (4, [])
    assert pages(there.index.parent) == pages(here.index.parent)


@pytest.mark.long
def test_workers_make_separate_folders(cluster, sample_store, tmp_path):
    desk = Workspace(sample_store)
    here = batch.generate_reports(desk, MONTH, ACCOUNTS[:2], tmp_path / "here", separate=True)
    with connect_to_cluster(cluster.scheduler_address) as executor:
        there = batch.generate_reports(desk, MONTH, ACCOUNTS[:2], tmp_path / "there", executor=executor, separate=True)
    assert (there.page_count, there.failures) == (2, [])
    for name in ("clearbrook-bath_us", "minato-bungu_jp"):
        assert pages(there.index.parent / name) == pages(here.index.parent / name) != {}


@pytest.mark.long
def test_a_worker_that_is_killed_in_mid_run_loses_nothing(cluster, sample_store, tmp_path):
    with Client(cluster.scheduler_address) as client:
        before = set(client.run(os.getpid).values())
        assert len(before) == 2
    folder = tmp_path / MONTH

    done = threading.Event()

    def kill_one():
        # As soon as one page stands, however long the workers took to get ready.
        while not done.wait(0.05):
            if list(folder.glob("*.manifest.json")):
                os.kill(min(before), signal.SIGKILL)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    with connect_to_cluster(cluster.scheduler_address) as executor:
        printed = batch.generate_reports(Workspace(sample_store), MONTH, None, tmp_path, executor=executor)
    done.set()
    killer.join()
    assert (printed.page_count, printed.failures) == (8, [])
    assert len(list(folder.glob("*_??.html"))) == 8
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    with Client(cluster.scheduler_address) as client:
        assert set(client.run(os.getpid).values()) != before


@pytest.mark.slow
def test_what_workers_read_stands_beside_the_store_for_this_user_alone(cluster, sample_store, tmp_path, monkeypatch):
    seen = []
    write = batch.monthly_batch.snapshot.write_snapshot

    def spy(store, names, counts, folder, *more):
        seen.append((folder.parent.parent, stat.S_IMODE(folder.parent.stat().st_mode), counts.parent.parent))
        write(store, names, counts, folder, *more)

    monkeypatch.setattr(batch.monthly_batch.snapshot, "write_snapshot", spy)
    store, work = sample_store.resolve(), tmp_path / "work"
    with connect_to_cluster(cluster.scheduler_address) as executor:
        for place in (None, work):
            batch.generate_reports(
                Workspace(store), MONTH, ["paper-moth"], tmp_path / "out", executor=executor, work_folder=place
            )
    assert seen == [(store, 0o700, store), (work, 0o700, store)]
    assert list(work.iterdir()) == []
    assert [path.name for path in store.iterdir() if path.name.startswith("healthkit-")] == []


def test_without_a_folder_that_all_workers_reach_one_is_asked_for(cluster, sample_store, tmp_path, monkeypatch):
    monkeypatch.setattr(batch.monthly_batch.os, "access", lambda *_: False)
    refused = pytest.raises(batch.BatchError, match="Name one with --work")
    with connect_to_cluster(cluster.scheduler_address) as executor, refused:
        batch.generate_reports(Workspace(sample_store), MONTH, ["paper-moth"], tmp_path / "out", executor=executor)


def test_a_scheduler_that_does_not_answer_is_said_in_a_sentence():
    asked = pytest.raises(ClusterError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9")
    with asked, connect_to_cluster("tcp://127.0.0.1:9"):
        pass
