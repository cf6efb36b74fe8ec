"""The seller performance reports, JSON and XML: Amazon's own figures kept as given, and never believed blindly."""

from __future__ import annotations

import copy
import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit.analysis.reported_scores import reported_scores
from healthkit.ingest import importer
from healthkit.ingest.formats import (
    ParsedFile,
    ReaderError,
    discover_files,
    parse_file,
    performance_json,
    performance_xml,
)
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import build_parsed_file
from healthkit.schema.tables import STATUS_WORDS
from healthkit.store import Store
from tests.builders.performance_reports import LONG, SHORT, defects, frame, xml
from tests.builders.raw_files import put

EXAMPLE = Path(__file__).parents[2] / "shared" / "data" / "amazon_reports" / "schema"
US, DE = "ATVPDKIKX0DER", "A1PA6795UKMFR9"


def days(first: str, last: str) -> dict[str, str]:
    return {"reportingDateFrom": f"{first}T00:00:00Z", "reportingDateTo": f"{last}T23:59:59Z"}


def late(counted: Any = 200, some: Any = 3, rate: Any = 0.015, **cells: Any) -> dict[str, Any]:
    """A late shipment rate of March 2026, on target unless told otherwise."""
    block = {
        "reportingDateRange": days("2026-03-02", "2026-03-31"), "orderCount": counted, "lateShipmentCount": some,
        "rate": rate, "status": "GOOD", "targetValue": 0.04, "targetCondition": "LESS_THAN",
    }  # fmt: skip
    return {name: value for name, value in (block | cells).items() if value != "left out"}


def report(*blocks: dict[str, Any], **cells: Any) -> dict[str, Any]:
    """A whole report of Amazon US: a block for each, its marketplace filled in."""
    return {
        "accountStatuses": [{"marketplaceId": US, "status": "NORMAL"}],
        "performanceMetrics": [{"marketplaceId": US, **block} for block in blocks],
    } | cells


def taken(content: Any, **told: Any) -> ParsedFile:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    context = ReadContext("acme/report.json", "digest", "acme", **told).with_marketplace_code()
    return build_parsed_file(performance_json.parse(data, context), context, "performance_json")


def readings(content: Any, *columns: str, **told: Any) -> list[tuple[Any, ...]]:
    return rows(taken(content, **told), "readings", *columns)


def rows(one: ParsedFile, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in one.tables[table].select(columns).to_pylist()]


def said_of(content: Any, **told: Any) -> str:
    with pytest.raises(ReaderError) as raised:
        taken(content, **told)
    return str(raised.value)


def test_a_rate_is_one_reading_with_its_days_counts_and_target():
    [row] = taken(report({"lateShipmentRate": late()})).tables["readings"].to_pylist()
    assert row == {
        "account": "acme", "marketplace": "US", "channel": "seller", "metric": "late_shipment_rate",
        "as_of": date(2026, 3, 31), "first_day": date(2026, 3, 2), "last_day": date(2026, 3, 31), "counted": 200,
        "at_fault": 3, "parts": None, "rate": 0.015, "target": 0.04, "side": "below", "status": "good",
        "contradiction": None, "updated_at": datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), "report": "digest",
    }  # fmt: skip


def test_the_key_above_a_block_tells_the_channel_whatever_stands_inside():
    defects = {
        "reportingDateRange": days("2026-01-16", "2026-03-16"), "orderCount": 1000, "rate": 0.005,
        "orderWithDefects": {"count": 5}, "claims": {"count": 3}, "negativeFeedback": {"count": 4},
        "chargebacks": None, "fulfillmentType": "mfn",
    }  # fmt: skip
    content = report({"orderDefectRate": {"mfn": defects, "afn": {**defects, "orderWithDefects": None}}})
    parts = '{"a_to_z_claim": 3, "negative_feedback": 4}'
    assert readings(content, "channel", "counted", "at_fault", "parts") == [
        ("seller", 1000, 5, parts),
        ("amazon", 1000, 5, parts),  # its block of defects is empty: the rate gives the number
    ]


@pytest.mark.parametrize(
    ("counted", "rate", "at_fault"),
    [(9, 0, 0), (3210, 0, 0), (200, 0.015, 3), (200, "1.5 %", 3), (300_000, 0.0151, None), (0, 0, None), (9, 1.2, None),
     (None, 0.015, None), (9, 0.05, None)],
)  # fmt: skip
def test_where_the_number_at_fault_is_left_out_the_rate_gives_it_if_only_one_fits(counted, rate, at_fault):
    content = report({"lateShipmentRate": late(counted, "left out", rate)})
    assert readings(content, "counted", "at_fault") == [(counted, at_fault)]


def test_a_rate_of_what_went_well_gives_the_number_at_fault_too():
    block = {"reportingDateRange": days("2026-03-11", "2026-03-24"), "shipmentCount": 40, "rate": 0.95}
    content = report({"validTrackingRate": block})
    assert readings(content, "counted", "at_fault", "contradiction") == [(40, 2, None)]


@pytest.mark.parametrize("key", ["preFulfillmentCancellationRate", "prefulfillmentCancelRate"])
def test_both_spellings_of_the_cancellation_rate_are_read(key):
    block = late(lateShipmentCount="left out", cancellationCount=3)
    assert readings(report({key: block}), "metric", "at_fault") == [("cancellation_rate", 3)]


def test_of_units_that_went_well_the_others_are_at_fault():
    block = {
        "reportingDateRange": days("2026-03-11", "2026-03-24"), "totalUnitCount": 40, "unitOnTimeDeliveryCount": 38,
        "rate": 0.95, "status": "GOOD", "targetValue": 0.9, "targetCondition": "GREATER_THAN",
    }  # fmt: skip
    [row] = readings(
        report({"unitOnTimeDeliveryRate": block}), "metric", "counted", "at_fault", "parts", "rate", "side"
    )
    assert row == ("unit_on_time_delivery_rate", 40, 2, '{"on_time": 38}', 0.95, "above")


def test_invoice_defects_and_their_parts_are_read():
    block = {
        "reportingDateRange": days("2026-03-18", "2026-03-24"), "orderCount": 50, "rate": 0.04,
        "invoiceDefect": {"count": 2}, "missingInvoice": {"count": 0}, "lateInvoice": {"count": 2},
    }  # fmt: skip
    [row] = readings(report({"invoiceDefectRate": block}), "metric", "at_fault", "parts")
    assert row == ("invoice_defect_rate", 2, '{"late_invoice": 2, "missing_invoice": 0}')


def test_a_list_of_further_windows_adds_the_windows_that_are_not_there_yet():
    ten_days = late(80, 2, 0.025, reportingDateRange=days("2026-03-22", "2026-03-31"))
    found = readings(
        report({"lateShipmentRateList": [ten_days, late()], "lateShipmentRate": late()}),
        "first_day", "counted", "at_fault", "contradiction",
    )  # fmt: skip
    assert found == [(date(2026, 3, 2), 200, 3, None), (date(2026, 3, 22), 80, 2, None)]


def test_the_same_window_given_twice_and_differently_says_so():
    content = report({"lateShipmentRate": late(), "lateShipmentRateList": [late(some=4, rate=0.02)]})
    assert readings(content, "at_fault", "contradiction") == [
        (3, "The file gives two different values; the first is kept.")
    ]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"some": 9}, "9 of 200 is 4.5 %, but the rate given is 1.5 %."),
        ({"some": 201}, "201 of 200 is more than 100 %."),
        ({"rate": 1.5, "status": None}, "The rate given, 150 %, is more than 100 %."),
        ({"some": 10, "rate": 0.05}, "It is called good, though 5 % is not below 4 %."),
        ({"status": "BAD"}, "It is called bad, though 1.5 % is below 4 %."),
        (
            {"reportingDateRange": days("2026-03-31", "2026-03-02")},
            "Its days ran backwards, from 2026-03-31 to 2026-03-02; here they are in order.",
        ),
    ],
)
def test_a_figure_that_contradicts_itself_is_kept_as_given_and_told_at_import(cells, said):
    one = taken(report({"lateShipmentRate": late(**cells)}))
    given_block = late(**cells)
    [row] = rows(one, "readings", "at_fault", "rate", "first_day", "last_day", "contradiction")
    assert row == (
        given_block["lateShipmentCount"], given_block["rate"], date(2026, 3, 2), date(2026, 3, 31), said
    )  # fmt: skip
    assert [note for note in one.notes if said in note]


@pytest.mark.parametrize(
    "cells",
    [
        {"some": 1, "counted": 3, "rate": 0.3333},  # rounded
        {"some": 2, "counted": 3, "rate": 0.6666, "status": "BAD"},  # cut off
        {"some": 8, "rate": 0.04},  # at the very target: either word may be right
        {"some": 8, "rate": 0.04, "status": "BAD"},
        {"some": 0, "counted": 0, "rate": 0},
        {"rate": None},
        {"some": None},
        {"status": "NONE", "some": 100, "rate": 0.5},
    ],
)
def test_rounding_gaps_and_a_rate_at_its_target_are_no_contradictions(cells):
    block = late(**cells) | ({"targetValue": None} if cells.get("rate") == 0.3333 else {})
    assert readings(report({"lateShipmentRate": block}), "contradiction") == [(None,)]


def test_more_on_time_than_there_were_leaves_the_count_at_fault_empty():
    block = {
        "reportingDateRange": days("2026-03-02", "2026-03-31"), "shipmentCount": 7, "validTrackingCount": 8, "rate": 1
    }  # fmt: skip
    [row] = readings(report({"validTrackingRate": block}), "counted", "at_fault", "parts", "contradiction")
    assert row == (7, None, '{"valid_tracking": 8}', "8 of 7 is more than 100 %.")


def test_counts_may_be_text_and_what_is_missing_stays_empty():
    content = report({"lateShipmentRate": late("1,200", "18.0", "0.015", status=None, targetValue=None)})
    assert readings(content, "counted", "at_fault", "rate", "target", "status") == [(1200, 18, 0.015, None, None)]
    bare = late("left out", "left out", 0.015)
    assert readings(report({"lateShipmentRate": bare}), "counted", "at_fault", "rate") == [(None, None, 0.015)]


def test_blocks_that_are_missing_or_null_are_no_figures():
    content = report({"lateShipmentRate": late(), "invoiceDefectRate": None, "orderDefectRate": {"mfn": None}})
    assert readings(content, "metric") == [("late_shipment_rate",)]


def test_a_figure_without_days_is_left_out_and_counted():
    one = taken(
        report({"lateShipmentRate": late(), "validTrackingRate": {"rate": 1}, "orderDefectRate": {"afn": {"rate": 0}}})
    )
    assert one.skipped == {
        "figures without the days that they cover (validTrackingRate)": 1,
        "figures without the days that they cover (orderDefectRate.afn)": 1,
    }
    assert rows(one, "readings", "metric") == [("late_shipment_rate",)]


def test_a_figure_of_which_all_is_empty_is_left_out_and_counted():
    empty = late(None, None, None, status=None)
    one = taken(report({"lateShipmentRate": empty}))
    assert (one.skipped, len(one.tables["readings"])) == ({"figures that the file leaves empty": 1}, 0)


@pytest.mark.parametrize("key", ["accountHealthRatingStatus", "ahrStatus"])
def test_the_account_health_rating_is_a_score_and_a_word_and_no_rate(key):
    rating = {key: "GREAT", "ahrScore": "428", "reportingDateRange": days("2025-10-03", "2026-03-31")}
    columns = ("metric", "channel", "counted", "at_fault", "rate", "parts", "status")
    assert readings(report({"accountHealthRating": rating}), *columns) == [
        ("account_health_rating", "all", None, None, None, '{"score": 428}', "great")
    ]


def test_any_object_with_a_count_of_defects_is_a_category_of_violations():
    content = report({
        "lateShipmentRate": late(), "documentRequest": {"defectsCount": "2"},
        "somethingAmazonInventsNext": {"defectsCount": 0}, "group": {"inner": [{"defectsCount": 4}]},
        "foodAndProductSafetyIssues": {"defectsCount": None},
    })  # fmt: skip
    one = taken(content)
    assert rows(one, "violations", "category", "opened_on", "count", "severity", "resolved_on") == [
        ("document_requests", date(2026, 3, 31), 2, None, None),
        ("something_amazon_invents_next", date(2026, 3, 31), 0, None, None),
        ("inner", date(2026, 3, 31), 4, None, None),
    ]
    assert one.skipped == {"violation counts that the file leaves empty": 1}


def test_a_count_of_defects_inside_a_rate_is_no_violation():
    assert len(taken(report({"lateShipmentRate": late(defectsCount=3)})).tables["violations"]) == 0


def test_violations_that_are_called_good_and_days_that_run_backwards_are_told_at_import():
    block = {
        "defectsCount": 8, "status": "GOOD", "targetValue": 0, "targetCondition": "EQUALS",
        "reportingDateRange": days("2026-04-02", "2026-03-31"),
    }  # fmt: skip
    one = taken(report({"documentRequests": block}))
    assert "US document_requests: is called good with 8 open, where 0 may be." in one.notes
    assert "US document_requests: its days run backwards, from 2026-04-02 to 2026-03-31." in one.notes
    assert rows(one, "violations", "count", "opened_on") == [(8, date(2026, 3, 31))]


@pytest.mark.parametrize(
    ("word", "state"),
    [("NORMAL", "normal"), ("AT_RISK", "at risk"), ("AT RISK", "at risk"), ("SUSPENDED", "deactivated"),
     ("DEACTIVATED", "deactivated")],
)  # fmt: skip
def test_the_status_of_an_account_has_one_spelling(word, state):
    content = report({"lateShipmentRate": late()}, accountStatuses=[{"marketplaceId": DE, "status": word}])
    one = taken(content)
    columns = ("marketplace", "kind", "name", "state", "as_of")
    assert rows(one, "account_states", *columns) == [("DE", "account", "account_status", state, date(2026, 3, 31))]


@pytest.mark.parametrize(
    ("key", "warnings", "state"),
    [
        ("warningState", [{"warningType": "spammingMessages", "status": "BAD"}], "bad"),
        ("warningStates", {"warningType": "spammingMessages", "status": "BAD"}, "bad"),
        ("warningStates", ["spammingMessages", None], None),
    ],
)
def test_warnings_come_in_three_forms(key, warnings, state):
    one = taken(report({"lateShipmentRate": late(), key: warnings}))
    assert rows(one, "account_states", "kind", "name", "state")[1:] == [("warning", "spamming_messages", state)]


def test_a_count_of_warnings_is_a_warning_and_no_violation():
    one = taken(report({"lateShipmentRate": late(), "policyViolationWarnings": {"warningsCount": 2}}))
    assert rows(one, "account_states", "name", "count")[1:] == [("policy_violation_warnings", 2)]
    assert len(one.tables["violations"]) == 0


def test_what_the_kit_does_not_know_is_named():
    one = taken(report({"lateShipmentRate": late(), "smileRate": {"rate": 0.9}, "colour": "green"}))
    assert "Not read, as the kit does not know it: colour, smile_rate." in one.notes


def test_the_newest_end_in_the_file_is_the_as_of_day_unless_the_file_states_one():
    two = {
        "lateShipmentRate": late(),
        "validTrackingRate": {"rate": 1, "reportingDateRange": days("2026-02-20", "2026-03-21")},
    }
    assert readings(report(two), "as_of", "last_day") == [
        (date(2026, 3, 31), date(2026, 3, 31)),
        (date(2026, 3, 31), date(2026, 3, 21)),
    ]
    stated = readings(report(two, createdTime="2026-04-01T06:00:00Z"), "as_of")
    assert stated == [(date(2026, 4, 1),)] * 2


def test_stamps_without_seconds_and_without_a_time_are_days_too():
    block = late(reportingDateRange={"reportingDateFrom": "2026-03-02", "reportingDateTo": "2026-03-31T23:59Z"})
    assert readings(report({"lateShipmentRate": block}), "first_day", "last_day") == [
        (date(2026, 3, 2), date(2026, 3, 31))
    ]


def test_each_block_is_of_its_own_marketplace():
    content = report({"lateShipmentRate": late()}, {"marketplaceId": DE, "lateShipmentRate": late(100, 1, 0.01)})
    assert readings(content, "marketplace", "counted") == [("US", 200), ("DE", 100)]


def test_a_block_without_marketplace_is_of_the_one_that_the_file_names_else_of_the_one_told():
    block = {"marketplaceId": None, "lateShipmentRate": late()}
    assert readings(report(block), "marketplace") == [("US",)]
    nameless = report(block, accountStatuses=[])
    assert readings(nameless, "marketplace", marketplace="DE") == [("DE",)]
    assert "does not say of which marketplace it is. Say which with --marketplace." in said_of(nameless)


def test_an_unknown_or_contradicted_marketplace_is_refused_by_name():
    unknown = report({"marketplaceId": "A0NOWHERE", "lateShipmentRate": late()})
    assert "marketplaceId is 'A0NOWHERE', a marketplace that the kit does not know. It knows US, CA" in said_of(unknown)
    assert "you said marketplace DE, but the file states US" in said_of(
        report({"lateShipmentRate": late()}), marketplace="DE"
    )


AGAIN = "Download it again."
WHOLE = json.dumps(report({"lateShipmentRate": late()}))
BROKEN_JSON = {
    "it is cut off": (WHOLE[:-9].encode(), "the file is half-written"),
    "it is cut off inside a word": (WHOLE[: WHOLE.index("reporting") + 3].encode(), "the file is half-written"),
    "a comma is missing": (WHOLE.replace(', "rate"', ' "rate"').encode(), "row 1: no JSON from column"),
    "its root is another": (b'{"orders": {"performanceMetrics": []}}', "neither accountStatuses nor"),
    "its root is a list": (f"[{WHOLE}]".encode(), "holds a list where one object belongs"),
    "it nests too deep": (b'{"accountStatuses": ' + b"[" * 60 + b"]" * 60 + b"}", "deeper than 20 levels"),
    "it nests far too deep": (b'{"accountStatuses": ' + b"[" * 200_000, "deeper than 20 levels"),
    "it is not UTF-8": (WHOLE.encode().replace(b"GOOD", b"G\xd6\xd6D"), "is no UTF-8"),
    "it is UTF-16": (WHOLE.encode("utf-16"), "byte 1 is no UTF-8"),
    "a number is none": (WHOLE.replace("0.015", "NaN").encode(), "holds NaN, which is no number"),
    "a number is endless": (WHOLE.replace("0.015", "-Infinity").encode(), "holds -Infinity"),
    "a number is huge": (WHOLE.replace("200", "9" * 5000).encode(), "orderCount is '9999"),
    "a number is huger": (WHOLE.replace("0.015", "1e400").encode(), "rate is '1E+400', no number that a report"),
    "its exponent is huge": (WHOLE.replace("0.015", "1e99999999999999999999").encode(), "acme/report.json"),
    "a count is negative": (WHOLE.replace("200", "-200").encode(), "orderCount is '-200', no number that"),
    "a count is no whole number": (WHOLE.replace("200", "200.5").encode(), "orderCount is '200.5', no whole number"),
    "a count is a word": (WHOLE.replace("200", '"many"').encode(), "orderCount is 'many', no number"),
    "a count is true": (WHOLE.replace("200", "true").encode(), "orderCount is true or false, no number"),
    "a count is a list": (WHOLE.replace("200", "[2]").encode(), "orderCount is a list, no number"),
    "a day is none": (WHOLE.replace("2026-03-31T", "2026-02-31T").encode(), "no day written as yyyy-mm-dd"),
    "a key stands twice": (WHOLE.replace("targetValue", "rate").encode(), "has a key that is 'rate', twice"),
    "a block is a word": (WHOLE.replace('"GOOD"', "[1]").encode(), "status is a list, no word of a status"),
    "it holds no day": (b'{"accountStatuses": [], "performanceMetrics": []}', "holds no day at all"),
}


def refusals(folder: Path, content: bytes, name: str) -> list[str]:
    """What an import says of one broken file, of which nothing may be kept."""
    put(folder / "raw", content, "acme", name)
    store = Store(folder / "store")
    outcomes = list(importer.import_files([folder / "raw"], store))
    assert not store.imported_digests()
    return [outcome.refused for outcome in outcomes if outcome.refused]


@pytest.mark.parametrize("why", BROKEN_JSON)
def test_a_broken_json_is_refused_by_file_and_cure_and_nothing_is_stored(tmp_path, why):
    content, said = BROKEN_JSON[why]
    [message] = refusals(tmp_path, content, "report.json")
    assert message.startswith("acme/report.json: ")
    assert said in message
    assert "gain" in message or "Download" in message


def test_an_empty_file_and_a_foreign_json_are_refused(tmp_path):
    assert "is empty" in refusals(tmp_path / "1", b"", "report.json")[0]
    assert "the kit reads: seller performance report (JSON)" in refusals(tmp_path / "2", b'{"a": 1}', "x.json")[0]
    assert "the kit reads: seller performance report (XML)" in refusals(tmp_path / "3", b"<root/>", "x.xml")[0]
    assert "is a saved web page" in refusals(tmp_path / "4", b"<html/>", "x.xml")[0]


@pytest.mark.parametrize("packed", [False, True])
def test_the_report_is_known_by_what_it_holds_packed_or_not(tmp_path, packed):
    put(tmp_path, gzip.compress(WHOLE.encode()) if packed else "\n" + WHOLE, "acme", "zz.txt")
    [source], refused = discover_files([tmp_path])
    assert (source.kind, refused) == ("performance_json", [])
    assert rows(parse_file(source), "readings", "account", "marketplace", "counted") == [("acme", "US", 200)]


def test_snapshots_of_several_days_accumulate_and_the_same_file_adds_nothing(store, tmp_path):
    other = late(210, 5, 0.0238, reportingDateRange=days("2026-03-03", "2026-04-01"))
    content = report({"lateShipmentRate": other, "documentRequests": {"defectsCount": 1}})
    put(tmp_path / "raw", WHOLE, "acme", "monday.json")
    put(tmp_path / "raw", json.dumps(content), "acme", "tuesday.json")
    for _ in range(2):
        assert [one.refused for one in importer.import_files([tmp_path / "raw"], store)] == [None, None]
    ledger = store.ledger()
    held = ledger.readings.collect("pandas").to_native().sort_values("as_of")
    assert held["counted"].tolist() == [200, 210]
    assert [f"{one:%m-%d}" for one in held["as_of"]] == ["03-31", "04-01"]
    assert ledger.violations.collect("pyarrow").to_native()["count"].to_pylist() == [1]
    assert ledger.account_states.collect("pyarrow").to_native()["state"].to_pylist() == ["normal", "normal"]


def taken_xml(content: bytes, **told: Any) -> ParsedFile:
    told = {"marketplace": "UK"} | told
    context = ReadContext("acme/report.xml", "digest", "acme", **told).with_marketplace_code()
    return build_parsed_file(performance_xml.parse(content, context), context, "performance_xml")


def said_of_xml(content: bytes) -> str:
    with pytest.raises(ReaderError) as raised:
        taken_xml(content)
    return str(raised.value)


@pytest.mark.parametrize("frames", [LONG + SHORT, SHORT + LONG])
def test_the_time_frames_of_the_xml_may_stand_in_any_order(frames):
    one = taken_xml(xml(frames))
    columns = ("marketplace", "channel", "first_day", "counted", "at_fault", "parts", "rate", "contradiction")
    assert sorted(rows(one, "readings", *columns)) == [
        ("UK", "all", date(2019, 3, 3), 1000, 5, '{"a_to_z_claim": 1}', 0.005, None),
        ("UK", "all", date(2019, 5, 25), 80, 1, '{"a_to_z_claim": 1}', 0.02, None),
    ]
    assert set(rows(one, "readings", "metric", "as_of")) == {("order_defect_rate", date(2019, 5, 31))}


def test_a_single_time_frame_is_a_list_of_one():
    assert rows(taken_xml(xml(SHORT)), "readings", "counted") == [(80,)]


def test_the_three_customer_experience_rates_are_read_and_a_missing_one_is_nothing():
    inside = (
        "<orderCount>50</orderCount><lateShipment><count>1</count><rate>2.00%</rate></lateShipment>"
        "<refunds><count>5</count><rate>10,0 %</rate></refunds>"
    )
    one = taken_xml(xml(frame("customerExperienceMetrics", "2019-05-02", "2019-05-31", inside), "customerExperience"))
    assert rows(one, "readings", "metric", "channel", "at_fault", "rate") == [
        ("late_shipment_rate", "seller", 1, 0.02),
        ("refund_rate", "all", 5, 0.1),
    ]


def test_tracking_and_returns_give_rates_without_counts():
    tracking = frame(
        "trackingMetrics", "2019-05-02", "2019-05-31",
        "<validTracking><rate>97.5 %</rate></validTracking><onTimeDelivery><rate>N/A</rate></onTimeDelivery>",
    )  # fmt: skip
    returns = frame(
        "returnDissatisfactionMetrics", "2019-05-02", "2019-05-31",
        "<returnDissatisfaction><rate>8 %</rate></returnDissatisfaction>",
    )  # fmt: skip
    rest = f"<returnDissatisfaction>{returns}</returnDissatisfaction>"
    one = taken_xml(xml(tracking, "trackingInformation", rest=rest))
    assert rows(one, "readings", "metric", "counted", "at_fault", "rate") == [
        ("valid_tracking_rate", None, None, 0.975),
        ("return_dissatisfaction_rate", None, None, 0.08),
    ]
    assert one.skipped == {"figures that the file leaves empty": 1}


def test_contacts_answered_late_and_not_at_all_are_at_fault():
    inside = (
        "<averageResponseTimeInHours>7.5</averageResponseTimeInHours><responseUnder24Hours>18</responseUnder24Hours>"
        "<responseTimeGreaterThan24Hours>1</responseTimeGreaterThan24Hours>"
        "<noResponseForContactsOlderThan24Hours>1</noResponseForContactsOlderThan24Hours>"
    )
    block = "buyerSellerContactResponseTimeMetrics"
    one = taken_xml(xml(frame("responseTimeMetrics", "2019-05-02", "2019-05-31", inside), block))
    parts = '{"answered_late": 1, "answered_within_24_hours": 18, "average_hours": 7.5, "unanswered": 1}'
    assert rows(one, "readings", "metric", "counted", "at_fault", "rate", "parts") == [
        ("late_response_rate", 20, 2, None, parts)
    ]


def test_a_rate_without_its_percent_sign_is_not_guessed_at():
    one = taken_xml(xml(defects("2019-05-25", "2019-05-31", 80, 1, "1.25")))
    assert rows(one, "readings", "at_fault", "rate") == [(1, None)]
    assert one.skipped == {"rates without a percent sign, which may be shares or percents": 1}


def test_a_rate_in_the_xml_that_does_not_fit_its_counts_is_told():
    one = taken_xml(xml(defects("2019-05-25", "2019-05-31", 80, 1, "0.52 %")))
    assert rows(one, "readings", "contradiction") == [("1 of 80 is 1.25 %, but the rate given is 0.52 %.",)]


def test_the_marks_of_the_check_list_stand_beside_the_figures():
    checks = (
        "<orderDefectRate><status>Good</status></orderDefectRate><productSafetyStatus><status>Fair</status>"
        "</productSafetyStatus><listingPolicyStatus/>"
    )
    one = taken_xml(xml(SHORT, checks=checks))
    assert rows(one, "account_states", "kind", "name", "state") == [
        ("checklist", "order_defect_rate", "good"),
        ("checklist", "product_safety_status", "fair"),
    ]


RATING = {
    "ahrScore": 96,
    "ahrStatus": "AT_RISK_OF_DEACTIVATION",
    "reportingDateRange": days("2025-10-03", "2026-03-31"),
}
VIOLATION = {"defectsCount": 8, "status": "UNDER_REVIEW", "reportingDateRange": days("2025-10-03", "2026-03-31")}


def test_an_unknown_status_word_is_named_with_its_measure_and_the_number_that_judges_it():
    content = report({
        "accountHealthRating": RATING, "lateShipmentRate": late(status="BORDERLINE"), "documentRequests": VIOLATION,
        "validTrackingRate": {"reportingDateRange": days("2026-03-11", "2026-03-24"), "status": "ELEVATED"},
    })  # fmt: skip
    one = taken(content)
    assert [note for note in one.notes if "unknown" in note] == [
        "US document_requests: unknown status word 'under review'; the figure is judged by its number, 8 open.",
        "US account_health_rating (all, 2025-10-03 to 2026-03-31): unknown status word 'at risk of deactivation'; the "
        "figure is judged by its number, 96 points.",
        "US late_shipment_rate (seller, 2026-03-02 to 2026-03-31): unknown status word 'borderline'; the figure is "
        "judged by its number, 3 of 200 at fault, rate 1.5 %.",
        "US valid_tracking_rate (seller, 2026-03-11 to 2026-03-24): unknown status word 'elevated'; the figure is "
        "without a number, so it counts as no data.",
    ]
    assert rows(one, "readings", "metric", "status")[0] == ("account_health_rating", "at risk of deactivation")


@pytest.mark.parametrize("word", sorted(STATUS_WORDS))
def test_a_known_status_word_is_not_named(word):
    written = word.upper().replace(" ", "_")
    one = taken(report({"accountHealthRating": RATING | {"ahrStatus": written}, "lateShipmentRate": late()}))
    assert not [note for note in one.notes if "unknown" in note]


@pytest.mark.parametrize(
    "word", ["NORMAL", "AT_RISK", "AT_RISK_OF_DEACTIVATION", "WARNED", "NONE", "SUSPENDED", "ON_HOLD"]
)
def test_an_unknown_word_for_the_account_as_a_whole_is_named(word):
    one = taken(report({"lateShipmentRate": late()}, accountStatuses=[{"marketplaceId": US, "status": word}]))
    named = "US account account_status: unknown status word 'on hold'; shown as the report gives it."
    assert [note for note in one.notes if "unknown" in note] == ([named] if word == "ON_HOLD" else [])


def test_many_unknown_status_words_are_named_up_to_twelve():
    blocks = [
        {"lateShipmentRate": late(status="ODD", reportingDateRange=days("2026-03-01", f"2026-03-{day}"))}
        for day in range(10, 25)
    ]
    notes = taken(report(*blocks)).notes
    assert len([note for note in notes if "unknown status word" in note]) == 12
    assert "3 more status words are unknown." in notes


def test_an_unknown_mark_of_the_check_list_is_named():
    checks = "<orderDefectRate><status>Splendid</status></orderDefectRate>"
    one = taken_xml(xml(SHORT, checks=checks))
    assert [note for note in one.notes if "unknown" in note] == [
        "UK checklist order_defect_rate: unknown status word 'splendid'; shown as the report gives it."
    ]


def test_a_report_of_2026_without_blocks_of_defects_is_read_in_full(tmp_path):
    """Rates of zero without their counts, a figure called good below its target, a list without days."""
    month = {
        "reportingDateRange": days("2026-08-26", "2026-09-24"),
        "targetValue": 0.01,
        "targetCondition": "LESS_THAN",
    }
    clean = {"rate": 0, "status": "GOOD", **month}
    content = {
        "accountStatuses": [{"marketplaceId": DE, "status": "NORMAL"}],
        "performanceMetrics": [{
            "marketplaceId": DE,
            "orderDefectRate": {"mfn": {**clean, "orderCount": 11}, "afn": {**clean, "orderCount": 2905}},
            "onTimeDeliveryRate": {
                **month, "rate": 0.25, "status": "GOOD", "targetValue": 0.97, "targetCondition": "GREATER_THAN",
                "onTimeDeliveryCount": 1, "shipmentCountWithValidTracking": 4,
            },
            "accountHealthRating": {"ahrScore": 316, "ahrStatus": "GREAT", **month},
            "lateShipmentRateList": [{"rate": 0, "status": "GOOD", "targetValue": 0.04}],
        }],
    }  # fmt: skip
    put(tmp_path / "raw", json.dumps(content).encode(), "acme", "report.json")
    [outcome] = importer.import_files([tmp_path / "raw"], Store(tmp_path / "store"))
    assert outcome.parsed_file is not None
    assert outcome.parsed_file.skipped == {"figures without the days that they cover (lateShipmentRateList)": 1}
    assert any("called good, though 25 % is not above 97 %" in note for note in outcome.parsed_file.notes)
    columns = ["metric", "channel", "counted", "at_fault", "value", "status"]
    scores = reported_scores(Store(tmp_path / "store").ledger(), date(2026, 9, 30))[columns].astype(object)
    figures = {(row[0], row[1]): tuple(row[2:]) for row in scores.where(scores.notna(), None).to_numpy().tolist()}
    assert figures["order_defect_rate", "seller"][:2] == (11, 0)
    assert figures["order_defect_rate", "amazon"][:2] == (2905, 0)
    assert figures["on_time_delivery_rate", "seller"][:2] == (4, 3)
    assert figures["account_health_rating", "all"][2:] == (316.0, "on target")


def test_the_case_of_a_german_report_of_2026(tmp_path):
    case = Path(__file__).parents[2] / "shared" / "cases" / "08_v2_json_de_2026"
    if not case.exists():
        pytest.skip("the shared cases are not here")
    *_, one = (outcome.parsed_file for outcome in importer.import_files([case / "acc-de"], Store(tmp_path / "store")))
    assert one is not None
    assert set(rows(one, "readings", "metric", "channel", "counted", "at_fault", "parts", "status")) >= {
        ("order_defect_rate", "seller", 9, 0, None, "good"),
        ("order_defect_rate", "amazon", 3210, 0, None, "good"),
        ("on_time_delivery_rate", "seller", 5, 3, '{"on_time": 2}', "good"),
        ("account_health_rating", "all", None, None, '{"score": 428}', "great"),
    }
    assert [reason for reason in one.skipped if "lateShipmentRateList" in reason]


def test_the_xml_asks_for_its_marketplace():
    with pytest.raises(ReaderError, match="does not say of which marketplace it is"):
        taken_xml(xml(SHORT), marketplace=None)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<sellerPerformanceReports>&b;</sellerPerformanceReports>"
)
BROKEN_XML = {
    "it is a bomb": (BOMB, "declares a document type or entities"),
    "it fetches a file": (
        b'<!DOCTYPE x SYSTEM "file:///etc/hostname"><sellerPerformanceReports/>', "declares a document type"
    ),
    "it is cut off": (xml(SHORT)[:-20], "no whole XML from here on"),
    "it nests too deep": (b"<sellerPerformanceReport>" + b"<a>" * 9999, "nests deeper than 20 elements"),
    "it has too many elements": (xml("<a/>" * 50_001), "more than 50,000"),
    "its root is another": (b"<x><sellerPerformanceReport/></x>", "its root is <x> where <sellerPerformanceReports>"),
    "its encoding is none": (
        xml(SHORT).replace(b"UTF-8", b"nonsense"), "acme/report.xml"
    ),
    "it is not UTF-8": (xml(SHORT.replace("2%", "2\xa7%")).replace(b"\xc2", b""), "no whole XML"),
    "a count is a word": (xml(SHORT.replace(">80<", ">many<")), "orderDefectMetrics/orderCount is 'many', no number"),
    "a count is huge": (xml(SHORT.replace(">80<", f">{'8' * 5000}<")), "no number that a report can hold"),
    "a rate is none": (xml(SHORT.replace("2%", "NaN %")), "rate is 'NaN', no number"),
    "a day is none": (xml(SHORT.replace("2019-05-31T", "31/05/2019 ")), "no day written as yyyy-mm-dd"),
    "it holds no figures": (xml(), "holds no day at all"),
}  # fmt: skip


@pytest.mark.parametrize("why", BROKEN_XML)
def test_a_broken_xml_is_refused_by_file_and_cure_and_nothing_is_stored(store, tmp_path, why):
    content, said = BROKEN_XML[why]
    assert said in said_of_xml(content)
    put(tmp_path / "raw", content, "acme", "report.xml")
    [outcome] = importer.import_files([tmp_path / "raw"], store, marketplace="UK")
    assert said in (outcome.refused or "")
    assert "gain" in (outcome.refused or "")
    assert not store.imported_digests()


def test_a_file_that_is_far_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr("healthkit.ingest.parsing.reported_figures.MAX_REPORT_BYTES", 100)
    assert "the kit reads no more than 100" in said_of(WHOLE.encode())
    assert "the kit reads no more than 100" in said_of_xml(xml(SHORT))


KEYS = st.sampled_from([
    "marketplaceId", "accountStatuses", "performanceMetrics", "orderDefectRate", "mfn", "afn", "lateShipmentRate",
    "lateShipmentRateList", "validTrackingRate", "accountHealthRating", "warningStates", "status", "rate", "orderCount",
    "reportingDateRange", "reportingDateTo", "reportingDateFrom", "defectsCount", "warningsCount", "warningType",
    "targetValue", "targetCondition", "createdTime", "count", "claims", "ahrScore", "other",
])  # fmt: skip
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([US, DE, "GOOD", "2026-03-31", "2026-03-02T00:00Z", "NONE", "LESS_THAN", "4 %", "1e5", "\ud800"]),
)  # fmt: skip
ANYTHING = st.recursive(
    CELLS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
GOOD_ONE = report({
    "lateShipmentRate": late(), "orderDefectRate": {"mfn": late(), "afn": late()},
    "accountHealthRating": {"ahrScore": 1, "reportingDateRange": days("2026-03-02", "2026-03-31")},
    "warningStates": ["a"], "documentRequests": {"defectsCount": 1},
})  # fmt: skip


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a report, as the keys that lead there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, one in inner for place in places(one, (*here, key)))]


def with_value(place: tuple[Any, ...], value: Any) -> Any:
    """The good report with another value at one place."""
    if not place:
        return value
    made = copy.deepcopy(GOOD_ONE)
    held: Any = made
    for key in place[:-1]:
        held = held[key]
    held[place[-1]] = value
    return made


def survives(take: Any, content: bytes, name: str) -> None:
    """Either tables that hold, or a ReaderError that names the file; anything else fails the test."""
    refused = None
    try:
        context = ReadContext(name, "digest", "acme", "US")
        one = build_parsed_file(take(content, context), context, "report")
        assert set(one.tables) == {"readings", "violations", "account_states"}
    except ReaderError as error:
        refused = str(error)
    assert refused is None or refused.encode().startswith(name.encode())


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(places(GOOD_ONE)), ANYTHING)
def test_no_value_anywhere_in_the_json_crashes_the_reader(place, value):
    survives(performance_json.parse, json.dumps(with_value(place, value)).encode(), "acme/report.json")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2000), st.integers(0, 60), st.binary(max_size=12))
def test_no_damage_to_the_bytes_of_the_json_crashes_the_reader(start, length, inserted):
    content = json.dumps(GOOD_ONE).encode()
    survives(performance_json.parse, content[:start] + inserted + content[start + length :], "acme/report.json")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 900), st.integers(0, 60), st.one_of(st.binary(max_size=12), st.text(max_size=8).map(str.encode)))
def test_no_damage_to_the_bytes_of_the_xml_crashes_the_reader(start, length, inserted):
    content = xml(LONG + SHORT, checks="<a><status>Good</status></a>")
    survives(performance_xml.parse, content[:start] + inserted + content[start + length :], "acme/report.xml")


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.sampled_from([b"{", b"[", b"<", b"\xef\xbb\xbf{", b"\xff\xfe{"]), st.binary(max_size=60))
def test_nothing_that_begins_as_json_or_xml_crashes_the_plan(tmp_path_factory, begins, rest):
    folder = tmp_path_factory.mktemp("plan")
    put(folder, begins + rest + b'"performanceMetrics"sellerPerformanceReport', "acme", "x.json")
    sources, _ = discover_files([folder])
    for source in sources:
        with pytest.raises(ReaderError):
            parse_file(source, marketplace="US")


@pytest.mark.skipif(not EXAMPLE.is_dir(), reason="Amazon's example is not part of the project and is not here")
def test_amazons_own_example_loads_and_its_wrong_arithmetic_is_named():
    [source], _ = discover_files([EXAMPLE / "accountHealthReport-2020-11-18.example.json"])
    one = parse_file(source, account="acme")
    told = {
        (metric, channel): contradiction
        for metric, channel, contradiction in rows(one, "readings", "metric", "channel", "contradiction")
    }
    wrong = {key for key, contradiction in told.items() if contradiction}
    assert len(told) == 9
    assert wrong == {
        ("cancellation_rate", "seller"), ("on_time_delivery_rate", "seller"), ("unit_on_time_delivery_rate", "seller"),
        ("order_defect_rate", "seller"), ("order_defect_rate", "amazon"), ("valid_tracking_rate", "seller"),
    }  # fmt: skip
    assert "1,078 of 539,000 is 0.2 %, but the rate given is 0.9 %." in told["order_defect_rate", "seller"]
    assert set(rows(one, "readings", "as_of")) == {(date(2020, 11, 19),)}
    assert dict(rows(one, "violations", "category", "count"))["document_requests"] == 8
    states = {
        (place, name): state for place, name, state in rows(one, "account_states", "marketplace", "name", "state")
    }
    assert states["US", "account_status"] == "at risk"
    assert states["MX", "account_status"] == "deactivated"
