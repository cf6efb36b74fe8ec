"""The files that people write by hand, and what else was learnt of returns, parcels and feedback dates."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit.ingest.formats import ParsedFile, ReaderError, discover_files, parse_file
from healthkit.ingest.formats.registry import FORMATS, table_kinds
from healthkit.ingest.importer import import_files
from healthkit.ingest.parsing.cells import parse_day
from healthkit.ingest.parsing.csv_table import FileKind
from healthkit.schema import tables
from healthkit.schema.marketplaces import DATES_ASSUMED, MARKETPLACES
from healthkit.store import Store
from tests.builders import raw_files as files
from tests.builders.damaged_files import said_of
from tests.builders.raw_files import FIRST, SECOND, THIRD, Tiny, put, tiny

HEADERS = Path(__file__).parents[2] / "shared" / "data" / "amazon_reports" / "headers"

FILES = files.HAND_WRITTEN
TABLE = {
    "contacts": "contacts", "surveys": "contacts", "return_requests": "returns", "invoices": "orders",
    "violations": "violations", "returns": "returns",
}  # fmt: skip

by_kind = pytest.mark.parametrize("file", FILES, ids=lambda file: file.kind)


def taken(folder: Path, file: Tiny, content: str | bytes | None = None, **told: Any) -> ParsedFile:
    """The file, written and read as its kind."""
    put(folder, file if content is None else content, name=file.name)
    [source], refused = discover_files([folder])
    assert (refused, source.kind) == ([], file.kind)
    told.setdefault("marketplace", "US")
    return parse_file(source, **told)


def held(folder: Path, file: Tiny, *columns: str, **told: Any) -> list[tuple[Any, ...]]:
    """Some columns of the table that a file is read into."""
    return rows(taken(folder, file, **told).tables[TABLE[file.kind]], *columns)


def rows(table: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def with_column(file: Tiny, name: str, *cells: str) -> Tiny:
    """The file with one column more."""
    return replace(
        file, header=(*file.header, name), rows=tuple((*row, cell) for row, cell in zip(file.rows, cells, strict=True))
    )


def only(file: Tiny, **cells: str) -> Tiny:
    """The first row of a file alone, with some of its cells replaced."""
    file = replace(file, rows=file.rows[:1])
    for column, value in cells.items():
        file = file.with_cell(0, column.replace("_", "-"), value)
    return file


# -- buyers' messages -------------------------------------------------------------------------------------


def test_a_message_has_the_days_on_which_24_and_48_hours_have_passed_there(tmp_path):
    columns = ("contact_id", "kind", "order_id", "received_at", "received_on", "due_24h_on", "due_48h_on")
    assert held(tmp_path, files.CONTACTS, *columns) == [
        ("m1", "message", FIRST, at("2026-03-03 02:00"), date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)),
        ("m2", "message", SECOND, at("2026-03-03 17:00"), date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 5)),
        # Nine in the morning in Greenwich is one at night there, of the same day.
        ("m3", "message", THIRD, at("2026-03-04 09:00"), date(2026, 3, 4), date(2026, 3, 5), date(2026, 3, 6)),
    ]


@pytest.mark.parametrize(
    ("received", "due_24h_on"),
    [
        # 23 hours make the day of 8 March: from half past eleven at night, 24 hours reach into the day after next.
        ("2026-03-07T23:30:00", date(2026, 3, 9)),
        # 25 hours make that of 1 November: from half past midnight, 24 hours end on the very same day.
        ("2026-11-01T00:30:00", date(2026, 11, 1)),
    ],
)
def test_hours_pass_at_their_own_pace_where_the_clocks_change(tmp_path, received, due_24h_on):
    file = only(files.CONTACTS, received_at=received, answered_at="")
    assert held(tmp_path, file, "due_24h_on") == [(due_24h_on,)]


def test_an_answer_is_placed_on_its_day_there(tmp_path):
    assert held(tmp_path, files.CONTACTS, "answered_at", "answered_on") == [
        (at("2026-03-04 01:00"), date(2026, 3, 3)), (at("2026-03-05 17:00"), date(2026, 3, 5)), (None, None),
    ]  # fmt: skip


def test_a_message_that_needs_no_answer_is_excused_from_the_day_it_came(tmp_path):
    assert held(tmp_path, files.CONTACTS, "excused_on") == [(None,), (None,), (date(2026, 3, 4),)]


def test_a_message_that_needs_no_answer_is_excused_from_the_day_that_is_named(tmp_path):
    file = files.CONTACTS.with_cell(2, "excused-on", "2026-03-08").with_cell(1, "excused-on", "2026-03-09")
    assert held(tmp_path, file, "excused_on") == [(None,), (date(2026, 3, 9),), (date(2026, 3, 8),)]


def test_a_message_may_name_no_order(tmp_path):
    assert held(tmp_path, files.CONTACTS.with_cell(1, "order-id", ""), "order_id") == [(FIRST,), (None,), (THIRD,)]


def test_times_without_a_zone_or_an_hour_are_told(tmp_path):
    notes = taken(tmp_path, files.CONTACTS.with_cell(2, "received-at", "2026-03-04")).notes
    assert "received-at: 1 times without offset were taken in the marketplace's zone." in notes
    assert "received-at: 1 days without a time were taken as the end of that day." in notes


def test_an_answer_on_the_bare_day_of_its_message_is_not_before_it(tmp_path):
    read_file = taken(tmp_path, only(files.CONTACTS, received_at="2026-03-03", answered_at="2026-03-03T10:00:00"))
    [(received_at, answered_at, day)] = rows(read_file.tables["contacts"], "received_at", "answered_at", "answered_on")
    assert received_at == answered_at == at("2026-03-04 07:59:59")
    assert day == date(2026, 3, 3)
    assert any("1 answers on the bare day of received-at" in note for note in read_file.notes)


def test_of_two_lines_on_one_message_the_newer_stands(tmp_path):
    first, second, third = with_column(files.CONTACTS, "updated-at", "2026-03-04T00:00:00Z", "", "").rows
    answered = (*first[:2], "2026-03-05T00:00:00Z", *first[3:6], "2026-03-06T00:00:00Z")
    file = replace(files.CONTACTS, header=(*files.CONTACTS.header, "updated-at"), rows=(answered, first, second, third))
    assert held(tmp_path, file, "contact_id", "answered_on")[0] == ("m1", date(2026, 3, 4))
    assert len(held(tmp_path, file, "contact_id")) == 3


def test_a_line_that_stands_twice_is_one_message(tmp_path):
    assert len(held(tmp_path, replace(files.CONTACTS, rows=files.CONTACTS.rows * 2), "contact_id")) == 3


def test_messages_are_as_new_as_the_newest_time_in_their_file(tmp_path):
    assert set(held(tmp_path, files.CONTACTS, "updated_at")) == {(at("2026-03-05 17:00"),)}


def test_a_survey_and_a_message_of_one_id_are_two_contacts(store, tmp_path):
    put(tmp_path, files.ALL_ORDERS, name="orders.txt")
    put(tmp_path, replace(files.CONTACTS, rows=files.CONTACTS.rows[:1]), name="messages.csv")
    put(tmp_path, only(files.SURVEYS, survey_id="m1"), name="surveys.csv")
    assert [one.refused for one in import_files([tmp_path / "acme"], store)] == [None] * 3
    kept = store.ledger().contacts.collect("pyarrow").to_native()
    assert sorted(rows(kept, "contact_id", "kind")) == [("m1", "message"), ("m1", "survey")]


# -- answers to whether a problem was solved --------------------------------------------------------------


def test_a_survey_holds_the_buyers_yes_or_no(tmp_path):
    assert held(tmp_path, files.SURVEYS, "contact_id", "kind", "order_id", "received_on", "outcome") == [
        ("s1", "survey", FIRST, date(2026, 3, 2), "yes"),
        ("s2", "survey", SECOND, date(2026, 3, 3), "no"),
    ]


def test_a_survey_without_an_id_is_known_by_its_order_and_time(tmp_path):
    assert held(tmp_path, files.SURVEYS.without_column("survey-id"), "contact_id") == [
        (f"{FIRST} 2026-03-03T02:00:00Z",), (f"{SECOND} 2026-03-03T17:00:00Z",),
    ]  # fmt: skip


def test_an_answer_that_is_neither_yes_nor_no_is_refused(tmp_path):
    put(tmp_path, files.SURVEYS.with_cell(1, "solved", "perhaps"))
    assert "row 3: solved is 'perhaps', neither yes nor no" in said_of(tmp_path)


# -- return requests --------------------------------------------------------------------------------------


def test_a_return_request_has_its_answer_and_the_day_on_which_48_hours_have_passed(tmp_path):
    columns = ("return_id", "order_id", "channel", "requested_on", "due_48h_on", "answered_on", "decision")
    assert held(tmp_path, files.REQUESTS, *columns) == [
        ("r1", FIRST, "seller", date(2026, 3, 2), date(2026, 3, 4), date(2026, 3, 3), "authorised"),
        ("r2", SECOND, "seller", date(2026, 3, 3), date(2026, 3, 5), date(2026, 3, 7), "refused"),
        ("r3", THIRD, "seller", date(2026, 3, 4), date(2026, 3, 6), None, None),
    ]


def test_a_return_request_keeps_what_came_of_it(tmp_path):
    columns = ("in_policy", "refused_wrongly", "unresolved_on", "cleared_on", "sku", "reason", "units", "assumed")
    assert held(tmp_path, files.REQUESTS, *columns) == [
        (True, None, date(2026, 3, 20), None, "S-1", "broken", 2, None),
        (True, True, None, date(2026, 3, 30), "S-2", None, 1, None),
        (None, None, None, None, None, None, None, "return_time_unknown"),
    ]


@pytest.mark.parametrize(
    ("word", "decision"),
    [
        ("Authorized", "authorised"), ("Refunded", "refunded"), ("closed", "closed"), ("Rejected", "refused"),
        ("refused", "refused"), ("", None),
    ],
)  # fmt: skip
def test_a_decision_is_read_in_any_of_its_words(tmp_path, word, decision):
    assert held(tmp_path, only(files.REQUESTS, decision=word), "decision") == [(decision,)]


def test_a_return_request_may_be_of_an_order_that_amazon_fulfils(tmp_path):
    file = with_column(files.REQUESTS, "channel", "Amazon", "", "MFN")
    assert held(tmp_path, file, "channel") == [("amazon",), ("seller",), ("seller",)]


# -- invoices ---------------------------------------------------------------------------------------------


def test_an_invoice_tells_of_its_order_when_it_was_given_and_nothing_else(tmp_path):
    orders = taken(tmp_path, files.INVOICES).tables["orders"]
    assert rows(orders, "order_id", "invoiced_at", "invoiced_on", "updated_at") == [
        (FIRST, at("2026-03-03 02:00"), date(2026, 3, 2), at("2026-03-09 00:00")),
        (SECOND, at("2026-03-04 07:59:59"), date(2026, 3, 3), at("2026-03-09 00:00")),
    ]
    told = {"account", "marketplace", "order_id", "invoiced_at", "invoiced_on", "updated_at", "report"}
    assert {name for name in orders.column_names if orders[name].null_count < len(orders)} == told


def test_of_several_invoices_of_one_order_the_first_counts(tmp_path):
    second = (FIRST, "2026-03-01T09:00:00", "")
    file = replace(files.INVOICES, rows=(*files.INVOICES.rows, second))
    assert held(tmp_path, file, "order_id", "invoiced_on")[0] == (FIRST, date(2026, 3, 1))


def test_invoices_of_orders_that_nobody_knows_are_told(tmp_path):
    known = taken(tmp_path, files.INVOICES, marketplace=None, marketplace_of=lambda *_: {FIRST: "US"})
    assert any("1 of 2 orders are in no order file yet" in note for note in known.notes)


# -- policy violations ------------------------------------------------------------------------------------


def test_a_violation_is_one_of_its_category_from_the_day_it_was_opened(tmp_path):
    columns = ("violation_id", "category", "severity", "opened_on", "resolved_on", "count", "updated_at")
    assert held(tmp_path, files.VIOLATIONS, *columns) == [
        (
            "v1", "listing_policy_violations", "low", date(2026, 3, 2), date(2026, 3, 10), 1, at("2026-03-11 06:59:59"),
        ),
        ("v2", "drop_shipping", None, date(2026, 3, 4), None, 1, at("2026-03-11 06:59:59")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("Product authenticity", "product_authenticity_customer_complaints"),
        ("Product Condition Customer Complaints", "product_condition_customer_complaints"),
        ("product_safety_customer_complaints", "product_safety_customer_complaints"),
        ("Received Intellectual Property Complaints", "received_intellectual_property_complaints"),
        ("Suspected intellectual property violations", "suspected_intellectual_property_violations"),
        ("Restricted products", "restricted_product_policy_violations"),
        ("Food and product safety issues", "food_and_product_safety_issues"),
        ("Customer product reviews", "customer_product_reviews_policy_violations"),
        ("Other policy violations", "other_policy_violations"),
        ("Document request", "document_requests"),
        ("Regulatory compliance", "regulatory_compliance"),
    ],
)
def test_a_category_has_the_name_that_the_performance_report_gives_it(tmp_path, word, category):
    assert held(tmp_path, only(files.VIOLATIONS, category=word), "category") == [(category,)]


def test_what_a_violation_was_about_is_not_kept(tmp_path):
    read_file = taken(tmp_path, with_column(files.VIOLATIONS, "sku", "S-1", "S-2"))
    assert "S-1" not in str(read_file.tables["violations"].to_pylist())
    assert read_file.notes == []


# -- of which marketplace a row is that names no order ----------------------------------------------------


@pytest.mark.parametrize(
    "file", [files.VIOLATIONS, files.CONTACTS.without_column("order-id")], ids=lambda file: file.kind
)
def test_a_row_without_an_order_is_of_the_only_marketplace_of_the_account(tmp_path, file):
    read_file = taken(tmp_path, file, marketplace=None, marketplaces_of=lambda account: {"acme": ["DE"]}[account])
    assert set(rows(read_file.tables[TABLE[file.kind]], "marketplace")) == {("DE",)}
    assert any("rows that name no order: taken as DE" in note for note in read_file.notes)


@pytest.mark.parametrize(
    ("sells_in", "known"), [(["US", "DE"], "the account has orders in DE, US"), ([], "no order is known yet")]
)
def test_a_row_without_an_order_is_never_guessed(tmp_path, sells_in, known):
    put(tmp_path, files.VIOLATIONS)
    said = said_of(tmp_path, marketplace=None, marketplaces_of=lambda _: sells_in)
    assert (
        f"row 2: the file does not say of which marketplace it is, nor of which order (2 of 2 rows), and {known}"
        in (said)
    )
    assert "say which with --marketplace" in said


def test_a_marketplace_that_one_row_names_does_not_stand_for_an_account_that_sells_in_two(tmp_path):
    put(tmp_path, with_column(files.VIOLATIONS, "marketplace", "US", ""))
    said = said_of(tmp_path, marketplace=None, marketplaces_of=lambda _: ["DE"])
    assert "row 3: the file does not say" in said


def test_messages_with_and_without_an_order_each_find_their_marketplace(tmp_path):
    file = files.CONTACTS.with_cell(1, "order-id", "")
    told = {"marketplace": None, "marketplace_of": lambda *_: {FIRST: "US", THIRD: "US"}}
    assert held(tmp_path, file, "marketplace", **told) == [("US",)] * 3
    put(tmp_path / "two", file)
    two = {FIRST: "US", THIRD: "DE"}
    assert "row 3: the file" in said_of(tmp_path / "two", marketplace=None, marketplace_of=lambda *_: two)


def test_violations_find_their_marketplace_by_the_orders_of_the_same_import_or_an_earlier_one(tmp_path):
    orders = put(tmp_path, files.ALL_ORDERS, name="orders.txt")
    violations = put(tmp_path, files.VIOLATIONS, name="a_violations.csv")
    for number, turns in enumerate([[[orders, violations]], [[orders], [violations]]]):
        store = Store(tmp_path / f"store{number}")
        for turn in turns:
            assert [one.refused for one in import_files(turn, store)] == [None] * len(turn)
        kept = store.ledger().violations.collect("pyarrow").to_native()
        assert set(rows(kept, "account", "marketplace")) == {("acme", "US")}


def test_orders_of_another_account_say_nothing_of_ones_violations(tmp_path):
    put(tmp_path, files.ALL_ORDERS, account="bolt", name="orders.txt")
    put(tmp_path, files.VIOLATIONS, name="violations.csv")
    told = {one.kind: one.refused for one in import_files([tmp_path], Store(tmp_path / "store"))}
    assert told["all_orders"] is None
    assert "no order is known yet" in told["violations"]


# -- parcels and defects ----------------------------------------------------------------------------------


def test_a_confirmation_may_tell_whether_the_parcel_was_scanned_and_how_it_went(tmp_path):
    file = with_column(files.CONFIRMATIONS, "scanned", "yes", "no", "")
    file = with_column(file, "ship-method", "Ground", "", "Air")
    shipments = taken(tmp_path, file).tables["shipments"]
    assert rows(shipments, "shipment_id", "scanned", "ship_method") == [
        ("P1", True, "Ground"), ("P2", False, None), ("P3", None, "Air"),
    ]  # fmt: skip


def test_a_parcel_is_scanned_when_any_of_its_lines_says_so(tmp_path):
    one = files.CONFIRMATIONS.with_cell(1, "shipment-id", "P1")
    shipments = taken(tmp_path, with_column(one, "scanned", "no", "yes", "no")).tables["shipments"]
    assert rows(shipments, "shipment_id", "scanned") == [("P1", True), ("P3", False)]


def test_without_the_column_nobody_knows_of_scans(tmp_path):
    shipments = taken(tmp_path, files.CONFIRMATIONS).tables["shipments"]
    assert shipments["scanned"].null_count == len(shipments) == 3


@pytest.mark.parametrize(
    ("word", "kind"),
    [(kind, kind) for kind in tables.DEFECT_KINDS]
    + [
        ("Late shipment", "shipped_late"), ("late delivery", "delivered_late"), ("Cancellation", "cancelled"),
        ("No valid tracking", "no_tracking"), ("missing invoice", "invoice_missing"), ("Late invoice", "invoice_late"),
    ],
)  # fmt: skip
def test_a_defect_of_the_marketplaces_own_lists_is_known_by_its_word(tmp_path, word, kind):
    file = files.DEFECTS.with_cell(0, "kind", word)
    assert rows(taken(tmp_path, file).tables["defects"], "kind")[0] == (kind,)


# -- Amazon's file of returns -----------------------------------------------------------------------------

AMAZON_RETURNS = tiny(
    "returns",
    "returns file",
    f"""
    Order ID | Order date  | Return request date | Return request status | Amazon RMA ID | Merchant RMA ID | A-to-Z Claim | Merchant SKU | Item Name | Return quantity | Return Reason | In policy | Refunded Amount
    {FIRST}  | 02-Mar-2026 | 10-Mar-2026         | Approved              | DRMA1         |                 | Y            | S-1          | Stand     | 1               | TOO-SMALL     | Y         |
    {SECOND} | 03-Mar-2026 | 06-Mar-2026         | Denied                | DRMA2         |                 | N            | S-2          | Screen    | 2               | BROKEN        | Y         | 0.00
    {THIRD}  | 04-Mar-2026 | 12-Mar-2026         | Pending               |               |                 | N            | S-2          | Screen    | 1               | BROKEN        | N         |
    """,  # noqa: E501 - a table of cells is wider than a line of code
    id_column="Order ID",
    date_column="Return request date",
    needed="A-to-Z Claim",
    impossible_date="30-Feb-2026",
)


def test_every_return_of_the_returns_file_is_a_request_whether_it_was_claimed_or_not(tmp_path):
    columns = ("return_id", "order_id", "channel", "requested_on", "decision", "in_policy", "sku", "reason", "units")
    assert held(tmp_path, AMAZON_RETURNS, *columns) == [
        ("DRMA1", FIRST, "seller", date(2026, 3, 10), "authorised", True, "S-1", "TOO-SMALL", 1),
        ("DRMA2", SECOND, "seller", date(2026, 3, 6), "refused", True, "S-2", "BROKEN", 2),
        (f"{THIRD} 2026-03-12 1", THIRD, "seller", date(2026, 3, 12), None, False, "S-2", "BROKEN", 1),
    ]


def test_of_a_return_only_the_day_is_known_and_its_row_says_so(tmp_path):
    columns = ("requested_at", "due_48h_on", "answered_at", "assumed")
    assert held(tmp_path, AMAZON_RETURNS, *columns)[:2] == [
        (at("2026-03-11 06:59:59"), date(2026, 3, 12), None, "return_time_unknown"),
        # From the last second of 6 March, 48 hours reach past the night in which the clocks went forward.
        (at("2026-03-07 07:59:59"), date(2026, 3, 9), None, "return_time_unknown"),
    ]


@pytest.mark.parametrize(
    ("status", "amount", "decision"),
    [
        ("Approved", "12.50", "refunded"), ("Closed", "", "closed"), ("Completed", "0", "closed"),
        ("Rejected", "", "refused"), ("Denied", "3.00", "refused"), ("Pending Seller Action", "", None),
        ("Pending", "R$ 12,50", "refunded"), ("Expired", "", "closed"),
    ],
)  # fmt: skip
def test_the_status_and_the_money_given_back_tell_how_a_return_was_decided(tmp_path, status, amount, decision):
    file = only(AMAZON_RETURNS).with_cell(0, "Return request status", status).with_cell(0, "Refunded Amount", amount)
    assert held(tmp_path, file, "decision") == [(decision,)]


def test_a_status_that_the_kit_does_not_know_is_told(tmp_path):
    file = AMAZON_RETURNS.with_cell(0, "Return request status", "Expired")
    notes = taken(tmp_path, file).notes
    assert notes == ["return-request-status is 'Expired', unknown to the kit: 1 returns were taken as closed."]
    assert taken(tmp_path, AMAZON_RETURNS).notes == []


def test_several_items_of_one_return_are_one_request_refused_if_any_was(tmp_path):
    first, second, _ = AMAZON_RETURNS.rows
    both = replace(AMAZON_RETURNS, rows=(first, (FIRST, *second[1:]))).with_cell(1, "Amazon RMA ID", "DRMA1")
    columns = ("return_id", "requested_on", "decision", "units")
    assert held(tmp_path, both, *columns) == [("DRMA1", date(2026, 3, 6), "refused", 3)]


def test_whether_a_refusal_was_within_the_policy_is_told_by_the_refused_items_alone(tmp_path):
    first, second, _ = AMAZON_RETURNS.rows
    both = replace(AMAZON_RETURNS, rows=(first, (FIRST, *second[1:]))).with_cell(1, "Amazon RMA ID", "DRMA1")
    assert held(tmp_path, both, "decision", "in_policy") == [("refused", True)]
    assert held(tmp_path, both.with_cell(1, "In policy", "N"), "decision", "in_policy") == [("refused", False)]


def test_a_return_waits_while_any_of_its_items_does(tmp_path):
    first, _, third = AMAZON_RETURNS.rows
    both = replace(AMAZON_RETURNS, rows=(first, (FIRST, *third[1:]))).with_cell(1, "Amazon RMA ID", "DRMA1")
    assert held(tmp_path, both, "return_id", "decision") == [("DRMA1", None)]


def test_returns_without_an_id_are_numbered_within_their_order_and_day(tmp_path):
    first, second, third = AMAZON_RETURNS.without_column("Amazon RMA ID").rows
    nameless = AMAZON_RETURNS.without_column("Amazon RMA ID")
    file = replace(nameless, rows=(first, second, (FIRST, *third[1:]), first))
    assert held(tmp_path, file, "return_id") == [
        (f"{FIRST} 2026-03-10 1",), (f"{SECOND} 2026-03-06 1",), (f"{FIRST} 2026-03-12 1",), (f"{FIRST} 2026-03-10 2",),
    ]  # fmt: skip


def test_a_newer_file_with_the_order_item_and_a_shorter_one_with_iso_days_are_both_read(tmp_path):
    newer = with_column(AMAZON_RETURNS, "Order Item ID", "50000000000001", "50000000000002", "50000000000003")
    assert len(held(tmp_path / "newer", newer, "return_id")) == 3
    text = (
        "Order ID\tOrder date\tReturn request date\tReturn request status\tA-to-Z Claim\n"
        f"{FIRST}\t2026-03-02\t2026-03-10\tApproved\tY\n"
    )
    short = taken(tmp_path / "short", AMAZON_RETURNS, text, marketplace="BR").tables
    assert rows(short["returns"], "return_id", "requested_on", "decision", "in_policy") == [
        (f"{FIRST} 2026-03-10 1", date(2026, 3, 10), "authorised", None)
    ]
    assert rows(short["defects"], "order_id", "known_on") == [(FIRST, date(2026, 3, 10))]


def test_feedback_of_a_store_whose_order_of_day_and_month_nobody_knows_says_how_it_was_read(tmp_path):
    file = files.FEEDBACK.with_cell(0, "Date", "2/3/26").with_cell(1, "Date", "25/3/26")
    [note] = taken(tmp_path / "za", file, marketplace="ZA").notes
    assert "Amazon South Africa" in note
    assert "day, month, year" in note
    assert taken(tmp_path / "sg", file, marketplace="SG").notes == []


@pytest.mark.skipif(not HEADERS.is_dir(), reason="Amazon's headers are not part of the project and are not here")
def test_amazons_own_header_of_the_returns_file_holds_every_column_that_is_read():
    header = (HEADERS / "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE.csv").read_text(encoding="utf-8").splitlines()[0]
    kind = next(kind for kind in table_kinds() if kind.name == "returns")
    names = set(kind.normalize_header(header, "\t"))
    assert {*kind.required_columns, *kind.optional_columns} <= names <= kind.known_columns


# -- broken twins, encodings, personal data ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "column", "value", "said"),
    [
        (files.CONTACTS, "answered-at", "2026-03-03T08:59:59", "before its received-at"),
        (files.CONTACTS, "received-at", "yesterday", "no ISO 8601 time stamp"),
        (files.CONTACTS, "excused-on", "2026-03-01", "before its received-at"),
        (files.CONTACTS, "needs-answer", "maybe", "neither yes nor no"),
        (files.CONTACTS, "order-id", "1.11E+16", "a number where an id belongs"),
        (files.CONTACTS, "order-id", "12345", "no order id"),
        (files.SURVEYS, "survey-id", "5.0E+13", "a number where an id belongs"),
        (files.REQUESTS, "answered-at", "2026-03-03T08:59:59", "before its requested-at"),
        (files.REQUESTS, "decision", "lost", "unknown; there are: authorised"),
        (files.REQUESTS, "unresolved-on", "2026-03-02", "before its requested-at"),
        (files.REQUESTS, "cleared-on", "2026-03-02", "before its requested-at"),
        (files.REQUESTS, "units", "many", "no whole number"),
        (files.INVOICES, "invoiced-at", "12/03/2026", "no ISO 8601 time stamp"),
        (files.VIOLATIONS, "resolved-on", "2026-03-03", "before its opened-on"),
        (files.VIOLATIONS, "opened-on", "12/03/2026", "no day written as yyyy-mm-dd"),
        (files.VIOLATIONS, "severity", "grave", "unknown; there are: low, medium, high, critical"),
        (files.VIOLATIONS, "category", "12", "no category in English words"),
        (AMAZON_RETURNS, "Refunded Amount", "Seller", "no amount"),
        (AMAZON_RETURNS, "In policy", "maybe", "neither yes nor no"),
    ],
)
def test_a_cell_that_cannot_be_read_names_its_row(tmp_path, file, column, value, said):
    put(tmp_path, file.with_cell(1, column, value))
    named = re.sub("[ _]", "-", column.lower())
    assert f"row 3: {named} is '{value}', {said}" in said_of(tmp_path)


def test_a_request_that_was_not_refused_cannot_have_been_refused_wrongly(tmp_path):
    put(tmp_path, files.REQUESTS.with_cell(0, "refused-wrongly", "yes"))
    assert "row 2: refused-wrongly is 'yes', though its decision is not refused" in said_of(tmp_path)


def test_a_message_that_wants_an_answer_cannot_be_excused(tmp_path):
    put(tmp_path, files.CONTACTS.with_cell(0, "excused-on", "2026-03-05"))
    assert "row 2: excused-on is '2026-03-05', though needs-answer is yes" in said_of(tmp_path)


@pytest.mark.parametrize(
    ("file", "column", "other"),
    [
        (files.CONTACTS, "received-at", "2026-03-03T08:00:00"),
        (files.SURVEYS, "solved", "yes"),
        (files.REQUESTS, "sku", "S-9"),
        (files.VIOLATIONS, "category", "Other"),
    ],
    ids=lambda value: value.kind if isinstance(value, Tiny) else None,
)
def test_lines_that_contradict_each_other_are_refused(tmp_path, file, column, other):
    twice = replace(file, rows=(*file.rows, file.rows[1]))
    put(tmp_path, twice.with_cell(len(file.rows), column, other))
    said = said_of(tmp_path)
    assert re.search(r"row 3: [a-z-]+ is '.*', on lines that differ, none of them newer \(2 of \d rows\)", said)
    assert "Keep the right one, or fill in updated-at." in said


@by_kind
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_part_columns_as_well(tmp_path, file, delimiter):
    commas = taken(tmp_path / "commas", file).tables
    others = taken(tmp_path / "others", file, replace(file, delimiter=delimiter).text()).tables
    for name, table in commas.items():
        assert others[name].drop_columns("report").equals(table.drop_columns("report"))


@pytest.mark.parametrize("file", [*FILES, AMAZON_RETURNS, files.CONFIRMATIONS, files.DEFECTS], ids=lambda f: f.kind)
@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", None), ("utf-8-sig", "utf-8-sig"), ("cp932", "cp932"), ("cp1252", "cp1252"), ("latin-1", "latin-1")],
)
def test_another_encoding_is_read_and_named(tmp_path, file, encoding, note):
    # 0x81 stands for nothing in Windows-1252: only Latin-1, which never fails, is left.
    letters = {"cp932": "能表ソ", "latin-1": "Gr\x81ße"}.get(encoding, "Grüße")
    marketplace = "JP" if encoding == "cp932" else "DE"
    spelt = with_column(file, "remark", *[letters] * len(file.rows))
    read_file = taken(tmp_path, file, spelt.text().encode(encoding), marketplace=marketplace)
    assert all(len(table) > 0 for table in read_file.tables.values())
    assert [said for said in read_file.notes if said.startswith("Read as")] == (
        [f"Read as {note}: the file is not plain UTF-8."] if note else []
    )


@by_kind
def test_what_the_kit_does_not_read_is_told_and_goes_nowhere(tmp_path, file):
    read_file = taken(tmp_path, with_column(file, "buyer-name", *[files.MARK] * len(file.rows)))
    assert files.MARK not in str([table.to_pylist() for table in read_file.tables.values()]) + str(read_file)
    assert any("Columns left out: 'buyer-name'" in note for note in read_file.notes)


@by_kind
def test_rows_of_one_file_may_be_of_several_marketplaces(tmp_path, file):
    codes = ["DE", "Amazon.co.uk", "de"][: len(file.rows)]
    read_file = taken(tmp_path, with_column(file, "marketplace", *codes), marketplace=None)
    found = [code for (code,) in rows(read_file.tables[TABLE[file.kind]], "marketplace")]
    assert found == ["DE", "UK", "DE"][: len(file.rows)]


@by_kind
def test_what_is_known_of_other_shops_orders_is_left_out(tmp_path, file):
    if "order-id" not in file.header:
        pytest.skip("it names no orders")
    read_file = taken(tmp_path, file.with_cell(0, "order-id", "S01-0000001-0000001"))
    assert list(read_file.skipped.values()) == [1]
    assert len(read_file.tables[TABLE[file.kind]]) == len(file.rows) - 1


def test_the_columns_that_a_kind_needs_are_those_of_no_other_kind():
    mine = {file.kind for file in FILES}
    kinds = [one.kind for one in FORMATS if isinstance(one.kind, FileKind)]
    for kind in kinds:
        for other in kinds:
            if kind is not other and mine & {kind.name, other.name}:
                assert not set(kind.required_columns) <= other.known_columns, (
                    f"{kind.name} may be taken for {other.name}"
                )


# -- damaged files, by the dozen --------------------------------------------------------------------------

ODD_CELLS = [
    "", " ", "-", "0", "-1", "yes", "NO", "true", FIRST, "S01-0000001-0000001", "1.1E+16", "2026-02-30", "2026-03-08",
    "2026-03-08T02:30:00", "2026-11-01T01:30:00", "1994-12-31", "2100-01-01", "9999-12-31T23:59:59Z", "0001-01-01",
    "2026-03-03T10:00:00 + 00 :00", "2026-03-03T10:00:00.123456789Z", "24:00", "DE", "Amazon.com", "XX", '"', '""',
    "m1", "denied", "refused", "critical", "٣", "2026-03-0٣", "\x00", "\ufeff", "a\tb", "x" * 300,
]  # fmt: skip
JUNK = st.one_of(st.sampled_from(ODD_CELLS), st.text(max_size=12))


@st.composite
def damaged(draw, file: Tiny) -> bytes:
    """The file with a few cells replaced, rows doubled or swapped, or bytes cut out and put in."""
    for _ in range(draw(st.integers(0, 3))):
        column = draw(st.sampled_from(file.header))
        file = file.with_cell(draw(st.integers(0, len(file.rows) - 1)), column, draw(JUNK))
    file = replace(file, rows=tuple(draw(st.lists(st.sampled_from(file.rows), max_size=5))))
    content = file.text().encode("utf-8", "replace")
    if draw(st.booleans()):
        return content
    start = draw(st.integers(0, len(content)))
    return content[:start] + draw(st.binary(max_size=6)) + content[start + draw(st.integers(0, 9)) :]


FUZZED = (*FILES, AMAZON_RETURNS, files.CONFIRMATIONS, files.DEFECTS, files.FEEDBACK, files.OLIST_ORDERS)


@pytest.mark.parametrize("number", range(len(FUZZED)), ids=[file.kind for file in FUZZED])
def test_a_damaged_file_is_refused_in_words_or_read_into_whole_tables(tmp_path_factory, number):
    known = {table.name: table for table in tables.RAW_TABLES}
    folder, outcomes = tmp_path_factory.mktemp("damaged"), []

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(damaged(FUZZED[number]), st.sampled_from([None, "US", "DE"]))
    def holds(content: bytes, marketplace: str | None) -> None:
        put(folder, content, name=FUZZED[number].name)
        if FUZZED[number] is files.OLIST_ORDERS:
            put(folder, files.OLIST_ITEMS)
        sources, _ = discover_files([folder])
        for source in sources:
            try:
                read_file = parse_file(source, marketplace=marketplace, marketplaces_of=lambda _: ["JP"])
            except ReaderError as error:
                outcomes.append(source.name in str(error))
                continue
            outcomes.append("read")
            for name, table in read_file.tables.items():
                tables.check_table(table, known[name])

    holds()
    assert set(outcomes) == {"read", True}


# -- how each marketplace writes the days of its feedback -------------------------------------------------

# The second of March 2026, and, so that no order of day and month goes unseen, the 25th.
WRITTEN = {
    "US": ("3/2/26", "3/25/26"), "CA": ("2/3/26", "25/3/26"), "MX": ("2/3/26", "25/3/26"), "BR": ("2/3/26", "25/3/26"),
    "UK": ("2/3/26", "25/3/26"), "DE": ("2.3.26", "25.3.26"), "FR": ("2/3/26", "25/3/26"), "IT": ("2/3/26", "25/3/26"),
    "ES": ("2/3/26", "25/3/26"), "NL": ("2/3/26", "25/3/26"), "BE": ("2/3/26", "25/3/26"),
    "SE": ("2026-03-02", "2026-03-25"), "PL": ("2/3/26", "25/3/26"), "IE": ("2/3/26", "25/3/26"),
    "TR": ("2/3/26", "25/3/26"), "AE": ("2/3/26", "25/3/26"), "SA": ("2/3/26", "25/3/26"), "EG": ("2/3/26", "25/3/26"),
    "ZA": ("2/3/26", "25/3/26"), "IN": ("2/3/26", "25/3/26"), "JP": ("26/3/2", "26/3/25"),
    "AU": ("2/3/26", "25/3/26"), "SG": ("2/3/26", "25/3/26"),
}  # fmt: skip


def test_every_marketplace_of_amazon_stands_in_the_table_of_dates():
    assert set(WRITTEN) == {code for code, one in MARKETPLACES.items() if one.is_amazon}
    assert len(WRITTEN) == 23


@pytest.mark.parametrize("code", WRITTEN)
def test_the_second_of_march_is_read_as_each_marketplace_writes_it(tmp_path, code):
    first, second = WRITTEN[code]
    file = files.FEEDBACK.with_cell(0, "Date", first).with_cell(1, "Date", second)
    feedback = taken(tmp_path, file, marketplace=code).tables["feedback"]
    assert rows(feedback, "marketplace", "received_on") == [(code, date(2026, 3, 2)), (code, date(2026, 3, 25))]


@pytest.mark.skipif(not HEADERS.is_dir(), reason="the list of date forms is not part of the project and is not here")
def test_every_marketplace_writes_dates_as_a_reader_in_wide_use_found():
    told = json.loads((HEADERS / "feedback_date_formats.json").read_text(encoding="utf-8"))
    found = [one for one in MARKETPLACES.values() if one.is_amazon and one.code not in DATES_ASSUMED]
    ours = {one.marketplace_id: one.dates for one in found}
    assert set(told["formats"]) == set(ours)
    wanted = [date.fromisoformat(day) for day in told["expected"]]
    for identifier, form in told["formats"].items():
        vectors = told["test_vectors"][form["format"]]
        assert [parse_day(vector, ours[identifier]) for vector in vectors] == wanted, form
