"""Stores that the kit does not know: their rows are left out and counted, and all the others are read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from healthkit.ingest import importer
from healthkit.ingest.formats import ParsedFile, discover_files, parse_file
from healthkit.ingest.parsing import large_files, unknown_stores
from healthkit.schema import marketplaces
from healthkit.store import Store
from tests.builders import raw_files as files
from tests.builders.damaged_files import said_of
from tests.builders.order_downloads import order_2026, order_v0
from tests.builders.raw_files import FIRST, SECOND, THIRD, put
from tests.builders.store_files import HEAD, orders

NEW_STORE, NEW_ID = "Amazon.xx", "A0NEWSTORE0000"


def regional(*stores: str) -> str:
    """An all-orders file with an order in each of some stores."""
    rows = [
        f"111-{number:07d}-0000000\t2026-10-01T10:00:00+00:00\t2026-10-03T10:00:00+00:00\tShipped\tMerchant\tS\t1\t{store}"
        for number, store in enumerate(stores)
    ]
    return "\n".join([HEAD, *rows]) + "\n"


def parsed(folder: Path, **told: Any) -> ParsedFile:
    [source], refused = discover_files([folder])
    assert refused == []
    return parse_file(source, **told)


def codes(one: ParsedFile, table: str = "orders") -> list[str]:
    return sorted(code for batch in one.tables[table].to_batches() for code in batch.column("marketplace").to_pylist())


def test_rows_of_unknown_stores_are_left_out_and_counted_by_store(tmp_path):
    put(
        tmp_path, regional("Amazon.de", NEW_STORE, "Amazon.com.be", "Amazon.co.yy", NEW_STORE, "SI XX Prod Marketplace")
    )
    one = parsed(tmp_path)
    assert codes(one) == ["BE", "DE"]
    assert one.skipped == {
        "rows of Amazon.xx, a store that the kit does not know": 2,
        "rows of Amazon.co.yy, a store that the kit does not know": 1,
        "rows of SI XX Prod Marketplace, a store that the kit does not know": 1,
    }
    assert one.rows == 6
    assert any("were left out. To judge them too, add the store in a policy file" in note for note in one.notes)


def test_a_store_of_one_word_is_left_out_where_the_row_is_whole(tmp_path):
    put(tmp_path, regional("Amazon.de", "Woot"))
    assert parsed(tmp_path).skipped == {unknown_stores.unknown_store_reason("Woot"): 1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Merchant\tS\t1\tStandard", "S\t1\tStandard\t"),
        ("111-0000001-0000000", "x"),
        ("Merchant\tS\t1\tStandard", "Drone\tS\t1\tStandard"),
    ],
)
def test_a_shifted_row_is_refused_as_before(tmp_path, before, after):
    put(tmp_path, regional("Amazon.de", "Standard").replace(before, after))
    assert after in (tmp_path / "acme" / "download.txt").read_text()
    said = said_of(tmp_path)
    assert "row" in said
    assert "store that the kit does not know" not in said


def test_a_file_of_unknown_stores_alone_is_refused_with_what_to_do(tmp_path):
    put(tmp_path, regional(NEW_STORE, NEW_STORE))
    said = said_of(tmp_path)
    assert "holds nothing but 2 rows of Amazon.xx, a store that the kit does not know. To judge them too, add" in said


def test_a_stated_marketplace_takes_the_rows_of_that_store(tmp_path):
    put(tmp_path, regional("Amazon.de", NEW_STORE))
    assert codes(parsed(tmp_path, marketplace="DE")) == ["DE"]


def test_many_unknown_stores_are_named_up_to_a_limit(tmp_path):
    letters = "abcdefghijklmnopqrstuvwxyz"
    put(tmp_path, regional("Amazon.de", *(f"Amazon.q{letter}" for letter in letters)))
    skipped = parsed(tmp_path).skipped
    assert len(skipped) == unknown_stores.MAX_NAMED_STORES + 1
    assert skipped[unknown_stores.unknown_store_reason("further stores")] == 6
    assert sum(skipped.values()) == 26


def test_a_large_file_counts_the_rows_of_all_its_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(large_files, "CHUNK_BYTES", 2_000)
    put(tmp_path, regional(*["Amazon.de", NEW_STORE] * 200))
    one = parsed(tmp_path)
    assert codes(one) == ["DE"] * 200
    assert one.skipped == {unknown_stores.unknown_store_reason(NEW_STORE): 200}
    assert sum("were left out" in note for note in one.notes) == 1


def test_a_large_file_of_an_unknown_store_alone_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(large_files, "CHUNK_BYTES", 2_000)
    put(tmp_path, regional(*[NEW_STORE] * 200))
    assert "holds nothing but 200 rows of Amazon.xx" in said_of(tmp_path)


@pytest.mark.parametrize("file", [files.ORDER_REPORT, files.SALE_REPORT], ids=lambda file: file.kind)
def test_other_files_of_orders_leave_such_rows_out_too(tmp_path, file):
    named = "sales-channel" if file is files.ORDER_REPORT else "Sales Channel "
    if named.strip() not in [name.strip() for name in file.header]:
        file = dataclasses.replace(
            file, header=(*file.header, named), rows=tuple((*row, "Amazon.com") for row in file.rows)
        )
    named = next(name for name in file.header if name.strip().lower().replace(" ", "-") == "sales-channel")
    put(tmp_path, file.with_cell(len(file.rows) - 1, named, NEW_STORE))
    one = parsed(tmp_path)
    assert one.skipped[unknown_stores.unknown_store_reason(NEW_STORE)] == 1
    assert one.tables["orders"].num_rows


def test_a_settlement_leaves_out_money_of_unknown_stores(tmp_path):
    assert "marketplace-name" in files.SETTLEMENT.header
    before = parsed_text(tmp_path / "before", files.SETTLEMENT.text())
    kind = files.SETTLEMENT.header.index("transaction-type")
    row = next(number for number, cells in enumerate(files.SETTLEMENT.rows) if cells[kind] == "Refund")
    after = parsed_text(tmp_path / "after", files.SETTLEMENT.with_cell(row, "marketplace-name", NEW_STORE).text())
    assert after.skipped[unknown_stores.unknown_store_reason(NEW_STORE)] == 1
    assert after.tables["postings"].num_rows == before.tables["postings"].num_rows - 1


def parsed_text(folder: Path, text: str) -> ParsedFile:
    put(folder, text)
    return parsed(folder, marketplace_of=lambda account, ids: dict.fromkeys(ids, "US"))


@pytest.mark.parametrize("store", [{"MarketplaceId": NEW_ID}, {"MarketplaceId": "left out", "SalesChannel": NEW_STORE}])
def test_the_orders_api_leaves_orders_of_unknown_stores_out(tmp_path, store):
    answer = {"Orders": [order_v0(FIRST), order_v0(SECOND, **store), order_v0(THIRD)]}
    put(tmp_path, json.dumps(answer), name="orders.json")
    one = parsed(tmp_path)
    assert one.tables["orders"]["order_id"].to_pylist() == [FIRST, THIRD]
    [(reason, count)] = one.skipped.items()
    assert unknown_stores.is_unknown_store_reason(reason)
    assert count == 1


def test_the_new_orders_api_leaves_orders_of_unknown_stores_out(tmp_path):
    new = order_2026(SECOND, salesChannel={"channelName": "AMAZON", "marketplaceId": NEW_ID})
    put(tmp_path, json.dumps({"orders": [order_2026(FIRST), new]}), name="orders.json")
    one = parsed(tmp_path)
    assert one.tables["orders"]["order_id"].to_pylist() == [FIRST]
    assert one.skipped == {unknown_stores.unknown_store_reason(f"marketplace id {NEW_ID}"): 1}


def test_a_performance_report_leaves_the_block_of_an_unknown_store_out(tmp_path):
    block = {
        "lateShipmentRate": {
            "orderCount": 100, "lateShipmentCount": 1, "rate": 0.01, "status": "GOOD",
            "reportingDateRange": {"reportingDateFrom": "2026-10-01", "reportingDateTo": "2026-10-30"},
        }
    }  # fmt: skip
    known, new = ({"marketplaceId": one, **block} for one in ("ATVPDKIKX0DER", NEW_ID))
    report = {"accountStatuses": [], "performanceMetrics": [known, new]}
    put(tmp_path / "both", json.dumps(report), name="report.json")
    one = parsed(tmp_path / "both")
    assert codes(one, "readings") == ["US"]
    assert one.skipped == {unknown_stores.unknown_store_reason(f"marketplace id {NEW_ID}"): 1}
    put(tmp_path / "new", json.dumps(report | {"performanceMetrics": [new]}), name="report.json")
    assert f"holds nothing but 1 rows of marketplace id {NEW_ID}" in said_of(tmp_path / "new")


def test_a_file_is_read_again_once_its_store_is_known(tmp_path, monkeypatch):
    path = put(tmp_path / "raw", regional("Amazon.de", NEW_STORE))
    store = Store(tmp_path / "store")

    def import_it() -> list[importer.ImportResult]:
        return list(importer.import_files([path], store))

    assert import_it()[0].parsed_file is not None
    assert import_it()[0].already_stored
    assert len(orders(store)) == 1
    row = marketplaces.Marketplace("XX", "Amazon X", NEW_STORE, NEW_ID, "Europe/Berlin", "%d/%m/%y")
    monkeypatch.setitem(marketplaces.MARKETPLACES, "XX", row)
    monkeypatch.setitem(marketplaces.MARKETPLACE_BY_SALES_CHANNEL, NEW_STORE.lower(), "XX")
    monkeypatch.setattr(
        "healthkit.ingest.parsing.marketplace_of_row._CODE_BY_SALES_CHANNEL", marketplaces.MARKETPLACE_BY_SALES_CHANNEL
    )
    [again] = import_it()
    assert again.parsed_file is not None
    assert again.parsed_file.skipped == {}
    assert len(orders(store)) == 2
    assert import_it()[0].already_stored


def test_a_file_that_names_known_stores_alone_keeps_its_digest(tmp_path, monkeypatch):
    path = put(tmp_path / "raw", regional("Amazon.de"))
    store = Store(tmp_path / "store")
    list(importer.import_files([path], store))
    row = marketplaces.Marketplace("XX", "Amazon X", NEW_STORE, NEW_ID, "Europe/Berlin", "%d/%m/%y")
    monkeypatch.setitem(marketplaces.MARKETPLACES, "XX", row)
    [again] = importer.import_files([path], store)
    assert again.already_stored
