"""COVERAGE: of what the files tell, how far, and which days no file of orders covers."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest

from healthkit.ingest.formats import ParsedFile
from healthkit.schema import tables
from healthkit.store import Store, arrow_schema, build_ledger

STAMP = datetime(2026, 6, 1, tzinfo=UTC)
FIRST = date(2026, 3, 1)
_TABLES = {table.name: table for table in tables.RAW_TABLES}
_FILLED: dict[str, dict[str, Any]] = {
    "feedback": {"feedback_id": "f", "rating": 5, "rank": "1"},
    "defects": {"kind": "a_to_z_claim"},
    "shipments": {"shipment_id": "p"},
    "returns": {"return_id": "r", "channel": "seller", "requested_at": STAMP, "due_48h_on": FIRST},
    "contacts": {"contact_id": "c", "kind": "message", "received_at": STAMP, "due_24h_on": FIRST, "due_48h_on": FIRST},
    "violations": {"category": "safety", "violation_id": "", "count": 0},
    "account_states": {"kind": "list", "count": 0},
}


def on(number: int) -> date:
    """A day by its number; 1 is the day of the first order."""
    return FIRST + timedelta(days=number - 1)


def file(name: str, kind: str, days: tuple[date | None, date | None] = (None, None), **held: list[dict]) -> ParsedFile:
    """A raw file as a reader hands it over: its rows by table, of which only what matters is said."""
    order = {"account": "acme", "marketplace": "US", "order_id": "o", "updated_at": STAMP, "report": name}
    made = {}
    for table, rows in held.items():
        known = _TABLES[table].columns
        full = [{**order, **_FILLED.get(table, {}), **row} for row in rows]
        full = [{column: value for column, value in row.items() if column in known} for row in full]
        made[table] = pa.Table.from_pylist(full, schema=arrow_schema(_TABLES[table]))
    return ParsedFile(name, f"{name}.txt", kind, "acme", made, rows=1, first_day=days[0], last_day=days[1])


def orders(*numbers: int, name: str = "all_orders", kind: str = "all_orders", **more: Any) -> ParsedFile:
    """A file with an order on each of some days, which reaches from the first to the last."""
    rows = [{"order_id": f"o{number}", "ordered_on": on(number), **more} for number in numbers]
    return file(name, kind, (on(min(numbers)), on(max(numbers))), orders=rows)


DAILY = orders(*range(1, 101))
"""An order on each of a hundred days."""


def covered(folder, *files: ParsedFile) -> dict[str, Any]:
    """The one row of COVERAGE of some files."""
    store = Store(folder / "store")
    store.add([DAILY, *files] if not any(one.kind == "all_orders" for one in files) else list(files))
    [row] = store.ledger().coverage.to_dict("records")
    reach = json.loads(row["reach"])
    days = {word: held.pop("days") for word, held in reach.items()}
    return row | {"reach": reach, "days": days, "gaps": json.loads(row["gaps"])}


def entry(first: int, last: int, gap: int) -> dict[str, Any]:
    return {"first": str(on(first)), "last": str(on(last)), "gap": gap}


# -- how far each kind of evidence reaches ----------------------------------------------------------------


def test_ratings_reach_from_the_first_to_the_last_with_the_longest_run_between(tmp_path):
    ratings = [{"feedback_id": str(number), "received_on": on(number)} for number in (3, 10, 11, 40)]
    row = covered(tmp_path, file("f", "feedback", feedback=ratings))
    assert row["evidence"] == "feedback"
    # Days 12 to 39.
    assert row["reach"] == {"feedback": entry(3, 40, 28)}
    assert row["days"] == {"feedback": 4}


def test_the_run_before_the_first_row_counts_from_the_first_order_on(tmp_path):
    row = covered(tmp_path, file("f", "feedback", feedback=[{"received_on": on(31)}]))
    assert row["reach"] == {"feedback": entry(31, 31, 30)}


def test_rows_from_before_the_first_order_are_no_run_without_rows(tmp_path):
    ratings = [{"feedback_id": str(number), "received_on": on(number)} for number in (-60, -20, 2)]
    row = covered(tmp_path, file("f", "feedback", feedback=ratings))
    assert row["reach"] == {"feedback": entry(-60, 2, 1)}


def test_two_files_of_one_kind_reach_together(tmp_path):
    early = file("a", "feedback", feedback=[{"received_on": on(1)}])
    late = file("b", "feedback", feedback=[{"feedback_id": "g", "received_on": on(9)}])
    assert covered(tmp_path, early, late)["reach"] == {"feedback": entry(1, 9, 7)}


def test_a_header_alone_is_evidence_without_reach(tmp_path):
    row = covered(tmp_path, file("d", "defects", defects=[]))
    assert (row["evidence"], row["reach"]) == ("chargebacks+claims", {})


def test_a_defects_file_reaches_as_far_as_any_of_its_rows_for_all_that_it_tells_of(tmp_path):
    held = [{"kind": "a_to_z_claim", "known_on": on(2)}, {"order_id": "o2", "kind": "refund", "known_on": on(50)}]
    row = covered(tmp_path, file("d", "defects", defects=held))
    assert row["evidence"] == "chargebacks+claims+refunds"
    assert row["reach"] == dict.fromkeys(("chargebacks", "claims", "refunds"), entry(2, 50, 47))


def test_a_settlement_tells_of_every_day_from_its_first_posting_to_its_last(tmp_path):
    held = [{"kind": "chargeback", "known_on": on(20)}]
    row = covered(tmp_path, file("s", "settlement", (on(15), on(28)), defects=held))
    assert row["reach"] == dict.fromkeys(("chargebacks", "claims", "refunds"), entry(15, 28, 14))
    assert set(row["days"].values()) == {14}


def test_a_list_tells_of_the_sixty_days_before_its_own(tmp_path):
    state = {"name": "list_order_defects", "as_of": on(90)}
    # Its only row is older than the day of the list.
    defect = {"kind": "negative_feedback", "known_on": on(80)}
    one = file("l", "list_order_defects", (on(80), on(80)), defects=[defect], account_states=[state])
    row = covered(tmp_path, one)
    assert row["evidence"] == "chargebacks+claims+feedback"
    assert row["reach"] == dict.fromkeys(("chargebacks", "claims", "feedback"), entry(30, 90, 29))


def test_a_list_of_a_store_that_does_not_know_its_day_reaches_to_its_newest_row(tmp_path):
    one = file("l", "list_late_shipments", (on(70), on(80)), defects=[{"kind": "shipped_late", "known_on": on(80)}])
    assert covered(tmp_path, one)["reach"] == {"late_shipment_list": entry(20, 80, 19)}


def test_a_list_and_ratings_fill_each_others_gaps(tmp_path):
    state = {"name": "list_order_defects", "as_of": on(61)}
    named = file("l", "list_order_defects", account_states=[state])
    ratings = file("f", "feedback", feedback=[{"received_on": on(30)}, {"feedback_id": "g", "received_on": on(70)}])
    reach = covered(tmp_path, named, ratings)["reach"]
    assert (reach["claims"], reach["feedback"]) == (entry(1, 61, 0), entry(1, 70, 8))


@pytest.mark.parametrize(
    ("kind", "held", "words"),
    [
        ("returns", {"returns": [{"requested_on": on(5)}]}, {"claims", "returns"}),
        ("contacts", {"contacts": [{"received_on": on(5)}]}, {"contacts"}),
        ("surveys", {"contacts": [{"kind": "survey", "received_on": on(5)}]}, {"surveys"}),
        ("invoices", {"orders": [{"order_id": "o1", "invoiced_at": STAMP, "invoiced_on": on(5)}]}, {"invoices"}),
        ("violations", {"violations": [{"opened_on": on(5)}]}, {"violations"}),
        ("performance_json", {"violations": [{"opened_on": on(5)}]}, {"violations"}),
        ("performance_json", {"account_states": [{"kind": "account", "name": "s", "as_of": on(5)}]}, {"violations"}),
    ],
)
def test_each_kind_of_file_reaches_to_the_days_of_its_rows(tmp_path, kind, held, words):
    row = covered(tmp_path, file("x", kind, **held))
    assert set(row["evidence"].split("+")) == words
    assert row["reach"] == dict.fromkeys(words, entry(5, 5, 4))


# -- what is told of each order ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        ({"ship_by": STAMP, "ship_by_on": on(3)}, "promises"),
        ({"deliver_by": STAMP, "deliver_by_on": on(3)}, "delivery_promises"),
        ({"shipped_at": STAMP, "shipped_on": on(3)}, "confirmations"),
        ({"delivered_at": STAMP, "delivered_on": on(3)}, "deliveries"),
        ({"cancelled_on": on(3), "cancelled_by": "buyer"}, "cancellers"),
    ],
)
def test_what_a_file_tells_of_any_order_is_evidence_with_its_days(tmp_path, cells, word):
    row = covered(tmp_path, orders(*range(1, 11)), file("x", "order_report", orders=[{"order_id": "o1", **cells}]))
    assert row["evidence"] == word
    assert row["reach"] == {word: entry(3, 3, 2)}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"confirmed_at": STAMP, "confirmed_on": on(3)}, {"confirmations"}),
        ({"confirmed_at": STAMP, "confirmed_on": on(3), "tracking": False}, {"confirmations", "tracking"}),
        ({"confirmed_at": STAMP, "confirmed_on": on(3), "scanned": True}, {"confirmations", "tracking", "scans"}),
        ({"delivered_at": STAMP, "delivered_on": on(3)}, {"deliveries"}),
    ],
)
def test_what_a_file_tells_of_any_parcel_is_evidence_with_its_days(tmp_path, cells, words):
    row = covered(tmp_path, file("x", "confirmations", shipments=[{"order_id": "o1", **cells}]))
    assert set(row["evidence"].split("+")) == words
    assert row["reach"] == dict.fromkeys(words, entry(3, 3, 2))


@pytest.mark.parametrize(("marketplace", "last_day"), [("US", 8), ("DE", 9), ("JP", 9)])
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo"])
def test_the_last_update_is_dated_in_the_zone_of_the_marketplace_and_not_of_the_machine(
    marketplace, last_day, zone, store, monkeypatch
):
    updated_at = datetime.combine(on(9), time(5), UTC)  # The evening before in Los Angeles.
    rows = orders(1, 2, marketplace=marketplace, updated_at=updated_at)
    store.add([rows])
    monkeypatch.setenv("TZ", zone)
    script = (
        "import sys; from healthkit.store import Store; "
        "print(Store(sys.argv[1]).ledger().coverage['heard_on'][0].date())"
    )
    shown = subprocess.run([sys.executable, "-c", script, store.folder], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str(on(last_day))


def test_evidence_is_of_the_account_and_marketplace_whose_orders_it_names(store):
    shipped = {"order_id": "o1", "shipped_at": STAMP, "shipped_on": on(3), "marketplace": "CA"}
    store.add([DAILY, orders(1, 2, name="ca", marketplace="CA"), file("x", "confirmations", orders=[shipped])])
    rows = store.ledger().coverage.set_index("marketplace")
    assert rows["evidence"].to_dict() == {"CA": "confirmations", "US": ""}
    assert [json.loads(text) for text in rows["reach"]] == [{"confirmations": entry(3, 3, 2) | {"days": 1}}, {}]


def test_of_orders_in_no_store_all_is_taken_as_known_to_the_end():
    made = DAILY.tables["orders"]
    [row] = build_ledger({"orders": made}).coverage.to_dict("records")
    every = {word for words in tables.EVIDENCE_BY_KIND.values() for word in words}
    assert set(row["evidence"].split("+")) == every - {"scans"}
    assert (row["reach"], row["order_gap"], row["gaps"]) == ("{}", 0, "[]")


# -- days without orders ----------------------------------------------------------------------------------


def test_the_longest_run_of_days_without_an_order_is_told(tmp_path):
    row = covered(tmp_path, orders(1, 2, 10, 12, 20))
    # Days 3 to 9, and 13 to 19: seven each. One file covers them all.
    assert (row["order_gap"], row["gaps"]) == (7, [])


def test_days_between_two_files_that_none_covers_are_a_gap(tmp_path):
    row = covered(tmp_path, orders(*range(1, 11)), orders(*range(31, 41), name="b"))
    assert row["gaps"] == [[str(on(11)), str(on(30))]]
    assert row["order_gap"] == 20


def test_three_days_between_two_files_are_no_gap_and_four_are_one(tmp_path):
    three = covered(tmp_path / "three", orders(*range(1, 11)), orders(*range(14, 20), name="b"))
    assert three["gaps"] == []
    four = covered(tmp_path / "four", orders(*range(1, 11)), orders(*range(15, 20), name="b"))
    assert four["gaps"] == [[str(on(11)), str(on(14))]]


def test_a_seller_with_few_orders_has_gaps_only_where_they_are_longer_than_its_own_pauses(tmp_path):
    # Inside the files six days (2 to 7) pass without an order; between them six, then seven.
    six = covered(tmp_path / "six", orders(1, 8, 9), orders(16, 17, name="b"))
    assert six["gaps"] == []
    seven = covered(tmp_path / "seven", orders(1, 8, 9), orders(17, 18, name="b"))
    assert seven["gaps"] == [[str(on(10)), str(on(16))]]


def test_a_file_that_covers_the_days_in_between_leaves_no_gap(tmp_path):
    early, late = orders(*range(1, 11)), orders(*range(31, 41), name="b")
    # It has orders of the ends alone, and was asked for all of the days.
    whole = orders(8, 33, name="c", kind="order_report")
    assert covered(tmp_path, early, late, whole)["gaps"] == []


def test_an_order_in_between_parts_a_gap(tmp_path):
    lone = file("c", "order_report", orders=[{"order_id": "o20", "ordered_on": on(20)}])
    row = covered(tmp_path, orders(*range(1, 11)), orders(*range(31, 41), name="b"), lone)
    assert row["gaps"] == [[str(on(11)), str(on(19))], [str(on(21)), str(on(30))]]


def test_a_file_of_waiting_orders_covers_only_the_days_on_which_it_names_one(tmp_path):
    waiting = orders(8, 33, name="c", kind="unshipped")
    row = covered(tmp_path, orders(*range(1, 11)), orders(*range(31, 41), name="b"), waiting)
    assert row["gaps"] == [[str(on(11)), str(on(30))]]


def test_the_gaps_of_one_account_are_not_those_of_another(store):
    of_bolt = [orders(1, 2, name="c", account="bolt"), orders(50, 51, name="d", account="bolt")]
    store.add([orders(*range(1, 52)), *of_bolt])
    rows = store.ledger().coverage.set_index("account")
    assert [json.loads(text) for text in rows["gaps"]] == [[], [[str(on(3)), str(on(49))]]]
    assert rows["order_gap"].tolist() == [0, 47]
