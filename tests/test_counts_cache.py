"""Counts kept beside a store: after an import only what it touched is counted again, to the same counts as anew."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from healthkit import store
from healthkit.ingest.importer import import_files
from healthkit.metrics.counts import Counts, count_orders
from healthkit.store import Store
from healthkit.workspace import counts_cache
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import SAMPLE

AMERICAN = ("paper-moth", "applegate-plants", "clearbrook-bath")


def take(folder: Path, *accounts: str, only: str = "*") -> Workspace:
    """A desk over a store into which some sample accounts were taken."""
    paths = [path for account in accounts for path in sorted((SAMPLE / account).glob(only))]
    assert not [one.refused for one in import_files(paths, Store(folder)) if one.refused]
    return Workspace(folder)


@pytest.fixture(scope="module")
def counted_once(tmp_path_factory) -> Path:
    """A store of three accounts with its counts, made once and copied by the tests."""
    folder = tmp_path_factory.mktemp("american")
    take(folder, *AMERICAN, only="all_orders*").counts  # noqa: B018 - counted and kept
    return folder


@pytest.fixture
def american(counted_once, tmp_path) -> Path:
    """A copy of that store, in the test's own folder."""
    return shutil.copytree(counted_once, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def counted(monkeypatch) -> list[list[str]]:
    """The accounts of every ledger that is counted."""
    told: list[list[str]] = []
    count = count_orders

    def spy(ledger, *rest):
        told.append(sorted(ledger.coverage["account"].unique()))
        return count(ledger, *rest)

    monkeypatch.setattr(counts_cache, "count_orders", spy)
    return told


def same(one: Counts, other: Counts) -> None:
    for name in counts_cache.TABLE_NAMES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_categorical=False)


def anew(folder: Path) -> Counts:
    """The counts of a store that has none kept."""
    shutil.rmtree(folder / "counts")
    return Workspace(folder).counts


def test_after_an_import_only_the_accounts_of_its_files_are_counted(tmp_path, counted):
    held = take(tmp_path, *AMERICAN, only="all_orders*").counts
    assert counted.pop() == sorted(AMERICAN)
    desk = take(tmp_path, "paper-moth", only="*feedback*")
    made = desk.counts
    assert counted == [["paper-moth"]]
    assert not made.faults.equals(held.faults)
    same(made, anew(tmp_path))


def test_a_new_account_is_counted_alone(tmp_path, counted):
    take(tmp_path, *AMERICAN[:2], only="all_orders*")
    assert len(Workspace(tmp_path).counts.coverage) == 2
    made = take(tmp_path, AMERICAN[2], only="all_orders*").counts
    assert counted[1:] == [[AMERICAN[2]]]
    same(made, anew(tmp_path))


@pytest.mark.long
def test_a_marketplace_that_the_store_did_not_have_brings_new_rules_for_all(american, tmp_path, counted):
    made = take(tmp_path, "minato-bungu", only="all_orders*").counts
    assert counted[-1] == sorted([*AMERICAN, "minato-bungu"])
    same(made, anew(tmp_path))


def test_an_import_that_was_forgotten_leaves_no_trace_in_the_counts(american, tmp_path, counted):
    take(tmp_path, "paper-moth", only="*feedback*").counts  # noqa: B018 - counted and kept
    # The rows of that import are lost with their file.
    newest = max((tmp_path / "feedback").glob("*.parquet"), key=lambda path: path.stat().st_mtime)
    newest.unlink()
    store.repair(Store(tmp_path))
    counted.clear()
    made = Workspace(tmp_path).counts
    assert counted == [["paper-moth"]]
    same(made, anew(tmp_path))


@pytest.mark.long
def test_counting_in_groups_comes_to_the_same(tmp_path, monkeypatch, counted):
    take(tmp_path, *AMERICAN)
    whole = Workspace(tmp_path).counts
    assert len(counted) == 1
    monkeypatch.setattr("healthkit.store.store.GROUP_ROWS", 100)
    same(anew(tmp_path), whole)
    assert len(counted) == 4


def test_an_older_version_is_counted_from_the_newer_one(american, tmp_path, counted):
    before = Store(tmp_path).version()
    take(tmp_path, "paper-moth", only="*feedback*").counts  # noqa: B018 - counted and kept
    counted.clear()
    older = Workspace(tmp_path, version=before)
    rows = older.score(date(2026, 10, 31))
    assert counted == [["paper-moth"]]
    shutil.rmtree(tmp_path / "counts")
    pd.testing.assert_frame_equal(rows, Workspace(tmp_path, version=before).score(date(2026, 10, 31)))


def test_nothing_kept_and_nothing_writable_still_counts(tmp_path, monkeypatch):
    take(tmp_path, "paper-moth", only="all_orders*")
    monkeypatch.setattr(
        "healthkit.workspace.counts_cache.marked_folders.make",
        lambda *_: (_ for _ in ()).throw(OSError(30, "read-only")),
    )
    assert len(Workspace(tmp_path).counts.coverage) == 1
    assert not list((tmp_path / "counts").glob("v*"))


def test_a_desk_is_of_one_state_whatever_is_imported_while_it_is_open(tmp_path, counted):
    older = take(tmp_path, AMERICAN[0], only="all_orders*")
    assert older.store.version() == 0
    take(tmp_path, AMERICAN[1], only="all_orders*")
    assert older.accounts == [AMERICAN[0]]
    with pytest.raises(store.StoreError, match="No account"):
        older.account(AMERICAN[1])
    # And what it counted stands under its own version.
    assert Workspace(tmp_path, version=0).accounts == [AMERICAN[0]]
    assert Workspace(tmp_path).accounts == sorted(AMERICAN[:2])


def test_counts_of_a_version_that_came_again_after_a_repair_are_not_taken_for_its_own(tmp_path, counted):
    take(tmp_path, AMERICAN[0], only="all_orders*")
    take(tmp_path, AMERICAN[1], only="all_orders*").counts  # noqa: B018 - counted and kept
    # The last import is lost whole, as by a crash of the machine, and another one takes its number.
    for table in (tmp_path / "orders", tmp_path / "items", tmp_path / "reports"):
        max((table / "_delta_log").glob("*.json")).unlink()
    desk = take(tmp_path, AMERICAN[2], only="all_orders*")
    assert desk.store.version() == 1
    assert desk.accounts == sorted([AMERICAN[0], AMERICAN[2]])
    same(desk.counts, anew(tmp_path))


def test_only_older_counts_are_removed_and_no_folder_of_the_user_s_own(tmp_path):
    mine = [
        tmp_path / "counts" / name
        for name in ("mine", "v12-abc", "v0-old", "v1-01234567-0123456789ab", "v2", "figures/v3", ".hidden", "-")
    ]
    for folder in mine:
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("mine")
        (folder / "exposure.parquet").write_text("mine too")
    (tmp_path / "counts" / "notes.txt").write_text("mine")
    older = take(tmp_path, AMERICAN[0], only="all_orders*")
    older.counts  # noqa: B018 - counted and kept
    (older.counts_folder / "notes.txt").write_text("mine")
    older_still = older.counts_folder
    newer = take(tmp_path, AMERICAN[1], only="all_orders*")
    newer.counts  # noqa: B018 - counted and kept
    newest = take(tmp_path, AMERICAN[2], only="all_orders*")
    newest.counts  # noqa: B018 - counted and kept
    assert newest.counts_folder.is_dir()
    assert not newer.counts_folder.exists()
    assert [(folder / "notes.txt").read_text() for folder in mine] == ["mine"] * len(mine)
    assert [(folder / "exposure.parquet").read_text() for folder in mine] == ["mine too"] * len(mine)
    assert (tmp_path / "counts" / "notes.txt").read_text() == "mine"
    assert (older_still / "notes.txt").read_text() == "mine"


def test_counts_on_another_disk_that_are_linked_to_are_not_removed(tmp_path):
    take(tmp_path / "store", AMERICAN[0], only="all_orders*")
    (tmp_path / "other").mkdir()
    (tmp_path / "store" / "counts").symlink_to(tmp_path / "other")
    first = Workspace(tmp_path / "store")
    first.counts  # noqa: B018 - counted and kept
    take(tmp_path / "store", AMERICAN[1], only="all_orders*").counts  # noqa: B018 - counted and kept
    assert first.counts_folder.is_dir()
    assert len(list((tmp_path / "other").iterdir())) == 2


def test_a_folder_of_the_user_s_own_in_the_place_of_the_counts_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    desk = take(tmp_path / "store", AMERICAN[0], only="all_orders*")
    theirs = desk.counts_folder
    theirs.mkdir(parents=True)
    (theirs / "notes.txt").write_text("mine")
    assert len(desk.counts.coverage) == 1
    assert [path.name for path in theirs.iterdir()] == ["notes.txt"]
    assert desk.counts_folder.is_relative_to(tmp_path / "cache")
    assert [path.name for path in theirs.parent.iterdir()] == [theirs.name]


def test_counts_that_were_cut_off_are_counted_and_kept_anew(tmp_path, counted):
    desk = take(tmp_path, AMERICAN[0], only="all_orders*")
    made = desk.counts
    path = desk.counts_folder / "faults.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    same(Workspace(tmp_path).counts, made)
    same(Workspace(tmp_path).counts, made)
    assert len(counted) == 2
