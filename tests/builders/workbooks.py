"""Workbooks read back by a library other than the one that writes them."""

from __future__ import annotations

import io
from typing import Any

from python_calamine import CalamineWorkbook


def read_back(content: bytes, sheet: int = 0) -> list[list[Any]]:
    """The rows of a sheet, the header first."""
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(sheet).to_python()
