"""The store is looked after: whole or not, few files, none that nobody needs, read again as it was."""

from __future__ import annotations

import json
import shutil
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import healthkit as hk
from healthkit.ingest import importer
from healthkit.schema import tables
from healthkit.store import Store, StoreError, check, compact, repair, versions
from tests.builders.store_files import aged, cut, entry, import_all, orders, parquet, raw, taken


def test_a_whole_store_has_nothing_wrong(three):
    store, _ = three
    found = check(store)
    assert (found.damages, found.lost_files, found.orphan_rows, found.unnamed_data_files) == ([], [], 0, 0)
    assert found.rows == 3 * (20 + 20 + 1)


def test_reports_say_how_many_rows_of_each_table_a_raw_file_brought(three):
    store, _ = three
    brought = [json.loads(one) for one in store.reports()["brought"]]
    assert brought == [{"orders": 20, "items": 20}] * 3


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


def test_compacting_removes_what_is_never_read_once_nobody_can_be_writing_it(three, tmp_path):
    store, _ = three
    left = taken("left", account="acme", orders=[{"order_id": f"left-{number}"} for number in range(5)])
    store._append(tables.ORDERS, left.tables["orders"])
    # What an import that was killed wrote and did not name yet.
    killed = store.folder / "orders" / "part-00000-0d9f7c36-5a0e-4f6e-9a55-0c3de1f1a2b3-c000.snappy.parquet"
    shutil.copyfile(parquet(store, "orders")[0], killed)
    before = orders(store)
    compact(store)
    assert (check(store).orphan_rows, check(store).unnamed_data_files) == (5, 1 + 4 + 3)
    aged(store.folder)
    # What was appended just now may be of an import that is not done yet.
    store._append(tables.ITEMS, taken("new", items=[{}]).tables["items"])
    (store.folder / "orders" / "part-00000-running.parquet").write_bytes(b"PAR1")
    made = compact(store)
    assert made.removed == 1 + 4 + 3
    assert (check(store).orphan_rows, check(store).damages) == (1, [])
    assert orders(store) == before
    assert [len(orders(Store(store.folder, number))) for number in range(3)] == [20, 40, 60]


def test_a_file_of_the_user_s_own_in_the_folder_of_a_table_is_neither_counted_nor_removed(three):
    store, _ = three
    folder = store.folder / "orders"
    own = [folder / name for name in ("notes.txt", "mine.parquet", "part-00000-killed.parquet", "sub/more.parquet")]
    own.append(folder / "part-00000-0d9f7c36-5a0e-4f6e-9a55-0c3de1f1a2b3-c000.snappy.parquet")
    for path in own:
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"report": ["a"], "mine": [1]}), path)
    aged(store.folder)
    before = orders(store)
    assert check(store).unnamed_data_files == 0
    compact(store)
    aged(store.folder)
    assert compact(store).removed == 3 + 3  # The files of orders and items that the first one joined.
    assert [path for path in own if not path.is_file()] == []
    assert orders(store) == before


@pytest.mark.parametrize("log", ["is cut off", "is gone in its middle", "is gone"])
def test_a_repair_leaves_files_of_the_user_s_own_in_a_log_as_they_are(log, three):
    store, _ = three
    folder = store.folder / "orders" / "_delta_log"
    own = [folder / name for name in ("notes.txt", "7.json", "my.checkpoint.parquet", "old/entry.json", "_last")]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    if log == "is cut off":
        for number in range(3):
            cut(entry(store, "orders", number))
    else:
        for number in range(3) if log == "is gone" else [1]:
            entry(store, "orders", number).unlink()
    repair(store)
    assert check(store).damages == []
    assert [path.read_text() for path in own] == ["mine"] * len(own)


def test_a_store_whose_reports_do_not_say_what_they_brought_is_read_and_said_to_be_so(three, tmp_path, monkeypatch):
    """As an older healthkit made it: with marks that are digests, and neither column."""
    store, files = three
    older = Store(tmp_path / "older")
    for table in (tables.ORDERS, tables.ITEMS, tables.REPORTS):
        delta = store.delta(table)
        assert delta is not None
        rows = delta.to_pyarrow_table()
        for report, digest in store.reports()[["report", "digest"]].to_numpy().tolist():
            rows = rows.set_column(
                rows.schema.get_field_index("report"), "report", pc.replace_substring(rows["report"], report, digest)
            )
        older._append(table, rows.drop([name for name in ("digest", "brought") if name in rows.column_names]))
    assert orders(older) == orders(store)
    assert (check(older).damages, check(older).files_without_row_counts) == ([], 3)
    assert all(one.already_stored for one in importer.import_files(files, older))
    import_all(older, raw(tmp_path / "raw", "acme", 7))
    assert (len(orders(older)), check(older).files_without_row_counts, check(older).damages) == (80, 3, [])
    # Where anything of it is broken, any of these files may have lost rows.
    cut(parquet(older, "orders")[0])
    assert check(older).lost_files == repair(older).lost_files == [f"acme/orders-00{number}.txt" for number in range(3)]
    import_all(older, *files)
    assert (len(orders(older)), check(older).files_without_row_counts, check(older).damages) == (80, 0, [])


def test_a_compacted_file_that_breaks_costs_all_that_it_joined(three):
    store, files = three
    before = orders(store)
    compact(store)
    cut(max((store.folder / "orders").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns))
    assert len(check(store).lost_files) == 3
    assert len(repair(store).lost_files) == 3
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


def test_scores_as_of_a_version_are_those_of_that_day(store, tmp_path):
    """A file that came later changes the newest figures and not those of the version before it."""
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    day = date(2026, 10, 20)
    before = hk.Workspace(store.folder).score(day)
    import_all(store, raw(tmp_path / "raw", "acme", 2))
    again = hk.Workspace(store.folder, version=0).score(day)
    pd.testing.assert_frame_equal(before, again)
    now = hk.Workspace(store.folder).score(day)
    assert list(now["counted"]) != list(before["counted"])
