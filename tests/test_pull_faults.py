"""What goes wrong at Amazon's is told in a true sentence, stops nothing else, and leaves nothing half-stored."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from healthkit.ingest.amazon_api.pull_state import StateFolder
from healthkit.store import Store
from tests.builders.amazon_pull import SimulatedClock, pull_from
from tests.builders.amazon_server import faults, reports
from tests.builders.amazon_server.scenario import Seller
from tests.builders.amazon_server.service import (
    CREATE_REPORT,
    DOWNLOAD,
    GET_DOCUMENT,
    GET_REPORT,
    GET_REPORTS,
    SEARCH_ORDERS,
    Service,
)

BAD, GOOD = Seller("bad", ("US",), a_day=2), Seller("good", ("UK",), a_day=2)
DAYS = 20
KINDS = (
    "all_orders", "amazon_shipments", "feedback", "returns", "performance_json", "settlement", "orders_api_2026"
)  # fmt: skip


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def service(clock) -> Service:
    return Service((BAD, GOOD), clock=clock.time, report_seconds=20)


class Run:
    """A pull of both sellers, and what came of it."""

    def __init__(self, folder: Path, service: Service, clock: SimulatedClock):
        self.store = Store(folder / "store")
        self.results = pull_from(folder, self.store, service, clock, DAYS)
        self.bad, self.good = self.results["bad"], self.results["good"]
        stored = self.store.reports()
        self.kinds = {name: Counter(rows["kind"]) for name, rows in stored.groupby("account")}


@pytest.fixture
def pull(tmp_path, service, clock):
    return lambda: Run(tmp_path, service, clock)


def check_others_done(run: Run, lacking: str = "") -> None:
    """The other account has everything, and the account with the fault all but the kind that failed."""
    assert run.good.failures == []
    every = {
        "all_orders",
        "amazon_shipments",
        "feedback",
        "returns",
        "performance_json",
        "settlement",
        "orders_api_2026",
    }
    assert set(run.kinds["good"]) == every
    assert set(run.kinds["bad"]) == every - {lacking}


def only_failure(run: Run) -> str:
    [sentence] = run.bad.failures
    return sentence


# ---------------------------------------------------------------- what is waited out


@pytest.mark.parametrize("operation", [CREATE_REPORT, GET_REPORT, GET_REPORTS, GET_DOCUMENT, SEARCH_ORDERS])
@pytest.mark.parametrize(("kind", "value"), [(faults.THROTTLED, None), (faults.SERVER_ERROR, 503)])
def test_a_call_that_is_throttled_or_fails_is_made_again(service, pull, operation, kind, value):
    service.plant(kind, account="bad", operation=operation, times=2, value=value)
    check_others_done(run := pull())
    assert run.bad.failures == []


@pytest.mark.parametrize("operation", [CREATE_REPORT, GET_REPORT, SEARCH_ORDERS, GET_DOCUMENT, DOWNLOAD])
def test_a_call_whose_connection_breaks_is_made_again(service, pull, operation):
    service.plant(faults.BROKEN_CONNECTION, account="bad", operation=operation, times=2)
    check_others_done(run := pull())
    assert run.bad.failures == []


def test_an_access_token_that_is_no_longer_good_is_renewed(service, pull):
    # One for each operation: a call whose new token has ended, too, is given up.
    for operation in (CREATE_REPORT, GET_REPORT, SEARCH_ORDERS):
        service.plant(faults.TOKEN_EXPIRED, account="bad", operation=operation, times=1)
    check_others_done(run := pull())
    assert run.bad.failures == []


def test_access_tokens_are_renewed_before_they_end(tmp_path, clock):
    service = Service((BAD, GOOD), clock=clock.time, report_seconds=900, token_seconds=600)
    check_others_done(run := Run(tmp_path, service, clock))
    assert run.bad.failures == []
    assert service.violations == []


def test_a_document_whose_address_has_ended_gets_a_new_one(service, pull):
    service.plant(faults.URL_EXPIRED, account="bad", report_type=reports.RETURNED, times=2)
    check_others_done(run := pull())
    assert run.bad.failures == []


def test_a_server_that_never_recovers_is_told_and_asked_no_more(service, pull):
    service.plant(faults.SERVER_ERROR, account="bad", operation=SEARCH_ORDERS, value=500)
    run = pull()
    check_others_done(run, "orders_api_2026")
    assert "Amazon answered searchOrders with HTTP 500" in only_failure(run)
    assert len(service.calls_of(SEARCH_ORDERS, account="bad")) < 12


def test_a_page_token_that_has_ended_starts_the_span_again(tmp_path, clock):
    service = Service((Seller("bad", ("US",), a_day=12), GOOD), clock=clock.time)
    service.plant(faults.PAGE_TOKEN_EXPIRED, times=1)
    run = Run(tmp_path, service, clock)
    check_others_done(run)
    assert run.bad.failures == []
    orders = run.store.ledger(["bad"]).orders.collect().to_pandas()
    assert not orders.duplicated(["marketplace", "order_id"]).any()


# ---------------------------------------------------------------- what is told


def test_a_revoked_authorisation_is_told_once_and_the_others_are_pulled(service, pull):
    service.plant(faults.REVOKED, account="bad")
    run = pull()
    assert run.good.failures == []
    assert "bad" not in run.kinds
    assert "no longer accepts the refresh token" in only_failure(run)
    assert "Authorise the application again" in only_failure(run)
    assert len([one for one in service.calls if one.status == 400]) == 1


def test_a_wrong_secret_of_the_application_is_told(service, pull):
    service.plant(faults.INVALID_CLIENT, account="bad")
    run = pull()
    assert run.good.failures == []
    assert "does not accept the id and secret of the application" in only_failure(run)


def test_a_missing_role_is_named(service, pull):
    service.plant(faults.ROLE_MISSING, account="bad", operation=CREATE_REPORT, report_type=reports.PERFORMANCE)
    run = pull()
    check_others_done(run, "performance_json")
    assert "bad (US), seller performance report: Amazon does not permit it (403)" in only_failure(run)
    assert "'Selling Partner Insights'" in only_failure(run)


def test_a_fatal_report_is_told_with_the_reason_of_its_document(service, pull):
    reason = "The report could not be made at https://secret.example/?sign=1."
    service.plant(faults.FATAL, account="bad", report_type=reports.RETURNED, value=reason)
    run = pull()
    check_others_done(run, "returns")
    assert all(
        "(FATAL). Its document says: The report could not be made at [address]" in one for one in run.bad.failures
    )
    assert StateFolder(run.store).read("bad").open_reports == []


def test_a_fatal_report_without_a_document_says_so(service, pull):
    service.plant(faults.FATAL, account="bad", report_type=reports.SHIPPED)
    run = pull()
    check_others_done(run, "amazon_shipments")
    assert "Amazon gives no reason; asking too often is a usual one." in only_failure(run)


def test_a_failed_report_is_asked_for_again_by_the_next_pull(service, pull, clock):
    service.plant(faults.FATAL, account="bad", report_type=reports.SHIPPED, times=1)
    assert pull().bad.failures
    clock.pass_days(0.1)
    run = pull()
    check_others_done(run)
    assert run.bad.failures == []


def test_an_error_sentence_in_a_document_is_told_and_not_stored(service, pull):
    service.plant(faults.ERROR_SENTENCE, account="bad", report_type=reports.ORDERS_BY_DAY)
    run = pull()
    check_others_done(run, "all_orders")
    assert "holds no report, but the text: The requested date range exceeds the maximum" in only_failure(run)


def test_an_empty_document_is_told_and_not_taken_for_no_data(service, pull):
    service.plant(faults.EMPTY, account="bad", report_type=reports.ORDERS_BY_DAY)
    run = pull()
    check_others_done(run, "all_orders")
    assert "is empty: it has not even a header" in only_failure(run)


def test_a_document_of_another_kind_is_told_and_not_stored(service, pull):
    header = b"order-id,kind,known-on\n111-1111111-1111111,a_to_z_claim,2026-10-01\n"
    service.plant(faults.CONTENT, account="bad", report_type=reports.RETURNED, value=header)
    run = pull()
    check_others_done(run, "returns")
    assert all("holds another kind of file: defects" in one for one in run.bad.failures)


def test_a_report_that_hangs_is_told_after_a_while_and_looked_for_again(service, pull, clock):
    service.plant(faults.HANGS, account="bad", report_type=reports.PERFORMANCE, times=1)
    began = clock.seconds
    run = pull()
    check_others_done(run, "performance_json")
    assert "is still IN_PROGRESS after 12" in only_failure(run)
    assert clock.seconds - began < timedelta(hours=3).total_seconds()
    asked = len(service.calls_of(CREATE_REPORT, account="bad"))
    clock.pass_days(0.1)
    assert "is still IN_PROGRESS" in only_failure(pull())
    again = [one for one in service.calls_of(CREATE_REPORT, account="bad")[asked:] if reports.PERFORMANCE in one.about]
    assert again == []
    clock.pass_days(1)
    check_others_done(run := pull())
    assert run.bad.failures == []


def test_cancelled_feedback_means_no_ratings_and_says_what_that_does_to_stored_ones(service, pull):
    service.plant(faults.CANCELLED, account="bad", report_type=reports.FEEDBACK)
    run = pull()
    check_others_done(run, "feedback")
    assert run.bad.failures == []
    [note] = [one for one in run.bad.notes if "cancelled" in one]
    assert "bad (US), seller feedback file: cancelled by Amazon, which means that there are no ratings since" in note
    assert "Ratings that are stored still count" in note


def test_a_file_with_a_header_alone_is_stored_as_no_rows(service, pull):
    service.plant(faults.HEADER_ONLY, account="bad", report_type=reports.RETURNED)
    check_others_done(run := pull())
    assert run.bad.failures == []


@pytest.mark.parametrize("kind", [faults.PLAIN, faults.GZIP, faults.DECLARED_BUT_PLAIN])
def test_a_document_is_unpacked_by_its_first_bytes_whatever_is_declared(service, pull, kind):
    service.plant(kind, account="bad")
    check_others_done(run := pull())
    assert run.bad.failures == []


@pytest.mark.parametrize(("code", "encoding"), [("JP", "cp932"), ("DE", "latin-1"), ("FR", "cp1252"), ("US", "utf-8")])
def test_documents_are_read_in_the_encoding_of_their_marketplace(tmp_path, clock, code, encoding):
    bad = Seller("bad", (code,), a_day=2)
    service = Service((bad, GOOD), clock=clock.time)
    for kind in (reports.FEEDBACK, reports.RETURNED, reports.ORDERS_BY_DAY, reports.SHIPPED):
        service.plant(faults.ENCODED, account="bad", report_type=kind, value=encoding)
    run = Run(tmp_path, service, clock)
    check_others_done(run)
    assert run.bad.failures == []
    products = set(run.store.ledger(["bad"]).items.collect().to_pandas()["product"].dropna())
    assert not any("\N{REPLACEMENT CHARACTER}" in name or "Ã" in name for name in products)


def test_nothing_half_is_stored_when_a_document_is_cut(service, pull):
    """The connection breaks in every attempt: nothing of the document is stored, all else is."""
    service.plant(faults.BROKEN_CONNECTION, account="bad", operation=DOWNLOAD, report_type=reports.ORDERS_BY_DAY)
    run = pull()
    check_others_done(run, "all_orders")
    assert "the connection broke (download: no answer (RemoteProtocolError))" in only_failure(run)
