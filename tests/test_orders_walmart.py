"""Walmart: PO data as XLSX and CSV, responses of the Orders API, reports of delivery defects and cancellations."""

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
from tests.builders.raw_files import MARK, put
from tests.builders.walmart_ebay_files import (
    DEFECTS,
    PO_1,
    PO_2,
    PO_3,
    WALMART,
    milliseconds,
    walmart_line,
    walmart_order,
    walmart_response,
    walmart_status,
    workbook,
)

CASE = Path(__file__).parents[2] / "shared" / "cases" / "12_other_marketplaces"


def at(day: int, hour: int = 18) -> datetime:
    return datetime(2026, 10, day, hour, tzinfo=UTC)


# -- PO data --------------------------------------------------------------------------------------------------


def test_an_order_is_a_purchase_order_as_far_as_its_farthest_line(tmp_path):
    parsed = read(tmp_path, WALMART)
    assert parsed.kind == "walmart_orders"
    assert rows(parsed, "orders", "marketplace", "status", "part_cancelled", "units") == {
        PO_1: ("WALMART_US", "delivered", True, 3),
        PO_2: ("WALMART_US", "cancelled", False, 1),
        PO_3: ("WALMART_US", "unshipped", False, 1),
    }


def test_delivery_date_is_the_promised_day_and_no_other_day_is_made_up(tmp_path):
    orders = rows(read(tmp_path, WALMART), "orders", "ship_by_on", "deliver_by_on", "shipped_on", "delivered_on")
    assert orders[PO_1] == (date(2026, 10, 3), date(2026, 10, 6), None, None)


def test_who_cancelled_and_when_is_not_told(tmp_path):
    orders = rows(read(tmp_path, WALMART), "orders", "cancelled_by", "cancelled_on", "assumed")
    assert orders[PO_2] == (None, date(2026, 10, 2), "cancel_day_from_order")
    assert orders[PO_1] == (None, date(2026, 10, 1), "cancel_day_from_order")
    assert orders[PO_3] == (None, None, None)


def test_the_fulfilment_entity_is_the_channel(tmp_path):
    assert [one for (one,) in rows(read(tmp_path, WALMART), "orders", "channel").values()] == [
        "seller",
        "seller",
        "amazon",
    ]
    file = WALMART.without_column("Fulfillment Entity")
    assert {one for (one,) in rows(read(tmp_path / "without", file), "orders", "channel").values()} == {"seller"}


def test_a_cancelled_line_has_no_say_on_tracking(tmp_path):
    parsed = read(tmp_path, WALMART)
    assert rows(parsed, "orders", "tracking") == {PO_1: (True,), PO_2: (None,), PO_3: (None,)}
    assert rows(parsed, "shipments", "tracking", "confirmed_on") == {PO_1: (True, None)}


def test_the_workbook_reads_as_the_csv(tmp_path):
    """Ids are numbers there, and a sheet of notes comes first."""
    of_csv, of_xlsx = read(tmp_path / "csv", WALMART), read(tmp_path / "xlsx", workbook(WALMART), name="PO_Data.xlsx")
    drop = ["report"]
    for name, table in of_csv.tables.items():
        assert of_xlsx.tables[name].drop_columns(drop).to_pylist() == table.drop_columns(drop).to_pylist()


def test_a_file_without_the_day_of_delivery_says_so(tmp_path):
    parsed = read(tmp_path, WALMART.without_column("Delivery Date"))
    assert rows(parsed, "orders", "deliver_by_on")[PO_1] == (None,)
    assert any("no column for deliver-by" in note and "walmart_orders" in note for note in parsed.notes)


def test_canada_has_to_be_said(tmp_path):
    assert any("Taken as a file of WALMART_US" in note for note in read(tmp_path / "us", WALMART).notes)
    parsed = read(tmp_path / "ca", WALMART, marketplace="WALMART_CA")
    assert {one for (one,) in rows(parsed, "orders", "marketplace").values()} == {"WALMART_CA"}
    assert not any("Taken as a file" in note for note in parsed.notes)
    assert "this is a file of WALMART_US or WALMART_CA" in refusal(tmp_path / "eb", WALMART, marketplace="EBAY")


def test_an_unknown_status_names_the_row_and_the_words_there_are(tmp_path):
    said = refusal(tmp_path, WALMART.with_cell(1, "Status", "Lost"))
    assert re.search(r"row 3: status is 'Lost', unknown; .*column_map\.yaml.* There are: pending, unshipped", said)


def test_a_newer_download_replaces_the_status(tmp_path):
    older = replace(WALMART, rows=tuple(row for row in WALMART.with_cell(0, "Status", "Shipped").rows))
    put(tmp_path, older, name="first.csv")
    store = Store(tmp_path / "store")
    list(import_files([tmp_path / "acme" / "first.csv"], store))
    put(tmp_path, WALMART, name="second.csv")
    list(import_files([tmp_path / "acme" / "second.csv"], store))
    orders = store.ledger().orders.collect("pandas").to_native().set_index("order_id")
    assert orders.loc[PO_1, "status"] == "delivered"


BROKEN = [damage for damage in REFUSED if "zip" not in damage.words]


@pytest.mark.parametrize("file", [WALMART, DEFECTS], ids=lambda file: file.kind)
@pytest.mark.parametrize("damage", BROKEN, ids=lambda damage: damage.words)
def test_a_broken_twin_is_refused_by_file_row_and_cure(tmp_path, file, damage):
    said = refusal(tmp_path, damage.happens(file))
    assert "acme/file.txt" in said
    columns = {"PO#": "order-id", "poNum": "order-id", "Ship By": "ship-by", "actualDeliveryDate": "delivered-on",
               "Status": "status", "defectType": "defect-type"}  # fmt: skip
    date_column, needed = columns[file.date_column], columns[file.needed]
    named = replace(file, id_column="order-id", date_column=date_column, needed=needed)
    assert re.search(expected(damage, named), without_own_column(said)), said


# -- the Orders API -------------------------------------------------------------------------------------------


def test_times_are_milliseconds_and_the_status_dates_delivery(tmp_path):
    line = walmart_line("1", walmart_status("Delivered", 2, shipped_on=2), units=2, day=5)
    parsed = read(tmp_path, walmart_response(walmart_order(PO_1, line)))
    assert parsed.kind == "walmart_orders_api"
    columns = ("ordered_at", "ship_by", "deliver_by", "shipped_at", "delivered_at", "status", "units")
    assert rows(parsed, "orders", *columns)[PO_1] == (at(1), at(3), at(6), at(2), at(5), "delivered", 2)
    assert rows(parsed, "shipments", "confirmed_at", "delivered_at", "tracking", "carrier")[PO_1] == (
        at(2), at(5), True, "USPS",
    )  # fmt: skip
    assert any("time of their status stands" in note for note in parsed.notes)


@pytest.mark.parametrize(
    ("reason", "who"),
    [
        ("SELLER_CANCEL_OUT_OF_STOCK", "seller"),
        ("CUSTOMER_REQUESTED_SELLER_TO_CANCEL", "buyer"),
        ("SOMETHING_ELSE", None),
        (None, None),
    ],
)
def test_the_reason_of_a_cancellation_says_who_cancelled(tmp_path, reason, who):
    order = walmart_order(PO_1, walmart_line("1", walmart_status("Cancelled", reason=reason), day=4))
    parsed = read(tmp_path, walmart_response(order))
    assert rows(parsed, "orders", "status", "cancelled_by", "cancelled_on", "assumed")[PO_1] == (
        "cancelled", who, date(2026, 10, 4), None,
    )  # fmt: skip
    assert sum(parsed.skipped.values()) == (reason == "SOMETHING_ELSE")


def test_a_line_may_be_cancelled_in_part(tmp_path):
    statuses = walmart_status("Cancelled", 1, reason="SELLER_CANCEL_OUT_OF_STOCK"), walmart_status("Shipped", 2, 3)
    parsed = read(tmp_path, walmart_response(walmart_order(PO_1, walmart_line("1", *statuses, units=3, day=4))))
    assert rows(parsed, "orders", "status", "part_cancelled", "cancelled_by", "units")[PO_1] == (
        "shipped", True, "seller", 3,
    )  # fmt: skip
    assert rows(parsed, "shipments", "units")[PO_1] == (2,)


def test_the_newest_record_of_an_order_counts(tmp_path):
    created = walmart_order(PO_1, walmart_line("1", walmart_status("Created"), day=1))
    shipped = walmart_order(PO_1, walmart_line("1", walmart_status("Shipped", 1, 2), day=2))
    for name, pages in (("a", (created, shipped)), ("b", (shipped, created))):
        parsed = read(tmp_path / name, walmart_response(*pages))
        assert rows(parsed, "orders", "status", "units")[PO_1] == ("shipped", 1)


def test_orders_without_a_day_are_left_out_and_counted(tmp_path):
    """Responses with 0, 907 and times before 1970 have been seen."""
    bad = [walmart_order(PO_2, orderDate=907), walmart_order(PO_3, orderDate=-18000000)]
    parsed = read(tmp_path, walmart_response(walmart_order(PO_1), *bad))
    assert list(rows(parsed, "orders")) == [PO_1]
    assert parsed.skipped == {"orders without a day on which they were placed": 2}


def test_a_promise_of_zero_is_none(tmp_path):
    order = walmart_order(PO_1)
    order["shippingInfo"] |= {"estimatedDeliveryDate": 0, "estimatedShipDate": None}
    assert rows(read(tmp_path, walmart_response(order)), "orders", "ship_by", "deliver_by")[PO_1] == (None, None)


@pytest.mark.parametrize("form", ["page", "order", "list", "flat"])
def test_pages_and_single_orders_read_the_same(tmp_path, form):
    order = walmart_order(PO_1)
    flat = {**order, "orderLines": [{**line, "orderLineStatuses": line["orderLineStatuses"]["orderLineStatus"]}
                                    for line in order["orderLines"]["orderLine"]]}  # fmt: skip
    forms = {"page": walmart_response(order), "order": json.dumps({"order": order}), "list": json.dumps([order]),
             "flat": json.dumps(flat)}  # fmt: skip
    assert rows(read(tmp_path, forms[form]), "orders", "status", "shipped_at") == {PO_1: ("shipped", at(2))}


def test_the_currency_tells_the_marketplace(tmp_path):
    line = walmart_line("1", walmart_status("Shipped", 1, 2))
    line["charges"]["charge"][0]["chargeAmount"]["currency"] = "CAD"
    content = walmart_response(walmart_order(PO_1, line))
    assert rows(read(tmp_path / "ca", content), "orders", "marketplace") == {PO_1: ("WALMART_CA",)}
    assert "the currency of the file is that of WALMART_CA" in refusal(
        tmp_path / "us", content, marketplace="WALMART_US"
    )
    both = walmart_response(walmart_order(PO_1, line), walmart_order(PO_2))
    assert "Keep each marketplace in its own file" in refusal(tmp_path / "both", both)


def test_wfs_orders_are_of_the_other_channel(tmp_path):
    orders = [walmart_order(PO_1), walmart_order(PO_2, shipNode={"type": "WFSFulfilled"})]
    assert rows(read(tmp_path, walmart_response(*orders)), "orders", "channel") == {
        PO_1: ("seller",),
        PO_2: ("amazon",),
    }


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("purchaseOrderId", "", r"purchaseOrderId is empty, though no order may lack it"),
        ("purchaseOrderId", "A 1", r"purchaseOrderId .*no order id"),
        ("orderDate", "yesterday", r"orderDate is 'yesterday', no time with an offset"),
        ("orderDate", 9_999_999_999_999_999, r"orderDate .*no time in milliseconds"),
        (
            "shipNode",
            {"type": "Moon"},
            r"shipNode\.type is 'Moon', unknown; there are: seller, .*seller fulfilled, .*column_map\.yaml",
        ),
        ("shippingInfo", 3, r"shippingInfo is '3', where an object belongs"),
        ("orderLines", {"orderLine": [{"orderLineStatuses": [{"status": "Lost"}]}]}, r"status is 'Lost', unknown"),
        ("orderLines", {"orderLine": [{"orderLineQuantity": {"amount": "-1"}}]}, r"amount is '-1', no number"),
    ],
)
def test_a_broken_response_is_refused_by_file_and_field(tmp_path, field, value, said):
    message = refusal(tmp_path, walmart_response(walmart_order(PO_1, **{field: value})))
    assert message.startswith("acme/file.txt")
    assert re.search(said, without_own_column(message)), message


def test_a_response_that_is_an_error_is_told(tmp_path):
    parsed = read(tmp_path, '{"errors": [{"purchaseOrderId": "1", "code": "UNAUTHORIZED"}]}')
    assert parsed.rows == 0
    assert parsed.skipped == {"responses that hold no orders (errors, other calls)": 1}


# -- reports of defects ---------------------------------------------------------------------------------------


def defects(parsed: ParsedFile) -> dict[str, tuple[Any, ...]]:
    return rows(parsed, "defects", "kind", "known_on", "assumed")


def test_a_late_delivery_is_known_when_it_came_or_when_it_had_not(tmp_path):
    """Two lines of one order are one defect, from the earlier day on."""
    found = defects(read(tmp_path, DEFECTS))
    assert found[PO_1] == ("delivered_late", date(2026, 10, 8), None)
    assert found[PO_2] == ("delivered_late", date(2026, 10, 9), None)


def test_a_cancellation_counts_unless_the_buyer_asked(tmp_path):
    assert defects(read(tmp_path / "seller", DEFECTS))[PO_3] == ("cancelled", date(2026, 10, 4), None)
    asked = read(tmp_path / "buyer", DEFECTS.with_cell(3, "cancelReason", "CUSTOMER_REQUESTED_SELLER_TO_CANCEL"))
    assert PO_3 not in defects(asked)
    assert sum(asked.skipped.values()) == 1
    undated = read(tmp_path / "undated", DEFECTS.with_cell(3, "cancelDate", ""))
    assert defects(undated)[PO_3] == ("cancelled", date(2026, 10, 3), "cancel_day_from_order")


def test_another_kind_of_defect_is_refused(tmp_path):
    said = refusal(tmp_path, DEFECTS.with_cell(1, "defectType", "Mystery"))
    assert re.search(r"row 3: defect-type is 'Mystery', unknown; there are: OTD, Cancel", without_own_column(said))
    assert "Leave --marketplace out" in refusal(tmp_path / "ca", DEFECTS, marketplace="WALMART_CA")


# -- what becomes of them -------------------------------------------------------------------------------------


def test_what_no_file_tells_is_not_on_target(tmp_path):
    """PO data alone tells neither shipments nor deliveries, and who cancelled is assumed."""
    put(tmp_path, WALMART, name="po.csv")
    list(import_files([tmp_path / "acme"], Store(tmp_path / "store")))
    scores = Workspace(tmp_path / "store").score(date(2026, 10, 20))
    by_metric = scores[scores["channel"] != "amazon"].set_index("metric")
    assert by_metric.loc["valid_tracking_rate", "status"] == "no data"
    assert by_metric.loc["on_time_delivery_rate", "status"] == "no data"
    assert "canceller_unknown" in by_metric.loc["cancellation_rate", "proxy"]
    verdict = Workspace(tmp_path / "store").account("acme").verdict(date(2026, 10, 20))
    assert {"valid_tracking_rate", "on_time_delivery_rate"} <= set(verdict.not_covered)


def test_the_api_tells_what_the_file_lacks(tmp_path):
    late = walmart_line("1", walmart_status("Delivered", 1, shipped_on=2), day=9)
    in_time = walmart_line("1", walmart_status("Delivered", 1, shipped_on=2), day=6)
    put(tmp_path, walmart_response(walmart_order(PO_1, late), walmart_order(PO_2, in_time)), name="orders.json")
    list(import_files([tmp_path / "acme"], Store(tmp_path / "store")))
    scores = Workspace(tmp_path / "store").score(date(2026, 10, 20)).set_index("metric")
    assert tuple(scores.loc["on_time_delivery_rate", ["counted", "at_fault"]]) == (2, 1)
    assert tuple(scores.loc["valid_tracking_rate", ["counted", "at_fault"]]) == (2, 0)


def test_nothing_of_buyers_is_kept(tmp_path):
    put(tmp_path, WALMART.with_personal_data(), name="po.csv")
    put(tmp_path, workbook(WALMART.with_personal_data(f"{MARK} 2")), name="po.xlsx")
    put(tmp_path, walmart_response(walmart_order(PO_1)), name="orders.json")
    put(tmp_path, DEFECTS.with_personal_data(), name="defects.csv")
    results = list(import_files([tmp_path / "acme"], Store(tmp_path / "store")))
    assert [one.refused for one in results] == [None] * 4
    said = " ".join(note for one in results if one.parsed_file for note in one.parsed_file.notes)
    tables = Store(tmp_path / "store").ledger()
    held = said + " ".join(
        str(getattr(tables, name).collect("pandas").to_native().to_dict())
        for name in ("orders", "items", "shipments", "defects")
    )
    assert "SKU-1" in held
    assert MARK not in held
    kept = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert [path for path in kept if MARK.encode() in path.read_bytes()] == []


def test_the_clock_of_the_builder_is_that_of_october():
    assert datetime.fromtimestamp(milliseconds(2) / 1000, UTC) == at(2)


@pytest.mark.skipif(not CASE.is_dir(), reason="the shared cases are not beside the project")
@pytest.mark.parametrize("name", ["po_data.csv", "delivery_defects.csv"])
def test_the_files_of_the_shared_case_are_read(tmp_path, name):
    [result] = import_files([CASE / "walmart" / name], Store(tmp_path / "store"))
    assert result.refused is None
    assert result.parsed_file.rows == 1
