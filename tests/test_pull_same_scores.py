"""A pull from the test server counts what the same files count when they are imported by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from healthkit.metrics.policy import UNJUDGED_STATUSES
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.amazon_pull import SimulatedClock, pull_from
from tests.builders.amazon_server import reports
from tests.builders.amazon_server.scenario import Seller, Trouble, quiet_moment, small_agency
from tests.builders.amazon_server.service import CREATE_REPORT, DOWNLOAD, SEARCH_ORDERS, Service
from tests.builders.pulled_stores import import_all, import_by_hand, orders, scores

DAYS = 180
SELLERS = (*small_agency(), Seller("dojo", ("JP",), a_day=3))
START = quiet_moment(SELLERS, datetime(2026, 11, 1, 6, tzinfo=UTC), minutes=45)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory):
    """A first pull into an empty store: folder, store, service and clock."""
    folder = tmp_path_factory.mktemp("pulled")
    clock = SimulatedClock(START)
    service = Service(SELLERS, clock.time, report_seconds=40)
    store = Store(folder / "store")
    results = pull_from(folder, store, service, clock, DAYS)
    return folder, store, service, clock, results


def test_the_first_pull_brings_everything_and_breaks_no_rule_of_amazons(pulled):
    _, _, service, _, results = pulled
    assert [(name, result.failures) for name, result in results.items() if result.failures] == []
    assert service.violations == []
    for seller in SELLERS:
        for code in seller.marketplaces:
            kinds = {one.kind for one in service.served if (one.account, one.marketplace) == (seller.account, code)}
            assert kinds == {
                reports.ORDERS_BY_DAY, reports.FEEDBACK, reports.RETURNED, reports.SHIPPED, reports.PERFORMANCE,
                reports.SETTLED,
            }  # fmt: skip
        assert service.calls_of(SEARCH_ORDERS, account=seller.account)


def test_nothing_is_asked_for_twice(pulled):
    asked = Counter((one.account, one.about) for one in pulled[2].calls_of(CREATE_REPORT))
    assert [one for one, count in asked.items() if count > 1] == []
    fetched = Counter((one.account, one.about) for one in pulled[2].calls_of(DOWNLOAD))
    assert [one for one, count in fetched.items() if count > 1] == []


def test_a_pull_counts_what_the_same_files_count_by_hand(pulled, tmp_path):
    _, store, service, clock, _ = pulled
    by_hand = Store(tmp_path / "same_files")
    for account, code in sorted(
        {(one.account, one.marketplace) for one in service.served}, key=lambda one: -len(one[1])
    ):
        import_all(by_hand, save_served(service, account, code, tmp_path / "raw"), account, code or None)
    now = datetime.fromtimestamp(clock.time(), UTC)
    pd.testing.assert_frame_equal(scores(store, now), scores(by_hand, now))
    pd.testing.assert_frame_equal(orders(store), orders(by_hand))


def save_served(service: Service, account: str, code: str, folder: Path) -> list[Path]:
    """Save the documents of a seller in a marketplace, or the pages of orders, that the server gave away."""
    paths = []
    for number, one in enumerate(service.served):
        if (one.account, one.marketplace) == (account, code):
            path = folder / account / f"{number}_{one.kind}_{code}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.content)
            paths.append(path)
    return paths


def test_a_pull_counts_what_one_long_file_of_each_kind_counts(pulled, tmp_path):
    _, store, _, clock, _ = pulled
    now = datetime.fromtimestamp(clock.time(), UTC)
    by_hand = import_by_hand(tmp_path, START - timedelta(DAYS), START, SELLERS)
    found, expected = scores(store, now), scores(by_hand, now)
    assert len(expected) > 2000
    assert expected["counted"].sum() > 10_000
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(orders(store), orders(by_hand))


def test_a_second_pull_minutes_later_asks_for_no_report_and_adds_nothing(pulled):
    folder, store, service, clock, _ = pulled
    before, asked = store.imported_digests(), len(service.calls_of(CREATE_REPORT, SEARCH_ORDERS))
    results = pull_from(folder, store, service, clock, DAYS)
    assert [(one.files, one.rows, one.failures) for one in results.values()] == [(0, 0, [])] * len(results)
    assert len(service.calls_of(CREATE_REPORT, SEARCH_ORDERS)) == asked
    assert store.imported_digests() == before


def test_later_pulls_ask_for_the_days_since_and_bring_what_a_person_would_have(tmp_path):
    """Ten days are pulled every other day: orders are shipped, cancelled, claimed and rated, and ratings vanish."""
    sellers = (Seller("acme", ("US", "CA")), Seller("cove", ("UK",), a_day=6))
    first = quiet_moment(sellers, datetime(2026, 11, 1, 6, tzinfo=UTC), minutes=60)
    clock = SimulatedClock(first)
    service, store, since = Service(sellers, clock.time, report_seconds=40), Store(tmp_path / "store"), first
    for number in range(6):
        start = quiet_moment(sellers, first + timedelta(2 * number), minutes=60)
        clock.seconds = start.timestamp()
        known = len(service.calls)
        days = 90 + (start - first).total_seconds() / 86_400
        results = pull_from(tmp_path, store, service, clock, days)
        assert [one.failures for one in results.values() if one.failures] == []
        asked = [one for one in service.calls[known:] if one.operation == CREATE_REPORT]
        assert [one for one, count in Counter((one.account, one.about) for one in asked).items() if count > 1] == []
        if number:
            by_update = [one.about.split() for one in asked if one.about.startswith(reports.ORDERS_BY_UPDATE)]
            assert len(by_update) == 3
            assert min(words[2] for words in by_update) >= reports.stamp(since - timedelta(days=1))
        since = start
    assert service.violations == []
    by_hand = import_by_hand(tmp_path, first - timedelta(90), start, sellers)
    now = datetime.fromtimestamp(clock.time(), UTC)
    found, expected = orders(store), orders(by_hand)
    assert set(found["order_id"]) >= set(expected["order_id"])
    columns = ["account", "marketplace", "order_id", "status", "ordered_at", "cancelled_by", "ship_by", "deliver_by"]
    alike = found[found["order_id"].isin(expected["order_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(alike[columns], expected[columns])
    on = now.date()
    figures = ["account", "marketplace", "channel", "metric", "window", "as_of", "counted", "at_fault", "rate"]
    seen, wanted = (Workspace(one.folder).score(on, hindsight=True)[figures] for one in (store, by_hand))
    pd.testing.assert_frame_equal(seen, wanted)


def test_a_window_that_begins_before_the_first_pulled_day_is_judged_by_nobody(tmp_path):
    """Files by last update, and of shipments, would hold some orders of each day before: they are no history."""
    seller, days = Seller("vast", ("UK",), a_day=30, trouble=Trouble(returned=0.6)), 60
    start = quiet_moment((seller,), datetime(2026, 11, 1, 6, tzinfo=UTC), minutes=8)
    clock = SimulatedClock(start)
    store, first = Store(tmp_path / "store"), start - timedelta(days)
    results = pull_from(tmp_path, store, Service((seller,), clock.time), clock, days)
    assert [one.failures for one in results.values()] == [[]]
    frame = Workspace(store.folder).score([start.date() - timedelta(number) for number in range(0, days, 3)])
    frame = frame[frame["target"].notna() & (frame["counted"] > 0) & (frame["metric"] != "policy_violations")]
    early = frame[frame["first_day"].dt.date < first.date()]
    assert len(early) > 30
    assert set(early["status"]) <= {*UNJUDGED_STATUSES, "too few"}
    late = frame[frame["first_day"].dt.date >= first.date()]
    assert {"on target", "off target"} <= set(late["status"])


@pytest.mark.parametrize("code", ["US", "JP", "UK"])
def test_the_first_day_that_is_pulled_is_a_whole_day_of_the_marketplace(tmp_path, code):
    seller = Seller("vast", (code,), a_day=30)
    start = quiet_moment((seller,), datetime(2026, 11, 1, 6, tzinfo=UTC), minutes=8)
    clock = SimulatedClock(start)
    store, first = Store(tmp_path / "store"), (start - timedelta(20)).date()
    pull_from(tmp_path, store, Service((seller,), clock.time), clock, 20)
    found = orders(store)
    assert found["ordered_on"].min().date() == first
    placed = {one.order.order_id for one in reports.orders_between(seller, code, first, first)}
    assert set(found.loc[found["ordered_on"].dt.date == first, "order_id"]) == placed
