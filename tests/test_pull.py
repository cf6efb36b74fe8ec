"""`pull` from a test server: the same figures as by hand, nothing asked twice, and a run that goes on after a kill."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from healthkit.ingest.importer import import_files
from healthkit.store import Store
from healthkit.workspace import Workspace
from tests.builders.amazon_pull import START, SimulatedClock, pull_from
from tests.builders.amazon_server.scenario import Seller, small_agency
from tests.builders.amazon_server.service import Service

ONE = (Seller("acme", ("US", "CA"), a_day=2),)


def make_service(clock: SimulatedClock, sellers=ONE, **more) -> Service:
    return Service(sellers, clock=clock.time, report_seconds=20, **more)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


def scores_of(folder: Path, first: date, last: date) -> pd.DataFrame:
    """SCORES of all accounts of a store on every tenth day, in a fixed order."""
    days = [first + timedelta(number) for number in range(0, (last - first).days + 1, 10)]
    scores = Workspace(folder).score(days)
    keys = ["account", "marketplace", "metric", "channel", "window", "as_of"]
    return scores.sort_values([*keys, *sorted(set(scores.columns) - set(keys))[:0]]).reset_index(drop=True)


def import_by_hand(folder: Path, store: Store, service: Service) -> None:
    """Write what the server gave away into files, and import them as a user does who downloaded them."""
    outcomes = []
    for number, one in enumerate(service.served):
        target = folder / (one.marketplace or "pages") / one.account / f"{number}_{one.kind}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(one.content)
    for code in sorted({one.marketplace for one in service.served}):
        outcomes += import_files([folder / (code or "pages")], store, marketplace=code or None)
    assert [one.refused for one in outcomes if one.refused] == []


def check_same_scores(one: Path, other: Path, days: int) -> None:
    last = START.date()
    mine, theirs = (scores_of(folder, last - timedelta(days), last) for folder in (one, other))
    assert len(mine) > 100
    pd.testing.assert_frame_equal(mine, theirs)


def test_a_pull_gives_the_same_scores_as_the_same_files_by_hand(tmp_path, clock):
    service = make_service(clock)
    results = pull_from(tmp_path, Store(tmp_path / "pulled"), service, clock, days=60)
    assert [one.failures for one in results.values()] == [[]]
    assert service.violations == []
    import_by_hand(tmp_path / "files", Store(tmp_path / "by_hand"), service)
    check_same_scores(tmp_path / "pulled", tmp_path / "by_hand", 30)


@pytest.mark.long
def test_three_sellers_in_two_regions_and_five_marketplaces_have_the_same_scores_as_by_hand(tmp_path, clock):
    service = make_service(clock, small_agency())
    results = pull_from(tmp_path, Store(tmp_path / "pulled"), service, clock)
    assert {name: one.failures for name, one in results.items()} == {"acme": [], "bolt": [], "cove": []}
    assert service.violations == []
    import_by_hand(tmp_path / "files", Store(tmp_path / "by_hand"), service)
    check_same_scores(tmp_path / "pulled", tmp_path / "by_hand", 180)
