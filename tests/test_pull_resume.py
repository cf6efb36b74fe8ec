"""A pull that is stopped or killed goes on where it was, and its store is the same as without."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from healthkit.ingest.amazon_api.pull_state import (
    OpenReport,
    PullState,
    PullStateError,
    StateFolder,
    format_instant,
)
from healthkit.ingest.amazon_api.requests_plan import plan_requests
from healthkit.schema.accounts_file import AmazonAccess
from healthkit.store import Store, check
from healthkit.workspace import Workspace, removal
from tests.builders import pull_process
from tests.builders.amazon_pull import START, SimulatedClock, configured, make_pull, pull_from, write_accounts
from tests.builders.amazon_server.scenario import Seller
from tests.builders.amazon_server.service import CREATE_REPORT, GET_DOCUMENT, SEARCH_ORDERS, Service
from tests.builders.amazon_server.sockets import listening

SELLERS = (Seller("acme", ("US", "CA"), a_day=2), Seller("acme", ("DE",), a_day=2), Seller("cove", ("UK",), a_day=2))
DAYS = 40
NEVER = 1_000_000


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


def make_service(clock: SimulatedClock, **more) -> Service:
    return Service(SELLERS, clock=clock.time, **more)


def stored(folder: Path) -> tuple[list[str], pd.DataFrame]:
    """The digests of all raw files, and SCORES of a day."""
    scores = Workspace(folder).score([START.date()])
    keys = ["account", "marketplace", "metric", "channel", "window"]
    return sorted(Store(folder).imported_digests()), scores.sort_values(keys).reset_index(drop=True)


def check_same(one: Path, other: Path) -> None:
    (mine, my_scores), (theirs, their_scores) = stored(one), stored(other)
    assert mine == theirs
    assert len(my_scores) > 50
    pd.testing.assert_frame_equal(my_scores, their_scores)


class Stopped(BaseException):
    """Ends a run at once, as a signal does."""


class StoppingService(Service):
    """A server during whose n-th answer the run is stopped."""

    stop_at = NEVER

    def answer(self, request):
        if len(self.calls) >= self.stop_at:
            self.stop_at = NEVER
            raise Stopped
        return super().answer(request)


def test_a_run_that_is_stopped_at_any_call_goes_on_and_asks_for_no_report_twice(tmp_path):
    """The clock starts anew with each run, so that every run asks for the same days."""
    whole = Service(SELLERS, clock=SimulatedClock().time, rates={})
    pull_from(tmp_path, Store(tmp_path / "whole"), whole, SimulatedClock(), DAYS)
    still = SimulatedClock()
    service = StoppingService(SELLERS, clock=still.time, rates={})
    store, stops = Store(tmp_path / "store"), 0
    for wait_for in (3, 30, 60):
        service.stop_at = len(service.calls) + wait_for
        try:
            pull_from(tmp_path, store, service, SimulatedClock(), DAYS)
        except Stopped:
            stops += 1
    results = pull_from(tmp_path, store, service, SimulatedClock(), DAYS)
    assert [one.failures for one in results.values()] == [[], []]
    assert stops == 3
    check_same(tmp_path / "store", tmp_path / "whole")
    # Of a call whose answer was lost nobody knows the id; all others are remembered.
    asked = [one.about for one in service.calls_of(CREATE_REPORT)]
    assert len(asked) <= len(whole.calls_of(CREATE_REPORT)) + stops


def test_ctrl_c_keeps_what_was_fetched(tmp_path, clock):
    service = make_service(clock)

    def stop(progress) -> None:
        if progress.done == 20:
            raise KeyboardInterrupt

    accounts, store = configured(tmp_path, SELLERS), Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        make_pull(store, service, clock, DAYS, on_progress=stop).run(accounts)
    before = len(store.reports())
    assert before >= 5
    results = pull_from(tmp_path, store, service, clock, DAYS)
    assert [one.failures for one in results.values()] == [[], []]
    assert len(store.reports()) > before
    assert service.violations == []


KILLS = int(os.environ.get("KILLS", "6"))
"""How many runs are killed (KILLS=20 takes some minutes)."""


@pytest.mark.long
def test_a_pull_that_is_killed_at_random_moments_gives_the_same_store(tmp_path):
    """A run that ends before its moment comes is compared, and the next one begins with an empty store."""
    rng, file = Random(22), write_accounts(tmp_path, SELLERS)
    with listening(Service(SELLERS, clock=lambda: START.timestamp(), rates={})) as service:
        words = ("pull", "--accounts", file, "--since", "2026-09-20", "--data")

        def pull_whole(folder: Path) -> float:
            started = time.monotonic()
            ran = pull_process.run(service, tmp_path, *words, folder)
            assert ran.returncode == 0, ran.stderr[-2000:]
            return time.monotonic() - started

        longest = pull_whole(tmp_path / "whole")
        kills, number, moments = 0, 0, []
        while kills < KILLS:
            store = tmp_path / f"store_{number}"
            moments.append(rng.uniform(0.15, 0.9) * longest)
            if kill_after(moments[-1], pull_process.command(service, *words, store), service, tmp_path):
                kills += 1
                continue
            check_same(store, tmp_path / "whole")
            number += 1
        pull_whole(store)
        check_same(store, tmp_path / "whole")


def kill_after(seconds: float, command: list[str], service: Service, folder: Path) -> bool:
    """Run a command and kill it after some seconds; return whether it was killed before it ended."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **quiet, **pull_process.options(service, folder))
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -signal.SIGKILL


def test_a_second_pull_at_once_asks_for_nothing_but_the_list_of_settlements(tmp_path, clock):
    service, store = make_service(clock), Store(tmp_path / "store")
    pull_from(tmp_path, store, service, clock, DAYS)
    version, calls = store.version(), len(service.calls)
    results = pull_from(tmp_path, store, service, clock, DAYS)
    assert {one.operation for one in service.calls[calls:]} <= {"token", "getReports"}
    assert [one.files for one in results.values()] == [0, 0]
    assert store.version() == version


def test_a_pull_of_the_next_day_asks_only_for_the_days_since(tmp_path, clock):
    service, store = make_service(clock), Store(tmp_path / "store")
    pull_from(tmp_path, store, service, clock, DAYS)
    clock.pass_days(1)
    calls = len(service.calls)
    pull_from(tmp_path, store, service, clock, DAYS)
    new = service.calls[calls:]
    asked = [one.about.split() for one in new if one.operation == CREATE_REPORT]
    # All-orders files from three hours before the last pull on; shipments from three days before.
    by_update = [words for words in asked if "BY_LAST_UPDATE" in words[0]]
    assert [words[2] for words in by_update] == ["2026-11-01T03:00:00Z"] * 4
    assert {words[2] for words in asked if "FULFILLED" in words[0]} == {"2026-10-29T06:00:00Z"}
    assert all("lastUpdatedAfter=2026-11-01T02:58:00Z" in one.about for one in new if one.operation == SEARCH_ORDERS)
    assert service.violations == []


def test_a_file_that_was_taken_out_of_the_store_is_pulled_again(tmp_path, clock):
    service, store = make_service(clock), Store(tmp_path / "store")
    pull_from(tmp_path, store, service, clock, DAYS)
    rows = store.reports()
    [name, *_] = rows[(rows["account"] == "cove") & (rows["kind"] == "all_orders")]["name"]
    removal.remove(store, removal.find_removal(store, [name], "cove"))
    documents = len(service.calls_of(GET_DOCUMENT))
    clock.pass_days(1 / 48)
    results = pull_from(tmp_path, store, service, clock, DAYS)
    assert results["cove"].files == 1
    assert len(service.calls_of(GET_DOCUMENT)) == documents + 1


def test_a_marketplace_that_is_added_later_gets_its_history(tmp_path, clock):
    one, both = Seller("acme", ("US",), a_day=2), Seller("acme", ("US", "CA"), a_day=2)
    store = Store(tmp_path / "store")
    pull_from(tmp_path, store, Service((one,), clock=clock.time), clock, DAYS)
    clock.pass_days(1)
    service = Service((both,), clock=clock.time)
    results = pull_from(tmp_path, store, service, clock, DAYS)
    assert [result.failures for result in results.values()] == [[]]
    orders = store.ledger().orders.collect("pandas").to_native()
    found = orders[orders["marketplace"] == "CA"]
    assert (found["ordered_at"].max() - found["ordered_at"].min()).days >= DAYS - 3
    own = found[found["channel"] == "seller"]
    assert len(own) > 30
    assert own["ship_by"].notna().all()


def test_pages_are_all_pulled_again_if_one_of_them_left_the_store(tmp_path, clock):
    seller = Seller("acme", ("US",), a_day=9)
    service, store = Service((seller,), clock=clock.time), Store(tmp_path / "store")
    pull_from(tmp_path, store, service, clock, 30)
    pages = [name for name in store.reports()["name"] if "page 2" in name]
    assert len(pages) == 1
    removal.remove(store, removal.find_removal(store, pages, "acme"))
    clock.pass_days(1 / 48)
    known = len(service.calls_of(SEARCH_ORDERS))
    pull_from(tmp_path, store, service, clock, 30)
    assert len(service.calls_of(SEARCH_ORDERS)) > known + 1
    assert [name for name in store.reports()["name"] if "page 2" in name] == pages


def test_a_state_that_cannot_be_read_costs_only_a_second_look(tmp_path, clock):
    service, store = make_service(clock), Store(tmp_path / "store")
    pull_from(tmp_path, store, service, clock, DAYS)
    for path in StateFolder(store).folder.glob("*.json"):
        path.write_text("{", encoding="utf-8")
    clock.pass_days(1)
    before = store.ledger().orders.collect().to_pandas()
    results = pull_from(tmp_path, store, service, clock, DAYS)
    assert [one.failures for one in results.values()] == [[], []]
    after = store.ledger().orders.collect().to_pandas()
    assert set(before["order_id"]) <= set(after["order_id"])


def test_two_pulls_into_one_store_do_not_run_at_once(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("healthkit.store.locks.PURGE_WAIT_SECONDS", 0.2)
    service, store = make_service(clock), Store(tmp_path / "store")
    with StateFolder(store).hold_lock(), pytest.raises(PullStateError, match="Another pull into this store is running"):
        pull_from(tmp_path, store, service, clock, DAYS)
    assert service.calls == []


def test_a_purge_takes_what_the_pull_remembers_of_the_account(tmp_path, clock):
    service, store = make_service(clock), Store(tmp_path / "store")
    pull_from(tmp_path, store, service, clock, DAYS)
    removal.purge(store, removal.find_removal(store, account="acme"))
    assert [path.name for path in StateFolder(store).folder.glob("*.json*")] == ["cove.json"]
    assert check(store).damages == []


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_a_run_that_was_stopped_while_it_asked_asks_for_the_other_pieces_alone(asked):
    """Spans of shipments of 30 days overlap by three days only where a later pull goes on."""
    access = AmazonAccess("acme", "eu", ("DE",), "acme")
    kind, since = "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL", START - timedelta(120)
    plan = [one for one in plan_requests(access, PullState("acme"), since, START) if one.kind.name == kind]
    assert len(plan) >= 4
    opened = [
        OpenReport("eu", one.marketplace, kind, format_instant(one.since), format_instant(one.until), "1", "")
        for one in plan[:asked]
    ]
    state = PullState("acme", open_reports=opened)
    rest = [one for one in plan_requests(access, state, since, START) if one.kind.name == kind]
    assert [(one.since, one.until) for one in rest] == [(one.since, one.until) for one in plan[asked:]]
