"""The sample of the project: where it lies, and the day and month that most tests ask about."""

from __future__ import annotations

from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"
MONTH = "2026-10"
DAY = date(2026, 10, 31)
