"""`store remove` as a user types it: it says what goes, asks, and says what a purge does not reach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from healthkit.cli import store_commands
from healthkit.store import Store
from tests.builders.store_files import import_all, orders, raw, three_imports


@pytest.fixture
def store(tmp_path) -> Store:
    store, _ = three_imports(tmp_path)
    import_all(store, raw(tmp_path / "raw", "bolt", 9))
    return store


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(store_commands, "_can_ask", lambda: True)


def test_what_goes_is_shown_and_without_a_terminal_nothing_goes(run, store):
    shown = run("store", "remove", "--file", "orders-001.txt", "--data", store.folder)
    assert shown.exit_code == 1
    assert "acme/orders-001.txt#1  all_orders of acme, 2026-10-01 to 2026-10-20, 20 rows" in shown.stdout
    assert "1 raw file, 20 orders of acme, 2026-10-01 to 2026-10-20." in shown.stdout
    assert "Nothing was removed" in shown.stderr
    assert "--yes" in shown.stderr
    assert len(orders(store)) == 80


def test_a_user_who_says_no_keeps_all_and_one_who_says_yes_does_not(run, store, terminal):
    words = ("store", "remove", "--account", "acme", "--data", store.folder)
    assert run(*words, input="n\n").exit_code == 1
    assert len(orders(store)) == 80
    shown = run(*words, input="y\n")
    assert shown.exit_code == 0, shown.output
    assert "No raw file is left of acme." in shown.stdout
    assert len(orders(store)) == 20


def test_several_files_are_removed_with_yes_and_check_says_that_older_versions_read_them(run, store):
    shown = run(
        "store", "remove", "--file", "orders-001.txt", "--file", "acme/orders-002.txt", "--yes", "--data", store.folder
    )
    assert shown.exit_code == 0, shown.output
    assert len(orders(store)) == 40
    checked = run("store", "check", "--data", store.folder)
    assert checked.exit_code == 0
    assert "80 rows are of raw files that were removed; only older versions read them." in checked.stdout
    assert "removed" in run("store", "versions", "--data", store.folder).stdout


def test_an_unknown_name_is_refused_with_what_there_is(run, store):
    shown = run("store", "remove", "--file", "orders.txt", "--yes", "--data", store.folder)
    assert shown.exit_code == 1
    assert "acme/orders-000.txt#0" in shown.stderr
    assert run("store", "remove", "--yes", "--data", store.folder).exit_code == 1
    assert len(orders(store)) == 80


def test_a_purge_says_what_it_does_not_reach_and_names_the_pages_that_were_printed(run, store, tmp_path):
    folder = tmp_path / "reports" / "2026-10"
    folder.mkdir(parents=True)
    for account in ("acme", "bolt"):
        (folder / f"{account}_us.html").write_text("page")
        (folder / f"{account}_us.json").write_text(json.dumps({"account": account, "as_of": "2026-10-31"}))
    (folder / "broken.json").write_text("{")
    words = ("store", "remove", "--account", "acme", "--purge", "--data", store.folder)
    asked = run(*words)
    assert asked.exit_code == 1
    assert "all versions before this one go for every account" in asked.stdout
    assert len(orders(store)) == 80
    shown = run(*words, "--yes", "--reports", tmp_path / "reports")
    assert shown.exit_code == 0, shown.output
    assert "Not reached: backups and other copies" in shown.stdout
    assert str(folder / "acme_us.html") in shown.stdout
    assert "bolt_us" not in shown.stdout
    assert (folder / "acme_us.html").exists()
    old = run("scores", "--as-of", "2026-10-31", "--version", "1", "--data", store.folder)
    assert old.exit_code == 1
    assert "cannot be read any more: older versions than" in old.stderr


def test_the_sample_is_not_removed_from_by_default(run, tmp_path, monkeypatch, sample_store):
    """`store remove` speaks of the user's own store, never of the sample that is shown for want of one."""
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / "data" / "sample_store").symlink_to(sample_store)
    monkeypatch.chdir(home)
    shown = run("store", "remove", "--account", "paper-moth", "--yes")
    assert shown.exit_code == 1
    assert f"There is no store at {Path('data/store')}" in shown.stderr


EMPTY = {
    ("scores", "--as-of", "2026-10-31"): (1, "No orders up to 2026-10-31"),
    ("check", "--month", "2026-10"): (1, "The store holds no orders"),
    ("store", "check"): (0, "160 rows are of raw files that were removed"),
    ("store", "compact"): (0, "8 data files before"),
    ("doctor",): (0, "0 raw files, 0 accounts"),
}


def test_an_emptied_store_answers_in_sentences(run, store):
    for name in ("acme", "bolt"):
        assert run("store", "remove", "--account", name, "--yes", "--data", store.folder).exit_code == 0
    for words, (code, says) in EMPTY.items():
        shown = run(*words, "--data", store.folder)
        assert (shown.exit_code, says in shown.output) == (code, True), shown.output
