"""Answer requests as Amazon's Selling Partner API does, and record them with whatever they do wrong.

`Service.answer` takes a request and returns an answer; it opens no socket and reads no clock but the one that it is
given. It plays Login with Amazon, Reports 2021-06-30, the documents of reports, and Orders 2026-01-01. A token bucket
for each operation and seller holds the published rates (Amazon's usage plans, read in Amazon's models of 2026-08-05).
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from tests.builders.amazon_server import faults, reports
from tests.builders.amazon_server.faults import Fault
from tests.builders.amazon_server.models import Operation, load_models
from tests.builders.amazon_server.scenario import SECRET, Seller

from healthkit.schema.marketplaces import MARKETPLACES  # isort: skip

CREATE_REPORT, GET_REPORT, GET_REPORTS = "createReport", "getReport", "getReports"
GET_DOCUMENT, SEARCH_ORDERS, GET_ORDER = "getReportDocument", "searchOrders", "getOrder"
TOKEN, DOWNLOAD, RESTRICTED_TOKEN = "token", "download", "createRestrictedDataToken"

RATES: dict[str, tuple[float, int]] = {
    CREATE_REPORT: (0.0167, 15),
    GET_DOCUMENT: (0.0167, 15),
    GET_REPORTS: (0.0222, 10),
    GET_REPORT: (2, 15),
    SEARCH_ORDERS: (0.0056, 20),
    GET_ORDER: (0.5, 30),
}
"""Published rate of each operation for a seller [requests a second], and its burst [requests]."""

CLIENT_ID, CLIENT_SECRET = f"amzn1.application-oa2-client.{SECRET}", f"amzn1.oa2-cs.v1.{SECRET}"
HOSTS = {
    "lwa": "https://api.amazon.com",
    "na": "https://sellingpartnerapi-na.amazon.com",
    "eu": "https://sellingpartnerapi-eu.amazon.com",
    "fe": "https://sellingpartnerapi-fe.amazon.com",
    "documents": "https://documents.example.invalid",
}
"""Amazon's own addresses, which an in-process transport plays; a server that listens puts its own in their place."""

URL_SECONDS, TOKEN_SECONDS, PAGE_TOKEN_SECONDS = 300, 3600, 24 * 3600
DENIED = "Access to requested resource is denied."
FORBIDDEN_DATA = ("BUYER", "RECIPIENT")
REPORTS_PATH, ORDERS_PATH = "/reports/2021-06-30", "/orders/2026-01-01/orders"


@dataclass(frozen=True)
class Request:
    """One request: the host it came to ("lwa", "documents" or a region), method, path with query, headers, body."""

    host: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query, a value for each name; of a repeated name all values, separated by commas."""
        found = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: ",".join(values) for name, values in found.items()}


@dataclass
class Answer:
    """One answer; with `cut_at` the connection breaks after that many bytes of the body."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Call:
    """One recorded request with its answer's status. `about` says what it asked for."""

    at: float
    operation: str
    account: str
    region: str
    status: int
    about: str = ""
    violations: tuple[str, ...] = ()


@dataclass
class MadeReport:
    """A report that was asked for."""

    report_id: str
    seller: Seller
    marketplace: str
    kind: str
    start: datetime | None
    end: datetime | None
    created_at: float
    done_at: float
    status: str
    fault: Fault | None = None


@dataclass(frozen=True)
class Served:
    """A document that was downloaded whole, or a page of orders: whose, which, for which days, and its unpacked bytes.

    A page of orders has no marketplace: it may hold several.
    """

    account: str
    marketplace: str
    kind: str
    start: datetime | None
    end: datetime | None
    content: bytes


class Refusal(Exception):
    """Raised to answer with an error of Amazon's."""

    def __init__(self, status: int, code: str, message: str, details: str = ""):
        self.status, self.code, self.message, self.details = status, code, message, details


class Service:
    """Amazon as far as the kit asks it: sellers, faults, token buckets, and the record of all calls.

    `clock` returns seconds since 1970. `rates` may be faster than the published ones, where a test waits in earnest.
    `slack` is what a request may come too early [seconds]: on real sockets requests are delayed unequally.
    `report_seconds` is how long a report is being made. With `keep` the documents that were downloaded are kept.
    """

    def __init__(
        self,
        sellers: Iterable[Seller],
        clock: Callable[[], float] = time.time,
        rates: Mapping[str, tuple[float, int]] = RATES,
        report_seconds: float = 0,
        slack: float = 0,
        token_seconds: float = TOKEN_SECONDS,
        keep: bool = True,
        check_models: bool = True,
    ):
        self.sellers = {seller.refresh_token: seller for seller in sellers}
        self.clock, self.rates, self.slack, self.keep = clock, dict(rates), slack, keep
        self.report_seconds, self.token_seconds = report_seconds, token_seconds
        self.hosts = dict(HOSTS)
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.served: list[Served] = []
        self.reports: dict[str, MadeReport] = {}
        self.rates_of_account: dict[tuple[str, str], tuple[float, int]] = {}
        self.models: dict[str, Operation] | None = load_models() if check_models else None
        self._tokens: dict[str, tuple[Seller, float]] = {}
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        self._lock = threading.RLock()
        self._count = 0
        self._found: list[str] = []

    # ------------------------------------------------------------ what tests ask

    def plant(self, kind: str, **about: Any) -> Fault:
        """Plant a fault and return it."""
        fault = Fault(kind, **about)
        self.faults.append(fault)
        return fault

    def set_rate(self, operation: str, rate: float, burst: int, account: str) -> None:
        """Give an account another rate than the published one; answers state it."""
        self.rates_of_account[operation, account] = (rate, burst)

    def calls_of(self, *operations: str, account: str = "") -> list[Call]:
        """Return the recorded calls of some operations."""
        with self._lock:
            return [one for one in self.calls if one.operation in operations and account in ("", one.account)]

    @property
    def violations(self) -> list[tuple[str, str]]:
        """What requests did wrong: the operation, and what was wrong. Also answers that break Amazon's models."""
        with self._lock:
            return [(one.operation, text) for one in self.calls for text in one.violations]

    @property
    def now(self) -> datetime:
        """The server's time."""
        return datetime.fromtimestamp(self.clock(), UTC)

    # ------------------------------------------------------------ one request

    def answer(self, request: Request) -> Answer:
        """Answer a request and record it."""
        with self._lock:
            self._found = []
            if request.host == "lwa":
                return self._log(TOKEN, None, "", self._answer_token(request))
            if request.host == "documents":
                return self._answer_download(request)
            return self._answer_api(request)

    def _log(self, operation: str, seller: Seller | None, about: str, answer: Answer) -> Answer:
        names = (seller.account, seller.region) if seller else ("", "")
        self.calls.append(Call(self.clock(), operation, *names, answer.status, about, tuple(self._found)))
        return answer

    def _find_fault(self, kind: str, **about: str) -> Fault | None:
        fault = next((one for one in self.faults if one.concerns(kind, **about)), None)
        if fault:
            fault.use()
        return fault

    # ------------------------------------------------------------ Login with Amazon

    def _answer_token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode()))
        if (request.method, request.path) != ("POST", "/auth/o2/token"):
            return _json(404, {"error": "not_found", "error_description": "Not found"})
        if form.get("grant_type") != "refresh_token":
            self._found.append(f"grant type {form.get('grant_type')!r}: only refresh_token is needed")
            return _json(400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant type"})
        seller = self.sellers.get(form.get("refresh_token", ""))
        account = seller.account if seller else ""
        is_known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not is_known or self._find_fault(faults.INVALID_CLIENT, account=account):
            return _json(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if seller is None or self._find_fault(faults.REVOKED, account=account):
            told = "The request has an invalid grant parameter : refresh_token"
            return _json(400, {"error": "invalid_grant", "error_description": told})
        self._count += 1
        token = f"Atza|{SECRET}-access-{self._count}"
        self._tokens[token] = (seller, self.clock() + self.token_seconds)
        told = {"access_token": token, "token_type": "bearer", "expires_in": int(self.token_seconds)}
        return _json(200, {**told, "refresh_token": seller.refresh_token})

    # ------------------------------------------------------------ calls of the API

    def _answer_api(self, request: Request) -> Answer:
        operation, path = _find_operation(request)
        seller: Seller | None = None
        try:
            seller = self._authorise(request, operation)
            self._take_token(operation, seller)
            self._play_faults(operation, seller)
            self._check_request(operation, path, request)
            answer = self._dispatch(operation, path, request, seller)
        except (KeyError, TypeError, ValueError) as error:
            self._found.append(f"a request that cannot be read: {error!r}")
            answer = _refuse(Refusal(400, "InvalidInput", "Request has missing or invalid parameters."))
        except Refusal as refusal:
            answer = _refuse(refusal)
        self._add_headers(operation, seller, answer)
        if self.models and operation in self.models:
            problems = self.models[operation].check_answer(answer.status, answer.headers, answer.body)
            self._found += [f"the answer breaks Amazon's model: {one}" for one in problems]
        if seller and (
            fault := self._find_fault(faults.BROKEN_CONNECTION, account=seller.account, operation=operation)
        ):
            answer.cut_at = len(answer.body) // 2 if fault.value is None else fault.value
        return self._log(operation, seller, _about(operation, path, request), answer)

    def _authorise(self, request: Request, operation: str) -> Seller:
        token = request.headers.get("x-amz-access-token", "")
        seller, expires_at = self._tokens.get(token, (None, 0.0))
        if seller is None:
            self._found.append("no valid access token")
            raise Refusal(403, "Unauthorized", DENIED, "The access token is invalid.")
        expired = expires_at <= self.clock()
        if expired or self._find_fault(faults.TOKEN_EXPIRED, account=seller.account, operation=operation):
            self._tokens.pop(token)
            told = "The access token you provided has expired."
            raise Refusal(403, "Unauthorized", DENIED, told)
        if seller.region != request.host:
            self._found.append(f"a token of the region {seller.region} was sent to {request.host}")
            raise Refusal(403, "Unauthorized", DENIED)
        return seller

    def _take_token(self, operation: str, seller: Seller) -> None:
        """Take a token from the bucket of the operation and the seller, or answer 429."""
        if operation not in self.rates:
            return
        rate, burst = self._rate_of(operation, seller)
        now, key = self.clock(), (operation, seller.refresh_token)
        level, since = self._buckets.get(key, (float(burst), now))
        level = min(float(burst), level + (now - since) * rate)
        if level + self.slack * rate < 1 - 1e-6:
            self._buckets[key] = (level, now)
            self._found.append(f"above the rate: {rate} a second, burst {burst}; the bucket holds {level:.3f}")
            raise Refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
        self._buckets[key] = (level - 1, now)

    def _rate_of(self, operation: str, seller: Seller) -> tuple[float, int]:
        return self.rates_of_account.get((operation, seller.account), self.rates[operation])

    def _play_faults(self, operation: str, seller: Seller) -> None:
        about = {"account": seller.account, "operation": operation}
        if self._find_fault(faults.THROTTLED, **about):
            raise Refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
        if fault := self._find_fault(faults.SERVER_ERROR, **about):
            raise Refusal(fault.value or 500, "InternalFailure", "We encountered an internal error. Please try again.")
        if operation != CREATE_REPORT and self._find_fault(faults.ROLE_MISSING, **about):
            raise Refusal(403, "Unauthorized", DENIED)

    def _check_request(self, operation: str, path: Mapping[str, str], request: Request) -> None:
        if operation == RESTRICTED_TOKEN:
            self._found.append("asked for a restricted data token")
            raise Refusal(403, "Unauthorized", DENIED)
        if not operation:
            self._found.append(f"unknown: {request.method} {request.path}")
            raise Refusal(404, "NotFound", "Resource not found.")
        if self.models:
            problems = self.models[operation].check_request(path, request.query, request.body)
            self._found += [f"the request breaks Amazon's model: {one}" for one in problems]
            if problems:
                raise Refusal(400, "InvalidInput", problems[0])

    def _dispatch(self, operation: str, path: Mapping[str, str], request: Request, seller: Seller) -> Answer:
        if operation == CREATE_REPORT:
            return self._create_report(json.loads(request.body), seller)
        if operation == GET_REPORT:
            return _json(200, self._describe(self._report_of(path["reportId"], seller)))
        if operation == GET_REPORTS:
            return self._list_reports(request.query, seller)
        if operation == GET_DOCUMENT:
            return self._describe_document(path["reportDocumentId"], seller)
        if operation == SEARCH_ORDERS:
            return self._search_orders(request.query, seller)
        return self._get_order(path["orderId"], request.query, seller)

    def _add_headers(self, operation: str, seller: Seller | None, answer: Answer) -> None:
        self._count += 1
        answer.headers["x-amzn-RequestId"] = f"request-{self._count}"
        if seller and operation in self.rates and answer.status not in (403, 429):
            answer.headers["x-amzn-RateLimit-Limit"] = str(self._rate_of(operation, seller)[0])

    # ------------------------------------------------------------ reports

    def _create_report(self, asked: dict[str, Any], seller: Seller) -> Answer:
        kind, ids = asked["reportType"], asked["marketplaceIds"]
        if kind in reports.RESTRICTED:
            self._found.append(f"asked for {kind}, which needs a restricted token")
            raise Refusal(403, "Unauthorized", DENIED)
        if kind == reports.SETTLED:
            self._found.append("asked for a settlement report, which can only be listed")
            raise Refusal(400, "InvalidInput", f"Report type {kind} does not support requesting. Use getReports.")
        if len(ids) != 1:
            self._found.append(f"asked for {len(ids)} marketplaces at once")
            raise Refusal(400, "InvalidInput", "Only one marketplace is supported for this report type.")
        code = self._marketplace_of(ids[0], seller)
        if kind not in (reports.PERFORMANCE, reports.FEEDBACK, *reports.LONGEST_PERIOD):
            self._found.append(f"report type {kind} is unknown")
            raise Refusal(400, "InvalidInput", f"Invalid report type {kind}.")
        about = {"account": seller.account, "marketplace": code, "report_type": kind}
        if self._find_fault(faults.ROLE_MISSING, operation=CREATE_REPORT, **about):
            raise Refusal(403, "Unauthorized", DENIED)
        report = self._make_report(asked, kind, code, seller)
        self.reports[report.report_id] = report
        return _json(202, {"reportId": report.report_id})

    def _make_report(self, asked: Mapping[str, Any], kind: str, code: str, seller: Seller) -> MadeReport:
        """Return a new report: how it will end is decided when it is asked for."""
        start, end = _instant(asked.get("dataStartTime")), _instant(asked.get("dataEndTime"))
        now, fault = self.clock(), None
        for one in (faults.HANGS, faults.CANCELLED, faults.FATAL, faults.ERROR_SENTENCE, faults.EMPTY,
                    faults.HEADER_ONLY, faults.CONTENT):  # fmt: skip
            fault = fault or self._find_fault(one, account=seller.account, marketplace=code, report_type=kind)
        status = {faults.CANCELLED: "CANCELLED", faults.FATAL: "FATAL"}.get(fault.kind if fault else "", "DONE")
        if fault is None:
            status, fault = self._judge_period(kind, code, seller, start, end)
        self._count += 1
        seconds = self.report_seconds
        if fault and fault.kind == faults.HANGS:
            seconds = fault.value or float("inf")
        report_id = f"{self._count}0{seller.seller_id[1:11]}"
        return MadeReport(report_id, seller, code, kind, start, end, now, now + seconds, status, fault)

    def _judge_period(
        self, kind: str, code: str, seller: Seller, start: datetime | None, end: datetime | None
    ) -> tuple[str, Fault | None]:
        """Return the status that a report has for its days alone, and what stands in its document instead."""
        now = self.now
        days = ((end or now) - (start or now)).total_seconds() / 86_400
        if kind == reports.FEEDBACK and (end is not None or days < 5):
            self._found.append("feedback asked for with an end day, or for less than 5 days: Amazon cancels it")
            return "CANCELLED", None
        if kind == reports.FEEDBACK and reports.write_report(seller, code, kind, start, end, now) is None:
            return "CANCELLED", None
        if kind not in reports.LONGEST_PERIOD:
            return "DONE", None
        if start is None or end is None:
            self._found.append(f"{kind} asked for without a start or an end")
        if kind == reports.SHIPPED and start and start < now - timedelta(548):
            self._found.append("shipments older than 18 months")
            return "FATAL", None
        if days > reports.LONGEST_PERIOD[kind] + 1e-6:
            self._found.append(f"{kind} asked for {days:.1f} days; {reports.LONGEST_PERIOD[kind]} is the most")
            self._count += 1
            return "DONE", Fault(faults.ERROR_SENTENCE if self._count % 2 else faults.EMPTY)
        return "DONE", None

    def _report_of(self, report_id: str, seller: Seller) -> MadeReport:
        report = self.reports.get(report_id)
        if report is None and report_id.startswith("S"):
            report = next((one for one in self._settlements(seller, timedelta(90)) if one.report_id == report_id), None)
        if report is None or report.seller is not seller:
            self._found.append(f"report {report_id} is unknown")
            raise Refusal(404, "NotFound", "The requested resource doesn't exist.")
        return report

    def _describe(self, report: MadeReport) -> dict[str, Any]:
        """Return a report as getReport tells it now."""
        now = self.clock()
        told: dict[str, Any] = {
            "reportId": report.report_id,
            "reportType": report.kind,
            "marketplaceIds": [MARKETPLACES[report.marketplace].marketplace_id],
            "createdTime": _stamp(report.created_at),
            "processingStatus": "IN_PROGRESS" if now < report.done_at else report.status,
        }
        if now < report.done_at and now < report.created_at + self.report_seconds / 4:
            return told | {"processingStatus": "IN_QUEUE"}
        told["processingStartTime"] = _stamp(report.created_at)
        told |= {"dataStartTime": reports.stamp(report.start)} if report.start else {}
        told |= {"dataEndTime": reports.stamp(report.end)} if report.end else {}
        if now < report.done_at:
            return told
        told["processingEndTime"] = _stamp(report.done_at)
        has_reason = report.status == "FATAL" and report.fault is not None and report.fault.value is not None
        return told | ({"reportDocumentId": _document_id(report)} if report.status == "DONE" or has_reason else {})

    def _settlements(self, seller: Seller, back: timedelta) -> list[MadeReport]:
        """Return the settlements of a seller, which Amazon made by itself, newest first."""
        found = []
        for end in reports.settlement_ends(self.now - min(back, timedelta(90)), self.now):
            at = reports.made_at(end)
            for number, code in enumerate(seller.marketplaces):
                last = datetime(end.year, end.month, end.day, tzinfo=UTC)
                found.append(MadeReport(
                    f"S{end:%Y%m%d}{number}{seller.seller_id[1:11]}", seller, code, reports.SETTLED,
                    last - timedelta(reports.SETTLEMENT_DAYS - 1), last, at.timestamp(), at.timestamp(), "DONE",
                ))  # fmt: skip
        return found[::-1]

    def _list_reports(self, query: Mapping[str, str], seller: Seller) -> Answer:
        """List the reports of some types, newest first, a page at a time."""
        if "nextToken" in query:
            if set(query) != {"nextToken"}:
                self._found.append("nextToken goes alone: another parameter makes the request fail")
                raise Refusal(400, "InvalidInput", "nextToken cannot be combined with other parameters.")
            query = self._open_page_token(query["nextToken"])
        elif "reportTypes" not in query:
            raise Refusal(400, "InvalidInput", "Either reportTypes or nextToken is required.")
        kinds, ids = query["reportTypes"].split(","), [one for one in query.get("marketplaceIds", "").split(",") if one]
        codes = [self._marketplace_of(one, seller) for one in ids] or list(seller.marketplaces)
        since = _instant(query.get("createdSince")) or self.now - timedelta(90)
        until = _instant(query.get("createdUntil")) or self.now
        if since < self.now - timedelta(90, 60):
            self._found.append("reports are listed for 90 days")
            raise Refusal(400, "InvalidInput", "createdSince must not be more than 90 days ago.")
        every = [*self._settlements(seller, timedelta(90)), *(r for r in self.reports.values() if r.seller is seller)]
        statuses = [one for one in query.get("processingStatuses", "").split(",") if one]
        found = [
            report
            for report in sorted(every, key=lambda one: (-one.created_at, one.report_id))
            if report.kind in kinds and report.marketplace in codes
            and since.timestamp() <= report.created_at <= until.timestamp()
            and (not statuses or self._describe(report)["processingStatus"] in statuses)
        ]  # fmt: skip
        size, first = int(query.get("pageSize", 10)), int(query.get("from", 0))
        told: dict[str, Any] = {"reports": [self._describe(one) for one in found[first : first + size]]}
        if len(found) > first + size:
            told["nextToken"] = self._page_token({**query, "from": str(first + size)})
        return _json(200, told)

    # ------------------------------------------------------------ documents

    def _describe_document(self, document: str, seller: Seller) -> Answer:
        report = self._report_of(document.rpartition(".")[2], seller)
        if "reportDocumentId" not in self._describe(report):
            raise Refusal(404, "NotFound", "The requested resource doesn't exist.")
        issued, packed = self.clock(), self._packing(report)
        url = f"{self.hosts['documents']}/{quote(document)}?X-Amz-Date={issued!r}&X-Amz-Expires={URL_SECONDS}"
        told = {"reportDocumentId": document, "url": f"{url}&X-Amz-Signature={SECRET}{int(issued)}&packed={packed}"}
        return _json(200, told | ({} if packed == faults.PLAIN else {"compressionAlgorithm": "GZIP"}))

    def _packing(self, report: MadeReport) -> str:
        """Return how a document is packed: as a fault says; else flat files are packed, and feedback is not."""
        about = {"account": report.seller.account, "marketplace": report.marketplace, "report_type": report.kind}
        for kind in (faults.PLAIN, faults.GZIP, faults.DECLARED_BUT_PLAIN):
            if self._find_fault(kind, **about):
                return kind
        return faults.PLAIN if report.kind == reports.FEEDBACK else faults.GZIP

    def _answer_download(self, request: Request) -> Answer:
        query, document = request.query, request.path.rpartition(".")[2]
        report = self.reports.get(document)
        if document.startswith("S"):
            every = (one for seller in self.sellers.values() for one in self._settlements(seller, timedelta(90)))
            report = next((one for one in every if one.report_id == document), None)
        if "x-amz-access-token" in request.headers or "authorization" in request.headers:
            self._found.append("a token was sent to the store of documents")
        if report is None or request.method != "GET":
            return self._log(DOWNLOAD, None, "", Answer(404, b"<Error><Code>NoSuchKey</Code></Error>"))
        about = {"account": report.seller.account, "marketplace": report.marketplace, "report_type": report.kind}
        told = f"{report.report_id} {report.kind} {report.marketplace}"
        is_late = float(query.get("X-Amz-Date", 0)) + URL_SECONDS < self.clock()
        if is_late or self._find_fault(faults.URL_EXPIRED, **about):
            body = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            return self._log(DOWNLOAD, report.seller, told, Answer(403, body, {"Content-Type": "application/xml"}))
        content = self._document(report)
        body = gzip.compress(content, mtime=0) if query.get("packed") == faults.GZIP else content
        answer = Answer(200, body, {"Content-Type": "application/octet-stream"})
        if fault := self._find_fault(faults.BROKEN_CONNECTION, operation=DOWNLOAD, **about):
            answer.cut_at = len(body) // 2 if fault.value is None else fault.value
        elif self.keep:
            place = (report.seller.account, report.marketplace, report.kind, report.start, report.end)
            self.served.append(Served(*place, content))
        return self._log(DOWNLOAD, report.seller, told, answer)

    def _document(self, report: MadeReport) -> bytes:
        """Return the unpacked bytes of a document, as things stood when the report was done."""
        kind = report.fault.kind if report.fault else ""
        value = report.fault.value if report.fault else None
        if kind == faults.EMPTY:
            return b""
        if kind == faults.CONTENT:
            return value
        if kind == faults.ERROR_SENTENCE or report.status == "FATAL":
            return (value or reports.ERROR_SENTENCE).encode()
        text = self._write(report) or ""
        if kind == faults.HEADER_ONLY:
            text = text.partition("\n")[0] + "\n"
        about = {"account": report.seller.account, "marketplace": report.marketplace, "report_type": report.kind}
        fault = self._find_fault(faults.ENCODED, **about)
        return text.encode(fault.value if fault else reports.encoding(report.marketplace, report.kind))

    def _write(self, report: MadeReport) -> str | None:
        if report.kind == reports.SETTLED:
            return reports.settlement(report.seller, report.marketplace, report.end.date())
        at = datetime.fromtimestamp(report.done_at if report.done_at < float("inf") else report.created_at, UTC)
        return reports.write_report(
            report.seller, report.marketplace, report.kind, report.start, report.end, at.replace(microsecond=0)
        )

    # ------------------------------------------------------------ orders

    def _search_orders(self, query: Mapping[str, str], seller: Seller) -> Answer:
        given = [name for name in ("createdAfter", "lastUpdatedAfter") if name in query]
        if len(given) != 1:
            self._found.append("exactly one of createdAfter and lastUpdatedAfter is to be given")
            raise Refusal(400, "InvalidInput", "Exactly one of createdAfter and lastUpdatedAfter must be provided.")
        prefix = "created" if given == ["createdAfter"] else "lastUpdated"
        other = "lastUpdatedBefore" if prefix == "created" else "createdBefore"
        if other in query:
            self._found.append(f"{given[0]} goes not with {other}")
            raise Refusal(400, "InvalidInput", f"{given[0]} cannot be combined with {other}.")
        data = self._included(query)
        size = int(query.get("maxResultsPerPage", 100))
        if not 1 <= size <= 100:
            self._found.append(f"{size} orders a page; 100 is the most")
            raise Refusal(400, "InvalidInput", "maxResultsPerPage must be between 1 and 100.")
        latest = self.now - timedelta(minutes=2)
        first, last = _instant(query[given[0]]), _instant(query.get(f"{prefix}Before"))
        if last and last > latest:
            self._found.append(f"{prefix}Before is less than two minutes ago")
            raise Refusal(400, "InvalidInput", f"{prefix}Before must be at least two minutes before now.")
        after = ["", ""]
        if "paginationToken" in query:
            page = self._open_page_token(query["paginationToken"])
            if page["query"] != _without_token(query):
                self._found.append("the parameters of a page are not those of the first page")
                raise Refusal(400, "InvalidInput", "The parameters must be those of the first request.")
            after, last = page["after"], _instant(page["until"])
        last = last or latest.replace(microsecond=0)
        return self._page_of_orders(query, seller, prefix, (first, last), after, size, data)

    def _page_of_orders(
        self, query: Mapping[str, str], seller: Seller, prefix: str, span: tuple[datetime, datetime],
        after: list[str], size: int, data: set[str],
    ) -> Answer:  # fmt: skip
        now, found = self.now, []
        ids = [one for one in query.get("marketplaceIds", "").split(",") if one]
        for code in [self._marketplace_of(one, seller) for one in ids] or seller.marketplaces:
            for placed in reports.known_orders(seller, code, span[0], span[1]):
                order = placed.order
                moment = order.placed_at if prefix == "created" else order.updated_at(now)
                if span[0] <= moment <= span[1] and [moment.isoformat(), order.order_id] > after:
                    found.append((moment.isoformat(), order.order_id, code, placed))
        found.sort(key=lambda one: one[:2])
        page = found[:size]
        told: dict[str, Any] = {
            "orders": [reports.api_order(seller, code, placed, now, data) for _, _, code, placed in page],
            f"{prefix}Before": reports.stamp(span[1]),
        }
        if len(found) > size:
            until = reports.stamp(span[1])
            token = {"query": _without_token(query), "after": list(page[-1][:2]), "until": until}
            told["pagination"] = {"nextToken": self._page_token(token)}
        answer = _json(200, told)
        if self.keep:
            self.served.append(Served(seller.account, "", SEARCH_ORDERS, *span, answer.body))
        return answer

    def _get_order(self, order_id: str, query: Mapping[str, str], seller: Seller) -> Answer:
        data, now = self._included(query), self.now
        for code in seller.marketplaces:
            for placed in reports.known_orders(seller, code, now - timedelta(730), now):
                if placed.order.order_id == order_id:
                    return _json(200, {"order": reports.api_order(seller, code, placed, now, data)})
        raise Refusal(404, "NotFound", "The requested order doesn't exist.")

    def _included(self, query: Mapping[str, str]) -> set[str]:
        data = {one for one in query.get("includedData", "").split(",") if one}
        for name in sorted(data & set(FORBIDDEN_DATA)):
            self._found.append(f"asked for {name}")
        if data & set(FORBIDDEN_DATA):
            raise Refusal(403, "Unauthorized", DENIED)
        return data

    # ------------------------------------------------------------ small things

    def _marketplace_of(self, marketplace_id: str, seller: Seller) -> str:
        code = seller.marketplace_ids.get(marketplace_id)
        if code is None:
            self._found.append(f"the seller has no marketplace {marketplace_id}")
            raise Refusal(400, "InvalidInput", f"Marketplace {marketplace_id} is not valid for this seller.")
        return code

    def _page_token(self, told: Mapping[str, Any]) -> str:
        return json.dumps({**told, "at": self.clock()}).encode().hex()

    def _open_page_token(self, token: str) -> dict[str, Any]:
        try:
            told = json.loads(bytes.fromhex(token))
        except ValueError:
            self._found.append("no page token of ours")
            raise Refusal(400, "InvalidInput", "The pagination token is invalid.") from None
        if told["at"] + PAGE_TOKEN_SECONDS < self.clock() or self._find_fault(faults.PAGE_TOKEN_EXPIRED):
            raise Refusal(400, "InvalidInput", "The pagination token has expired.")
        return {key: value for key, value in told.items() if key != "at"}


def _find_operation(request: Request) -> tuple[str, dict[str, str]]:
    """Return the name of the operation that a request asks for, or nothing, and the parameters of its path."""
    method, path = request.method, request.path
    head, _, tail = path.rpartition("/")
    if (method, path) == ("POST", "/tokens/2021-03-01/restrictedDataToken"):
        return RESTRICTED_TOKEN, {}
    if (method, path) == ("POST", f"{REPORTS_PATH}/reports"):
        return CREATE_REPORT, {}
    known = {
        f"{REPORTS_PATH}/reports": (GET_REPORTS, {}),
        ORDERS_PATH: (SEARCH_ORDERS, {}),
    }
    below = {
        f"{REPORTS_PATH}/reports": (GET_REPORT, {"reportId": tail}),
        f"{REPORTS_PATH}/documents": (GET_DOCUMENT, {"reportDocumentId": tail}),
        ORDERS_PATH: (GET_ORDER, {"orderId": tail}),
    }
    return (known.get(path) or below.get(head) or ("", {})) if method == "GET" else ("", {})


def _about(operation: str, path: Mapping[str, str], request: Request) -> str:
    """Return in short what a call asks for."""
    if operation == CREATE_REPORT and request.body.startswith(b"{"):
        try:
            asked = json.loads(request.body)
        except ValueError:
            return "no JSON"
        names = ("reportType", "marketplaceIds", "dataStartTime", "dataEndTime")
        return " ".join(str(asked[name]) for name in names if name in asked)
    query = {name: value for name, value in request.query.items() if "oken" not in name}
    return " ".join([*path.values(), *(f"{name}={value}" for name, value in query.items())])


def _document_id(report: MadeReport) -> str:
    return f"amzn1.spdoc.1.4.{report.seller.region}.{report.report_id}"


def _without_token(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name != "paginationToken"}


def _refuse(refusal: Refusal) -> Answer:
    return _json(refusal.status, {
        "errors": [{"code": refusal.code, "message": refusal.message, "details": refusal.details}],
    })  # fmt: skip


def _json(status: int, told: Any) -> Answer:
    return Answer(status, json.dumps(told, ensure_ascii=False).encode(), {"Content-Type": "application/json"})


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _stamp(seconds: float) -> str:
    return reports.stamp(datetime.fromtimestamp(seconds, UTC))
