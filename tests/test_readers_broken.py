"""Every kind of file and its broken twins: each is refused or repaired, in words that name file, row and cure."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from healthkit.ingest.formats import ParsedFile, ReaderError, discover_files, parse_file
from tests.builders import raw_files as files
from tests.builders.damaged_files import (
    BY_HAND,
    NAMES_ITSELF,
    REFUSED,
    expected,
    half_written,
    said_of,
    shifted,
    shifted_left,
    too_long,
)
from tests.builders.raw_files import FIRST, SECOND, Tiny, place, put


def repaired(folder: Path, file: Tiny, content: bytes | str, **told: Any) -> ParsedFile:
    place(folder, file, content)
    [source], refused = discover_files([folder])
    assert refused == []
    told.setdefault("marketplace", None if source.kind in NAMES_ITSELF else "US")
    return parse_file(source, **told)


every_file = pytest.mark.parametrize("file", [*files.FILES, *files.HAND_WRITTEN], ids=lambda file: file.kind)


@every_file
@pytest.mark.parametrize("damage", REFUSED, ids=lambda damage: damage.words)
def test_a_broken_twin_is_refused_by_file_row_and_cure(tmp_path, file, damage):
    place(tmp_path, file, damage.happens(file))
    said = said_of(tmp_path)
    assert f"acme/{file.name}" in said
    assert re.search(expected(damage, file), said), said
    by_hand = file in (files.CONFIRMATIONS, files.DEFECTS, *files.HAND_WRITTEN)
    assert re.search(f"{damage.cure}|{BY_HAND}" if by_hand else damage.cure, said), said


@pytest.mark.parametrize(
    ("header", "meant"),
    [("order-id,kind,known-on,cleared", "cleared-on"), ("order-id,confirmed-at,deliverd-at", "delivered-at")],
)
def test_a_misspelt_column_of_a_hand_made_file_is_refused_with_the_one_that_was_meant(tmp_path, header, meant):
    (tmp_path / "mine.csv").write_text(f"{header}\n", encoding="utf-8")
    [source], _ = discover_files([tmp_path])
    with pytest.raises(ReaderError, match=f"Did you mean {meant}"):
        parse_file(source, marketplace="US")


def test_a_column_of_a_hand_made_file_that_means_nothing_is_told(tmp_path):
    (tmp_path / "mine.csv").write_text("order-id,kind,known-on,my remark\n", encoding="utf-8")
    [source], _ = discover_files([tmp_path])
    assert any("Columns left out: 'my-remark'" in note for note in parse_file(source, marketplace="US").notes)


def test_a_marketplace_that_known_orders_contradict_is_refused(tmp_path):
    (tmp_path / "mine.csv").write_text("order-id,kind,known-on\n111-0000001-0000001,chargeback,2026-03-04\n")
    [source], _ = discover_files([tmp_path])
    known = {"111-0000001-0000001": "US"}
    with pytest.raises(ReaderError, match="said marketplace DE, but its orders are known: 1 of US"):
        parse_file(source, marketplace="DE", marketplace_of=lambda account, ids: known)


@every_file
def test_a_missing_column_names_the_nearest_kind(tmp_path, file):
    place(tmp_path, file, file.without_column(file.needed).text())
    lacking = file.needed if file in files.HAND_WRITTEN else ""
    assert f"The nearest kind: {file.title}; the file lacks {lacking}" in said_of(tmp_path)


@pytest.mark.parametrize("file", files.FILES, ids=lambda file: file.kind)
def test_what_is_said_of_a_shifted_row_shows_nobodys_data(tmp_path, file):
    for number, content in enumerate((shifted, shifted_left, too_long, half_written)):
        place(tmp_path / str(number), file, content(file.with_personal_data()))
        assert files.MARK not in said_of(tmp_path / str(number))


@every_file
def test_a_file_with_a_header_and_no_rows_holds_nothing_and_says_so(tmp_path, file):
    taken = repaired(tmp_path, file, file.text().split("\n")[0] + "\n", marketplace=None)
    assert sum(map(len, taken.tables.values())) == 0
    assert any("The file has a header and no rows." in note for note in taken.notes)
    assert (taken.first_day, taken.last_day) == (None, None)


@pytest.mark.parametrize("file", files.FILES, ids=lambda file: file.kind)
@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", None), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252"), ("latin-1", "latin-1")],
)
def test_another_encoding_is_read_and_named(tmp_path, file, encoding, note):
    # 0x81 stands for nothing in Windows-1252: only Latin-1, which never fails, is left.
    letter = "Grüße" if encoding != "latin-1" else "Gr\x81ße"
    header, rest = file.text().split("\n", 1)
    extra = [f"{line}{file.delimiter}{letter}" for line in rest.rstrip("\n").split("\n")]
    if file.kind == "feedback":
        text = file.with_cell(0, "Comments", letter).text()
    else:
        text = "\n".join([f"{header}{file.delimiter}remark", *extra]) + "\n"
    taken = repaired(tmp_path, file, text.encode(encoding))
    assert sum(map(len, taken.tables.values())) > 0
    assert any(f"Read as {note}" in said for said in taken.notes) is (note is not None)


@pytest.mark.parametrize("file", files.FILES, ids=lambda file: file.kind)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_system_read_the_same(tmp_path, file, ends):
    plain = repaired(tmp_path / "plain", file, file.text())
    other = repaired(tmp_path / "other", file, file.text().replace("\n", ends))
    for name, table in plain.tables.items():
        assert other.tables[name].drop_columns("report").equals(table.drop_columns("report"))


@pytest.mark.parametrize("file", files.FILES, ids=lambda file: file.kind)
def test_rows_whose_empty_cells_at_the_end_were_cut_are_filled_up(tmp_path, file):
    header = f"{file.text().split(chr(10), 1)[0]}{file.delimiter}more{file.delimiter}still-more"
    if file.kind == "feedback":
        file = file.with_cell(1, "Rater Email", "")
        content = file.text().rstrip("\n").rstrip("\t") + "\n"
    else:
        content = header + "\n" + file.text().split("\n", 1)[1]
    plain = repaired(tmp_path / "plain", file, file.text())
    cut = repaired(tmp_path / "cut", file, content)
    assert any(re.search("Filled up|Mended", note) for note in cut.notes)
    for name, table in plain.tables.items():
        assert cut.tables[name].drop_columns("report").equals(table.drop_columns("report"))


@pytest.mark.parametrize("file", files.FILES[:4], ids=lambda file: file.kind)
def test_a_file_of_tabs_that_was_saved_with_commas_is_refused(tmp_path, file):
    place(tmp_path, file, replace(file, delimiter=",").text())
    assert re.search(f"looks like: {file.title}, but its columns are parted by ','.*spreadsheet", said_of(tmp_path))


def test_a_plain_csv_may_be_parted_by_semicolons(tmp_path):
    text = replace(files.DEFECTS, delimiter=";").text()
    assert len(repaired(tmp_path, files.DEFECTS, text).tables["defects"]) == 2


def test_the_row_that_is_named_is_the_line_of_the_file_blank_lines_and_all(tmp_path):
    header, first, *others = files.ALL_ORDERS.with_cell(2, "quantity", "many").text().split("\n")
    place(tmp_path, files.ALL_ORDERS, "\n".join(["", header, first, "", *others]))
    assert "row 6: quantity is 'many', no whole number (1 of 4 rows)" in said_of(tmp_path)


def test_the_row_that_is_named_counts_line_breaks_inside_quotes(tmp_path):
    file = files.DEFECTS.with_cell(0, "detail", '"two\nlines"').with_cell(1, "kind", "theft")
    place(tmp_path, file)
    assert "row 4: kind is 'theft', unknown; there are: negative_feedback, a_to_z_claim" in said_of(tmp_path)


def test_a_quote_that_never_closes_is_half_written(tmp_path):
    place(tmp_path, files.DEFECTS, files.DEFECTS.text().replace('appeal"', "appeal"))
    assert re.search(r"row 2: a quoted cell does not end where it should.*again", said_of(tmp_path))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    put(tmp_path, bytes(range(256)) * 20)
    assert "NUL bytes" in said_of(tmp_path)


def test_letters_lost_before_the_download_are_told(tmp_path):
    lost = files.ALL_ORDERS.with_cell(1, "product-name", "Gr\ufffd\ufffde").text()
    assert any("2 letters were already lost" in note for note in repaired(tmp_path / "a", files.ALL_ORDERS, lost).notes)
    marks = files.ALL_ORDERS.with_cell(1, "product-name", "Gr??e").text()
    assert any("replaced by '?'" in note for note in repaired(tmp_path / "b", files.ALL_ORDERS, marks).notes)


def test_a_japanese_file_is_cp932_when_it_is_told_or_says_so(tmp_path):
    japanese = files.ALL_ORDERS
    for row in range(4):
        japanese = japanese.with_cell(row, "sales-channel", "Amazon.co.jp").with_cell(row, "product-name", "ソー能表")
    taken = repaired(tmp_path, japanese, japanese.text().encode("cp932"))
    assert "Read as cp932: the file is not plain UTF-8." in taken.notes
    assert set(taken.tables["items"]["product"].to_pylist()) == {"ソー能表"}


@pytest.mark.parametrize(
    "told", [{"marketplace": "JP"}, {"marketplace": None, "marketplace_of": lambda *_: {FIRST: "JP"}}]
)
def test_japanese_feedback_is_cp932_because_its_marketplace_is_known(tmp_path, told):
    feedback = (
        files.FEEDBACK.with_cell(0, "Comments", "能表ソ").with_cell(0, "Date", "26/3/4").with_cell(1, "Date", "26/4/3")
    )
    taken = repaired(tmp_path, feedback, feedback.text().encode("cp932"), **told)
    assert "Read as cp932: the file is not plain UTF-8." in taken.notes
    assert [str(day) for day in taken.tables["feedback"]["received_on"].to_pylist()] == ["2026-03-04", "2026-04-03"]


@pytest.mark.parametrize(
    "kind", [files.FEEDBACK, files.ORDER_REPORT, files.CONFIRMATIONS, files.DEFECTS, files.RETURNS]
)
def test_a_file_that_does_not_say_its_marketplace_is_never_guessed(tmp_path, kind):
    place(tmp_path, kind)
    said = said_of(tmp_path, marketplace=None, marketplace_of=lambda *_: {})
    assert re.search(r"row 2: the file does not say of which marketplace .* Say which with --marketplace", said), said


def test_orders_of_several_marketplaces_leave_an_unknown_one_open(tmp_path):
    place(tmp_path, files.ORDER_REPORT)
    said = said_of(tmp_path, marketplace=None, marketplace_of=lambda *_: {FIRST: "US", "other": "CA"})
    assert re.search(r"row 5: .*1 of 3 rows.*the other orders are of CA, US", said), said


@pytest.mark.parametrize(
    ("marketplace", "written"),
    [
        ("UK", "3/13/26"),
        ("US", "13/3/26"),
        ("DE", "3/4/26"),
        ("UK", "3.4.26"),
        ("SE", "26-03-04"),
        ("JP", "3/4/2026"),
        ("US", "3/4/6"),
    ],
)
def test_a_feedback_date_that_does_not_fit_its_marketplace_refuses_the_file(tmp_path, marketplace, written):
    good = {"UK": "1/2/26", "US": "2/1/26", "DE": "1.2.26", "SE": "2026-02-01", "JP": "26/2/1"}[marketplace]
    file = files.FEEDBACK.with_cell(0, "Date", good).with_cell(1, "Date", written)
    place(tmp_path, file)
    said = said_of(tmp_path, marketplace=marketplace)
    assert f"row 3: date is '{written}', no day as {marketplace} writes it" in said
    assert "Say which with --marketplace" in said


def test_feedback_of_marketplaces_that_write_dates_apart_is_refused(tmp_path):
    place(tmp_path, files.FEEDBACK)
    said = said_of(tmp_path, marketplace=None, marketplace_of=lambda *_: {FIRST: "US", SECOND: "CA"})
    assert "its orders are of CA, US, which write dates in different orders" in said


def test_a_torn_comment_that_leaves_doubt_refuses_the_file(tmp_path):
    text = files.FEEDBACK.text().replace('never "came"', f"see\t{SECOND}")
    place(tmp_path, files.FEEDBACK, text)
    assert re.search(
        "row 2: has 7 cells for 6 columns, and it is not plain which one is the order id", said_of(tmp_path)
    )


def test_the_told_marketplace_may_not_contradict_the_file(tmp_path):
    place(tmp_path, files.ALL_ORDERS)
    said = said_of(tmp_path, marketplace="DE")
    assert "you said marketplace DE, but of 4 rows the file states 4 of US" in said


def test_a_marketplace_that_is_none_is_refused(tmp_path):
    place(tmp_path, files.ALL_ORDERS)
    assert "no marketplace 'USA'. There are: US, CA" in said_of(tmp_path, marketplace="USA")


@pytest.mark.parametrize(
    ("file", "column", "value", "said"),
    [
        (files.ALL_ORDERS, "fulfillment-channel", "Drone", "unknown; there are: amazon, afn, merchant, mfn"),
        (files.ALL_ORDERS, "sales-channel", "2026-03-04", "unknown; there are: amazon.com"),
        (files.ALL_ORDERS, "order-status", "2026-03-04", "no status word"),
        (files.ALL_ORDERS, "is-business-order", "perhaps", "neither yes nor no"),
        (files.ALL_ORDERS, "last-updated-date", "2026-03-01T10:00:00", "no time stamp with an offset"),
        (files.ALL_ORDERS, "purchase-date", "0206-03-01T10:00:00Z", "not in our time"),
        (files.ALL_ORDERS, "amazon-order-id", "12345678901234567", "no order id"),
        (files.ORDER_REPORT, "order-item-id", "5.0E+13", "a number where an id belongs"),
        (files.RETURNS, "A-to-Z Claim", "maybe", "neither yes nor no"),
        (files.RETURNS, "Return request date", "10-Mai-2026", "no day written as dd-Mon-yyyy"),
        (files.FEEDBACK, "Rating", "6", "no rating from 1 to 5"),
        (files.DEFECTS, "known-on", "12/03/2026", "no day written as yyyy-mm-dd"),
        (files.DEFECTS, "cleared-on", "2026-03-11", "before its known-on"),
        (files.CONFIRMATIONS, "confirmed-at", "yesterday", "no ISO 8601 time stamp"),
        (files.SALE_REPORT, "Status", "Lost", "unknown; there are: cancelled"),
        (files.OLIST_ORDERS, "order_id", "o1", "there a second time"),
    ],
)
def test_a_cell_that_cannot_be_read_names_its_row(tmp_path, file, column, value, said):
    place(tmp_path, file, file.with_cell(1, column, value).text())
    named = re.sub("[ _]", "-", column.lower())
    assert f"row 3: {named} is '{value}', {said}" in said_of(tmp_path)


def test_defects_that_contradict_each_other_are_refused(tmp_path):
    twice = replace(files.DEFECTS, rows=(*files.DEFECTS.rows, (FIRST, "a_to_z_claim", "2026-03-10", "", "")))
    place(tmp_path, twice)
    assert f"row 2: order {FIRST} has 2 differing lines on its a_to_z_claim of 2026-03-10" in said_of(tmp_path)


def test_an_unknown_kind_of_file_names_the_nearest_and_what_differs(tmp_path):
    put(tmp_path, "order-id,confirmed,carrier\n1,2,3\n")
    said = said_of(tmp_path)
    assert (
        "The nearest kind: shipment confirmations CSV; the file lacks confirmed-at, and holds confirmed, unknown"
        in said
    )


def test_a_file_without_a_header_is_refused_without_showing_its_rows(tmp_path):
    put(tmp_path, f"{files.MARK}\t{files.MARK}\n")
    said = said_of(tmp_path)
    assert "its first line is not a header that the kit knows" in said
    assert files.MARK not in said


def test_olist_orders_without_their_items_are_refused(tmp_path):
    put(tmp_path, files.OLIST_ORDERS)
    assert "lacks its Olist items CSV. Put them in one folder." in said_of(tmp_path)


def test_a_file_that_changes_between_plan_and_read_is_refused(tmp_path):
    path = place(tmp_path, files.DEFECTS)
    [source], _ = discover_files([tmp_path])
    path.write_text(files.DEFECTS.text() + f"{FIRST},refund,2026-03-11,,\n")
    with pytest.raises(ReaderError, match="changed while it was being read"):
        parse_file(source, marketplace="US")
