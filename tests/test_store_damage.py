"""What is damaged is told, mended, and whole again after an import: never a smaller history that looks whole."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from healthkit.ingest import importer
from healthkit.schema import tables
from healthkit.store import Store, StoreError, check, compact, locks, maintenance, removal, repair, versions
from healthkit.store import store as store_module
from healthkit.workspace.workspace import Workspace
from tests.builders.store_files import changed, cut, entry, import_all, orders, parquet, raw, taken, three_imports


@pytest.fixture(params=["by an import each", "by one import in three appends"])
def three_files(request, tmp_path) -> tuple[Store, list[Path]]:
    """A store of three files, each of which is one entry of a table's log."""
    together = request.param != "by an import each"
    store, files = three_imports(tmp_path, together=together)
    delta = store.delta(tables.ORDERS)
    assert delta is not None
    assert (delta.version(), store.version()) == (2, 0 if together else 2)
    return store, files


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
    "an entry of a log is empty": lambda store: entry(store, "orders", 1).write_bytes(b""),
    "the first entry of a log is empty": lambda store: entry(store, "orders", 0).write_bytes(b""),
    "an entry of a log lost the line of its data file": lambda store: without_files(entry(store, "items", 1)),
    "a table is gone": lambda store: (store.folder / "orders").rename(store.folder / "lost"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_told_mended_and_whole_again_after_an_import(damage, three_files):
    store, files = three_files
    before = orders(store)
    DAMAGES[damage](store)
    found = check(store)
    assert found.damages, "the damage was not seen"
    assert found.lost_files, "which raw files lost rows was not told"
    # Never a smaller history that looks whole.
    with pytest.raises(StoreError, match=r"is damaged .* store check"):
        orders(store)
    assert repair(store) == (found.lost_files, False)
    assert check(store).damages == []
    left = orders(store)
    assert set(left) < set(before)
    import_all(store, *files)
    assert orders(store) == before
    assert check(store).damages == []
    assert repair(store) == ([], False)


def test_only_raw_files_that_lost_rows_are_imported_again(three_files):
    """Entries of the log after a broken one stand, and rows of other files of the same import."""
    store, files = three_files
    cut(entry(store, "orders", 1))
    assert repair(store).lost_files == ["acme/orders-001.txt"]
    assert {order[:3] for order in orders(store)} == {"000", "002"}
    assert [one.already_stored for one in importer.import_files(files, store)] == [True, False, True]


def test_what_a_broken_beginning_of_a_log_named_is_not_lost(three):
    """What a table is can be said again; its files are still named."""
    store, _ = three
    before = orders(store)
    first = entry(store, "orders", 0)
    first.write_text("".join(line for line in first.read_text().splitlines(True) if "metaData" not in line))
    with pytest.raises(StoreError, match=r"orders of .* is damaged"):
        orders(store)
    assert repair(store) == ([], False)
    assert orders(store) == before


def test_an_entry_lost_behind_a_checkpoint_costs_nothing(three, tmp_path):
    store, _ = three
    for table in (tables.ORDERS, tables.REPORTS):
        delta = store.delta(table)
        assert delta is not None
        delta.create_checkpoint()
    import_all(store, raw(tmp_path / "raw", "acme", 3))
    before = orders(store)
    for table in ("orders", "reports"):
        entry(store, table, 0).unlink()
    assert check(store).damages == []
    assert (orders(store), repair(store)) == (before, ([], False))
    # Then a later one too, and a data file: what the checkpoint says stands.
    cut(entry(store, "orders", 3))
    cut(parquet(store, "orders")[0])
    assert check(store).lost_files == repair(store).lost_files == ["acme/orders-000.txt", "acme/orders-003.txt"]


def test_a_repair_while_something_else_writes_is_refused(three, tmp_path, monkeypatch):
    """An import, a purge, or another repair."""
    store, files = three
    monkeypatch.setattr(locks, "PURGE_WAIT_SECONDS", 0.2)
    cut(parquet(store, "orders")[1])
    for lock in (locks.hold_shared_lock, locks.hold_exclusive_lock):
        with lock(store.folder), pytest.raises(StoreError, match=r"Something else writes to .* nothing was repaired"):
            repair(store)
    assert repair(store).lost_files == ["acme/orders-001.txt"]
    assert [one.already_stored for one in importer.import_files(files, store)] == [True, False, True]
    assert (len(orders(store)), check(store).damages) == (60, [])


def test_a_repair_while_an_import_writes_loses_nothing_in_silence_on_a_disk_without_locks(three, tmp_path, monkeypatch):
    """Rows of the running import are broken, and left out before REPORTS names their file."""
    store, _ = three
    file = raw(tmp_path / "raw", "acme", 3)
    real = store_module.write_deltalake

    def repaired_before_reports(path: str, *rows: Any, **told: Any) -> None:
        if path.endswith("reports"):
            cut(parquet(store, "orders")[-1])
            assert repair(store) == ([], False)
        real(path, *rows, **told)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "_acquire_lock", lambda *_, **__: True)
        patch.setattr(store_module, "write_deltalake", repaired_before_reports)
        import_all(store, file)
    with pytest.raises(StoreError, match="lacks rows of 1 raw file"):
        orders(store)
    assert check(store).lost_files == repair(store).lost_files == ["acme/orders-003.txt"]
    import_all(store, file)
    assert len(orders(store)) == 80


@pytest.mark.parametrize("step", range(6))
def test_a_repair_that_breaks_off_is_done_by_the_next(step, three_files, monkeypatch):
    """It breaks off before each of the files that it moves into the store: of ORDERS, then of REPORTS."""
    store, files = three_files
    before = orders(store)
    cut(parquet(store, "orders")[1])
    moved, replace = [], os.replace

    def broken(*paths: Any) -> None:
        if len(moved) == step:
            raise KeyboardInterrupt
        moved.append(replace(*paths))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken)
        with pytest.raises(KeyboardInterrupt):
            repair(store)
    is_done = step == 5  # All but the entry that records the repair.
    assert bool(check(store).damages) != is_done
    with pytest.raises(StoreError, match="is damaged") if not is_done else contextlib.nullcontext():
        orders(store)
    assert repair(store).lost_files == ([] if is_done else ["acme/orders-001.txt"])
    import_all(store, *files)
    assert orders(store) == before
    assert check(store).damages == []


def test_a_damaged_list_of_raw_files_is_mended_too(three):
    store, files = three
    before = orders(store)
    cut(entry(store, "reports", 1))
    with pytest.raises(StoreError, match=r"reports of .* is damaged"):
        orders(store)
    assert any("log" in one.problem for one in check(store).damages)
    # Which files the entry named is not known: all are imported again, and those that are held add nothing.
    assert repair(store) == ([], True)
    assert [one.already_stored for one in importer.import_files(files, store)] == [True, False, True]
    assert orders(store) == before
    assert not check(store).damages


def test_a_data_file_of_the_list_of_raw_files_breaks(three):
    store, files = three
    before = orders(store)
    cut(parquet(store, "reports")[1])
    found = check(store)
    assert [(one.table, one.rows) for one in found.damages] == [("reports", 1)]
    assert repair(store) == ([], True)
    assert [one.already_stored for one in importer.import_files(files, store)] == [True, False, True]
    assert orders(store) == before
    cut(parquet(store, "orders")[0])
    assert repair(store) == (["acme/orders-000.txt"], False)


def test_the_list_of_raw_files_lost_what_an_entry_said(three):
    """It could be read, without a file that it had: nothing else says which files there were."""
    store, files = three
    before = orders(store)
    entry(store, "reports", 1).write_bytes(b"")
    assert check(store).damages == [("reports", "lost the content of entry 1 of its log", None)]
    for question in (store.ledger, store.accounts, lambda: compact(store), lambda: import_all(store, *files)):
        with pytest.raises(StoreError, match="lost the content of entry 1 of its log"):
            question()
    assert repair(store) == ([], True)
    assert check(store).damages == []
    import_all(store, *files)
    assert orders(store) == before
    assert [one.what for one in versions(store)] == ["import", "repaired", "import", "import"]


def test_a_version_of_which_a_repair_forgot_files_is_not_read_in_part(three):
    store, files = three
    cut(parquet(store, "orders")[0])
    repair(store)
    import_all(store, *files)
    assert len(orders(store)) == 60
    with pytest.raises(StoreError, match=r"Version 2 of .* cannot be read any more: .* left out 1 raw file of it"):
        orders(Store(store.folder, 2))


def test_a_damaged_store_is_not_compacted(three):
    store, _ = three
    cut(parquet(store, "orders")[1])
    with pytest.raises(StoreError, match=r"orders of .* is damaged .* store check"):
        compact(store)
    assert repair(store).lost_files == ["acme/orders-001.txt"]


def test_no_question_is_answered_in_part(three):
    store, _ = three
    without_files(entry(store, "orders", 1))
    for question in (
        store.accounts, store.group_accounts, store.marketplaces, lambda: store.marketplace_of("acme", ["o1"]),
        lambda: store.ledger(["acme"]), lambda: Workspace(store.folder).counts,
    ):  # fmt: skip
        with pytest.raises(StoreError, match="lacks rows of 1 raw file"):
            question()


def test_files_of_many_accounts_are_held_to_all_their_rows(store):
    """Whatever accounts are asked for: of one alone it is not stated how many rows it has."""
    both = [{}, {"account": "bolt"}]
    store.add([taken("a", account=None, orders=both), taken("b", account=None, feedback=both)])
    assert len(store.ledger(["acme"]).feedback.collect("pyarrow").to_native()) == 1
    without_files(entry(store, "feedback", 0))
    for accounts in (None, ["acme"], ["bolt"]):
        with pytest.raises(StoreError, match=r"feedback of .* lacks rows of 1 raw file"):
            store.ledger(accounts)
    assert check(store).lost_files == repair(store).lost_files == ["b.txt"]


def test_more_rows_of_one_file_do_not_stand_for_those_of_another(three, tmp_path):
    store, _ = three
    store._append(tables.ORDERS, taken(store.reports()["report"][0], orders=[{}] * 30).tables["orders"])
    store.add(
        [taken("b", account="bolt", orders=[{"account": "bolt", "order_id": str(number)} for number in range(9)])]
    )
    assert store.accounts() == ["acme", "bolt"]
    without_files(max((store.folder / "orders" / "_delta_log").glob("*.json")))
    for question in (store.accounts, store.group_accounts, lambda: store.marketplaces("bolt")):
        with pytest.raises(StoreError, match="lacks rows of 1 raw file"):
            question()


def test_a_list_of_raw_files_that_lost_what_compacting_wrote_is_as_it_was_before(three, monkeypatch):
    store, _ = three
    monkeypatch.setattr(maintenance, "MAX_REPORTS_FILES", 1)
    before = orders(store)
    compact(store)
    without_files(entry(store, "reports", 3))
    assert [one.problem for one in check(store).damages] == ["lost the content of entry 3 of its log"]
    assert repair(store) == ([], True)
    assert (orders(store), check(store).damages) == (before, [])


def test_a_list_of_raw_files_that_lost_what_a_repair_wrote_is_mended_the_same_way(three):
    store, _ = three
    delta = store.delta(tables.REPORTS)
    assert delta is not None
    delta.optimize.compact()
    cut(parquet(store, "orders")[0])
    assert repair(store).lost_files == ["acme/orders-000.txt"]
    before = orders(store)
    without_files(entry(store, "reports", 4))
    assert check(store).damages == []  # The checkpoint of that version stands.
    entry(store, "reports", 4).with_suffix(".checkpoint.parquet").unlink()
    assert [one.problem for one in check(store).damages if one.table == "reports"] == [
        "lost the content of entry 4 of its log"
    ]
    assert repair(store) == (["acme/orders-000.txt"], True)
    assert (orders(store), check(store).damages) == (before, [])


def test_a_log_that_is_gone_is_no_empty_store(three):
    store, files = three
    before = orders(store)
    for path in (store.folder / "reports" / "_delta_log").iterdir():
        path.unlink()
    for question in (store.ledger, lambda: compact(store), lambda: Workspace(store.folder).accounts):
        with pytest.raises(StoreError, match=r"There is no store at .* Import files first"):
            question()
    assert [(one.table, one.problem.partition(":")[0]) for one in check(store).damages] == [("reports", "is missing")]
    import_all(store, *files)
    assert orders(store) == before
    assert check(store).damages == []


def test_two_logs_that_are_broken_at_once_are_mended(three):
    """No list of raw files any more, and a table to which nothing can be added."""
    store, files = three
    before = orders(store)
    for path in (store.folder / "reports" / "_delta_log").iterdir():
        path.unlink()
    cut(entry(store, "orders", 1))
    with pytest.raises(StoreError, match=r"orders of .* is damaged .* store check"):
        import_all(store, *files)
    assert {one.table for one in check(store).damages} == {"orders", "reports"}
    assert repair(store) == ([], True)
    import_all(store, *files)
    assert orders(store) == before
    assert check(store).damages == []


def test_many_lost_files_are_forgotten_some_at_a_time(three, monkeypatch):
    store, files = three
    monkeypatch.setattr(removal, "DELETE_BATCH_SIZE", 2)
    (store.folder / "orders").rename(store.folder / "lost")
    assert len(repair(store).lost_files) == 3
    assert store.imported_digests() == set()
    import_all(store, *files)
    assert len(orders(store)) == 60


def test_a_file_that_two_imports_named_at_once_is_forgotten_whole(store):
    """What the other one read may be another marketplace's."""
    one, other = (taken(name, orders=[{"marketplace": place}]) for name, place in (("x", "CA"), ("y", "US")))
    one.digest = other.digest = "same"
    real = store._report_rows
    rows = real([one])
    store.add([other])
    store._append(tables.ORDERS, one.tables["orders"])
    store._append(tables.REPORTS, rows)
    assert store.marketplaces() == ["CA"]
    cut(parquet(store, "orders")[1])
    assert repair(store).lost_files == ["x.txt"]
    assert (store.imported_digests(), check(store).damages) == (set(), [])


def test_a_desk_is_told_when_its_version_came_again_as_another_state(three, tmp_path):
    store, _ = three
    desk = Workspace(store.folder)
    assert desk.accounts == ["acme"]
    entry(store, "reports", 2).unlink()
    import_all(store, raw(tmp_path / "raw", "acme", 8))
    with pytest.raises(StoreError, match="repaired while it was open"):
        tables.collect_to_pandas(desk.account("acme").ledger.orders)


def test_an_old_version_whose_log_is_gone_is_said_to_be_past(three):
    store, _ = three
    delta = store.delta(tables.REPORTS)
    assert delta is not None
    delta.create_checkpoint()
    entry(store, "reports", 1).unlink()
    assert len(orders(store)) == 60
    with pytest.raises(StoreError, match=r"Version 1 of .* cannot be read any more: its log has lost that state"):
        orders(Store(store.folder, 1))


@pytest.mark.parametrize("said", ['{"orders": 20, "promises": 3}', '[["a", 1]]', '{"orders": null}', '{"orders"', "7"])
def test_what_a_list_says_in_another_way_is_lost_or_a_newer_healthkits(said, three, monkeypatch):
    store, files = three
    monkeypatch.setattr(store_module, "row_counts_as_json", lambda _: said)
    import_all(store, raw(files[0].parents[1], "acme", 4))
    newer = "promises" in said
    assert check(store).lost_files == ([] if newer else ["acme/orders-004.txt"])
    assert isinstance(answered(lambda: orders(store)), list if newer else StoreError)
    assert repair(store) == (check(store).lost_files, False) if newer else repair(store)
    assert check(store).damages == []


@pytest.mark.parametrize("info", ["{}", '{"timestamp": "now"}', '{"timestamp": 100000000000000000}', '"text"'])
def test_an_entry_that_says_in_another_way_what_it_is_is_no_version(info, three):
    store, _ = three
    path = entry(store, "reports", 1)
    lines = [line for line in path.read_text().splitlines() if "commitInfo" not in line]
    path.write_text("\n".join([f'{{"commitInfo": {info}}}', *lines]))
    assert [one.number for one in versions(store)] == [2, 0]


# -- any damage of any file ---------------------------------------------------------------------------------------

DAMAGED = int(os.environ.get("DAMAGED", "10"))
"""So many stores are damaged at random (DAMAGED=1000 takes a quarter of an hour)."""


def shortened(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def overwritten(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    begin = rng.randrange(len(data))
    many = len(data[begin : begin + rng.randrange(1, 64)])
    data[begin : begin + many] = rng.randbytes(many)
    path.write_bytes(bytes(data))


def without_a_line(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines.pop(rng.randrange(len(lines)))
    path.write_bytes(b"".join(lines))


WAYS = {
    "gone": lambda path, _: path.unlink(),
    "empty": lambda path, _: path.write_bytes(b""),
    "zeros": lambda path, _: path.write_bytes(bytes(path.stat().st_size)),
    "shortened": shortened,
    "overwritten": overwritten,
    "without a line": without_a_line,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[list[Store], list[Path]]:
    """Stores of the same six files: by imports of one, by one import, compacted on the way, summed up by checkpoints,
    and with an import that broke off."""
    folder = tmp_path_factory.mktemp("whole")
    files = [raw(folder / "raw", f"acme-{number % 3}", number) for number in range(6)]
    singly, together, compacted, summed, broken = stores = [Store(folder / str(number)) for number in range(5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "APPEND_ROWS", 30)
        patch.setattr(maintenance, "MAX_REPORTS_FILES", 1)
        import_all(singly, *files)
        import_all(together, files)
        import_all(compacted, *files[:4])
        compact(compacted)
        import_all(compacted, *files[4:])
        import_all(summed, *files[:3])
        for table in (tables.ORDERS, tables.ITEMS, tables.REPORTS):
            delta = summed.delta(table)
            assert delta is not None
            delta.create_checkpoint()
        import_all(summed, *files[3:])
        import_all(broken, files[:3])
        broken._append(tables.ORDERS, taken("left", orders=[{}]).tables["orders"])
        import_all(broken, files[3:])
        compact(broken)
    return stores, files


def told(store: Store) -> dict[str, list[str]]:
    """All that a store knows, by table, but for the marks of its imports."""
    ledger = store.ledger()
    frames = {table.name: getattr(ledger, table.name).collect("pyarrow").to_native() for table in tables.RAW_TABLES}
    return {name: sorted(map(str, frame.drop("report").to_pylist())) for name, frame in frames.items()}


def answered(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except StoreError as error:
        return error


@pytest.mark.parametrize("seed", range(DAMAGED))
def test_whatever_is_damaged_is_refused_told_and_mended(seed, whole, store):
    """One to three files of a store are damaged, of data or of a log. An answer is whole or a StoreError; a repair
    leaves nothing wrong, and an import of all files makes the store what it was."""
    rng = random.Random(seed)
    stores, files = whole
    kind = seed % len(stores)
    before = told(stores[kind])
    shutil.copytree(stores[kind].folder, store.folder)
    last = str(max((store.folder / "reports" / "_delta_log").glob("*.json")).relative_to(store.folder))
    done = [damaged(store, rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    listed = any(path.startswith("reports") for _, path in done)
    answers = [answered(lambda: told(store)), answered(store.accounts), answered(lambda: store.ledger(["acme-1"]))]
    if not store.exists():
        # Whatever is asked says to import files; where another log is broken too, that says to check, and to repair.
        assert all(isinstance(answer, StoreError) for answer in (answers[0], answers[2])), done
    is_part = answers[0] != before and not isinstance(answers[0], StoreError)
    found = check(store)
    assert found.damages or not isinstance(answers[0], StoreError), done
    if listed:
        # Nothing but REPORTS says which files there were: where its last entry is gone, that import had not been.
        assert not is_part or ("gone", last) in done, done
    else:
        assert not is_part, done
        assert answers[1] == ["acme-0", "acme-1", "acme-2"] or isinstance(answers[1], StoreError), done
    answered(lambda: versions(store))
    mended = repair(store)
    assert check(store).damages == [], done
    assert mended.lost_files == found.lost_files or listed, done
    import_all(store, files)
    assert told(store) == before, done
    assert check(store).damages == [], done


def damaged(store: Store, rng: random.Random) -> tuple[str, str]:
    """Damage one file of a store: in what way, and which."""
    way, table = rng.choice(list(WAYS)), rng.choice(["orders", "items", "reports"])
    paths = [path for path in sorted((store.folder / table).rglob("*")) if path.is_file() and path.stat().st_size]
    logs = [path for path in paths if path.suffix == ".json"]
    path = rng.choice(logs if logs and (way == "without a line" or rng.random() < 0.6) else paths)
    WAYS[way](path, rng)
    return way, str(path.relative_to(store.folder))
