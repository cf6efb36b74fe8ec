"""The test server plays Amazon as Amazon is: each limit, refusal and fault does what it says."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from healthkit.ingest import importer
from healthkit.schema.marketplaces import MARKETPLACES
from tests.builders.amazon_server import faults, reports
from tests.builders.amazon_server.by_hand import download, search
from tests.builders.amazon_server.in_process import ServiceTransport
from tests.builders.amazon_server.models import WHY_SKIPPED, load_models
from tests.builders.amazon_server.scenario import SECRET, Seller, Trouble, many_sellers, small_agency
from tests.builders.amazon_server.service import (
    CLIENT_ID,
    CLIENT_SECRET,
    CREATE_REPORT,
    DOWNLOAD,
    GET_DOCUMENT,
    GET_ORDER,
    GET_REPORT,
    GET_REPORTS,
    ORDERS_PATH,
    RATES,
    REPORTS_PATH,
    SEARCH_ORDERS,
    Answer,
    Request,
    Service,
)
from tests.builders.amazon_server.sockets import listening
from tests.builders.raw_files import MARK

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
ACME, BOLT, COVE = small_agency()
DOJO = Seller("dojo", ("JP",))
KINDS = (reports.ORDERS_BY_UPDATE, reports.ORDERS_BY_DAY, reports.FEEDBACK, reports.PERFORMANCE, reports.RETURNED,
         reports.SHIPPED)  # fmt: skip

needs_models = pytest.mark.skipif(load_models() is None, reason=WHY_SKIPPED)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.seconds = NOW.timestamp()

    def __call__(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds


class Client:
    """A careless client of one seller: it asks whatever a test wants, as fast as it wants."""

    def __init__(self, service: Service, seller: Seller = ACME):
        self.service, self.seller = service, seller
        self.token = self.ask_token().json["access_token"]

    def ask_token(self, **cells: str) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": self.seller.refresh_token,
                "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}  # fmt: skip
        body = urlencode(form | cells).encode()
        return self.service.answer(Request("lwa", "POST", "/auth/o2/token", {}, body))

    def send(self, method: str, target: str, body: object = None, host: str = "", **headers: str) -> Answer:
        told = b"" if body is None else json.dumps(body).encode()
        headers = {"x-amz-access-token": self.token, **headers}
        return self.service.answer(Request(host or self.seller.region, method, target, headers, told))

    def create(
        self, kind: str, days: float = 20, end: datetime | None = NOW, code: str = "", **cells: object
    ) -> Answer:
        code = code or self.seller.marketplaces[0]
        asked = {"reportType": kind, "marketplaceIds": [MARKETPLACES[code].marketplace_id]}
        asked["dataStartTime"] = reports.stamp(end - timedelta(days))
        if kind != reports.FEEDBACK:
            asked["dataEndTime"] = reports.stamp(end)
        return self.send("POST", f"{REPORTS_PATH}/reports", asked | cells)

    def report(self, report_id: str) -> Answer:
        return self.send("GET", f"{REPORTS_PATH}/reports/{report_id}")

    def make(self, kind: str, **more: object) -> dict:
        """Ask for a report, and return how it stands."""
        return self.report(self.create(kind, **more).json["reportId"]).json

    def document(self, report: dict) -> dict:
        return self.send("GET", f"{REPORTS_PATH}/documents/{report['reportDocumentId']}").json

    def fetch(self, document: dict, **headers: str) -> Answer:
        where = urlsplit(document["url"])
        return self.service.answer(Request("documents", "GET", f"{where.path}?{where.query}", headers))

    def content(self, kind: str, **more: object) -> bytes:
        """Ask for a report and return its unpacked bytes."""
        document = self.document(self.make(kind, **more))
        body = self.fetch(document).body
        return gzip.decompress(body) if "compressionAlgorithm" in document else body

    def search(self, **query: object) -> Answer:
        given = {"lastUpdatedAfter": reports.stamp(NOW - timedelta(30))} | query
        words = urlencode({name: value for name, value in given.items() if value is not None})
        return self.send("GET", f"{ORDERS_PATH}?{words}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock) -> Service:
    return Service((*small_agency(), DOJO), clock)


@pytest.fixture
def client(service) -> Client:
    return Client(service)


def said(service: Service) -> str:
    """All that requests did wrong."""
    return "; ".join(text for _, text in service.violations)


# ---------------------------------------------------------------- the usual way


def ask_for_everything(client: Client) -> set[str]:
    """Ask for every report and all orders as a client should, and return the order ids."""
    for code in client.seller.marketplaces:
        for kind in KINDS:
            assert len(client.content(kind, code=code)) > 300
            client.service.clock.move(120)
    listed = client.send("GET", f"{REPORTS_PATH}/reports?reportTypes={reports.SETTLED}&pageSize=2").json
    assert len(listed["reports"]) == 2
    second = client.send("GET", f"{REPORTS_PATH}/reports?nextToken={listed['nextToken']}").json
    assert len({one["reportId"] for one in listed["reports"] + second["reports"]}) == 4
    settled = client.document(listed["reports"][0])
    assert b"Refund\t" in gzip.decompress(client.fetch(settled).body)
    ids, token = [], None
    while True:
        page = client.search(paginationToken=token, includedData="CANCELLATION,FULFILLMENT,PACKAGES").json
        ids += [one["orderId"] for one in page["orders"]]
        token = page.get("pagination", {}).get("nextToken")
        if not token:
            break
    assert client.send("GET", f"{ORDERS_PATH}/{ids[0]}").json["order"]["orderId"] == ids[0]
    assert len(set(ids)) == len(ids) > 100
    return set(ids)


@pytest.mark.parametrize("seller", [*small_agency(), DOJO], ids=lambda seller: seller.account)
def test_who_asks_as_amazon_wants_it_does_nothing_wrong(service, seller):
    ask_for_everything(Client(service, seller))
    assert service.violations == []


@needs_models
def test_every_answer_and_every_refusal_is_one_of_amazons_models(service, clock, client):
    ask_for_everything(client)
    service.plant(faults.THROTTLED, times=1)
    service.plant(faults.SERVER_ERROR, times=1)
    assert [client.search().status, client.search().status] == [429, 500]
    service.plant(faults.ROLE_MISSING, times=1)
    assert client.report("none").status == 403
    assert client.report("none").status == 404
    assert client.search(maxResultsPerPage=0).status == 400
    clock.move(4000)
    assert client.search().status == 403
    assert "the answer breaks" not in said(service)


def test_the_same_service_answers_over_sockets_and_in_process(service, client):
    target = f"{REPORTS_PATH}/reports?reportTypes={reports.SETTLED}"
    expected = client.send("GET", target).json["reports"]
    head = {"x-amz-access-token": client.token}
    with httpx.Client(transport=ServiceTransport(service), headers=head) as inside:
        answer = inside.get(service.hosts["na"] + target)
        assert answer.headers["x-amzn-ratelimit-limit"] == "0.0222"
        assert answer.json()["reports"] == expected
        with pytest.raises(httpx.ConnectError):
            inside.get("https://example.invalid/")
    with listening(service):
        assert {urlsplit(url).hostname for url in service.hosts.values()} == {"127.0.0.1"}
        request = urllib.request.Request(service.hosts["na"] + target, headers=head)
        with urllib.request.urlopen(request) as answer:
            assert json.loads(answer.read())["reports"] == expected


def test_many_threads_are_counted_each(service):
    clients = [Client(service, seller) for seller in small_agency()]

    def ask(client: Client) -> None:
        for _ in range(15):
            client.report("none")

    workers = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [len(service.calls_of(GET_REPORT, account=client.seller.account)) for client in clients] == [15, 15, 15]


# ---------------------------------------------------------------- Amazon's models


@needs_models
@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ({"dataStartTime": "2026-11-01"}, "body.dataStartTime must be date-time"),
        ({"dataStart": "2026-11-01T00:00:00Z"}, "body must not contain {'dataStart'} properties"),
        ({"marketplaceIds": "ATVPDKIKX0DER"}, "body.marketplaceIds must be array"),
        ({"reportOptions": {"a": True}}, "body.reportOptions.a must be string"),
    ],
)
def test_a_request_that_breaks_the_model_is_refused_and_recorded(service, client, cells, wrong):
    answer = client.create(reports.FEEDBACK, **cells)
    assert answer.status == 400
    assert wrong in answer.json["errors"][0]["message"]
    assert "the request breaks Amazon's model" in said(service)
    assert wrong in said(service)


@needs_models
@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"MarketplaceIds": "ATVPDKIKX0DER"}, "'MarketplaceIds' is unknown"),
        ({"lastUpdatedAfter": "yesterday"}, "'lastUpdatedAfter' must be date-time"),
        ({"includedData": "PARCELS"}, "'includedData'[0] must be one of"),
        ({"maxResultsPerPage": "all"}, "'maxResultsPerPage' must be integer"),
    ],
)
def test_a_query_that_breaks_the_model_is_refused_and_recorded(service, client, query, wrong):
    assert client.search(**query).status == 400
    assert wrong in said(service)


@needs_models
@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ({"orderId": 1}, "answer.orders[0].orderId must be string"),
        ({"shipBy": "today"}, "answer.orders[0] must not contain {'shipBy'} properties"),
        ({"createdTime": "today"}, "answer.orders[0].createdTime must be date-time"),
        ({"fulfillment": {"fulfillmentStatus": "GONE"}}, "fulfillment.fulfillmentStatus must be one of"),
    ],
)
def test_an_answer_that_breaks_the_model_is_recorded(service, client, monkeypatch, cells, wrong):
    write = reports.api_order
    monkeypatch.setattr(reports, "api_order", lambda *told: write(*told) | cells)
    assert client.search().status == 200
    assert "the answer breaks Amazon's model" in said(service)
    assert wrong in said(service)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}"])
def test_a_body_that_is_no_question_is_refused_with_or_without_models(clock, body):
    for check_models in (True, False):
        service = Service(small_agency(), clock, check_models=check_models)
        head = {"x-amz-access-token": Client(service).token}
        assert service.answer(Request("na", "POST", f"{REPORTS_PATH}/reports", head, body)).status == 400
        assert service.violations


def test_without_the_models_nothing_is_checked(tmp_path):
    assert load_models(tmp_path) is None


# ---------------------------------------------------------------- token buckets


@pytest.mark.parametrize("operation", [CREATE_REPORT, GET_REPORT, GET_REPORTS, SEARCH_ORDERS, GET_ORDER, GET_DOCUMENT])
def test_a_bucket_gives_its_burst_and_then_its_rate(service, clock, client, operation):
    ask = {
        CREATE_REPORT: lambda: client.create(reports.PERFORMANCE),
        GET_REPORT: lambda: client.report("none"),
        GET_REPORTS: lambda: client.send("GET", f"{REPORTS_PATH}/reports?reportTypes={reports.SETTLED}"),
        SEARCH_ORDERS: client.search,
        GET_ORDER: lambda: client.send("GET", f"{ORDERS_PATH}/none"),
        GET_DOCUMENT: lambda: client.send("GET", f"{REPORTS_PATH}/documents/none"),
    }[operation]
    rate, burst = RATES[operation]
    assert 429 not in [ask().status for _ in range(burst)]
    assert "above the rate" not in said(service)
    assert ask().status == 429
    assert "above the rate" in said(service)
    clock.move(0.99 / rate)
    assert ask().status == 429
    clock.move(0.02 / rate)
    assert ask().status != 429
    assert ask().status == 429
    clock.move(1000 * burst / rate)
    client.token = client.ask_token().json["access_token"]
    assert [ask().status == 429 for _ in range(burst + 1)] == [False] * burst + [True]


def test_each_seller_and_each_operation_has_a_bucket_of_its_own(service, client):
    other = Client(service, BOLT)
    for _ in range(20):
        client.create(reports.PERFORMANCE)
    assert client.create(reports.PERFORMANCE).status == 429
    assert other.create(reports.PERFORMANCE).status == 202
    assert client.search().status == 200


def test_another_rate_of_an_account_holds_and_is_stated(service, client):
    service.set_rate(SEARCH_ORDERS, 0.001, 2, account="acme")
    assert [client.search().status for _ in range(3)] == [200, 200, 429]
    assert client.send("GET", f"{REPORTS_PATH}/reports?reportTypes=X").headers["x-amzn-RateLimit-Limit"] == "0.0222"
    other = Client(service, BOLT)
    assert other.search().headers["x-amzn-RateLimit-Limit"] == "0.0056"


# ---------------------------------------------------------------- authorisation


def test_a_revoked_authorisation_gets_no_token_and_others_do(service, client):
    service.plant(faults.REVOKED, account="acme")
    refused = client.ask_token()
    assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
    assert Client(service, BOLT).token


def test_a_wrong_client_secret_is_refused(service, client):
    assert client.ask_token(client_secret="guess").status == 401
    service.plant(faults.INVALID_CLIENT, times=1)
    assert client.ask_token().json["error"] == "invalid_client"
    assert client.ask_token(refresh_token="guess").json["error"] == "invalid_grant"


def test_an_access_token_is_good_for_an_hour(clock, client):
    clock.move(3599)
    assert client.search().status == 200
    clock.move(2)
    refused = client.search()
    assert (refused.status, refused.json["errors"][0]["details"]) == (403, "The access token you provided has expired.")
    client.token = client.ask_token().json["access_token"]
    assert client.search().status == 200


def test_an_access_token_can_expire_early(service, client):
    service.plant(faults.TOKEN_EXPIRED, account="acme", operation=SEARCH_ORDERS, times=1)
    assert client.send("GET", f"{REPORTS_PATH}/reports?reportTypes=X").status == 200
    assert "has expired" in client.search().json["errors"][0]["details"]
    client.token = client.ask_token().json["access_token"]
    assert client.search().status == 200


def test_a_missing_role_is_told_apart_from_an_expired_token(service, client):
    service.plant(faults.ROLE_MISSING, report_type=reports.RETURNED)
    refused = client.create(reports.RETURNED)
    assert (refused.status, refused.json["errors"][0]["details"]) == (403, "")
    assert client.create(reports.PERFORMANCE).status == 202
    service.plant(faults.ROLE_MISSING, operation=SEARCH_ORDERS)
    assert client.search().status == 403


def test_a_token_of_one_region_is_nothing_in_another(service, client):
    assert client.send("GET", f"{ORDERS_PATH}/1", host="eu").status == 403
    assert "a token of the region na was sent to eu" in said(service)


def test_restricted_tokens_and_data_of_buyers_are_refused(service, client):
    assert client.send("POST", "/tokens/2021-03-01/restrictedDataToken", {}).status == 403
    assert client.search(includedData="PACKAGES,RECIPIENT").status == 403
    assert client.send("GET", f"{ORDERS_PATH}/1?includedData=BUYER").status == 403
    assert client.create("GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING").status == 403
    for wrong in ("restricted data token", "asked for RECIPIENT", "asked for BUYER", "needs a restricted token"):
        assert wrong in said(service)


# ---------------------------------------------------------------- reports


def test_a_report_waits_is_made_and_is_done(clock):
    service = Service(small_agency(), clock, report_seconds=100)
    client = Client(service)
    report_id = client.create(reports.PERFORMANCE).json["reportId"]
    seen = []
    for seconds in (0, 30, 50, 30):
        clock.move(seconds)
        seen.append(client.report(report_id).json)
    assert [one["processingStatus"] for one in seen] == ["IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS", "DONE"]
    assert ["reportDocumentId" in one for one in seen] == [False, False, False, True]


def test_a_report_of_another_seller_does_not_exist(service, client):
    report_id = client.create(reports.PERFORMANCE).json["reportId"]
    assert Client(service, BOLT).report(report_id).status == 404


def test_a_report_can_hang_for_ever_or_for_a_while(service, clock, client):
    service.plant(faults.HANGS, report_type=reports.PERFORMANCE, times=1)
    service.plant(faults.HANGS, report_type=reports.RETURNED, times=1, value=7200)
    ids = [client.create(kind).json["reportId"] for kind in (reports.PERFORMANCE, reports.RETURNED)]
    clock.move(7300)
    client.token = client.ask_token().json["access_token"]
    assert [client.report(one).json["processingStatus"] for one in ids] == ["IN_PROGRESS", "DONE"]
    clock.move(500_000)
    client.token = client.ask_token().json["access_token"]
    assert client.report(ids[0]).json["processingStatus"] == "IN_PROGRESS"


def test_a_report_can_be_cancelled_or_fatal_with_or_without_a_reason(service, client):
    service.plant(faults.CANCELLED, report_type=reports.RETURNED, marketplace="US", times=1)
    assert client.make(reports.RETURNED)["processingStatus"] == "CANCELLED"
    assert client.make(reports.RETURNED)["processingStatus"] == "DONE"
    service.plant(faults.FATAL, report_type=reports.RETURNED, times=1)
    broken = client.make(reports.RETURNED)
    assert (broken["processingStatus"], "reportDocumentId" in broken) == ("FATAL", False)
    service.plant(faults.FATAL, report_type=reports.RETURNED, times=1, value="asked for too often")
    broken = client.make(reports.RETURNED)
    assert broken["processingStatus"] == "FATAL"
    assert gzip.decompress(client.fetch(client.document(broken)).body) == b"asked for too often"


def test_a_done_document_can_hold_a_sentence_nothing_or_no_row(service, client):
    service.plant(faults.ERROR_SENTENCE, times=1)
    assert client.content(reports.ORDERS_BY_UPDATE).decode() == reports.ERROR_SENTENCE
    service.plant(faults.EMPTY, times=1)
    assert client.content(reports.ORDERS_BY_UPDATE) == b""
    service.plant(faults.HEADER_ONLY, times=1)
    assert client.content(reports.ORDERS_BY_UPDATE).count(b"\n") == 1
    service.plant(faults.CONTENT, times=1, value=b"\x00\x01")
    assert client.content(reports.ORDERS_BY_UPDATE) == b"\x00\x01"
    assert client.content(reports.ORDERS_BY_UPDATE).count(b"\n") > 20


@pytest.mark.parametrize(("kind", "longest"), [(reports.ORDERS_BY_UPDATE, 30), (reports.RETURNED, 60)])
def test_more_days_than_a_report_has_are_an_empty_file_or_a_sentence(service, client, kind, longest):
    assert client.content(kind, days=longest).count(b"\n") > 3
    assert service.violations == []
    found = {client.content(kind, days=longest + 1) for _ in range(4)}
    assert found == {b"", reports.ERROR_SENTENCE.encode()}
    assert f"{longest} is the most" in said(service)


def test_feedback_is_cancelled_where_there_is_none_or_with_an_end_or_a_short_time(clock):
    unrated = Seller("calm", ("US",), trouble=Trouble(rated_badly=0, rated_well=0))
    service = Service((ACME, unrated), clock)
    assert Client(service, unrated).make(reports.FEEDBACK)["processingStatus"] == "CANCELLED"
    assert service.violations == []
    client = Client(service)
    assert client.make(reports.FEEDBACK)["processingStatus"] == "DONE"
    assert client.make(reports.FEEDBACK, dataEndTime=reports.stamp(NOW))["processingStatus"] == "CANCELLED"
    assert client.make(reports.FEEDBACK, days=4)["processingStatus"] == "CANCELLED"
    assert len(service.violations) == 2


def test_what_cannot_be_asked_for_is_refused(service, client):
    assert client.create(reports.SETTLED).status == 400
    assert client.create("GET_EVERYTHING").status == 400
    us, ca, de = (MARKETPLACES[code].marketplace_id for code in ("US", "CA", "DE"))
    assert client.create(reports.RETURNED, marketplaceIds=[us, ca]).status == 400
    assert client.create(reports.RETURNED, marketplaceIds=[de]).status == 400
    for wrong in ("can only be listed", "GET_EVERYTHING is unknown", "2 marketplaces at once", f"no marketplace {de}"):
        assert wrong in said(service)


def test_shipments_of_more_than_eighteen_months_ago_are_fatal(client):
    assert client.make(reports.SHIPPED, end=NOW - timedelta(560))["processingStatus"] == "FATAL"


def test_settlements_are_listed_for_ninety_days_by_marketplace(service, client):
    us = MARKETPLACES["US"].marketplace_id
    since = reports.stamp(NOW - timedelta(40))
    query = f"reportTypes={reports.SETTLED}&marketplaceIds={us}&createdSince={since}&pageSize=100"
    listed = client.send("GET", f"{REPORTS_PATH}/reports?{query}").json["reports"]
    assert {one["marketplaceIds"][0] for one in listed} == {us}
    assert len(listed) in (2, 3)
    assert [one["createdTime"] for one in listed] == sorted((one["createdTime"] for one in listed), reverse=True)
    old = reports.stamp(NOW - timedelta(91))
    assert client.send("GET", f"{REPORTS_PATH}/reports?reportTypes=X&createdSince={old}").status == 400
    assert client.send("GET", f"{REPORTS_PATH}/reports?reportTypes=X&nextToken=00").status == 400
    assert "nextToken goes alone" in said(service)


# ---------------------------------------------------------------- documents


def test_a_documents_url_is_good_for_five_minutes(service, clock, client):
    document = client.document(client.make(reports.PERFORMANCE))
    assert SECRET in document["url"]
    clock.move(299)
    assert client.fetch(document).status == 200
    clock.move(2)
    assert client.fetch(document).status == 403
    service.plant(faults.URL_EXPIRED, times=1)
    fresh = client.document(client.make(reports.PERFORMANCE))
    assert [client.fetch(fresh).status, client.fetch(fresh).status] == [403, 200]


def test_a_document_is_packed_plain_or_declared_as_packed_and_plain(service, client):
    seen = {}
    for kind in (faults.GZIP, faults.PLAIN, faults.DECLARED_BUT_PLAIN):
        service.plant(kind, times=1)
        document = client.document(client.make(reports.ORDERS_BY_UPDATE))
        seen[kind] = (document.get("compressionAlgorithm"), client.fetch(document).body[:2] == b"\x1f\x8b")
    assert seen == {
        faults.GZIP: ("GZIP", True),
        faults.PLAIN: (None, False),
        faults.DECLARED_BUT_PLAIN: ("GZIP", False),
    }


def test_a_document_comes_in_its_marketplaces_encoding_or_in_another(service):
    assert "万年筆" in Client(service, DOJO).content(reports.ORDERS_BY_UPDATE).decode("cp932")
    bolt = Client(service, BOLT)
    assert "Größe" in bolt.content(reports.ORDERS_BY_UPDATE).decode("latin-1")
    service.plant(faults.ENCODED, times=1, value="utf-8")
    assert "Größe" in bolt.content(reports.ORDERS_BY_UPDATE).decode("utf-8")


def test_a_token_sent_to_the_store_of_documents_is_recorded(service, client):
    client.fetch(client.document(client.make(reports.PERFORMANCE)), **{"x-amz-access-token": client.token})
    assert "a token was sent to the store of documents" in said(service)


def test_a_downloaded_document_is_kept_for_comparison(service, client):
    content = client.content(reports.RETURNED, code="CA")
    [served] = service.served
    assert (served.account, served.marketplace, served.kind, served.content) == (
        "acme",
        "CA",
        reports.RETURNED,
        content,
    )


def test_a_connection_breaks_midway_over_sockets_and_in_process(service, client):
    service.plant(faults.BROKEN_CONNECTION, operation=DOWNLOAD, times=1)
    document = client.document(client.make(reports.ORDERS_BY_UPDATE))
    with httpx.Client(transport=ServiceTransport(service)) as inside:
        with pytest.raises(httpx.RemoteProtocolError):
            inside.get(document["url"])
        whole = inside.get(document["url"])
        assert len(whole.content) == int(whole.headers["content-length"])
    service.plant(faults.BROKEN_CONNECTION, operation=DOWNLOAD, times=1, value=10)
    with listening(service):
        url = client.document(client.make(reports.ORDERS_BY_UPDATE))["url"]
        with pytest.raises(http.client.IncompleteRead) as broken, urllib.request.urlopen(url) as answer:
            answer.read()
        assert len(broken.value.partial) == 10
        with urllib.request.urlopen(url) as answer:
            assert len(answer.read()) > 10
    assert len(service.served) == 2


# ---------------------------------------------------------------- orders


def test_orders_are_asked_for_by_exactly_one_of_two_times(service, client):
    earlier = reports.stamp(NOW - timedelta(20))
    assert client.search(createdAfter=earlier).status == 400
    assert client.search(lastUpdatedAfter=None).status == 400
    assert client.search(createdBefore=earlier).status == 400
    assert client.search(lastUpdatedAfter=None, createdAfter=earlier).status == 200
    assert client.search(lastUpdatedBefore=reports.stamp(NOW - timedelta(minutes=1))).status == 400
    assert client.search(lastUpdatedBefore=reports.stamp(NOW - timedelta(minutes=3))).status == 200
    assert "exactly one of createdAfter and lastUpdatedAfter" in said(service)
    assert "less than two minutes ago" in said(service)


def test_an_order_holds_the_data_that_was_asked_for_and_no_other(client):
    one = client.search().json["orders"][0]
    assert not {"fulfillment", "packages", "buyer", "recipient"} & one.keys()
    every = client.search(includedData="CANCELLATION,FULFILLMENT,PACKAGES").json["orders"]
    assert all("fulfillment" in one for one in every)
    assert any(one.get("packages") for one in every)
    assert any("cancellation" in item for one in every for item in one["orderItems"])
    assert not any({"buyer", "recipient"} & one.keys() for one in every)


def test_a_page_token_is_good_for_a_day_and_for_the_same_question(service, clock, client):
    token = client.search(maxResultsPerPage=10).json["pagination"]["nextToken"]
    assert client.search(maxResultsPerPage=10, paginationToken=token).status == 200
    assert client.search(maxResultsPerPage=20, paginationToken=token).status == 400
    assert client.search(maxResultsPerPage=10, paginationToken="ff").status == 400
    assert client.search(maxResultsPerPage=101).status == 400
    clock.move(24 * 3600 + 1)
    client.token = client.ask_token().json["access_token"]
    refused = client.search(maxResultsPerPage=10, paginationToken=token)
    assert (refused.status, refused.json["errors"][0]["message"]) == (400, "The pagination token has expired.")
    service.plant(faults.PAGE_TOKEN_EXPIRED, times=1)
    token = client.search(maxResultsPerPage=10).json["pagination"]["nextToken"]
    seen = [client.search(maxResultsPerPage=10, paginationToken=token).status for _ in range(2)]
    assert seen == [400, 200]


def test_no_order_is_lost_between_two_pages_though_orders_change(clock, client):
    span = {"lastUpdatedAfter": reports.stamp(NOW - timedelta(3)), "maxResultsPerPage": 5}
    first = client.search(**span).json
    clock.move(20 * 3600)
    client.token = client.ask_token().json["access_token"]
    ids, token = {one["orderId"] for one in first["orders"]}, first["pagination"]["nextToken"]
    while token:
        page = client.search(**span, paginationToken=token).json
        assert not ids & {one["orderId"] for one in page["orders"]}
        ids |= {one["orderId"] for one in page["orders"]}
        token = page.get("pagination", {}).get("nextToken")
    later = {one["orderId"] for one in client.search(lastUpdatedAfter=first["lastUpdatedBefore"]).json["orders"]}
    every = {one["orderId"] for one in client.search(lastUpdatedAfter=span["lastUpdatedAfter"]).json["orders"]}
    assert every <= ids | later


def test_an_order_changes_from_day_to_day(clock, service, client):
    order_id = client.search(lastUpdatedAfter=reports.stamp(NOW - timedelta(1))).json["orders"][-1]["orderId"]
    seen = []
    for _ in range(4):
        client.token = client.ask_token().json["access_token"]
        told = client.send("GET", f"{ORDERS_PATH}/{order_id}?includedData=FULFILLMENT").json["order"]
        seen.append((told["lastUpdatedTime"], told["fulfillment"]["fulfillmentStatus"]))
        clock.move(86_400)
    assert len(set(seen)) > 1
    assert seen == sorted(seen)


# ---------------------------------------------------------------- the sellers and their files


@pytest.mark.parametrize("seller", [*small_agency(), DOJO], ids=lambda seller: seller.account)
def test_the_kit_imports_every_file_of_every_marketplace(tmp_path, store, seller):
    for code in seller.marketplaces:
        paths = download(seller, code, tmp_path / seller.account / code, NOW - timedelta(60), NOW)
        results = list(importer.import_files(paths, store, seller.account, code))
        assert [result.refused for result in results if result.refused] == []
        assert {result.kind for result in results} == {
            "all_orders", "amazon_shipments", "feedback", "returns", "settlement", "performance_json",
        }  # fmt: skip
    [result] = importer.import_files(search(seller, tmp_path / "api", NOW - timedelta(60), NOW), store, seller.account)
    assert (result.refused, result.kind) == (None, "orders_api_2026")


def test_pieces_of_a_file_by_last_update_hold_what_the_whole_holds(client):
    whole = reports.all_orders(ACME, "US", NOW - timedelta(60), NOW, NOW).splitlines()[1:]
    ends = (NOW, NOW - timedelta(30))
    pieces = [client.content(reports.ORDERS_BY_UPDATE, days=30, end=end).decode().splitlines()[1:] for end in ends]
    assert sorted(set(pieces[0]) | set(pieces[1])) == sorted(whole)


def test_personal_data_stands_in_the_documents_and_no_credential_does(client):
    for kind in (reports.ORDERS_BY_UPDATE, reports.FEEDBACK, reports.RETURNED, reports.SHIPPED):
        content = client.content(kind)
        assert MARK.encode() in content
        assert SECRET.encode() not in content
    assert MARK in client.search(includedData="PACKAGES,CANCELLATION").body.decode()


def test_sellers_have_orders_of_their_own():
    every = [
        one.order.order_id
        for seller in (*small_agency(), *many_sellers(200))
        for code in seller.marketplaces
        for one in reports.orders_between(seller, code, NOW.date() - timedelta(2), NOW.date())
    ]
    assert len(set(every)) == len(every) > 1000
    assert len({seller.refresh_token for seller in many_sellers(200)}) == 200


def test_nothing_listens_once_the_block_has_ended(service):
    with listening(service):
        url = service.hosts["na"]
    assert service.hosts["na"].startswith("https://sellingpartnerapi-na.")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/")
