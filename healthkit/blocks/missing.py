"""What is missing: the measures that cannot be judged, which file would tell, and where to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthkit.blocks.findings import Measure
from healthkit.wording import Sentence

if TYPE_CHECKING:
    from healthkit.monthly import Monthly


def first(monthly: Monthly, wrong: Measure | None) -> Sentence | None:
    """Which file to download first."""
    return None
