"""A store in an object storage, played by a process on this machine: the same answers, no row twice, no secret kept."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pandas as pd
import pytest

from healthkit import store as stores
from healthkit.ingest.importer import import_files
from healthkit.store import Bucket, Store, StoreError, parse_folder
from healthkit.workspace.workspace import Workspace
from tests.builders.processes import run_healthkit, wait_until
from tests.builders.sample import DAY, SAMPLE

ACCOUNTS = ("paper-moth", "minato-bungu")
SECRET = "planted-secret-51c7"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Iterator[boto3.client]:
    """An object storage with one bucket, known from the environment as a user's would be."""
    # A process of its own: some calls of the library hold the interpreter while they wait.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "planted-key",
        "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        wait_until(lambda: _is_there(port))
        client.create_bucket(Bucket="archive")
        yield client
    server.terminate()
    server.wait(30)


def _is_there(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(scope="module")
def held(cloud) -> str:
    """A store of two accounts under an address."""
    address = "s3://archive/health/store"
    for account in ACCOUNTS:
        assert not any(one.refused for one in import_files([SAMPLE / account], Store(address)))
    return address


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """The same store in a folder."""
    folder = tmp_path_factory.mktemp("here") / "store"
    for account in ACCOUNTS:
        list(import_files([SAMPLE / account], Store(folder)))
    return folder


def test_an_address_is_known_whatever_became_of_its_slashes():
    for written in ("s3://archive/health", "s3:/archive/health/", Path("s3://archive/health")):
        assert parse_folder(written) == Bucket("s3://archive/health")
    assert parse_folder("data/s3") == Path("data/s3")


def test_it_answers_as_a_folder_does(held, here):
    for version in (None, 0):
        one, other = (Workspace(place, version=version).score(DAY) for place in (held, here))
        pd.testing.assert_frame_equal(one, other)
    assert len(Workspace(held, version=0).accounts) == 1


def test_the_same_files_again_add_nothing(held):
    store = Store(held)
    before = store.version()
    assert all(one.already_stored for one in import_files([SAMPLE / account for account in ACCOUNTS], store))
    assert store.version() == before


@pytest.mark.slow
def test_the_commands_take_an_address(held, here):
    words = ("scores", "--as-of", str(DAY), "--format", "csv", "--data")
    there, at_home = run_healthkit(*words, held), run_healthkit(*words, str(here))
    assert there.returncode == 0, there.stderr
    assert there.stdout == at_home.stdout
    assert run_healthkit("store", "check", "--data", held).stdout.splitlines()[-1] == "Nothing is wrong."
    assert run_healthkit("doctor", "--data", held).returncode == 0
    assert len(run_healthkit("store", "versions", "--format", "csv", "--data", held).stdout.splitlines()) == 3


@pytest.mark.slow
def test_a_report_is_printed_from_an_address(held, here, tmp_path):
    made = [
        run_healthkit(
            "report", "--month", "2026-10", "--account", "paper-moth", "--data", place, "--out", str(tmp_path / name)
        )
        for name, place in (("there", held), ("here", str(here)))
    ]
    assert [one.returncode for one in made] == [0, 0], made[0].stderr
    pages = [path.read_bytes() for path in sorted(tmp_path.rglob("*_??.html"))]
    assert len(pages) == 2
    assert pages[0] == pages[1]


@pytest.mark.slow
def test_imports_at_once_lose_nothing(cloud):
    address, accounts = "s3://archive/at-once", ("paper-moth", "minato-bungu", "clearbrook-bath")
    words = [sys.executable, "-m", "healthkit", "import", "--data", address]
    begun = [
        subprocess.Popen([*words, str(SAMPLE / account)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for account in accounts
    ]
    for one in begun:
        _, told = one.communicate(timeout=300)
        assert one.returncode == 0, told
    assert Store(address).accounts() == sorted(accounts)
    assert len(Store(address).reports()) == sum(len(list((SAMPLE / account).iterdir())) for account in accounts)
    assert stores.check(Store(address)).damages == []


@pytest.mark.slow
def test_compacting_changes_no_answer(cloud):
    store = Store("s3://archive/compact")
    for path in sorted((SAMPLE / "paper-moth").iterdir())[:6]:
        list(import_files([path], store))
    before = Workspace(store.folder).score(DAY)
    made = stores.compact(store)
    assert made.after < made.before
    pd.testing.assert_frame_equal(Workspace(store.folder).score(DAY), before)
    pd.testing.assert_frame_equal(Workspace(store.folder, version=5).score(DAY), before)


@pytest.mark.slow
def test_a_raw_file_is_removed_and_older_versions_stand_and_a_purge_is_refused(cloud):
    address = "s3://archive/removed"
    for account in ACCOUNTS:
        list(import_files([SAMPLE / account], Store(address)))
    store, before = Store(address), Workspace(address, version=0).score(DAY)
    found = stores.find_removal(store, account=ACCOUNTS[1])
    with pytest.raises(StoreError, match="object storage, which may keep what is deleted"):
        stores.purge(store, found)
    stores.remove(store, found)
    pd.testing.assert_frame_equal(Workspace(address).score(DAY), before)
    assert Workspace(address, version=1).accounts == sorted(ACCOUNTS)
    checked = stores.check(store)
    assert (checked.damages, checked.orphan_rows) == ([], 0)
    assert checked.rows_of_removed_files > 0
    assert not any(one.refused for one in import_files([SAMPLE / ACCOUNTS[1]], store))
    assert store.accounts() == sorted(ACCOUNTS)


@pytest.mark.slow
def test_an_object_that_is_gone_is_told_mended_and_whole_again_after_an_import(cloud):
    store = Store("s3://archive/broken")
    list(import_files([SAMPLE / "paper-moth"], store))
    before = Workspace(store.folder).score(DAY)
    objects = cloud.list_objects_v2(Bucket="archive", Prefix="broken/orders/")["Contents"]
    [gone] = [one["Key"] for one in objects if one["Key"].endswith(".parquet")]
    cloud.delete_object(Bucket="archive", Key=gone)
    found = stores.check(store)
    assert {(one.table, one.problem.rpartition(" ")[2]) for one in found.damages} == {
        ("orders", "gone"),
        ("orders", "names"),
    }
    reports = store.reports()
    files = set(reports.loc[reports["brought"].str.contains('"orders"'), "name"])
    assert 0 < len(files) < len(reports)
    assert set(found.lost_files) == files
    with pytest.raises(StoreError, match=r"orders of s3://archive/broken cannot be read or written"):
        store.ledger()
    assert set(stores.repair(store).lost_files) == files
    assert stores.check(store).damages == []
    assert sum(not one.already_stored for one in import_files([SAMPLE / "paper-moth"], store)) == len(files)
    pd.testing.assert_frame_equal(Workspace(store.folder).score(DAY), before)


@pytest.mark.slow
def test_a_log_that_is_broken_is_told_and_mended(cloud):
    store = Store("s3://archive/broken-log")
    for account in ACCOUNTS:
        list(import_files([SAMPLE / account], store))
    cloud.put_object(Bucket="archive", Key="broken-log/orders/_delta_log/00000000000000000001.json", Body=b"{")
    assert next(one.problem for one in stores.check(store).damages) == "has a log that cannot be read from entry 1 on"
    assert {name.partition("/")[0] for name in stores.repair(store).lost_files} == {ACCOUNTS[1]}
    assert stores.check(store).damages == []
    assert Workspace(store.folder).accounts == [ACCOUNTS[0]]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.slow
def test_a_list_of_raw_files_that_is_broken_is_told_and_mended(number, cloud):
    store = Store(f"s3://archive/broken-list-{number}")
    for account in ACCOUNTS:
        list(import_files([SAMPLE / account], store))
    before = Workspace(store.folder).score(DAY)
    key = f"broken-list-{number}/reports/_delta_log/{number:020d}.json"
    cloud.put_object(Bucket="archive", Key=key, Body=b"{")
    assert stores.check(store).damages[0].table == "reports"
    assert stores.repair(store).names_incomplete
    assert sum(not one.already_stored for one in import_files([SAMPLE / account for account in ACCOUNTS], store))
    assert stores.check(store).damages == []
    pd.testing.assert_frame_equal(Workspace(store.folder).score(DAY), before)


def test_a_bucket_that_is_not_there_is_said_in_a_sentence(cloud):
    told = run_healthkit("import", str(SAMPLE / "paper-moth"), "--data", "s3://nowhere/store")
    assert told.returncode == 1
    assert "s3://nowhere/store cannot be read or written" in told.stderr
    assert "Traceback" not in told.stderr
    assert SECRET not in told.stderr


def test_no_credential_is_kept(held, cloud):
    assert Workspace(held).score(DAY).shape[0]
    cache = Path(os.environ["XDG_CACHE_HOME"])
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert any(path.name == "faults.parquet" for path in files)
    everything = [path.read_bytes() for path in files] + [
        cloud.get_object(Bucket="archive", Key=one["Key"])["Body"].read()
        for one in cloud.list_objects_v2(Bucket="archive")["Contents"]
    ]
    assert not any(SECRET.encode() in content or b"planted-key" in content for content in everything)
