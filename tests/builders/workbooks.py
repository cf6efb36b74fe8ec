"""Workbooks read back by a library other than the one that writes them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from python_calamine import CalamineWorkbook


def read_back(content: bytes, sheet: int = 0) -> list[list[Any]]:
    """The rows of a sheet, the header first."""
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(sheet).to_python()


def text_of(name: str, content: bytes) -> str:
    """All text of a file by its name: of a workbook, which is packed, that of its parts."""
    if not name.endswith(".xlsx"):
        return content.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        return " ".join(parts.read(part).decode("utf-8", "replace") for part in parts.namelist())
