"""Workbooks (XLSX) as tab-separated text, so that they are parsed like any other table file.

Cells are read with python-calamine. Formulas are not run: the value that was saved with them is read.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time, timedelta
from typing import Any

import lazy_loader as lazy

python_calamine = lazy.load("python_calamine")

MAX_UNPACKED_WORKBOOK = 512 << 20
"""Largest unpacked size of a workbook, which is read in memory. [bytes]"""
WORKBOOK_MEMBER = "xl/workbook.xml"
"""Name of the zip member by which a workbook is recognized."""
EXACT_NUMBER = 10**15
"""Numbers from this size on have lost digits in a spreadsheet, which keeps 15."""


class WorkbookError(ValueError):
    """Raised if a workbook cannot be read; the message names the file and what to do."""


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Return whether a zip file is a workbook in the format XLSX."""
    return WORKBOOK_MEMBER in archive.namelist()


def workbook_to_text(data: bytes, name: str) -> bytes:
    """Return the sheet with the most rows as UTF-8 text: one line a row, cells separated by tabs.

    Hidden sheets are left out. Days are written yyyy-mm-dd, times yyyy-mm-dd hh:mm:ss; a number too long for a
    spreadsheet is written in scientific notation, since its last digits are lost. `name` is the name of the file in
    messages. Raise WorkbookError for a workbook that cannot be read, has a password, or has no visible rows.
    """
    _refuse_large_workbook(data, name)
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        visible = [
            one.name for one in workbook.sheets_metadata if one.visible == python_calamine.SheetVisibleEnum.Visible
        ]
        sheets = [workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False) for sheet in visible]
    except BaseException as error:
        # The reader, which is written in Rust, may raise a PanicException, which is no Exception.
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise WorkbookError(
            f"{name}: the workbook cannot be read ({type(error).__name__}). Download it again, or save it as CSV."
        ) from None
    rows: list[Any] = max(sheets, key=len, default=[])
    lines = ["\t".join(map(cell_to_text, row)).rstrip("\t") for row in rows]
    if not any(lines):
        raise WorkbookError(f"{name}: the workbook has no rows on a visible sheet. Download it again.")
    return "".join(f"{line}\n" for line in lines).encode()


def cell_to_text(cell: object) -> str:
    """Return one cell of a sheet as text without tabs and line ends.

    >>> cell_to_text(3000000001.0), cell_to_text(5.7646e17), cell_to_text(True), cell_to_text(2.5)
    ('3000000001', '5.7646E+17', 'yes', '2.5')
    >>> from datetime import datetime
    >>> cell_to_text(datetime(2026, 10, 1, 9, 30)), cell_to_text("two\\nlines")
    ('2026-10-01 09:30:00', 'two lines')
    """
    if isinstance(cell, str) and cell.isprintable():  # Most cells; a tab or line end is not printable.
        return cell.strip()
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        if abs(cell) >= EXACT_NUMBER:
            return f"{cell:.4E}"
        return str(int(cell)) if cell == int(cell) else repr(cell)
    if isinstance(cell, datetime):
        return cell.replace(microsecond=0).isoformat(sep=" ")
    if isinstance(cell, date | time | timedelta):
        return str(cell)
    return " ".join(str(cell).replace("\t", " ").split("\n")).replace("\r", " ").strip()


def _refuse_large_workbook(data: bytes, name: str) -> None:
    """Raise WorkbookError if the members of a workbook unpack to more than MAX_UNPACKED_WORKBOOK bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if not is_workbook(archive):
            raise WorkbookError(f"{name}: is a zip file and no workbook. Unpack it yourself, and import what it holds.")
        size = 0
        for member in archive.infolist():
            # Reading all, since a header may state less than a member holds.
            with archive.open(member) as file:
                while piece := file.read(1 << 20):
                    size += len(piece)
                    if size > MAX_UNPACKED_WORKBOOK:
                        raise WorkbookError(
                            f"{name}: the workbook unpacks to more than {MAX_UNPACKED_WORKBOOK >> 20:,} MB. "
                            "Save the sheet as CSV, and import that."
                        )
