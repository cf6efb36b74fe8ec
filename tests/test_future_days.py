"""Days in the future, or after the file's own last update, are noted at import, whatever the kind of file."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from healthkit.cli import app, import_command
from healthkit.ingest.importer import import_files
from healthkit.ingest.parsing import large_files, raw_file
from healthkit.schema import tables
from healthkit.store import Store
from tests.builders import raw_files as files
from tests.builders.raw_files import FIRST, Tiny, put
from tests.builders.sample import SAMPLE

BY_HAND = (
    files.DEFECTS, files.CONFIRMATIONS, files.CONTACTS, files.INVOICES, files.REQUESTS, files.SURVEYS, files.VIOLATIONS,
)  # fmt: skip
EVERY = (
    *BY_HAND,
    files.ALL_ORDERS,
    files.ORDER_REPORT,
    files.FEEDBACK,
    files.RETURNS,
    files.SALE_REPORT,
    files.ORDER_DEFECTS,
)
IMPORT_DAY = date(2026, 11, 29)
HOLDS = "What it says holds only from that day on. Check the year, and the order of day and month."


def notes_of(folder: Path, file: Tiny | bytes, import_day: date | None, name: str = "", **options: str) -> list[str]:
    """What an import of one file notes on its days."""
    put(folder / "raw", file, name=name or (file.name if isinstance(file, Tiny) else "report.json"))
    options = {"marketplace": "IN" if isinstance(file, Tiny) and file.kind == "sale_report" else "US"} | options
    [outcome] = import_files([folder / "raw"], Store(folder / "store"), import_day=import_day, **options)
    assert outcome.refused is None
    return [note for note in outcome.taken.notes if "in the future" in note or " after " in note]


def test_a_rating_of_next_week_is_noted(tmp_path):
    file = files.FEEDBACK.with_cell(0, "Date", "11/23/26").with_cell(1, "Date", "12/4/26")
    assert notes_of(tmp_path, file, IMPORT_DAY) == [
        "feedback: 1 of 2 rows has a day in the future (received_on up to 2026-12-04; today is 2026-11-29 at the "
        f"latest). {HOLDS}"
    ]


def test_an_order_placed_next_week_is_noted(tmp_path):
    file = files.ALL_ORDERS.with_cell(2, "purchase-date", "2026-12-05T04:00:00Z")
    file = file.with_cell(2, "last-updated-date", "2026-12-05T05:00:00Z")
    assert notes_of(tmp_path, file, IMPORT_DAY) == [
        "orders: 1 of 3 rows has a day in the future (ordered_on up to 2026-12-04, cancelled_on up to 2026-12-04; "
        f"today is 2026-11-29 at the latest). {HOLDS}"
    ]


def test_a_claim_of_next_month_is_noted(tmp_path):
    file = files.DEFECTS.with_cell(0, "known-on", "2026-12-10").with_cell(0, "cleared-on", "")
    assert notes_of(tmp_path, file, IMPORT_DAY) == [
        "defects: 1 of 2 rows has a day in the future (known_on up to 2026-12-10; today is 2026-11-29 at the latest). "
        f"{HOLDS}"
    ]


def test_a_violation_of_next_year_is_noted(tmp_path):
    file = files.VIOLATIONS.with_cell(1, "opened-on", "2027-03-04")
    assert notes_of(tmp_path, file, IMPORT_DAY) == [
        "violations: 1 of 2 rows has a day in the future (opened_on up to 2027-03-04; today is 2026-11-29 at the "
        f"latest). {HOLDS}"
    ]


def report(last: str, **cells: str) -> bytes:
    """A performance report with one rate over the month that ends on a day."""
    period = {"reportingDateFrom": "2026-11-01T00:00Z", "reportingDateTo": f"{last}T23:59Z"}
    late = {"orderCount": 200, "lateShipmentCount": 3, "rate": 0.015, "reportingDateRange": period}
    block = {"marketplaceId": "ATVPDKIKX0DER", "lateShipmentRate": late}
    return json.dumps({"accountStatuses": [], "performanceMetrics": [block], **cells}).encode()


def test_a_figure_over_days_to_come_is_noted(tmp_path):
    [note] = notes_of(tmp_path, report("2026-12-24"), IMPORT_DAY)
    assert note.startswith("readings: 1 of 1 rows has a day in the future (as_of up to 2026-12-24, last_day up to")


def test_a_figure_over_days_after_its_report_is_noted(tmp_path):
    notes = notes_of(tmp_path, report("2026-11-24", processingEndTime="2026-11-15T08:00:00Z"), None)
    assert notes == [
        "readings: 1 of 1 rows has a day after 2026-11-15, the day of the file (last_day up to 2026-11-24). Check the "
        "year, and the order of day and month."
    ]


@pytest.mark.parametrize("file", EVERY, ids=lambda file: file.kind)
def test_every_kind_of_file_is_checked_and_the_day_of_import_itself_is_none_to_come(file, tmp_path):
    """Imported on the newest day of its events, nothing is noted; a day before that, the newest rows are."""
    put(tmp_path / "raw", file, name=file.name)
    options = {"marketplace": "IN" if file.kind == "sale_report" else "US"}
    [outcome] = import_files([tmp_path / "raw"], Store(tmp_path / "first"), **options)
    days = [
        day
        for table in tables.RAW_TABLES
        for name, column in table.columns.items()
        if table.name in outcome.taken.tables and column.kind == "day" and name not in tables.FUTURE_DAY_COLUMNS
        for day in outcome.taken.tables[table.name][name].to_pylist()
        if day is not None
    ]
    newest = max(days)
    assert [note for note in notes_of(tmp_path / "on it", file, newest) if " a day " in note] == []
    notes = notes_of(tmp_path / "before", file, newest - timedelta(days=1))
    assert all("in the future" in note for note in notes)
    assert any(" a day in the future" in note and f"up to {newest}" in note for note in notes)


def test_promises_may_lie_in_the_future(tmp_path):
    file = files.ORDER_REPORT.with_cell(0, "latest-ship-date", "2026-12-12T07:59:59+00:00")
    assert notes_of(tmp_path / "report", file, IMPORT_DAY) == []
    waiting = "order-id,confirmed-at,ship-by,deliver-by\n" + f"{FIRST},,2026-12-12,2026-12-20\n"
    assert notes_of(tmp_path / "by hand", waiting.encode(), IMPORT_DAY, "confirmations.csv") == []
    assert {name for table in tables.RAW_TABLES for name in table.columns} >= set(tables.FUTURE_DAY_COLUMNS)


def test_a_time_of_update_in_the_future_is_noted(tmp_path):
    """The newest statement stands: one from the future stands over all that are read later."""
    file = files.ALL_ORDERS.with_cell(0, "last-updated-date", "2027-03-02T20:00:00+00:00").with_cell(
        1, "item-status", "Shipped"
    )
    assert notes_of(tmp_path, file, IMPORT_DAY) == [
        "orders: 1 of 3 rows was last updated in the future (updated_at up to 2027-03-02; today is 2026-11-29 at the "
        "latest). Files with an earlier time of update do not replace what it says. Check the year, and the order of "
        "day and month."
    ]


def test_a_day_after_the_last_update_of_its_row_is_noted(tmp_path):
    file = files.ALL_ORDERS.with_cell(2, "purchase-date", "2026-03-08T04:00:00Z")
    noted = [
        "orders: 1 of 3 rows has a day after the time of its own last update (ordered_on up to 2026-03-07). Check the "
        "year, and the order of day and month."
    ]
    assert notes_of(tmp_path / "known", file, IMPORT_DAY) == noted
    assert notes_of(tmp_path / "no day of import", file, None) == noted


def test_a_defect_known_after_the_day_in_the_name_of_its_list_is_noted(tmp_path):
    late = files.LATE.with_cell(1, "Ship confirmation date", "09-Apr-2026 09:00").text().encode()
    [note] = notes_of(tmp_path / "list", late, IMPORT_DAY, "late_2026-03-31.csv")
    assert note.startswith(
        "defects: 1 of 2 rows has a day after 2026-03-31, the day of the file (known_on up to 2026-04-09)."
    )


def test_a_large_file_is_checked_as_a_small_one_is(tmp_path, monkeypatch):
    lines = files.ALL_ORDERS.text().splitlines()
    many = [lines[1].replace(FIRST, f"111-1111111-{number:07}") for number in range(90)]
    many = [line.replace("2026-03-01T", "2026-12-09T") if number % 9 == 0 else line for number, line in enumerate(many)]
    torn = [lines[3].replace("2026-03-03T04", "2027-01-03T04"), *many[:40], lines[3], *many[40:]]
    content = "\n".join([lines[0], *torn, ""]).encode()
    small = notes_of(tmp_path / "whole", content, IMPORT_DAY, "orders.txt")
    monkeypatch.setattr(large_files, "CHUNK_BYTES", 2_000)
    monkeypatch.setattr(raw_file, "PIECE_BYTES", 700)
    assert notes_of(tmp_path / "parted", content, IMPORT_DAY, "orders.txt") == small
    [outcome] = import_files([tmp_path / "parted" / "raw"], Store(tmp_path / "again"), import_day=IMPORT_DAY)
    assert not isinstance(outcome.taken.tables["orders"], pa.Table)
    assert small[0].startswith("orders: 11 of 91 rows have a day in the future (ordered_on up to 2026-12-09")
    quiet = [note for note in notes_of(tmp_path / "later", content, date(2027, 6, 1), "orders.txt") if "future" in note]
    assert quiet == []


def test_the_sample_holds_no_such_day(tmp_path):
    """It ends on 31 October 2026, and its last parcels arrive on the next day."""
    taken = [one.taken for one in import_files([SAMPLE / "paper-moth"], Store(tmp_path), import_day=date(2026, 11, 2))]
    assert [note for one in taken for note in one.notes if " after " in note or "in the future" in note] == []


def test_without_a_day_of_import_no_day_is_called_one_to_come(tmp_path):
    file = files.DEFECTS.with_cell(1, "known-on", "2031-12-10")
    assert notes_of(tmp_path, file, None) == []


def test_the_command_knows_the_latest_day_that_has_begun_anywhere(tmp_path, monkeypatch):
    put(tmp_path / "raw", files.DEFECTS.with_cell(1, "known-on", "2026-12-10"), name="defects.csv")
    words = ["import", str(tmp_path / "raw"), "--marketplace", "US", "--data"]
    monkeypatch.setattr(import_command, "latest_day", lambda: IMPORT_DAY)
    shown = CliRunner().invoke(app, [*words, str(tmp_path / "store")])
    assert "note: defects: 1 of 2 rows has a day in the future (known_on up to 2026-12-10" in shown.stdout
    monkeypatch.setattr(import_command, "latest_day", lambda: date(2026, 12, 10))
    assert "in the future" not in CliRunner().invoke(app, [*words, str(tmp_path / "later")]).stdout
