"""The commands pull and accounts: what they print, and their exit codes."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import httpx
import pytest

from healthkit.ingest.amazon_api import access_check, authorization, call_scheduler, published, pull
from tests.builders.amazon_pull import START, SimulatedClock, addresses, environment, write_accounts
from tests.builders.amazon_server import faults, reports
from tests.builders.amazon_server.in_process import ServiceTransport
from tests.builders.amazon_server.scenario import Seller
from tests.builders.amazon_server.service import GET_REPORTS, SEARCH_ORDERS, Service

SELLERS = (Seller("acme", ("US",), a_day=1), Seller("bolt", ("DE", "FR"), a_day=1))


@pytest.fixture
def service(monkeypatch, tmp_path) -> Service:
    """A server in Amazon's place, on a simulated clock; the folder has the accounts file of its sellers."""
    clock = SimulatedClock()
    service = Service(SELLERS, clock=clock.time, report_seconds=10)
    monkeypatch.setattr(call_scheduler.Clock, "time", lambda self: clock.time())
    monkeypatch.setattr(call_scheduler.Clock, "wait", lambda self, seconds, calls: clock.wait(seconds, calls))
    monkeypatch.setattr(published, "addresses", lambda: addresses(service.hosts))
    client = partial(httpx.Client, transport=ServiceTransport(service))
    for module in (authorization, pull, access_check):
        monkeypatch.setattr(module, "make_http_client", client)
    for name, value in environment(SELLERS).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write_accounts(tmp_path, SELLERS)
    return service


SINCE = ("--since", str(START.date() - timedelta(22)))


def test_a_pull_prints_what_it_did_for_each_account(run, service):
    ran = run("pull", *SINCE)
    assert ran.exit_code == 0, ran.output
    assert "acme  " in ran.stdout
    assert "files with" in ran.stdout
    assert "2 accounts pulled into data/store, 0 with failures." in ran.stdout
    again = run("pull", *SINCE)
    assert "acme  nothing new" in again.stdout


def test_a_failure_is_told_and_the_exit_code_is_one(run, service):
    service.plant(faults.REVOKED, account="bolt")
    ran = run("pull", *SINCE)
    assert ran.exit_code == 1
    assert "failed  bolt (region eu): Amazon no longer accepts the refresh token" in ran.stderr
    assert "bolt  nothing pulled" in ran.stdout
    assert "2 accounts pulled into data/store, 1 with failures." in ran.stdout


def test_accounts_can_be_chosen(run, service):
    ran = run("pull", *SINCE, "--account", "acme")
    assert ran.exit_code == 0
    assert {one.account for one in service.calls if one.account} == {"acme"}
    wrong = run("pull", "--account", "acne")
    assert wrong.exit_code == 1
    assert "The accounts file has no account 'acne'. There are: acme, bolt." in wrong.stderr


def test_a_dry_run_asks_for_nothing(run, service, tmp_path):
    ran = run("pull", "--dry-run", *SINCE)
    assert ran.exit_code == 0
    assert service.calls == []
    assert not (tmp_path / "data").exists()
    assert "createReport" in ran.stdout
    assert "Nothing was asked for." in ran.stdout


def test_a_check_names_the_roles_that_are_missing(run, service):
    service.plant(faults.ROLE_MISSING, account="bolt", operation=SEARCH_ORDERS)
    ran = run("pull", "--check")
    assert ran.exit_code == 1
    assert "acme (na: US)  credentials from the environment; permitted: all-orders file" in ran.stdout
    assert "failed  bolt (DE, FR), orders of the Orders API" in ran.stderr
    assert "lacks the role 'Inventory and Order Tracking'" in ran.stderr
    assert {one.operation for one in service.calls} == {"token", GET_REPORTS, SEARCH_ORDERS}
    assert service.violations == []
    assert run("pull", "--check", "--account", "acme").exit_code == 0


def test_accounts_says_what_is_configured_pulled_and_missing(run, service, monkeypatch):
    before = {one["account"]: one for one in json.loads(run("accounts", "--format", "json").stdout)}
    assert before["acme"]["missing"] == ["Never pulled to the end."]
    service.plant(faults.FATAL, account="bolt", report_type=reports.RETURNED)
    run("pull", *SINCE)
    monkeypatch.delenv("SP_API_REFRESH_TOKEN_ACME_NA")
    rows = {one["account"]: one for one in json.loads(run("accounts", "--format", "json").stdout)}
    assert rows["acme"]["missing"] == ["No refresh token 'acme-na' found."]
    assert rows["acme"]["credentials"] == ""
    assert rows["bolt"]["credentials"] == "the environment"
    assert rows["bolt"]["marketplaces"] == ["DE", "FR"]
    assert any("(FATAL)" in one for one in rows["bolt"]["missing"])
    assert "Nothing pulled yet of: returns file." in rows["bolt"]["missing"]
    assert all(one["last_order"] >= "2026-10-30" for one in rows.values())
    assert rows["bolt"]["last_pull"].startswith("2026-11-01")
    assert "bolt" in run("accounts").stdout
    assert run("accounts", "--format", "csv").stdout.startswith("account,display_name,tags,region,")


def test_accounts_lists_those_that_only_the_store_has(run, service, tmp_path):
    run("pull", *SINCE)
    (tmp_path / "accounts.yaml").write_text("accounts:\n  - name: acme\n  - name: new\n", encoding="utf-8")
    rows = {one["account"]: one["missing"] for one in json.loads(run("accounts", "--format", "json").stdout)}
    assert rows == {
        "acme": [], "new": ["No file with orders was imported."], "bolt": ["Not in the accounts file."],
    }  # fmt: skip


def test_without_an_accounts_file_the_message_says_how_to_write_one(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for words in (("pull",), ("accounts",)):
        ran = run(*words)
        assert ran.exit_code == 1
        assert "There is no accounts file. Write accounts.yaml" in ran.stderr


def test_without_the_extra_the_message_says_what_to_install(run, service, monkeypatch):
    monkeypatch.undo()
    found = authorization.importlib.util.find_spec

    def find_spec(name: str):
        return None if name == "httpx" else found(name)

    monkeypatch.setattr(authorization.importlib.util, "find_spec", find_spec)
    with pytest.raises(authorization.AmazonApiError, match=r"pip install 'healthkit\[amazon\]'"):
        authorization.make_http_client()


def test_a_day_that_has_not_begun_is_wrong_usage(run, service):
    ran = run("pull", "--since", "2199-01-01")
    assert ran.exit_code == 2
    assert "has not begun yet" in ran.stderr
