"""Workbooks, read back by another library: numbers are numbers, days are days, and nothing runs."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import pandas as pd
import pytest
from python_calamine import CalamineWorkbook

from healthkit.report import workbook
from healthkit.report.workbook import SheetSizeError, to_xlsx
from healthkit.schema.tables import records
from tests.builders.sample import DAY
from tests.builders.workbooks import read_back

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", '=HYPERLINK("http://a.example")', "http://a.example", "{=1}"]


def test_numbers_days_flags_and_gaps_come_back_as_what_they_are():
    rows = pd.DataFrame({
        "Order": ["111-1", None], "Leaves on": pd.to_datetime(["2026-11-01", None]), "At fault": [3, 4],
        "Rate": [0.025, float("nan")], "Far": [float("inf"), 1.0], "Late": [True, False],
        "Room": pd.array([7, None], dtype="Int64"),
    })  # fmt: skip
    assert read_back(to_xlsx(rows)) == [
        list(rows),
        ["111-1", date(2026, 11, 1), 3.0, 0.025, "", True, 7.0],
        ["", "", 4.0, "", 1.0, False, ""],
    ]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_a_text_that_nothing_runs(formula):
    content = to_xlsx(pd.DataFrame({formula: [formula]}))
    assert read_back(content) == [[formula], [formula]]
    sheet = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet


def test_several_tables_are_sheets_and_the_same_tables_the_same_bytes():
    tables = {
        "Orders": pd.DataFrame({"a": [1]}),
        "A name that is longer than a sheet's may be": pd.DataFrame({"b": []}),
    }
    content = to_xlsx(tables)
    assert content == to_xlsx(tables)
    names = CalamineWorkbook.from_filelike(io.BytesIO(content)).sheet_names
    assert names == ["Orders", "A name that is longer than a sh"]
    assert read_back(content, 1) == [["b"]]


def test_a_table_that_is_too_long_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(workbook, "MAX_ROWS", 2)
    with pytest.raises(SheetSizeError, match="Save it as CSV"):
        to_xlsx(pd.DataFrame({"a": range(3)}))


def test_a_command_writes_its_rows_as_a_workbook(desk, sample_store, run):
    command = "scores", "--as-of", DAY, "--account", "birchway-crafts", "--data", sample_store, "--format", "xlsx"
    answer = run(*command)
    assert answer.exit_code == 0
    header, *rows = read_back(answer.stdout_bytes)
    scores = records(desk.score(DAY, "birchway-crafts"))
    assert len(rows) == len(scores)
    for row, score in zip(rows, scores, strict=True):
        shown = dict(zip(header, row, strict=True))
        assert shown["as_of"] == DAY
        assert (shown["counted"], shown["at_fault"]) == (score["counted"], score["at_fault"])
        assert isinstance(shown["counted"], float)
