"""Etsy's files: sold orders, sold order items and the Star Seller shipping file, alone and together."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from healthkit.ingest.formats import discover_files, parse_file
from healthkit.ingest.importer import import_files
from healthkit.workspace import Workspace
from tests.builders.damaged_files import said_of
from tests.builders.etsy_shopify_files import ETSY_1, ETSY_2, ETSY_3, ETSY_4, ETSY_ITEMS, ETSY_ORDERS, ETSY_STAR
from tests.builders.raw_files import put


def parsed(folder, file):
    put(folder, file)
    [source], refused = discover_files([folder])
    assert (refused, source.kind) == ([], file.kind)
    return parse_file(source)


def rows(table, *columns):
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


def imported(store, folder, *files):
    """The orders of a store into which files were imported in the given order, by id."""
    for number, file in enumerate(files):
        put(folder / str(number), file)
        [result] = import_files([folder / str(number)], store)
        assert result.refused is None
    orders = store.ledger().orders
    return {row["order_id"]: row for row in orders.collect().to_arrow().to_pylist()}


def test_days_are_month_first_and_last_until_their_end_in_the_zone_of_etsy(tmp_path):
    orders = parsed(tmp_path, ETSY_ORDERS).tables["orders"]
    assert rows(orders, "order_id", "marketplace", "channel", "ordered_on", "shipped_on", "units", "state")[:2] == [
        (ETSY_1, "ETSY", "seller", date(2026, 10, 1), date(2026, 10, 2), 2, "OR"),
        (ETSY_2, "ETSY", "seller", date(2026, 10, 3), date(2026, 10, 9), 1, "OR"),
    ]
    assert orders["shipped_at"][0].as_py() == datetime(2026, 10, 3, 3, 59, 59, tzinfo=UTC)


def test_an_order_that_is_paid_and_has_a_day_of_shipment_was_shipped(tmp_path):
    orders = parsed(tmp_path, ETSY_ORDERS).tables["orders"]
    assert dict(rows(orders, "order_id", "status")) == {
        ETSY_1: "shipped", ETSY_2: "shipped", ETSY_3: "cancelled", ETSY_4: "unshipped",
    }  # fmt: skip


def test_a_cancelled_order_is_dated_by_its_order_and_its_canceller_is_unknown(tmp_path):
    orders = parsed(tmp_path, ETSY_ORDERS).tables["orders"]
    assert rows(orders, "cancelled_on", "cancelled_by", "assumed")[2] == (
        date(2026, 10, 5), None, "cancel_day_from_order",
    )  # fmt: skip


def test_the_skus_of_an_order_in_one_cell_are_no_sku(tmp_path):
    assert parsed(tmp_path, ETSY_ORDERS).tables["items"].num_rows == 0
    items = parsed(tmp_path / "items", ETSY_ITEMS).tables["items"]
    assert rows(items, "order_id", "sku", "product", "units")[:2] == [
        (ETSY_1, "A-1", "Blue mug", 1), (ETSY_1, "B-2", "Bowl", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "files",
    [(ETSY_ORDERS, ETSY_ITEMS, ETSY_STAR), (ETSY_STAR, ETSY_ITEMS, ETSY_ORDERS), (ETSY_ITEMS, ETSY_ORDERS, ETSY_STAR)],
)
def test_the_files_of_one_order_merge_in_any_order(tmp_path, store, files):
    orders = imported(store, tmp_path, *files)
    assert {order: row["status"] for order, row in orders.items()} == {
        ETSY_1: "shipped", ETSY_2: "shipped", ETSY_3: "cancelled", ETSY_4: "unshipped",
    }  # fmt: skip
    first = orders[ETSY_1]
    assert (first["units"], first["ordered_on"], first["ship_by_on"], first["shipped_on"]) == (
        2, date(2026, 10, 1), date(2026, 10, 5), date(2026, 10, 2),
    )  # fmt: skip
    late = Workspace(store.folder).score(date(2026, 10, 9), ["acme"], metrics=["late_shipment_rate"])
    assert late[["counted", "at_fault"]].to_numpy().tolist() == [[2, 1]]


def test_without_the_star_seller_file_nothing_tells_of_late_shipment(tmp_path, store):
    imported(store, tmp_path, ETSY_ORDERS, ETSY_ITEMS)
    late = Workspace(store.folder).score(date(2026, 10, 9), ["acme"], metrics=["late_shipment_rate"])
    assert late[["counted", "status"]].to_numpy().tolist() == [[0, "no data"]]


def test_orders_of_the_star_seller_file_that_no_other_file_has_are_named(tmp_path):
    put(tmp_path, ETSY_STAR)
    [source], _ = discover_files([tmp_path])
    one = parse_file(source, marketplace_of=lambda account, ids: {ETSY_1: "ETSY"})
    assert "1 of 2 orders are in no order file yet; until then they are not counted." in one.notes
    assert rows(one.tables["orders"], "ordered_on", "ship_by_on", "status") == [
        (None, date(2026, 10, 5), "shipped"), (None, date(2026, 10, 7), "shipped"),
    ]  # fmt: skip


def test_times_of_the_star_seller_file_are_utc(tmp_path):
    file = ETSY_STAR.with_cell(0, "Ship by", "10/05/2026 02:00").with_cell(0, "Tracking/label date", "10/05/2026 03:00")
    orders = parsed(tmp_path, file).tables["orders"]
    assert rows(orders, "ship_by", "ship_by_on")[0] == (datetime(2026, 10, 5, 2, tzinfo=UTC), date(2026, 10, 4))


def test_a_day_that_is_no_month_first_day_is_refused_with_row_and_cure(tmp_path):
    put(tmp_path, ETSY_ORDERS.with_cell(1, "Sale Date", "25/09/26"))
    said = said_of(tmp_path, marketplace=None)
    assert "row 3" in said
    assert "'25/09/26'" in said
    assert "data/column_map.yaml" in said


def test_an_unknown_status_is_refused_with_row_and_cure_unless_times_tell(tmp_path):
    put(tmp_path, ETSY_ORDERS.with_cell(3, "Status", "Torn"))
    said = said_of(tmp_path, marketplace=None)
    assert "row 5" in said
    assert "words: {status: ...}" in said
    one = parsed(tmp_path / "shipped", ETSY_ORDERS.with_cell(0, "Status", "Torn"))
    assert one.tables["orders"]["status"][0].as_py() == "shipped"
