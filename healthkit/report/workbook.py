"""Tables as a workbook (XLSX): numbers as numbers, days as days, and text that is never a formula."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import xlsxwriter

from healthkit.schema.tables import to_plain_value

MAX_ROWS = 1_048_575
"""Most rows of a sheet below its header."""
MAX_COLUMN_WIDTH = 60
"""Widest column. [characters]"""


class SheetSizeError(ValueError):
    """Raised if a table does not fit into a workbook; the message says what to do."""


def to_xlsx(sheets: pd.DataFrame | Mapping[str, pd.DataFrame], name: str = "Table") -> bytes:
    """Return a table, or several by the names of their sheets, as the content of a workbook (XLSX).

    `name` is that of the sheet of a single table. Numbers stay numbers and days are days without a time; a text stays a
    text whatever it begins with, so that nothing runs. The header is in bold and stays in view. The same tables give
    the same bytes.

    >>> to_xlsx(pd.DataFrame({"Order": ["=1+1"], "Orders": [3]}))[:2]
    b'PK'

    Raises SheetSizeError for a table of more than MAX_ROWS rows.
    """
    tables = {name: sheets} if isinstance(sheets, pd.DataFrame) else dict(sheets)
    content = io.BytesIO()
    with xlsxwriter.Workbook(
        content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        # The time of writing would make each file different.
        book.set_properties({"created": pd.Timestamp("2026-01-01").to_pydatetime()})
        formats = {"day": book.add_format({"num_format": "yyyy-mm-dd"}), "head": book.add_format({"bold": True})}
        for title, table in tables.items():
            _write_sheet(book.add_worksheet(title[:31]), table, formats)
    return content.getvalue()


def _write_sheet(sheet: Any, table: pd.DataFrame, formats: Mapping[str, Any]) -> None:
    """Write a table into a sheet, column by column."""
    if len(table) > MAX_ROWS:
        raise SheetSizeError(f"A sheet holds {MAX_ROWS:,} rows, this table has {len(table):,}. Save it as CSV.")
    sheet.freeze_panes(1, 0)
    for place, title in enumerate(table.columns):
        sheet.write_string(0, place, str(title), formats["head"])
        width = len(str(title))
        for row, value in enumerate(table[title], 1):
            plain = _day_or_value(value)
            if plain is None:
                continue
            if isinstance(plain, bool):
                sheet.write_boolean(row, place, plain)
            elif isinstance(plain, date):
                sheet.write_datetime(row, place, plain, formats["day"])
            elif isinstance(plain, int | float):
                sheet.write_number(row, place, plain)
            else:
                sheet.write_string(row, place, str(plain))
            width = max(width, 10 if isinstance(plain, date) else len(str(plain)))
        sheet.set_column(place, place, min(width, MAX_COLUMN_WIDTH) + 1)


def _day_or_value(value: Any) -> Any:
    """Return a cell as a day, number, flag or text; None for a missing or infinite value."""
    if value is None or (isinstance(value, float) and not abs(value) < float("inf")) or value is pd.NaT:
        return None
    return to_plain_value(value)
