"""Raw files are taken out of a store again: gone from every figure at once, and read by older versions as before."""

from __future__ import annotations

import os
import re
import shutil
import time
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from healthkit import batch
from healthkit.ingest import importer
from healthkit.metrics.counts import count_orders
from healthkit.schema import tables
from healthkit.store import Store, StoreError, check, compact, find_removal, remove, repair, versions
from healthkit.workspace import counts_cache
from healthkit.workspace.workspace import Workspace
from tests.builders import raw_files as files
from tests.builders.sample import DAY, SAMPLE
from tests.builders.store_files import import_all, orders, raw, taken


def scores_of(folder: Path) -> pd.DataFrame:
    return Workspace(folder).score(DAY)


def test_a_removed_file_is_read_by_no_question_and_the_store_is_whole(three):
    store, _ = three
    remove(store, find_removal(store, ["acme/orders-001.txt"]))
    assert {order[:3] for order in orders(store)} == {"000", "002"}
    assert [*store.reports()["name"]] == ["acme/orders-000.txt", "acme/orders-002.txt"]
    found = check(store)
    assert (found.damages, found.orphan_rows, found.rows_of_removed_files) == ([], 0, 40)
    newest = versions(store)[0]
    assert (newest.number, newest.added, newest.what) == (3, 1, "removed")
    assert repair(store) == ([], False)


def test_a_removed_file_can_be_imported_again_and_comes_to_the_same(three):
    store, paths = three
    before = orders(store)
    remove(store, find_removal(store, ["orders-001.txt", "orders-002.txt"]))
    assert [one.already_stored for one in importer.import_files(paths, store)] == [True, False, False]
    assert orders(store) == before
    assert check(store).damages == []


def aged(folder: Path) -> None:
    """Let the data files of a store be two days old."""
    before = time.time() - 2 * 86_400
    for path in folder.rglob("*.parquet"):
        os.utime(path, (before, before))


def test_older_versions_are_read_as_before_also_after_compacting(three):
    store, _ = three
    remove(store, find_removal(store, account="acme"))
    assert orders(store) == []
    aged(store.folder)
    compact(store)
    assert [len(orders(Store(store.folder, number))) for number in range(4)] == [20, 40, 60, 0]
    assert check(store).damages == []


def test_rows_of_imports_that_were_killed_still_go_when_files_were_removed(three):
    store, _ = three
    store._append(tables.ORDERS, taken("left", account="acme", orders=[{"order_id": "left"}]).tables["orders"])
    remove(store, find_removal(store, ["orders-000.txt"]))
    assert (check(store).orphan_rows, check(store).rows_of_removed_files) == (1, 40)
    aged(store.folder)
    compact(store)
    assert (check(store).orphan_rows, check(store).rows_of_removed_files) == (0, 40)


def test_what_would_go_is_said_and_orders_that_other_files_tell_of_stay(store, tmp_path):
    place = tmp_path / "raw"
    first = raw(place, "acme", 1)
    # The same orders once more, and others.
    second = raw(place, "acme", 2)
    second.write_text(second.read_text() + "\n".join(first.read_text().splitlines()[1:6]) + "\n")
    import_all(store, [first, second, raw(place, "bolt", 3)])
    found = find_removal(store, ["acme/orders-001.txt"])
    assert (found.orders, found.orders_in_other_files, found.accounts, found.emptied_accounts) == (20, 5, ["acme"], [])
    assert (found.first_day, found.last_day) == (date(2026, 10, 1), date(2026, 10, 20))
    whole = find_removal(store, account="acme")
    assert (whole.orders, whole.orders_in_other_files, whole.emptied_accounts) == (40, 0, ["acme"])
    remove(store, whole)
    assert store.accounts() == ["bolt"]


def test_a_name_that_several_files_have_is_refused_with_the_numbers_that_tell_them_apart(store, tmp_path):
    path = raw(tmp_path / "raw", "acme", 1)
    import_all(store, path)
    raw(tmp_path / "new", "acme", 1, rows=25)
    other = raw(tmp_path / "raw", "bolt", 2, rows=3).rename(tmp_path / "raw" / "bolt" / path.name)
    import_all(store, tmp_path / "new" / "acme" / path.name, other)
    with pytest.raises(
        StoreError, match=r"2 raw files .* named 'acme/orders-001.txt'.*\n.*#0 .* 20 rows\n.*#1 .* 25 rows"
    ):
        find_removal(store, ["acme/orders-001.txt"])
    with pytest.raises(StoreError, match="3 raw files"):
        find_removal(store, ["orders-001.txt"])
    assert [one.rows for one in find_removal(store, ["acme/orders-001.txt#1"]).files] == [25]
    assert [one.rows for one in find_removal(store, ["orders-001.txt"], "bolt").files] == [3]
    assert [one.rows for one in find_removal(store, [str(tmp_path / "raw" / "bolt" / "orders-001.txt")]).files] == [3]


def test_names_that_are_not_there_are_refused_with_what_there_is(three):
    store, _ = three
    with pytest.raises(StoreError, match=r"No raw file 'order.txt'.*There are:\n  acme/orders-000.txt#0"):
        find_removal(store, ["order.txt"])
    with pytest.raises(StoreError, match=r"No account 'bolt' in .* There are: acme"):
        find_removal(store, account="bolt")
    with pytest.raises(StoreError, match="--file NAME or --account NAME"):
        find_removal(store)
    with pytest.raises(StoreError, match="There is no store"):
        find_removal(Store(store.folder / "nowhere"), ["x"])
    assert len(orders(store)) == 60


def test_an_account_in_a_file_of_many_is_not_removed_in_part_and_the_file_goes_whole(store, tmp_path):
    files.place(tmp_path, files.OLIST_ORDERS, account="olist")
    import_all(store, [tmp_path / "olist"], raw(tmp_path / "raw", "acme", 1))
    assert store.accounts() == ["acme", "ana", "bia"]
    with pytest.raises(StoreError, match=r"'ana' stand in files of many accounts.* olist \(2 accounts\).* --file"):
        find_removal(store, account="ana")
    found = find_removal(store, ["olist"])
    assert (found.accounts, found.emptied_accounts) == (["ana", "bia"], ["ana", "bia"])
    remove(store, found)
    assert store.accounts() == ["acme"]
    assert check(store).damages == []


def test_the_counts_notice_and_only_the_account_of_the_file_is_counted_again(store, monkeypatch):
    three = ("paper-moth", "applegate-plants", "clearbrook-bath")
    assert not any(one.refused for one in importer.import_files([SAMPLE / name for name in three], store))
    scores_of(store.folder)
    counted = []
    count = count_orders
    monkeypatch.setattr(
        counts_cache,
        "count_orders",
        lambda held, *rest: counted.append([*held.coverage["account"]]) or count(held, *rest),
    )
    remove(store, find_removal(store, ["paper-moth/seller_feedback.txt"]))
    made = scores_of(store.folder)
    assert counted == [["paper-moth"]]
    shutil.rmtree(store.folder / "counts")
    pd.testing.assert_frame_equal(made, scores_of(store.folder))


def test_many_files_are_removed_in_one_version(store, tmp_path):
    """Deleted in portions, a removal that breaks off would leave half."""
    import_all(store, [raw(tmp_path / "raw", "acme", number, rows=1) for number in range(30)])
    before = store.version()
    remove(store, find_removal(store, account="acme"))
    assert (store.version(), len(store.reports())) == (before + 1, 0)
    import_all(store, raw(tmp_path / "raw", "acme", 1, rows=1))
    assert len(orders(store)) == 1


def test_an_import_into_the_wrong_account_is_taken_out_and_all_equals_a_store_that_never_had_it(tmp_path):
    never, store = Store(tmp_path / "never"), Store(tmp_path / "store")
    import_all(never, [SAMPLE / name for name in ("paper-moth", "applegate-plants")])
    shutil.copytree(never.folder, store.folder)
    before = scores_of(store.folder)
    wrong = raw(tmp_path / "raw", "clearbrook-bath", 7)
    assert not any(one.refused for one in importer.import_files([wrong], store, account="paper-moth"))
    assert not scores_of(store.folder).equals(before)
    remove(store, find_removal(store, ["clearbrook-bath/orders-007.txt"]))
    pd.testing.assert_frame_equal(scores_of(store.folder), scores_of(never.folder))
    for table in tables.RAW_TABLES:
        key = list(table.key)
        rows = [
            tables.collect_to_pandas(getattr(held.ledger(), table.name))
            .sort_values(key, ignore_index=True)
            .drop(columns="report")
            for held in (store, never)
        ]
        pd.testing.assert_frame_equal(*rows)
    pd.testing.assert_frame_equal(store.ledger().coverage, never.ledger().coverage)


def pages_of(store: Store, out: Path) -> dict[str, str]:
    """The pages of a month with what lies beside them, without the number of the store's version and
    the digest of the file that holds it."""
    printed = batch.generate_reports(
        Workspace(store.folder), "2026-10", ["paper-moth"], out, request=batch.PageRequest(jobs=1)
    )
    assert printed.failures == []
    kinds = {".html", ".json", ".csv"}
    pages = [
        path for path in sorted(out.rglob("*")) if path.suffix in kinds and not path.name.endswith("manifest.json")
    ]
    return {
        path.name: re.sub(r"version \d+ of the store|healthkit sha256 \w+", "", path.read_text(encoding="utf-8"))
        for path in pages
    }


@pytest.mark.long
def test_pages_after_an_undone_import_are_byte_for_byte_those_of_a_store_that_never_had_it(tmp_path):
    pages = []
    for name in ("never", "undone"):
        store = Store(tmp_path / name / "store")
        assert not any(one.refused for one in importer.import_files([SAMPLE / "paper-moth"], store))
        if name == "undone":
            wrong = raw(tmp_path / "raw", "clearbrook-bath", 7)
            assert not any(one.refused for one in importer.import_files([wrong], store, account="paper-moth"))
            wrong_pages = pages_of(store, tmp_path / "wrong")
            remove(store, find_removal(store, ["orders-007.txt"]))
        pages.append(pages_of(store, tmp_path / name / "reports"))
    assert len(pages[0]) >= 4
    assert pages[0] == pages[1]
    assert {name for name in pages[0] if wrong_pages[name] != pages[0][name]} >= {"index.html", "paper-moth_us.html"}
