"""Raw files into the store: a refused one leaves nothing behind, and personal data goes no further than the door."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from healthkit.ingest.formats import ReaderError
from healthkit.ingest.importer import ImportResult, import_files
from healthkit.schema import tables
from healthkit.schema.tables import collect_to_pandas
from healthkit.store import Store, versions
from tests.builders import raw_files as files
from tests.builders.raw_files import FIRST, SECOND, THIRD, place, put
from tests.builders.sample import AMAZON_FOLDERS, SAMPLE

MARKER = "Zzyzx Personal 424242"
PERSONAL = (
    "buyer-email", "buyer-name", "buyer-phone-number", "recipient-name", "ship-address-1", "ship-address-2",
    "ship-address-3", "ship-city", "ship-state", "ship-postal-code", "ship-phone-number", "delivery-Instructions",
    "purchase-order-number", "Comments", "Your Response", "Rater Email", "Tracking ID", "tracking",
)  # fmt: skip


def imported(store: Store, *paths: Path, **told: Any) -> dict[str, ImportResult]:
    """What became of each file, by the file's own name."""
    return {Path(one.name).name: one for one in import_files(paths, store, **told)}


def read(store: Store, name: str, *columns: str) -> list[tuple]:
    frame = getattr(store.ledger(), name).collect("pyarrow").to_native()
    return [tuple(row.values()) for row in frame.select(list(columns)).to_pylist()]


def texts_in(folder: Path) -> Iterator[str]:
    """All that stands below a folder: every file name, every byte, every text of every Parquet table."""
    for path in filter(Path.is_file, folder.rglob("*")):
        yield str(path.relative_to(folder))
        yield path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield from (str(value) for column in pq.read_table(path).columns for value in column.to_pylist())


def found(text: str, folder: Path) -> bool:
    return any(text in held for held in texts_in(folder))


# -- many files -------------------------------------------------------------------------------------------


@pytest.mark.long
def test_many_appends_come_to_what_one_does(store, sample_store, monkeypatch):
    """The files of an account that speak of its orders come after these, whatever was appended in between."""
    monkeypatch.setattr("healthkit.ingest.importer.BATCH_ROWS", 900)
    assert [one.refused for one in import_files(AMAZON_FOLDERS, store) if one.refused] == []
    assert len(versions(store)) > 10
    one, many = Store(sample_store).ledger(), store.ledger()
    pd.testing.assert_frame_equal(one.coverage, many.coverage)
    for table in tables.RAW_TABLES:
        key = list(table.key)
        held = [
            collect_to_pandas(getattr(ledger, table.name))
            .sort_values(key, ignore_index=True)
            .replace({"report": digests})
            for ledger, digests in ((one, digests_in(Store(sample_store))), (many, digests_in(store)))
        ]
        pd.testing.assert_frame_equal(*held)


def digests_in(store: Store) -> dict[str, str]:
    """The digest of each raw file by the mark of its rows, which is another one of each import."""
    return dict(store.reports()[["report", "digest"]].to_numpy().tolist())


def test_what_was_read_is_let_go_once_it_is_appended(store, monkeypatch):
    monkeypatch.setattr("healthkit.ingest.importer.BATCH_ROWS", 1)
    read: list[weakref.ref] = []
    for outcome in import_files([SAMPLE / "paper-moth"], store):
        assert outcome.parsed_file is not None
        read.append(weakref.ref(outcome.parsed_file))
        assert sum(one() is not None for one in read) <= 2
    assert len(read) > 5


# -- taken, held already, refused -------------------------------------------------------------------------


def test_a_refused_file_leaves_nothing_behind_and_the_others_are_taken(tmp_path, store):
    broken = files.DEFECTS.with_cell(1, "known-on", "2026-02-30").with_cell(0, "detail", "left behind")
    put(tmp_path, files.ALL_ORDERS, name="orders.txt")
    put(tmp_path, broken, name="defects.csv")
    put(tmp_path, files.CONFIRMATIONS, name="confirmations.csv")
    outcomes = imported(store, tmp_path / "acme")
    assert {name: one.refused is None for name, one in outcomes.items()} == {
        "orders.txt": True, "defects.csv": False, "confirmations.csv": True,
    }  # fmt: skip
    assert "defects.csv" in outcomes["defects.csv"].refused
    assert store.reports()["kind"].tolist() == ["all_orders", "confirmations"]
    assert read(store, "defects", "order_id") == []
    assert not found("left behind", store.folder)
    assert found(FIRST, store.folder)


def test_a_refused_file_is_taken_once_it_is_mended(tmp_path, store):
    put(tmp_path, files.ALL_ORDERS, name="orders.txt")
    put(tmp_path, files.DEFECTS.with_cell(0, "known-on", "2026-02-30"), name="defects.csv")
    imported(store, tmp_path / "acme")
    put(tmp_path, files.DEFECTS, name="defects.csv")
    outcomes = imported(store, tmp_path / "acme")
    assert outcomes["orders.txt"].already_stored
    assert outcomes["defects.csv"].parsed_file.rows == 2
    assert read(store, "defects", "order_id", "kind") == [(FIRST, "a_to_z_claim"), (SECOND, "chargeback")]


def test_when_every_file_is_refused_there_is_no_store(tmp_path, store):
    put(tmp_path, "no header that the kit knows\n1\n")
    [outcome] = imported(store, tmp_path / "acme").values()
    assert "no known kind of file" in outcome.refused
    assert not store.folder.exists()


def test_a_path_that_does_not_exist_is_an_error_and_nothing_is_taken(tmp_path, store):
    put(tmp_path, files.ALL_ORDERS)
    with pytest.raises(ReaderError, match="nowhere"):
        imported(store, tmp_path / "acme", tmp_path / "nowhere")
    assert not store.exists()


def test_the_same_file_twice_adds_nothing(tmp_path, store):
    path = put(tmp_path, files.ALL_ORDERS)
    first = imported(store, path)
    before = store.version(), read(store, "orders", "order_id", "updated_at")
    again = imported(store, path)
    assert [one.already_stored for one in (*first.values(), *again.values())] == [False, True]
    assert (store.version(), read(store, "orders", "order_id", "updated_at")) == before


def test_one_file_under_two_names_is_taken_once(tmp_path, store):
    put(tmp_path, files.ALL_ORDERS, name="march.txt")
    put(tmp_path, files.ALL_ORDERS, name="march (1).txt")
    outcomes = imported(store, tmp_path / "acme")
    assert sorted(one.already_stored for one in outcomes.values()) == [False, True]
    assert len(store.reports()) == 1


def test_two_accounts_may_have_the_same_file_to_the_byte(tmp_path, store):
    put(tmp_path, files.ALL_ORDERS, account="acme")
    put(tmp_path, files.ALL_ORDERS, account="bolt")
    assert not any(one.already_stored for one in import_files([tmp_path], store, anyway=True))
    assert store.accounts() == ["acme", "bolt"]
    assert all(one.already_stored for one in import_files([tmp_path / "acme", tmp_path / "bolt"], store))


def test_who_asks_is_told_what_was_found_and_what_is_finished(tmp_path, store):
    put(tmp_path, files.ALL_ORDERS, name="orders.txt")
    put(tmp_path, files.DEFECTS, name="defects.csv")
    begun, done = [], []
    for _ in import_files([tmp_path], store, on_start=begun.extend, on_file_read=done.append):
        assert len(begun) == 2
    assert done == begun


# -- whose file it is, and of which marketplace -----------------------------------------------------------


def test_feedback_finds_its_marketplace_by_the_orders_of_the_same_import(tmp_path, store):
    put(tmp_path, files.FEEDBACK, name="a_feedback.txt")
    put(tmp_path, files.ALL_ORDERS, name="z_orders.txt")
    assert all(one.refused is None for one in import_files([tmp_path], store))
    # 3/4/26 is the fourth of March in the United States.
    assert read(store, "feedback", "marketplace", "order_id", "received_on", "rating") == [
        ("US", FIRST, date(2026, 3, 4), 1),
        ("US", SECOND, date(2026, 12, 4), 3),
    ]


def test_feedback_finds_its_marketplace_by_orders_imported_before(tmp_path, store):
    orders = put(tmp_path, files.ALL_ORDERS.text().replace("Amazon.com", "Amazon.co.uk"), name="orders.txt")
    feedback = put(tmp_path, files.FEEDBACK, name="feedback.txt")
    imported(store, orders)
    imported(store, feedback)
    # 3/4/26 is the third of April in the United Kingdom.
    assert read(store, "feedback", "marketplace", "received_on") == [
        ("UK", date(2026, 4, 3)),
        ("UK", date(2026, 4, 12)),
    ]


def test_feedback_of_orders_that_nobody_knows_is_refused_until_they_are(tmp_path, store):
    feedback = put(tmp_path, files.FEEDBACK, name="feedback.txt")
    [refused] = imported(store, feedback).values()
    assert "--marketplace" in refused.refused
    assert not store.exists()
    imported(store, put(tmp_path, files.ALL_ORDERS, name="orders.txt"))
    [taken] = imported(store, feedback).values()
    assert taken.parsed_file.rows == 2


def test_orders_of_another_account_say_nothing_of_ones_feedback(tmp_path, store):
    put(tmp_path, files.ALL_ORDERS, account="acme", name="orders.txt")
    put(tmp_path, files.FEEDBACK, account="bolt", name="feedback.txt")
    assert "none of its orders is known yet" in imported(store, tmp_path)["feedback.txt"].refused


def test_the_account_is_the_folder_unless_another_is_named(tmp_path, store):
    path = put(tmp_path, files.ALL_ORDERS, account="downloads")
    imported(store, path, account="acme")
    assert store.accounts() == ["acme"]
    imported(store, path, anyway=True)
    assert store.accounts() == ["acme", "downloads"]
    assert {len(store.marketplace_of(name, [FIRST, SECOND, THIRD])) for name in store.accounts()} == {3}


def test_the_marketplace_that_is_named_is_that_of_every_row(tmp_path, store):
    path = put(tmp_path, files.ALL_ORDERS.without_column("sales-channel"))
    imported(store, path, marketplace="de")
    assert store.marketplaces() == ["DE"]


# -- personal data ----------------------------------------------------------------------------------------


def marked(path: Path) -> int:
    """Write the marker into every cell of a personal column of a raw file; how many cells it was."""
    delimiter = "," if path.suffix == ".csv" else "\t"
    # No cell of this sample holds its file's delimiter or a line break.
    header, *lines = [line.split(delimiter) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {len(cells) for cells in lines} == {len(header)}
    places = [header.index(name) for name in PERSONAL if name in header]
    for cells in lines:
        for at in places:
            cells[at] = MARKER
    path.write_text("".join(delimiter.join(cells) + "\n" for cells in (header, *lines)), encoding="utf-8")
    return len(places) * len(lines)


def test_personal_data_of_a_sample_account_appears_nowhere_in_the_store(tmp_path, store):
    # Neither its messages nor the answers of the Orders API have a personal column to mark.
    left_out = shutil.ignore_patterns("contacts.csv", "*.json")
    folder = shutil.copytree(SAMPLE / "paper-moth", tmp_path / "paper-moth", ignore=left_out)
    cells = {path.name: marked(path) for path in sorted(folder.iterdir())}
    assert all(cells.values()), "a file without a personal column: choose another sample"
    assert found(MARKER, folder)
    outcomes = imported(store, folder)
    assert [one.refused for one in outcomes.values() if one.refused] == []
    assert len(store.reports()) == len(cells)
    words = MARKER, *MARKER.split(), MARKER.lower(), MARKER.encode("utf-16-le").decode("latin-1")
    assert [word for word in words if found(word, store.folder)] == []


@pytest.mark.parametrize("file", [file for file in files.FILES if file.personal], ids=lambda file: file.kind)
def test_personal_data_of_a_file_of_any_kind_appears_nowhere_in_the_store(tmp_path, store, file):
    own = file.kind in ("all_orders", "sale_report", "olist")
    place(tmp_path, file, file.with_personal_data().text())
    outcomes = imported(store, tmp_path / "acme", marketplace=None if own else "US")
    assert all(one.refused is None for one in outcomes.values())
    assert len(store.reports()) == 1
    assert not found(files.MARK, store.folder)


def test_personal_data_in_a_refused_file_is_not_repeated_in_what_is_said_of_it(tmp_path, store):
    file = files.ORDER_REPORT.with_personal_data().with_cell(3, "latest-ship-date", "soon")
    put(tmp_path, file)
    [outcome] = imported(store, tmp_path / "acme", marketplace="US").values()
    assert outcome.refused
    assert files.MARK not in outcome.refused
    assert not store.folder.exists()
