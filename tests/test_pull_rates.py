"""No bucket is exceeded, a portfolio takes as long as the rates demand, and only what is missing is planned."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from healthkit.ingest.amazon_api import published
from healthkit.ingest.amazon_api.published import ORDERS, ORDERS_CREATED, Rate
from healthkit.ingest.amazon_api.pull import plan_pull
from healthkit.ingest.amazon_api.pull_state import OpenPages, OpenReport, PulledSpan, PullState, format_instant
from healthkit.ingest.amazon_api.rate_limits import TokenBucket, make_buckets, seconds_at_published_rates
from healthkit.ingest.amazon_api.requests_plan import plan_requests, remember_history
from healthkit.schema.accounts_file import AmazonAccess
from healthkit.store import Store
from tests.builders.amazon_pull import START, SimulatedClock, configured, pull_from
from tests.builders.amazon_server import reports
from tests.builders.amazon_server.scenario import Seller, many_sellers
from tests.builders.amazon_server.service import CREATE_REPORT, GET_REPORT, RATES, Service

SINCE = START - timedelta(180)
ACCESS = AmazonAccess("acme", "na", ("US",), "acme")


# ---------------------------------------------------------------- buckets


def test_the_published_rates_are_those_of_amazons_models():
    assert {name: (one.rate, one.burst) for name, one in published.rates().items()} == {
        name: rate for name, rate in RATES.items() if name != "getOrder"
    }


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    bucket = TokenBucket(Rate(0.1, 3))
    taken = [second for second in range(100) if bucket.try_take(second) or (bucket.try_take(second))]
    assert taken == [0, 1, 2, *range(10, 100, 10)]


def test_a_bucket_that_amazon_calls_empty_gives_nothing_until_the_next_token():
    bucket = TokenBucket(Rate(0.5, 10))
    bucket.empty(100)
    assert not bucket.try_take(101)
    assert bucket.try_take(102)


def test_a_bucket_takes_the_rate_that_an_answer_states():
    bucket = TokenBucket(Rate(0.01, 1))
    assert bucket.try_take(0)
    bucket.set_rate(1, 0)
    assert bucket.next_at(0) == pytest.approx(1, abs=0.01)
    assert bucket.rate == Rate(1, 1)


def test_the_tokens_that_an_earlier_run_left_are_those_of_the_next():
    buckets = make_buckets({CREATE_REPORT: (0.5, 1000.0), "unknown": (1.0, 1.0)})
    assert not buckets[CREATE_REPORT].try_take(1000)
    assert buckets[CREATE_REPORT].try_take(1030)
    assert buckets[GET_REPORT].try_take(1000)


def test_the_time_at_published_rates_is_that_of_the_slowest_operation():
    calls = {"createReport": 18, "getReportDocument": 24, "getReport": 100, "searchOrders": 6}
    assert seconds_at_published_rates(calls) == pytest.approx((24 - 15) / 0.0167)
    assert seconds_at_published_rates({}) == 0


# ---------------------------------------------------------------- plans


def test_the_first_plan_asks_for_each_report_in_the_pieces_that_amazon_allows():
    requests = plan_requests(ACCESS, PullState("acme"), SINCE, START)
    longest = {name: timedelta(days) for name, days in reports.LONGEST_PERIOD.items()}
    for one in requests:
        assert one.until - one.since <= longest.get(one.kind.name, timedelta(10_000))
    assert Counter(one.kind.kind for one in requests) == {
        "orders_api_2026": 6, "all_orders": 6, "amazon_shipments": 6, "feedback": 1, "returns": 4,
        "performance_json": 1, "settlement": 1,
    }  # fmt: skip
    by_kind = {one.kind.kind: one for one in requests}
    assert by_kind["feedback"].since <= SINCE
    assert START - by_kind["settlement"].since == timedelta(90)


def test_a_plan_for_years_stops_where_amazon_does():
    requests = plan_requests(ACCESS, PullState("acme"), START - timedelta(1000), START)
    assert min(one.since for one in requests if one.kind.kind == "amazon_shipments") == START - timedelta(540)


def test_a_gap_between_pulled_spans_is_asked_for():
    state = PullState("acme")
    for first, last in ((180, 100), (90, 0)):
        days = (format_instant(START - timedelta(days)) for days in (first, last))
        state.add_pulled(PulledSpan("na", "US", reports.ORDERS_BY_DAY, *days, "digest"))
    requests = [one for one in plan_requests(ACCESS, state, SINCE, START) if one.kind.name == reports.ORDERS_BY_DAY]
    assert [(one.since, one.until) for one in requests] == [(START - timedelta(100), START - timedelta(90))]


def test_what_was_asked_for_is_not_planned_again():
    state = PullState("acme")
    days = (format_instant(SINCE), format_instant(START))
    state.open_reports.append(OpenReport("na", "US", reports.ORDERS_BY_DAY, *days, "1", days[1]))
    kinds = {one.kind.name for one in plan_requests(ACCESS, state, SINCE, START)}
    assert reports.ORDERS_BY_DAY not in kinds
    assert reports.SHIPPED in kinds


def test_an_earlier_since_asks_for_the_days_before():
    state = PullState("acme")
    days = (format_instant(SINCE), format_instant(START))
    state.add_pulled(PulledSpan("na", "US", reports.SHIPPED, *days, "digest"))
    requests = plan_requests(ACCESS, state, SINCE - timedelta(30), START)
    assert [(one.since, one.until) for one in requests if one.kind.name == reports.SHIPPED] == [
        (SINCE - timedelta(20), SINCE)
    ]


def test_the_first_pull_asks_by_order_day_and_later_ones_for_the_changes_since():
    state = PullState("acme")
    kinds = {one.kind.name for one in plan_requests(ACCESS, state, SINCE, START)}
    assert {reports.ORDERS_BY_DAY, ORDERS_CREATED} <= kinds
    assert not {reports.ORDERS_BY_UPDATE, ORDERS} & kinds
    remember_history(plan_requests(ACCESS, state, SINCE, START), state)
    days = (format_instant(SINCE), format_instant(START))
    state.add_pulled(PulledSpan("na", "US", reports.ORDERS_BY_DAY, *days, "digest"))
    state.open_pages.append(OpenPages("na", "US", ORDERS_CREATED, *days, ["digest"], "token", days[1]))
    later = {one.kind.name: one for one in plan_requests(ACCESS, state, SINCE, START + timedelta(2))}
    assert not {reports.ORDERS_BY_DAY, ORDERS_CREATED} & later.keys()
    assert later[reports.ORDERS_BY_UPDATE].since == START - timedelta(hours=3)
    assert later[ORDERS].since == START - timedelta(hours=3, minutes=2)
    assert later[reports.ORDERS_BY_UPDATE].until == START + timedelta(2)


def test_a_first_pull_that_was_stopped_goes_on_with_the_pieces_that_it_had_planned():
    state = PullState("acme")
    planned = [one for one in plan_requests(ACCESS, state, SINCE, START) if one.kind.name == reports.ORDERS_BY_DAY]
    remember_history(planned, state)
    first = planned[0]
    days = (format_instant(first.since), format_instant(first.until))
    state.add_pulled(PulledSpan("na", "US", reports.ORDERS_BY_DAY, *days, "digest"))
    again = plan_requests(ACCESS, state, SINCE, START + timedelta(hours=5))
    assert [one for one in again if one.kind.name == reports.ORDERS_BY_DAY] == planned[1:]


def test_an_earlier_since_asks_for_the_orders_placed_before_and_for_no_older_changes():
    state = PullState("acme")
    days = (format_instant(SINCE), format_instant(START))
    remember_history(plan_requests(ACCESS, state, SINCE, START), state)
    state.add_pulled(PulledSpan("na", "US", reports.ORDERS_BY_DAY, *days, "digest"))
    requests = plan_requests(ACCESS, state, SINCE - timedelta(20), START + timedelta(1))
    asked = {one.kind.name: (one.since, one.until) for one in requests if one.kind.kind == "all_orders"}
    assert asked == {
        reports.ORDERS_BY_DAY: (SINCE - timedelta(20) + timedelta(hours=1), SINCE),  # midnight in Los Angeles
        reports.ORDERS_BY_UPDATE: (START - timedelta(hours=3), START + timedelta(1)),
    }


# ---------------------------------------------------------------- a portfolio on a simulated clock


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def check_portfolio(folder: Path, count: int, days: int) -> None:
    """Pull many sellers with the published rates: no request above a bucket, in the time that the rates demand."""
    clock = SimulatedClock()
    service = Service(many_sellers(count, a_day=1), clock=clock.time, report_seconds=30, keep=False)
    memory: list[tuple[int, float]] = []
    store = Store(folder / "store")
    results = pull_from(
        folder, store, service, clock, days, on_progress=lambda one: memory.append((one.done, resident_megabytes()))
    )
    assert [one.failures for one in results.values() if one.failures] == []
    assert service.violations == []
    assert [one.status for one in service.calls if one.status == 429] == []
    calls: dict[str, Counter[str]] = {}
    for one in service.calls:
        if one.operation in RATES:
            calls.setdefault(one.account, Counter())[one.operation] += 1
    bound = max(seconds_at_published_rates(counts) for counts in calls.values())
    took = clock.seconds - START.timestamp()
    print(f"{count} sellers: {len(service.calls):,} calls, {took:.0f} s simulated, at least {bound:.0f} s")
    assert bound > 300
    assert bound <= took <= 1.1 * bound
    total = memory[-1][0]
    early = max(size for done, size in memory if done <= 0.4 * total)
    late = max(size for done, size in memory if done > 0.8 * total)
    print(f"memory: {early:.0f} MB until two fifths were done, {late:.0f} MB at the end")
    assert late - early < 200


def test_some_sellers_are_pulled_as_fast_as_the_rates_allow_and_no_faster(tmp_path):
    check_portfolio(tmp_path, 2, 180)


@pytest.mark.slow
def test_a_portfolio_is_pulled_as_fast_as_the_rates_allow_and_no_faster(tmp_path):
    """SELLERS=200 pulls the portfolio of docs/scale.md, which takes minutes."""
    check_portfolio(tmp_path, int(os.environ.get("SELLERS", "10")), 180)


def test_a_higher_rate_that_amazon_states_is_used(tmp_path):
    times = []
    for number, rate in enumerate((0.0167, 0.1)):
        clock = SimulatedClock()
        service = Service((Seller("acme", ("US",), a_day=1),), clock=clock.time, report_seconds=30, keep=False)
        for operation in (CREATE_REPORT, "getReportDocument"):
            service.set_rate(operation, rate, 15, "acme")
        pull_from(tmp_path, Store(tmp_path / f"store{number}"), service, clock)
        assert service.violations == []
        times.append(clock.seconds - START.timestamp())
    assert times[1] < times[0] / 3


def test_a_lower_rate_that_amazon_states_is_kept(tmp_path):
    clock = SimulatedClock()
    service = Service((Seller("acme", ("US",), a_day=1),), clock=clock.time, report_seconds=30, keep=False)
    service.set_rate("getReportDocument", 0.008, 15, "acme")
    pull_from(tmp_path, Store(tmp_path / "store"), service, clock)
    assert service.violations == []


def test_a_dry_run_counts_the_calls_of_the_pull_that_follows(tmp_path):
    clock = SimulatedClock()
    sellers = (Seller("acme", ("US", "CA"), a_day=1),)
    service, store = Service(sellers, clock=clock.time), Store(tmp_path / "store")
    now = datetime.fromtimestamp(clock.time(), UTC)
    [plan] = plan_pull(configured(tmp_path, sellers), store, now - timedelta(40), now)
    assert not (tmp_path / "store").exists()
    pull_from(tmp_path, store, service, clock, 40)
    made = Counter(one.operation for one in service.calls)
    assert plan.calls["createReport"] == made["createReport"]
    assert plan.calls["searchOrders"] <= made["searchOrders"]
    settled = len({one.about for one in service.calls_of("getReportDocument") if ".S" in one.about})
    assert plan.calls["getReportDocument"] + settled == made["getReportDocument"]
