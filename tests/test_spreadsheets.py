"""Workbooks are read as the text they hold, and damaged or hostile ones are refused with a reason."""

import io
import re
import zipfile
from datetime import date, datetime

import pytest
import xlsxwriter

from healthkit.ingest.formats import discover_files, parse_file
from healthkit.ingest.parsing import spreadsheets
from healthkit.ingest.parsing.raw_file import ReaderError

HEADER = ["order-id", "ordered-at", "marketplace", "status", "shipped-at", "units", "buyer-name"]
ROWS = [
    ["A-1", datetime(2026, 10, 1, 9, 30), "EBAY", "shipped", date(2026, 10, 2), 2, "Jane Roe"],
    ["A-2", datetime(2026, 10, 3, 23, 59), "EBAY", "cancelled", None, 1, "Jane Roe"],
]


def workbook(sheets, hidden=()):
    """Return the bytes of a workbook with the given sheets of rows."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    day, time = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        if name in hidden:
            sheet.hide()
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, datetime):
                    sheet.write_datetime(row, column, cell, time)
                elif isinstance(cell, date):
                    sheet.write_datetime(row, column, datetime.combine(cell, datetime.min.time()), day)
                elif cell is not None:
                    sheet.write(row, column, cell)
    book.close()
    return file.getvalue()


def rewrite(data, change):
    """Return a workbook in which `change(name, content)` was applied to every member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def read(folder, data, name="orders.xlsx"):
    (folder / "acc").mkdir(exist_ok=True)
    (folder / "acc" / name).write_bytes(data)
    files, refused = discover_files([folder / "acc"])
    assert not refused, refused
    return parse_file(files[0])


def refusal(folder, data, name="orders.xlsx"):
    (folder / name).write_bytes(data)
    files, refused = discover_files([folder / name])
    assert not files
    return refused[0].message


def test_a_workbook_gives_the_same_rows_as_the_csv_of_its_sheet(tmp_path):
    of_workbook = read(tmp_path, workbook({"Orders": [HEADER, *ROWS]}))
    text = (
        "order-id,ordered-at,marketplace,status,shipped-at,units\n"
        "A-1,2026-10-01 09:30:00,EBAY,shipped,2026-10-02,2\nA-2,2026-10-03 23:59:00,EBAY,cancelled,,1\n"
    )
    of_text = read(tmp_path, text.encode(), "a.csv")
    for name, rows in of_workbook.tables.items():
        assert rows.drop_columns("report").equals(of_text.tables[name].drop_columns("report"))
    assert of_workbook.tables["orders"]["shipped_on"].to_pylist() == [date(2026, 10, 2), None]


def test_the_sheet_with_the_most_rows_is_read_and_hidden_ones_are_not(tmp_path):
    sheets = {"Help": [["Read me"]], "Orders": [HEADER, *ROWS], "Old": [HEADER, *ROWS, *ROWS]}
    assert len(read(tmp_path, workbook(sheets, hidden=["Old"])).tables["orders"]) == 2


def test_a_sheet_that_states_a_wrong_size_is_read_whole(tmp_path):

    data = rewrite(
        workbook({"Orders": [HEADER, *ROWS]}),
        lambda name, content: re.sub(rb'<dimension ref="[^"]*"/>', b'<dimension ref="A1:A1"/>', content),
    )
    assert len(read(tmp_path, data).tables["orders"]) == 2


def test_a_workbook_within_a_zip_file_is_read(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("acc/orders.xlsx", workbook({"Orders": [HEADER, *ROWS]}))
    assert len(read(tmp_path, out.getvalue(), "download.zip").tables["orders"]) == 2


def test_an_order_id_that_lost_digits_as_a_number_is_refused(tmp_path):
    rows = [[576460000000000001, *row[1:]] for row in ROWS]
    (tmp_path / "acc").mkdir()
    (tmp_path / "acc" / "orders.xlsx").write_bytes(workbook({"Orders": [HEADER, *rows]}))
    files, _ = discover_files([tmp_path])
    with pytest.raises(ReaderError, match="a number where an id belongs"):
        parse_file(files[0])


def test_a_short_order_id_saved_as_a_number_is_read_as_its_digits(tmp_path):
    rows = [[3000000001 + number, *row[1:]] for number, row in enumerate(ROWS)]
    parsed = read(tmp_path, workbook({"Orders": [HEADER, *rows]}))
    assert parsed.tables["orders"]["order_id"].to_pylist() == ["3000000001", "3000000002"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) // 2], "cannot be opened"),
        (lambda data: rewrite(data, lambda name, text: b"<broken" if "sheet1" in name else text), "cannot be read"),
        (lambda data: rewrite(data, lambda name, text: b"" if name == "xl/workbook.xml" else text), "cannot be read"),
    ],
    ids=["cut", "broken sheet", "empty workbook"],
)
def test_a_damaged_workbook_is_refused_with_a_reason(tmp_path, damage, reason):
    assert reason in refusal(tmp_path, damage(workbook({"Orders": [HEADER, *ROWS]})))


def test_a_workbook_without_rows_is_refused(tmp_path):
    assert "no rows" in refusal(tmp_path, workbook({"Empty": []}))


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheets, "MAX_UNPACKED_WORKBOOK", 1 << 20)
    data = rewrite(
        workbook({"Orders": [HEADER, *ROWS]}),
        lambda name, content: content + b" " * (2 << 20) if "sheet1" in name else content,
    )
    assert "unpacks to more than 1 MB" in refusal(tmp_path, data)
