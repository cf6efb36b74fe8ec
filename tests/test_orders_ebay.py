"""eBay: the orders report in three spellings, responses of the Fulfillment API, seller standards."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from healthkit.ingest.formats import ParsedFile
from healthkit.ingest.importer import import_files
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.damaged_files import REFUSED, expected, without_own_column
from tests.builders.parsed_files import read, refusal, rows
from tests.builders.raw_files import MARK, put, tiny
from tests.builders.walmart_ebay_files import (
    EBAY,
    EBAY_1,
    EBAY_2,
    EBAY_3,
    EBAY_DE,
    EBAY_UK,
    LATE,
    ebay_cancelled,
    ebay_download,
    ebay_line,
    ebay_order,
    ebay_response,
    renamed,
    standards_metric,
    standards_profile,
)

CASE = Path(__file__).parents[2] / "shared" / "cases" / "12_other_marketplaces"
GERMAN = renamed(EBAY, EBAY_DE, ";", "de")
BRITISH = renamed(EBAY, EBAY_UK, ",", "en")


def tables(parsed: ParsedFile) -> dict[str, list[dict[str, Any]]]:
    """All rows, without the id of the file."""
    return {name: table.drop_columns(["report"]).to_pylist() for name, table in parsed.tables.items()}


# -- the orders report ----------------------------------------------------------------------------------------


def test_days_are_ends_of_days_so_the_last_day_is_in_time(tmp_path):
    orders = rows(
        read(tmp_path, EBAY), "orders", "marketplace", "ordered_on", "ship_by_on", "shipped_on", "deliver_by_on"
    )
    assert orders[EBAY_1] == ("EBAY", *(date(2026, 10, day) for day in (1, 3, 2, 8)))
    assert orders[EBAY_3][3] is None
    instants = rows(
        read(tmp_path / "b", EBAY.with_cell(0, "Shipped On Date", "Oct-03-26")), "orders", "shipped_at", "ship_by"
    )
    assert instants[EBAY_1][0] == instants[EBAY_1][1]


def test_parcels_have_their_day_and_whether_they_are_tracked(tmp_path):
    parcels = rows(read(tmp_path, EBAY), "shipments", "confirmed_on", "tracking", "units", "ship_method")
    assert parcels == {
        EBAY_1: (date(2026, 10, 2), True, 1, "USPS Ground"),
        EBAY_2: (date(2026, 10, 7), False, 2, "USPS Ground"),
    }


@pytest.mark.parametrize("ends_with_line_feed", [False, True])
def test_the_lines_around_the_rows_are_no_orders(tmp_path, ends_with_line_feed):
    plain, download = read(tmp_path / "a", EBAY), read(tmp_path / "b", ebay_download(EBAY, ends_with_line_feed))
    assert tables(download) == tables(plain)
    assert sum(download.skipped.values()) == 3
    assert not any("Filled up" in note for note in download.notes)


@pytest.mark.parametrize("file", [GERMAN, BRITISH], ids=["german", "british"])
def test_other_spellings_read_the_same(tmp_path, file):
    plain, other = read(tmp_path / "a", EBAY), read(tmp_path / "b", ebay_download(file))
    assert other.kind == "ebay_orders"
    assert tables(other) == tables(plain)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_german_file_in_another_encoding_reads_the_same(tmp_path, encoding):
    assert tables(read(tmp_path / "a", ebay_download(GERMAN).encode(encoding))) == tables(read(tmp_path / "b", EBAY))


@pytest.mark.parametrize(
    ("month", "number"), [("Jan", 1), ("Mär", 3), ("Mrz", 3), ("Mai", 5), ("Okt", 10), ("Dez", 12), ("Sept", 9)]
)
def test_months_are_known_in_german_and_british_spelling(tmp_path, month, number):
    file = replace(GERMAN, rows=(GERMAN.rows[0],))
    for column in ("Versenden bis", "Versendet am", "Spätestes voraussichtliches Lieferdatum"):
        file = file.with_cell(0, column, "")
    parsed = read(tmp_path, file.with_cell(0, "Verkauft am", f"9-{month}-25"))
    assert rows(parsed, "orders", "ordered_on")[EBAY_1] == (date(2025, number, 9),)


def test_a_german_file_without_its_days_is_known_and_says_what_it_lacks(tmp_path):
    header = "Verkaufsprotokollnummer;Bestellnummer;Gesamtbetrag;Verkauft am;Zahlungsdatum;Nutzername des Käufers"
    parsed = read(tmp_path, f"{header}\n1;23-12345-12345;116,99 €;10-Dez-25;10-Dez-25;x\n")
    assert rows(parsed, "orders", "ordered_on") == {"23-12345-12345": (date(2025, 12, 10),)}
    assert any("no column for ship-by, deliver-by, shipped-at, tracking" in note for note in parsed.notes)


SEVERAL = tiny(
    "ebay_orders",
    "eBay orders report",
    f"""
    Sales Record Number | Order Number | Buyer Username | Item Number | Item Title | Custom Label | Quantity | Sale Date | Ship By Date | Maximum Estimated Delivery Date | Shipped On Date | Tracking Number | Transaction ID
    1001 | {EBAY_1} | X |    |       |       | 3 | Oct-01-26 | Oct-03-26 | Oct-08-26 | Oct-04-26 |      |
    1001 | {EBAY_1} | X | 77 | Lamp  | SKU-1 | 1 |           |           |           |           | 9400 | 900001
    1001 | {EBAY_1} | X | 78 | Shade | SKU-2 | 2 |           |           |           |           | 9401 | 900002
    1002 |          | X | 79 | Lamp  | SKU-1 | 1 | Oct-02-26 |           |           |           |      | 900003
    """,  # noqa: E501 - a table of cells
    delimiter=",",
    id_column="Order Number",
    date_column="Ship By Date",
    needed="Sales Record Number",
    impossible_date="Feb-30-26",
)


def test_an_order_of_several_items_has_a_row_more_that_counts_once(tmp_path):
    parsed = read(tmp_path, ebay_download(SEVERAL))
    assert rows(parsed, "orders", "units", "ordered_on", "shipped_on", "tracking") == {
        EBAY_1: (3, date(2026, 10, 1), date(2026, 10, 4), True)
    }
    items = [(row["sku"], row["units"]) for row in parsed.tables["items"].to_pylist()]
    assert sorted(items) == [("SKU-1", 1), ("SKU-2", 2)]
    parcels = [(row["confirmed_on"], row["tracking"]) for row in parsed.tables["shipments"].to_pylist()]
    assert parcels == [(date(2026, 10, 4), True)] * 2


def test_a_purchase_that_is_not_paid_is_no_order(tmp_path):
    assert read(tmp_path, SEVERAL).skipped == {"rows without an order id: purchases that are not paid yet": 1}


def test_a_download_without_rows_holds_nothing(tmp_path):
    parsed = read(tmp_path, ebay_download(replace(EBAY, rows=())))
    assert parsed.tables["orders"].num_rows == 0


NO_ID = "an order id is missing"
"""Such a row is no order of eBay's."""


@pytest.mark.parametrize("file", [EBAY, GERMAN], ids=["english", "german"])
@pytest.mark.parametrize(
    "damage", [one for one in REFUSED if one.words != NO_ID and "zip" not in one.words], ids=lambda damage: damage.words
)
def test_a_broken_twin_is_refused_by_file_row_and_cure(tmp_path, file, damage):
    names = {
        "Order Number": "order-id", "Bestellnummer": "order-id", "Ship By Date": "ship-by", "Versenden bis": "ship-by",
        "Sales Record Number": "record", "Verkaufsprotokollnummer": "record",
    }  # fmt: skip
    own = {column: next(one for one in file.header if names.get(one) == column) for column in set(names.values())}
    file = replace(file, id_column=own["order-id"], date_column=own["ship-by"], needed=own["record"])
    said = refusal(tmp_path, damage.happens(file))
    assert "acme/file.txt" in said
    named = replace(file, id_column="order-id", date_column="ship-by", needed="record")
    if damage.words == "a column that it needs is missing":
        assert "looks like an eBay order export, in a form that is not read. Download it again" in said
    else:
        assert re.search(expected(damage, named), without_own_column(said)), said


@pytest.mark.parametrize("kept", range(1, len(EBAY.header)))
def test_a_last_row_that_breaks_off_is_never_taken_for_the_lines_below(tmp_path, kept):
    """Wherever it breaks off: after any of its cells."""
    last = ",".join(EBAY.rows[2][:kept])
    said = refusal(tmp_path, replace(EBAY, rows=EBAY.rows[:2]).text() + last)
    assert f"row 4: the last line breaks off after {kept} of {len(EBAY.header)} columns" in said


# -- the Fulfillment API --------------------------------------------------------------------------------------


def test_times_of_the_api_are_utc(tmp_path):
    parsed = read(tmp_path, ebay_response(ebay_order()))
    assert parsed.kind == "ebay_orders_api"
    columns = ("ordered_at", "ship_by", "deliver_by", "status", "channel", "units", "cancelled_by")
    assert rows(parsed, "orders", *columns)[EBAY_1] == (
        datetime(2026, 10, 1, 12, tzinfo=UTC), datetime(2026, 10, 4, 6, 59, 59, tzinfo=UTC),
        datetime(2026, 10, 8, 7, tzinfo=UTC), "shipped", "seller", 1, None,
    )  # fmt: skip
    assert rows(parsed, "orders", "shipped_at", "tracking")[EBAY_1] == (None, None)


def test_who_cancelled_stands_in_get_order_alone(tmp_path):
    listed = read(tmp_path / "list", ebay_response(ebay_cancelled(EBAY_2)))
    columns = ("status", "cancelled_by", "cancelled_on")
    assert rows(listed, "orders", *columns)[EBAY_2] == ("cancelled", None, date(2026, 10, 3))
    assert any("1 cancelled orders do not say who cancelled" in note for note in listed.notes)
    single = read(tmp_path / "one", json.dumps(ebay_cancelled(EBAY_2, "SELLER", "OUT_OF_STOCK")))
    assert rows(single, "orders", *columns)[EBAY_2] == ("cancelled", "seller", date(2026, 10, 3))
    assert single.notes == []


@pytest.mark.parametrize(
    ("initiator", "reason", "who"),
    [
        ("BUYER", "ORDER_MISTAKE", "buyer"),
        ("SELLER", "BUYER_ASKED_CANCEL", "buyer"),
        ("SELLER", "ADDRESS_ISSUES", "seller"),
        ("EBAY", "", "amazon"),
        ("Nobody", "", None),
    ],
)
def test_a_seller_who_cancels_since_the_buyer_asked_is_not_at_fault(tmp_path, initiator, reason, who):
    parsed = read(tmp_path, ebay_response(ebay_cancelled(EBAY_2, initiator, reason)))
    assert rows(parsed, "orders", "cancelled_by")[EBAY_2] == (who,)


def test_get_order_fills_in_what_get_orders_left_out(tmp_path):
    put(tmp_path, ebay_response(ebay_cancelled(EBAY_2)), name="a.json")
    put(tmp_path, json.dumps(ebay_cancelled(EBAY_2, "BUYER", "ORDER_MISTAKE")), name="b.json")
    store = Store(tmp_path / "store")
    assert [one.refused for one in import_files([tmp_path / "acme"], store)] == [None, None]
    [order] = store.ledger().orders.collect("pandas").to_native().to_dict("records")
    assert order["cancelled_by"] == "buyer"


def test_lines_may_differ_and_unpaid_orders_wait(tmp_path):
    mixed = ebay_order(EBAY_1, ebay_line("1"), ebay_line("2", sku="SKU-2", lineItemFulfillmentStatus="NOT_STARTED"))
    unpaid = ebay_order(EBAY_2, ebay_line(lineItemFulfillmentStatus="NOT_STARTED"), orderPaymentStatus="PENDING")
    by_ebay = ebay_order(EBAY_3, fulfillmentStartInstructions=[{"ebaySupportedFulfillment": True}])
    orders = rows(read(tmp_path, ebay_response(mixed, unpaid, by_ebay)), "orders", "status", "channel", "units")
    assert orders == {
        EBAY_1: ("shipped", "seller", 2),
        EBAY_2: ("pending", "seller", 1),
        EBAY_3: ("shipped", "amazon", 1),
    }


def test_the_report_and_the_api_are_one_order(tmp_path):
    put(tmp_path, ebay_response(ebay_order()), name="orders.json")
    put(tmp_path, EBAY, name="orders.csv")
    store = Store(tmp_path / "store")
    list(import_files([tmp_path / "acme"], store))
    orders = store.ledger().orders.collect("pandas").to_native().set_index("order_id")
    assert len(orders) == 3
    assert str(orders.loc[EBAY_1, "shipped_on"])[:10] == "2026-10-02"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("orderId", "1.11E+16", r"orderId is '1.11E\+16', no order id"),
        ("creationDate", "2026-02-30T00:00:00.000Z", r"creationDate .*no time with an offset"),
        ("creationDate", "2026-10-01T12:00:00", r"creationDate .*no time with an offset"),
        ("orderFulfillmentStatus", "LOST", r"orderFulfillmentStatus is 'LOST', unknown; .*column_map\.yaml"),
        ("lineItems", [{"quantity": "many"}], r"quantity is 'many', no number"),
        ("lineItems", 7, r"lineItems\[0\] is '7', where an object belongs"),
        ("cancelStatus", "no", r"cancelStatus .*where an object belongs"),
    ],
)
def test_a_broken_response_is_refused_by_file_and_field(tmp_path, field, value, said):
    message = refusal(tmp_path, ebay_response(ebay_order(**{field: value})))
    assert message.startswith("acme/file.txt")
    assert re.search(said, without_own_column(message)), message


def test_a_response_that_breaks_off_is_refused(tmp_path):
    assert "the JSON breaks off" in refusal(tmp_path, ebay_response(ebay_order())[:-40])


# -- seller standards -----------------------------------------------------------------------------------------


def readings(parsed: ParsedFile) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in parsed.tables["readings"].to_pylist()}


def states(parsed: ParsedFile) -> dict[str, str]:
    return {row["name"]: row["state"] for row in parsed.tables["account_states"].to_pylist()}


def test_the_late_shipment_rate_is_ebays_own_with_its_days(tmp_path):
    parsed = read(tmp_path, json.dumps(standards_profile(LATE)))
    assert parsed.kind == "ebay_standards"
    row = readings(parsed)["late_shipment_rate"]
    assert (row["counted"], row["at_fault"], row["rate"], row["target"], row["side"]) == (
        329,
        15,
        0.0456,
        0.07,
        "at most",
    )
    assert (row["first_day"], row["last_day"], row["as_of"]) == (
        date(2026, 8, 1),
        date(2026, 10, 31),
        date(2026, 11, 20),
    )
    assert row["contradiction"] is None
    assert states(parsed) == {"account_status": "above standard"}
    assert not any("unknown status word" in note for note in parsed.notes)


def test_the_limit_of_another_level_is_not_taken_for_the_one_to_meet(tmp_path):
    top = standards_metric("SHIPPING_MISS_RATE", "0.91", 3, 329, "TOP_RATED", "3.00")
    row = readings(read(tmp_path, json.dumps(standards_profile(top, level="TOP_RATED"))))["late_shipment_rate"]
    assert (row["target"], row["side"], row["status"]) == (None, None, "top rated")


def test_tracking_uploaded_in_time_counts_what_is_good(tmp_path):
    tracked = standards_metric("VALID_TRACKING_UPLOADED_WITHIN_HANDLING_RATE", "96.00", 96, 100, "TOP_RATED", "95.00")
    row = readings(read(tmp_path, json.dumps(standards_profile(tracked))))["valid_tracking_rate"]
    assert (row["counted"], row["at_fault"], row["rate"]) == (100, 4, 0.96)


def test_the_newest_cycle_of_the_default_program_is_read(tmp_path):
    other = standards_profile(standards_metric("SHIPPING_MISS_RATE", "1.00", 1, 100, "TOP_RATED", "3.00"),
                              program="PROGRAM_DE", defaultProgram=False, day="2026-11-25")  # fmt: skip
    current = standards_profile(LATE)
    worse = standards_metric("SHIPPING_MISS_RATE", "8.00", 8, 100, "BELOW_STANDARD", "7.00")
    projected = standards_profile(worse, cycle="PROJECTED", day="2026-11-24", level="BELOW_STANDARD")
    parsed = read(tmp_path, json.dumps({"standardsProfiles": [other, current, projected]}))
    row = readings(parsed)["late_shipment_rate"]
    assert (row["at_fault"], row["counted"], row["as_of"], row["status"]) == (
        8,
        100,
        date(2026, 11, 24),
        "below standard",
    )
    assert states(parsed) == {"account_status": "above standard", "projected_level": "below standard"}
    assert parsed.skipped == {"profiles of another program or an older cycle": 2}


def test_conditions_that_are_no_rates_are_counted(tmp_path):
    days = {"metricKey": "MIN_DAYS_ON_SITE", "name": "Minimum days on site", "value": 900, "type": "NUMBER"}
    parsed = read(tmp_path, json.dumps(standards_profile(LATE, days)))
    assert list(parsed.skipped.values()) == [1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cycle": {"cycleType": "CURRENT"}}, r"evaluationDate is empty, so the day is unknown"),
        ({"cycle": {"cycleType": "CURRENT", "evaluationDate": "soon"}}, r"evaluationDate is 'soon', no day written"),
        ({"metrics": [3]}, r"metrics\[0\] is '3', where an object belongs"),
        ({"metrics": [{**LATE, "value": {"value": "x"}}]}, r"value is 'x', no number"),
        ({"metrics": [{**LATE, "lookbackEndDate": "x"}]}, r"lookbackEndDate is 'x', no day"),
    ],
)
def test_broken_standards_are_refused_by_file_and_field(tmp_path, change, said):
    message = refusal(tmp_path, json.dumps(standards_profile(LATE) | change))
    assert message.startswith("acme/file.txt")
    assert re.search(said, without_own_column(message)), message
    assert "Leave --marketplace out" in refusal(tmp_path, json.dumps(standards_profile(LATE)), marketplace="US")


def test_ebays_figure_stands_beside_ours_and_the_worse_decides(tmp_path):
    worse = standards_metric("SHIPPING_MISS_RATE", "8.00", 8, 100, "BELOW_STANDARD", "7.00")
    put(tmp_path, EBAY, name="orders.csv")
    put(tmp_path, json.dumps(standards_profile(worse, day="2026-11-05", level="BELOW_STANDARD")), name="standards.json")
    list(import_files([tmp_path / "acme"], Store(tmp_path / "store")))
    workspace, day = Workspace(tmp_path / "store"), date(2026, 11, 7)
    verdict = workspace.account("acme").verdict(day)
    [late] = [one for one in verdict.measures if one.metric == "late_shipment_rate"]
    assert (late.status, late.decided_by) == ("off target", "amazon")
    assert (late.ours["at_fault"], late.theirs["at_fault"]) == (1, 8)


# -- what becomes of them -------------------------------------------------------------------------------------


def test_a_short_file_is_no_all_clear(tmp_path):
    put(tmp_path, EBAY, name="orders.csv")
    list(import_files([tmp_path / "acme"], Store(tmp_path / "store")))
    scores = Workspace(tmp_path / "store").score(date(2026, 10, 20))
    assert "on target" not in set(scores["status"])
    late = scores.set_index("metric").loc["late_shipment_rate"]
    assert (late["counted"], late["at_fault"]) == (2, 1)


def test_nothing_of_buyers_is_kept(tmp_path):
    put(tmp_path, ebay_download(EBAY.with_personal_data()), name="orders.csv")
    put(tmp_path, ebay_download(renamed(EBAY.with_personal_data(f"{MARK} 2"), EBAY_DE, ";", "de")), name="de.csv")
    put(tmp_path, ebay_response(ebay_order()), name="orders.json")
    results = list(import_files([tmp_path / "acme"], Store(tmp_path / "store")))
    assert [one.refused for one in results] == [None] * 3
    said = " ".join(note for one in results if one.parsed_file for note in one.parsed_file.notes)
    ledger = Store(tmp_path / "store").ledger()
    held = said + " ".join(
        str(getattr(ledger, name).collect("pandas").to_native().to_dict()) for name in ("orders", "items", "shipments")
    )
    assert "SKU-1" in held
    assert MARK not in held
    kept = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert [path for path in kept if MARK.encode() in path.read_bytes()] == []


@pytest.mark.skipif(not CASE.is_dir(), reason="the shared cases are not beside the project")
def test_the_file_of_the_shared_case_is_read(tmp_path):
    [result] = import_files([CASE / "ebay" / "orders.csv"], Store(tmp_path / "store"))
    assert result.refused is None
    assert result.parsed_file.rows == 1
