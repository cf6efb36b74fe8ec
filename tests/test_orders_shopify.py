"""Shopify's orders export: orders of several rows, marketplaces by source, rows of the seller's own shop."""

from __future__ import annotations

from datetime import UTC, date, datetime

from healthkit.ingest.formats import discover_files, parse_file
from tests.builders.damaged_files import said_of
from tests.builders.etsy_shopify_files import SHOPIFY
from tests.builders.raw_files import put


def parsed(folder, file, **told):
    put(folder, file)
    [source], refused = discover_files([folder])
    assert (refused, source.kind) == ([], "shopify_orders")
    return parse_file(source, **told)


def rows(table, *columns):
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


def test_the_first_row_of_an_order_holds_for_its_other_rows(tmp_path):
    one = parsed(tmp_path, SHOPIFY)
    assert rows(one.tables["orders"], "order_id", "marketplace", "status", "units", "country")[0] == (
        "#1001", "EBAY", "shipped", 3, "DE",
    )  # fmt: skip
    assert [row for row in rows(one.tables["items"], "order_id", "sku", "units") if row[0] == "#1001"] == [
        ("#1001", "MUG", 1), ("#1001", "BOWL", 2),
    ]  # fmt: skip
    assert rows(one.tables["shipments"], "order_id", "units") == [("#1001", 3)]


def test_times_have_the_offset_that_they_state(tmp_path):
    orders = parsed(tmp_path, SHOPIFY).tables["orders"]
    assert orders["shipped_at"][0].as_py() == datetime(2026, 10, 2, 7, tzinfo=UTC)


def test_an_unfulfilled_order_with_a_time_of_cancellation_is_cancelled_by_nobody_known(tmp_path):
    orders = parsed(tmp_path, SHOPIFY).tables["orders"]
    assert rows(orders, "marketplace", "status", "cancelled_on", "cancelled_by", "assumed")[1] == (
        "ETSY", "cancelled", date(2026, 10, 4), None, None,
    )  # fmt: skip


def test_rows_of_no_marketplace_are_left_out_counted_and_named(tmp_path):
    one = parsed(tmp_path, SHOPIFY)
    assert one.skipped == {"rows of no marketplace that the kit knows": 3}
    [note] = [note for note in one.notes if "own shop" in note]
    assert "'web' 2, 'amazon' 1" in note
    assert "orders: {shopify_orders: {words: {marketplace: ...}}}" in note


def test_a_file_of_the_own_shop_alone_holds_no_orders(tmp_path):
    file = SHOPIFY.with_cell(0, "Source", "pos").with_cell(2, "Source", "580111")
    one = parsed(tmp_path, file)
    assert (one.tables["orders"].num_rows, sum(one.skipped.values())) == (0, 6)


def test_what_looks_like_a_name_among_the_sources_is_not_repeated(tmp_path):
    one = parsed(tmp_path, SHOPIFY.with_cell(3, "Source", "Persona Privata"))
    assert "Persona" not in str(one.notes)


def test_another_marketplace_than_the_rows_state_is_refused(tmp_path):
    put(tmp_path, SHOPIFY)
    assert "you said marketplace DE" in said_of(tmp_path, marketplace="DE")
