"""What several tests need: a store made from data/sample, once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthkit import intake
from healthkit.store import Store

SAMPLE = Path(__file__).parents[1] / "data" / "sample"


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory) -> Path:
    """The folder of a store that holds data/sample."""
    folder = tmp_path_factory.mktemp("sample") / "store"
    outcomes = list(intake.take_in([SAMPLE], Store(folder)))
    assert [outcome.refused for outcome in outcomes if outcome.refused] == []
    return folder
