"""The readers: tiny files of every kind, and what each must be read as, worked out by hand."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from healthkit.ingest.formats import ParsedFile, ReaderError, discover_files, parse_file
from healthkit.schema import tables
from tests.builders import raw_files as files
from tests.builders.raw_files import FIRST, SECOND, THIRD, Tiny, place, put

SHARED = Path(__file__).parents[2] / "shared" / "data"
real = pytest.mark.skipif(not SHARED.is_dir(), reason="the real marketplaces' files lie outside the project")


def taken(folder: Path, file: Tiny, content: str | bytes | None = None, **told: Any) -> ParsedFile:
    """The file, written and read as its kind."""
    place(folder, file, content)
    sources, refused = discover_files([folder])
    assert refused == []
    [source] = sources
    told.setdefault("marketplace", None if file.kind in ("all_orders", "sale_report", "olist") else "US")
    return parse_file(source, **told)


def rows(table: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_all_orders_file_becomes_one_row_an_order_with_days_of_the_marketplace(tmp_path):
    orders = taken(tmp_path, files.ALL_ORDERS).tables["orders"]
    assert rows(orders, "order_id", "marketplace", "channel", "ordered_on", "status", "units", "is_business") == [
        (THIRD, "US", "amazon", date(2026, 3, 3), "pending", 1, None),
        (SECOND, "US", "seller", date(2026, 3, 1), "cancelled", 0, False),
        (FIRST, "US", "seller", date(2026, 3, 1), "shipped", 2, True),
    ]


def test_a_cancellation_is_dated_by_the_last_update_there(tmp_path):
    orders = taken(tmp_path, files.ALL_ORDERS).tables["orders"]
    assert rows(orders, "cancelled_on", "cancelled_by", "part_cancelled") == [
        (None, None, False),
        (date(2026, 3, 2), None, False),
        (date(2026, 3, 2), None, True),
    ]


@pytest.mark.parametrize(("asked", "by"), [("true", "buyer"), ("false", "seller"), ("", None)])
def test_the_wide_file_tells_who_asked_for_a_cancellation(tmp_path, asked, by):
    wide = replace(
        files.ALL_ORDERS,
        header=(*files.ALL_ORDERS.header, "is-buyer-requested-cancellation"),
        rows=tuple((*cells, asked) for cells in files.ALL_ORDERS.rows),
    )
    orders = taken(tmp_path, wide).tables["orders"]
    assert rows(orders, "order_id", "cancelled_by") == [(THIRD, None), (SECOND, by), (FIRST, by)]


def test_an_item_is_one_row_an_order_and_sku_and_quotes_are_ordinary_characters(tmp_path):
    items = taken(tmp_path, files.ALL_ORDERS).tables["items"]
    assert rows(items, "order_id", "sku", "asin", "product", "units")[:2] == [
        (FIRST, "S-1", "B01", 'Screen 15"', 2),
        (FIRST, "S-2", "B02", "Stand", 0),
    ]


def test_two_lines_of_one_sku_are_two_items_and_are_added_though_they_be_alike(tmp_path):
    first, *others = files.ALL_ORDERS.rows
    again = replace(files.ALL_ORDERS, rows=(first, first, *others))
    assert rows(taken(tmp_path / "same", again).tables["items"], "units")[0] == (4,)
    more = again.with_cell(1, "quantity", "3")
    items = taken(tmp_path / "other", more).tables["items"]
    assert rows(items, "sku", "units")[0] == ("S-1", 5)
    orders = taken(tmp_path / "other", more).tables["orders"]
    assert rows(orders, "order_id", "units")[-1] == (FIRST, 5)


def with_item_ids(*lines):
    """The all-orders file with item ids: lines of (place of the row that it repeats, id of its item)."""
    return replace(
        files.ALL_ORDERS,
        header=(*files.ALL_ORDERS.header, "order-item-id"),
        rows=tuple((*files.ALL_ORDERS.rows[place], item) for place, item in lines),
    )


def test_items_of_one_sku_that_have_ids_are_told_apart_by_these(tmp_path):
    file = with_item_ids((0, "61"), (0, "62"), (0, "62"), (3, "63"))
    tables_of = taken(tmp_path, file).tables
    assert sorted(rows(tables_of["items"], "order_id", "sku", "units")) == [(FIRST, "S-1", 4), (THIRD, "S-2", 1)]
    assert sorted(rows(tables_of["orders"], "order_id", "units")) == [(FIRST, 4), (THIRD, 1)]


def test_of_an_item_with_an_id_the_newest_line_counts_and_of_two_as_new_the_last(tmp_path):
    file = with_item_ids((0, "61"), (0, "61"), (0, "62"), (0, "62"))
    file = file.with_cell(0, "last-updated-date", "2026-03-05T20:00:00+00:00").with_cell(0, "quantity", "7")
    file = file.with_cell(3, "quantity", "1")
    assert rows(taken(tmp_path, file).tables["items"], "sku", "units") == [("S-1", 8)]


def test_an_order_of_which_one_item_of_a_sku_was_cancelled_is_cancelled_in_part(tmp_path):
    file = with_item_ids((0, "61"), (0, "62")).with_cell(1, "item-status", "Cancelled")
    orders = taken(tmp_path, file).tables["orders"]
    assert rows(orders, "order_id", "status", "part_cancelled") == [(FIRST, "shipped", True)]


def test_of_an_order_that_stands_at_two_times_the_newest_counts(tmp_path):
    newer = files.ALL_ORDERS.with_cell(3, "order-status", "Shipped").with_cell(
        3, "last-updated-date", "2026-03-09T20:00:00+00:00"
    )
    both = replace(files.ALL_ORDERS, rows=(newer.rows[3], *files.ALL_ORDERS.rows))
    orders = taken(tmp_path, both).tables["orders"]
    assert rows(orders, "order_id", "status", "units", "updated_at")[0] == (
        THIRD, "shipped", 1, at("2026-03-09 20:00"),
    )  # fmt: skip


def test_orders_of_other_shops_are_left_out_and_counted(tmp_path):
    other = files.ALL_ORDERS.with_cell(0, "amazon-order-id", "S01-0000001-0000001").with_cell(
        3, "sales-channel", "Non-Amazon US"
    )
    read_file = taken(tmp_path, other)
    assert list(read_file.skipped.values()) == [2]
    assert read_file.rows == 4
    assert rows(read_file.tables["orders"], "order_id") == [(SECOND,), (FIRST,)]


def test_one_file_may_hold_several_marketplaces_each_with_its_own_days(tmp_path):
    mixed = files.ALL_ORDERS.with_cell(2, "sales-channel", "amazon.DE")
    orders = taken(tmp_path, mixed).tables["orders"]
    assert rows(orders, "marketplace", "ordered_on", "cancelled_on")[1] == ("DE", date(2026, 3, 2), date(2026, 3, 3))


def test_the_older_file_without_sales_channel_takes_the_marketplace_it_is_told(tmp_path):
    older = files.ALL_ORDERS.without_column("sales-channel").without_column("is-business-order")
    orders = taken(tmp_path, older, marketplace="us").tables["orders"]
    assert set(orders["marketplace"].to_pylist()) == {"US"}
    assert orders["is_business"].null_count == 3


def test_an_order_report_gives_the_latest_promise_of_an_order(tmp_path):
    orders = taken(tmp_path, files.ORDER_REPORT).tables["orders"]
    assert rows(orders, "order_id", "channel", "ordered_on", "ship_by", "ship_by_on", "deliver_by_on", "units") == [
        (FIRST, "seller", date(2026, 5, 4), at("2026-05-08 06:59:59"), date(2026, 5, 7), date(2026, 5, 12), 3),
        (SECOND, "seller", date(2026, 5, 5), at("2026-05-09 06:59:59"), date(2026, 5, 8), None, 1),
    ]


def test_an_order_report_is_as_new_as_its_newest_payment_and_drops_continuation_lines(tmp_path):
    report = taken(tmp_path, files.ORDER_REPORT)
    assert set(report.tables["orders"]["updated_at"].to_pylist()) == {at("2026-05-05 14:30")}
    assert list(report.skipped.values()) == [1]
    assert rows(report.tables["items"], "order_id", "sku", "units") == [
        (FIRST, "S-1", 2), (FIRST, "S-2", 1), (SECOND, "S-2", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("marketplace", "written", "days"),
    [
        ("US", ("3/4/26", "12/4/26"), (date(2026, 3, 4), date(2026, 12, 4))),
        ("UK", ("3/4/26", "12/4/26"), (date(2026, 4, 3), date(2026, 4, 12))),
        ("DE", ("3.4.26", "03.04.2026"), (date(2026, 4, 3), date(2026, 4, 3))),
        ("JP", ("26/3/4", "2026/03/04"), (date(2026, 3, 4), date(2026, 3, 4))),
        ("SE", ("2026-03-04", "2026-04-03"), (date(2026, 3, 4), date(2026, 4, 3))),
    ],
)
def test_a_feedback_date_is_read_in_the_order_of_its_marketplace(tmp_path, marketplace, written, days):
    file = files.FEEDBACK.with_cell(0, "Date", written[0]).with_cell(1, "Date", written[1])
    feedback = taken(tmp_path, file, marketplace=marketplace).tables["feedback"]
    assert rows(feedback, "order_id", "rating", "received_on") == [(FIRST, 1, days[0]), (SECOND, 3, days[1])]


def test_a_localised_feedback_file_is_known_by_its_rows(tmp_path):
    german = replace(
        files.FEEDBACK.with_cell(0, "Date", "3.4.26").with_cell(1, "Date", "12.4.26"),
        header=("Datum", "Bewertung", "Kommentare", "Ihre Antwort", "Bestellnummer", "E-Mail"),
    )
    feedback = taken(tmp_path, german, german.text().encode("cp1252"), marketplace="DE").tables["feedback"]
    assert rows(feedback, "feedback_id", "rank") == [
        (f"{FIRST} 2026-04-03", "2026-04-03 5"),
        (f"{SECOND} 2026-04-12", "2026-04-12 3"),
    ]


def test_feedback_in_the_old_layout_is_read_by_its_english_names(tmp_path):
    row = "3/4/26\t2\tbad\t\tyes\tyes\tno\t" + FIRST + "\tx\tbuyer\n"
    names = "Date\tRating\tComments\tYour Response\tArrived on Time\tItem as Described\tCustomer Service\t"
    feedback = taken(tmp_path, files.FEEDBACK, names + "Order ID\tRater Email\tRater Role\n" + row).tables["feedback"]
    assert rows(feedback, "order_id", "rating", "received_on") == [(FIRST, 2, date(2026, 3, 4))]


def test_a_comment_torn_by_a_tab_or_a_line_break_is_mended_when_no_doubt_is_left(tmp_path):
    text = files.FEEDBACK.text().replace('never "came"', "never\tcame").replace("\tlate\t", "\tlate,\nvery\t")
    read_file = taken(tmp_path, files.FEEDBACK, text)
    assert rows(read_file.tables["feedback"], "order_id", "rating") == [(FIRST, 1), (SECOND, 3)]
    assert read_file.notes == ["Mended 2 rows that a tab or line break in a comment had torn."]


def test_of_two_ratings_of_one_order_on_one_day_the_lowest_stands(tmp_path):
    first, second = files.FEEDBACK.rows
    twice = replace(files.FEEDBACK, rows=(first, ("3/4/26", "2", *first[2:]), second))
    read_file = taken(tmp_path, twice)
    assert rows(read_file.tables["feedback"], "order_id", "rating") == [(FIRST, 1), (SECOND, 3)]
    assert list(read_file.skipped.values()) == [1]


def test_feedback_takes_its_marketplace_from_the_orders_that_are_known(tmp_path):
    place(tmp_path, files.FEEDBACK)
    [source], _ = discover_files([tmp_path])
    asked = []

    def marketplace_of(account, order_ids):
        asked.append((account, order_ids))
        return {FIRST: "UK"}

    read_file = parse_file(source, marketplace_of=marketplace_of)
    assert asked == [("acme", [FIRST, SECOND])]
    assert rows(read_file.tables["feedback"], "marketplace", "received_on")[0] == ("UK", date(2026, 4, 3))
    assert read_file.notes == ["1 rows of orders not known yet: taken as UK, as all the others are."]


def test_a_claim_in_the_returns_file_is_one_defect_known_on_the_day_of_the_request(tmp_path):
    read_file = taken(tmp_path, files.RETURNS)
    assert rows(read_file.tables["defects"], "account", "order_id", "kind", "known_on", "cleared_on", "assumed") == [
        ("acme", FIRST, "a_to_z_claim", date(2026, 3, 10), None, "claim_day_from_return")
    ]
    assert read_file.skipped == {}
    assert (read_file.first_day, read_file.last_day) == (date(2026, 3, 10), date(2026, 3, 12))


def test_a_blank_in_the_claim_column_states_no_claim(tmp_path):
    blank = files.RETURNS.with_cell(0, "A-to-Z Claim", " ").with_cell(1, "A-to-Z Claim", "")
    assert len(taken(tmp_path, blank).tables["defects"]) == 0


def test_an_order_is_shipped_with_its_first_parcel_and_delivered_with_its_last(tmp_path):
    orders = taken(tmp_path, files.CONFIRMATIONS).tables["orders"]
    assert rows(orders, "order_id", "shipped_at", "shipped_on", "delivered_at", "delivered_on", "tracking") == [
        (FIRST, at("2026-03-03 02:00"), date(2026, 3, 2), at("2026-03-07 12:00"), date(2026, 3, 7), False),
        (SECOND, at("2026-03-04 17:00"), date(2026, 3, 4), None, None, True),
    ]


def test_a_bare_ship_by_day_ends_with_its_last_second_there(tmp_path):
    read_file = taken(tmp_path, files.CONFIRMATIONS)
    assert rows(read_file.tables["orders"], "ship_by", "ship_by_on", "deliver_by") == [
        (at("2026-03-04 07:59:59"), date(2026, 3, 3), at("2026-03-07 07:59:59")),
        (at("2026-03-06 01:00"), date(2026, 3, 5), None),
    ]
    assert "confirmed-at: 1 times without offset were taken in the marketplace's zone." in read_file.notes


def test_a_parcel_is_one_shipment_and_only_whether_it_has_a_tracking_number_is_kept(tmp_path):
    shipments = taken(tmp_path, files.CONFIRMATIONS).tables["shipments"]
    assert rows(shipments, "shipment_id", "confirmed_on", "units", "tracking", "carrier") == [
        ("P1", date(2026, 3, 2), 2, True, "UPS"),
        ("P2", date(2026, 3, 3), 1, False, "UPS"),
        ("P3", date(2026, 3, 4), 1, True, "US, Post"),
    ]


def test_an_order_is_not_delivered_while_one_parcel_is_on_its_way(tmp_path):
    orders = taken(tmp_path, files.CONFIRMATIONS.with_cell(1, "delivered-at", "")).tables["orders"]
    assert rows(orders, "delivered_at", "delivered_on")[0] == (None, None)


def test_parcels_without_ids_are_numbered_by_their_confirmation(tmp_path):
    nameless = files.CONFIRMATIONS.without_column("shipment-id")
    swapped = replace(nameless, rows=(nameless.rows[1], nameless.rows[0], nameless.rows[2]))
    shipments = taken(tmp_path, swapped).tables["shipments"]
    assert rows(shipments, "order_id", "shipment_id", "units") == [(FIRST, "2", 1), (FIRST, "1", 2), (SECOND, "1", 1)]


def test_a_defect_keeps_the_days_from_and_to_which_it_counts(tmp_path):
    defects = taken(tmp_path, files.DEFECTS).tables["defects"]
    assert rows(defects, "order_id", "kind", "known_on", "cleared_on", "detail", "assumed", "updated_at") == [
        (
            FIRST,
            "a_to_z_claim",
            date(2026, 3, 10),
            date(2026, 3, 20),
            "won, on appeal",
            None,
            at("2026-03-21 06:59:59"),
        ),
        (SECOND, "chargeback", date(2026, 3, 12), None, "fraud", None, at("2026-03-21 06:59:59")),
    ]


def test_a_plain_csv_may_name_the_marketplace_of_each_row(tmp_path):
    named = replace(
        files.DEFECTS,
        header=(*files.DEFECTS.header, "marketplace"),
        rows=((*files.DEFECTS.rows[0], "DE"), (*files.DEFECTS.rows[1], "Amazon.co.uk")),
    )
    defects = taken(tmp_path, named, marketplace=None).tables["defects"]
    assert rows(defects, "marketplace") == [("DE",), ("UK",)]


def test_a_sale_report_places_a_cancellation_on_the_order_day_and_says_so(tmp_path):
    orders = taken(tmp_path, files.SALE_REPORT).tables["orders"]
    columns = (
        "order_id",
        "channel",
        "ordered_on",
        "status",
        "cancelled_on",
        "cancelled_by",
        "part_cancelled",
        "assumed",
    )
    assert rows(orders, *columns) == [
        (FIRST, "seller", date(2022, 4, 30), "cancelled", date(2022, 4, 30), None, False, "cancel_day_from_order"),
        (SECOND, "seller", date(2022, 5, 1), "shipped", date(2022, 5, 1), None, True, "cancel_day_from_order"),
        (THIRD, "amazon", date(2022, 5, 1), "pending", None, None, False, None),
    ]
    assert orders["units"].to_pylist() == [0, 1, 3]
    assert orders["is_business"].to_pylist() == [False, True, False]


def test_an_olist_order_with_two_sellers_is_one_order_for_each(tmp_path):
    olist = taken(tmp_path, files.OLIST_ORDERS)
    assert (olist.account, olist.rows, sorted(olist.skipped.values())) == (None, 9, [1, 1])
    assert rows(olist.tables["orders"], "account", "order_id", "status", "ordered_on", "ship_by_on", "units") == [
        ("ana", "o1", "delivered", date(2017, 12, 1), date(2017, 12, 6), 2),
        ("bia", "o1", "delivered", date(2017, 12, 1), date(2017, 12, 5), 1),
        ("bia", "o2", "cancelled", date(2017, 12, 2), date(2017, 12, 8), 1),
    ]


def test_an_olist_seller_is_late_by_instants_and_a_delivery_by_the_end_of_its_day(tmp_path):
    orders = taken(tmp_path, files.OLIST_ORDERS).tables["orders"]
    assert pc.greater(orders["shipped_at"], orders["ship_by"]).to_pylist() == [False, True, None]
    assert pc.greater(orders["delivered_at"], orders["deliver_by"]).to_pylist() == [False, False, None]
    assert rows(orders, "cancelled_on", "assumed")[2] == (date(2017, 12, 2), "cancel_day_from_order")


def test_an_olist_review_stands_for_every_seller_of_its_order(tmp_path):
    feedback = taken(tmp_path, files.OLIST_ORDERS).tables["feedback"]
    assert rows(feedback, "account", "feedback_id", "rating", "received_on", "rank") == [
        ("ana", "r1", 2, date(2017, 12, 21), "2017-12-22 12:00:00 r1"),
        ("bia", "r1", 2, date(2017, 12, 21), "2017-12-22 12:00:00 r1"),
    ]


def test_a_line_break_inside_quotes_stays_inside_its_review(tmp_path):
    place(tmp_path, files.OLIST_ORDERS)
    put(tmp_path, files.OLIST_REVIEWS.with_cell(0, "review_comment_message", '"two\nlines, ""quoted"""'))
    [source], _ = discover_files([tmp_path])
    assert len(parse_file(source).tables["feedback"]) == 2


@pytest.mark.parametrize("file", files.FILES, ids=lambda file: file.kind)
def test_no_personal_data_comes_out_of_any_file(tmp_path, file):
    reviews = files.OLIST_REVIEWS.with_personal_data()
    place(tmp_path, file, file.with_personal_data().text())
    if file is files.OLIST_ORDERS:
        put(tmp_path, reviews)
    [source], _ = discover_files([tmp_path])
    read_file = parse_file(source, marketplace=None if file.kind in ("all_orders", "sale_report", "olist") else "US")
    told = str([table.to_pylist() for table in read_file.tables.values()]) + str(read_file)
    assert files.MARK not in told
    assert "1Z999" not in str(taken(tmp_path / "again", files.CONFIRMATIONS).tables["shipments"].to_pylist())


@pytest.mark.parametrize("file", files.FILES, ids=lambda file: file.kind)
def test_every_table_that_comes_out_is_whole_and_names_its_file(tmp_path, file):
    read_file = taken(tmp_path, file)
    known = {table.name: table for table in tables.RAW_TABLES}
    for name, table in read_file.tables.items():
        assert table.column_names == list(known[name].columns)
        assert set(table["report"].to_pylist()) <= {read_file.report}
        tables.check_table(table, known[name])


@pytest.mark.parametrize("file", files.FILES, ids=lambda file: file.kind)
def test_a_kind_is_known_by_its_header_whatever_the_file_is_called(tmp_path, file):
    assert taken(tmp_path, replace(file, name="zz_1.csv") if file is not files.OLIST_ORDERS else file).kind == file.kind


def test_a_packed_file_is_the_same_file(tmp_path):
    text = files.ALL_ORDERS.text().encode()
    put(tmp_path, gzip.compress(text, mtime=0), "acme", "orders.txt.gz")
    with zipfile.ZipFile(put(tmp_path, b"", "beta", "orders.zip"), "w") as archive:
        archive.writestr("orders.txt", text)
    sources, refused = discover_files([tmp_path])
    assert refused == []
    assert {source.digest for source in sources} == {hashlib.sha256(text).hexdigest()}
    assert [(source.name, source.folder, source.size) for source in sources] == [
        ("acme/orders.txt.gz", "acme", len(text)),
        ("beta/orders.zip/orders.txt", "beta", len(text)),
    ]
    assert [parse_file(source).account for source in sources] == ["acme", "beta"]


def test_files_with_orders_come_before_those_that_ask_for_an_orders_marketplace(tmp_path):
    for file in reversed(files.FILES):
        place(tmp_path, replace(file, name=f"{file.kind}.csv") if file is not files.OLIST_ORDERS else file)
    sources, refused = discover_files([tmp_path])
    assert refused == []
    assert [source.kind for source in sources] == [
        "all_orders", "olist", "sale_report", "order_report", "confirmations", "feedback", "returns", "defects",
    ]  # fmt: skip


def test_hidden_files_and_files_that_are_no_reports_are_passed_over(tmp_path):
    for name in (".hidden.txt", "notes.md", "picture.png", ".git/config"):
        put(tmp_path, "whatever", "acme", name)
    assert discover_files([tmp_path]) == ([], [])


def test_a_file_named_twice_is_planned_once(tmp_path):
    path = place(tmp_path, files.ALL_ORDERS)
    sources, _ = discover_files([tmp_path, path])
    assert len(sources) == 1


def test_the_account_is_the_one_named_else_the_folder(tmp_path):
    assert taken(tmp_path, files.ALL_ORDERS).account == "acme"
    assert taken(tmp_path, files.ALL_ORDERS, account="other").account == "other"


def test_an_olist_zip_with_other_tables_beside_is_read_as_one(tmp_path):
    with zipfile.ZipFile(put(tmp_path, b"", "market", "more.zip"), "w") as archive:
        for file in (files.OLIST_ORDERS, files.OLIST_ITEMS):
            archive.writestr(file.name, file.text())
        archive.writestr("provenance.csv", "order_id,review_known,n_sources,sources\no1,0,1,x\n")
    [source], refused = discover_files([tmp_path])
    assert refused == []
    read_file = parse_file(source)
    assert (len(read_file.tables["orders"]), len(read_file.tables["feedback"])) == (3, 0)
    assert "No reviews file stands beside the orders: no ratings are known." in read_file.notes


@real
def test_the_real_olist_files_give_every_sellers_orders():
    [source], refused = discover_files([SHARED / "olist"])
    assert refused == []
    olist = parse_file(source)
    assert {name: len(table) for name, table in olist.tables.items()} == {
        "orders": 7433, "items": 7606, "feedback": 7523,
    }  # fmt: skip
    assert pc.count_distinct(olist.tables["orders"]["account"]).as_py() == 1610
    # 8,135 orders, of which 775 have no item and belong to nobody; 71 have several sellers.
    assert pc.count_distinct(olist.tables["orders"]["order_id"]).as_py() == 8135 - 775
    assert sorted(olist.skipped.values()) == [775, 778]


@real
def test_the_real_olist_files_agree_with_the_checked_counts_of_a_window():
    [source], _ = discover_files([SHARED / "olist"])
    orders = parse_file(source).tables["orders"]
    day = pc.field("ordered_on")
    window = orders.filter((day >= date(2017, 11, 2)) & (day <= date(2017, 12, 31)))
    late = pc.greater(window["shipped_at"], window["ship_by"])
    overdue = pc.greater(window["delivered_at"], window["deliver_by"])
    counts = (len(window), pc.count(window["shipped_at"]).as_py(), pc.sum(late).as_py())
    assert counts == (995, 853, 100)
    assert (pc.count(window["cancelled_on"]).as_py(), pc.count(window["delivered_at"]).as_py()) == (36, 722)
    assert pc.sum(overdue).as_py() == 72


@real
def test_the_larger_olist_zip_is_read_too():
    [source], refused = discover_files([SHARED / "olist_more.zip"])
    assert refused == []
    assert len(parse_file(source).tables["orders"]) == 22658


def test_a_sale_report_without_sku_may_lack_category_and_size(tmp_path):
    lines = [line.split(",") for line in files.SALE_REPORT.text().splitlines()]
    named = [cells.index(name) for cells in lines[:1] for name in ("Category", "Size") if name in cells]
    gone = lines[0].index("SKU") if "SKU" in lines[0] else None
    for cells in lines[1:]:
        for at in named:
            cells[at] = ""
    text = "\n".join(",".join(cell for at, cell in enumerate(cells) if at != gone) for cells in lines) + "\n"
    read_file = taken(tmp_path, files.SALE_REPORT, text)
    assert len(read_file.tables["orders"]) == len({cells[lines[0].index("Order ID")] for cells in lines[1:]})
    assert len(read_file.tables["items"]) == 0


@real
def test_the_real_sale_report_gives_661_cancelled_of_3705_orders():
    [source], refused = discover_files([SHARED / "amazon_sale_report"])
    assert refused == []
    report = parse_file(source)
    orders = report.tables["orders"]
    assert (report.rows, len(orders), list(report.skipped.values())) == (128_976, 120_105, [124])
    day = pc.field("ordered_on")
    week = orders.filter((day >= date(2022, 4, 24)) & (day <= date(2022, 4, 30)) & (pc.field("channel") == "seller"))
    assert (len(week), pc.count(week["cancelled_on"]).as_py()) == (3705, 661)


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(ReaderError, match="there is no such file or folder"):
        discover_files([tmp_path / "nowhere"])
