"""Mark the cases of a test after the first few as slow: `make test` meets the mechanism, `make test-slow` the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_after(quick: int, cases: Iterable[Any]) -> list[Any]:
    """Return the cases of a parametrized test, all but the first `quick` of them marked as slow."""
    every = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*case, marks=pytest.mark.slow if place >= quick else ()) for place, case in enumerate(every)]
