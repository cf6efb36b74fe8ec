"""Bring accounts up to date from Amazon: ask for reports and orders, fetch them, import them, and say what failed.

Documents stay in memory: the import reads them there, drops what is personal, and appends the rows to the store. What
one account, report or page does wrong stops no other. State is written after each step, so that a run that is stopped
or killed goes on where it was.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from healthkit.ingest.amazon_api import failures, published
from healthkit.ingest.amazon_api.authorization import (
    DOWNLOAD,
    ApiAnswer,
    ApiError,
    Authorization,
    make_http_client,
)
from healthkit.ingest.amazon_api.call_scheduler import Call, CallScheduler, Clock, ImportStep, Pause, Step, Steps
from healthkit.ingest.amazon_api.credentials import CredentialsError, find_credentials
from healthkit.ingest.amazon_api.failures import PullFailure
from healthkit.ingest.amazon_api.pull_state import (
    OpenPages,
    OpenReport,
    PulledSpan,
    PullState,
    StateFolder,
    format_instant,
    parse_instant,
)
from healthkit.ingest.amazon_api.rate_limits import TokenBucket, make_buckets
from healthkit.ingest.amazon_api.requests_plan import (
    PlannedRequest,
    count_calls,
    marketplaces_key,
    plan_requests,
    remember_history,
)
from healthkit.ingest.formats import RawFile, ReaderError, detect_content
from healthkit.ingest.formats.registry import import_order
from healthkit.ingest.importer import FileToImport, ImportResult, import_raw_files
from healthkit.ingest.parsing.raw_file import GZIP_MAGIC
from healthkit.schema.accounts_file import AmazonAccess, ConfiguredAccount
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.store import Store

if TYPE_CHECKING:
    import httpx

_LOG = logging.getLogger(__name__)

POLL_SECONDS = 15.0
"""Wait before a report is looked for again. [s]"""
LONGEST_REPORT_WAIT = timedelta(hours=2)
"""How long one run waits for a report."""
LONGEST_OPEN = timedelta(days=1)
"""Age of a report that is not ready after which a new one is asked for."""
DOWNLOAD_ATTEMPTS = 3
"""Addresses of a document that are tried: each is good for five minutes."""
INCLUDED_DATA = "CANCELLATION,FULFILLMENT,PACKAGES"
"""The sets of data that pages of orders hold; BUYER and RECIPIENT, which are personal, are never asked for."""
_NUMBER = re.compile(r"\d[\d,]*")
MAX_SENTENCE_BYTES = 2_000
"""Size up to which a document of no known kind is taken for a sentence of Amazon's. [bytes]"""


@dataclass
class AccountResult:
    """What a pull did for one account: files imported or stored before, rows, notes on them, and what failed."""

    account: str
    files: int = 0
    already_stored: int = 0
    rows: int = 0
    failures: list[str] = field(default_factory=list)
    _notes: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add_note(self, request: PlannedRequest, note: str) -> None:
        """Add a note on a document. Notes that differ only in their numbers are reported once."""
        key = f"{request.kind.name} {_NUMBER.sub('#', note)}"
        first, count = self._notes.get(key, (f"{failures.describe_request(request)}: {note}", 0))
        self._notes[key] = first, count + 1

    @property
    def notes(self) -> list[str]:
        """The notes on the documents, and in how many others each one was."""
        return [
            first if count == 1 else f"{first} ({count - 1:,} more such note{'s' * (count > 2)})"
            for first, count in self._notes.values()
        ]


@dataclass(frozen=True)
class PullProgress:
    """How many of the planned requests are done, and how long the rest takes at least at the rates in force. [s]"""

    done: int
    total: int
    seconds_left: float


@dataclass
class _Seller:
    """One authorisation in a run: its calls, its buckets, the state of its account, and what to report."""

    authorization: Authorization
    buckets: dict[str, TokenBucket]
    state: PullState
    result: AccountResult
    expected_calls: Counter[str] = field(default_factory=Counter)

    @property
    def access(self) -> AmazonAccess:
        """The authorisation as configured."""
        return self.authorization.access


@dataclass(frozen=True)
class AccessPlan:
    """What a pull would ask for one authorisation, and how long its calls take at least from full buckets. [s]"""

    access: AmazonAccess
    requests: tuple[PlannedRequest, ...]
    open_reports: int
    calls: Counter[str]


def plan_pull(
    accounts: Sequence[ConfiguredAccount], store: Store, since: datetime, now: datetime
) -> list[AccessPlan]:  # fmt: skip
    """Return what `pull` would ask for; nothing is asked."""
    states, digests, plans = StateFolder(store), store.imported_digests(), []
    for account in accounts:
        state = states.read(account.name)
        _prepare_state(state, digests, now)
        for access in account.amazon:
            requests = tuple(plan_requests(access, state, since, now))
            opened = sum(one.region == access.region for one in state.open_reports)
            plans.append(AccessPlan(access, requests, opened, count_calls(requests, opened)))
    return plans


def _prepare_state(state: PullState, digests: set[str], now: datetime) -> None:
    """Forget what the store lacks, and reports and pages that are too old to be fetched."""
    state.forget_missing(digests)
    state.open_reports = [one for one in state.open_reports if now - parse_instant(one.asked_at) < LONGEST_OPEN]
    lifetime = published.page_token_lifetime()
    state.open_pages = [one for one in state.open_pages if now - parse_instant(one.asked_at) < lifetime]
    state.drop_old_documents(now)


class Pull:
    """One run of `pull` over some accounts.

    `client` makes the HTTP requests (None: a new one), `addresses` are those of Amazon unless a test says otherwise.
    """

    def __init__(
        self,
        store: Store,
        since: datetime,
        clock: Clock | None = None,
        client: httpx.Client | None = None,
        addresses: published.Addresses | None = None,
        environment: Mapping[str, str] = os.environ,
        on_progress: Callable[[PullProgress], None] = lambda progress: None,
        poll_seconds: float | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._store, self._since, self._clock = store, since, clock or Clock()
        self._client, self._closes_client = client or make_http_client(), client is None
        self._addresses, self._environment = addresses or published.addresses(), environment
        self._on_progress = on_progress
        self._poll_seconds = POLL_SECONDS if poll_seconds is None else poll_seconds
        self._states = StateFolder(store)
        self._scheduler = CallScheduler(self._clock, self._import_files, self._report_progress, jitter)
        self._sellers: list[_Seller] = []
        self._digests: set[str] = set()
        self._done = self._total = 0

    def run(self, accounts: Sequence[ConfiguredAccount]) -> list[AccountResult]:
        """Pull some accounts, and return what was done for each.

        Raises AmazonApiError if the extra is not installed, PullStateError if no state can be written or another pull
        runs, and StoreError if the store cannot be written.
        """
        self._store.must_be_writable()
        self._digests = self._store.imported_digests()
        results = [AccountResult(account.name) for account in accounts]
        with self._states.hold_lock():
            try:
                jobs = [
                    job
                    for account, result in zip(accounts, results, strict=True)
                    for job in self._prepare_account(account, result)
                ]
                self._total = len(jobs)
                self._scheduler.run(jobs)
                self._finish()
            finally:
                self._save_all()
                if self._closes_client:
                    self._client.close()
        return results

    # -- preparation and end --------------------------------------------------------------------------------------

    def _prepare_account(self, account: ConfiguredAccount, result: AccountResult) -> list[Steps]:
        """Return the jobs of one account."""
        state = self._states.read(account.name)
        _prepare_state(state, self._digests, self._now)
        jobs: list[Steps] = []
        for access in account.amazon:
            try:
                credentials = find_credentials(access, self._environment)
            except CredentialsError as error:
                result.failures.append(str(error))
                state.problems[access.region] = [str(error)]
                self._states.write(state)
                continue
            authorization = Authorization(access, credentials, self._client, self._addresses, self._clock.time)
            buckets = make_buckets(state.buckets.get(access.region))
            seller = _Seller(authorization, buckets, state, result)
            state.problems.pop(access.region, None)
            self._sellers.append(seller)
            jobs += self._make_jobs(seller)
        return jobs

    def _make_jobs(self, seller: _Seller) -> Iterator[Steps]:
        """Yield the jobs of one authorisation: first what is open, then what is planned."""
        access, state = seller.access, seller.state
        requests = plan_requests(access, state, self._since, self._now)
        remember_history(requests, state)
        opened = [one for one in state.open_reports if one.region == access.region]
        seller.expected_calls = count_calls(requests, len(opened))
        for pages in list(state.open_pages):
            if (pages.region, pages.marketplace) != (access.region, marketplaces_key(access)):
                continue
            request = PlannedRequest(
                access, pages.marketplace, published.orders_types()[pages.report_type], *pages.span
            )
            yield self._guard(seller, request, self._fetch_pages(seller, request, pages))
        for one in opened:
            kind = published.report_types().get(one.report_type)
            if kind is not None and one.marketplace in access.marketplaces:
                request = PlannedRequest(access, one.marketplace, kind, *one.span)
                yield self._guard(seller, request, self._fetch_report(seller, request, one))
        for request in requests:
            steps = (
                self._fetch_pages(seller, request) if request.is_pages
                else self._fetch_listed(seller, request) if request.kind.asks == published.LISTED
                else self._fetch_report(seller, request)
            )  # fmt: skip
            yield self._guard(seller, request, steps)

    def _guard(self, seller: _Seller, request: PlannedRequest, steps: Steps) -> Steps:
        """Run the steps of one request; a failure is noted and ends it alone."""
        try:
            yield from steps
        except ApiError as error:
            self._fail(seller, failures.api_error_sentence(error, request))
        except PullFailure as failure:
            self._fail(seller, str(failure))
        self._done += 1
        self._report_progress()

    def _fail(self, seller: _Seller, sentence: str) -> None:
        """Note a failure, once."""
        if sentence not in seller.result.failures:
            _LOG.warning("%s", sentence)
            seller.result.failures.append(sentence)
            seller.state.problems.setdefault(seller.access.region, []).append(sentence)

    def _finish(self) -> None:
        for seller in self._sellers:
            seller.state.finished_at[seller.access.region] = format_instant(self._now)

    def _save_all(self) -> None:
        for seller in self._sellers:
            self._save(seller)

    def _save(self, seller: _Seller) -> None:
        """Write the state of an account, with the tokens that are left."""
        seller.state.buckets[seller.access.region] = {
            name: (bucket.tokens, bucket.filled_at) for name, bucket in seller.buckets.items()
            if bucket.filled_at is not None
        }  # fmt: skip
        self._states.write(seller.state)

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)

    def _report_progress(self) -> None:
        now = self._clock.time()
        left = max(
            (
                bucket.seconds_for(max(seller.expected_calls[name], self._scheduler.waiting_calls(bucket)), now)
                for seller in self._sellers
                for name, bucket in seller.buckets.items()
            ),
            default=0.0,
        )
        self._on_progress(PullProgress(self._done, self._total, left))

    # -- calls ----------------------------------------------------------------------------------------------------

    def _call(self, seller: _Seller, operation: str, part: str = "", **more: Any) -> Call:
        """Return a call as a step."""

        def send() -> ApiAnswer:
            seller.expected_calls[operation] -= 1
            return seller.authorization.call(operation, part, **more)

        return Call(operation, send, seller.buckets[operation])

    def _download(self, seller: _Seller, document_id: str) -> Generator[Step, Any, bytes]:
        """Return the bytes of a document. Its address is asked for again when it is no longer good."""
        for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
            answer = yield self._call(seller, published.GET_DOCUMENT, document_id)
            address = answer.data.get("url")
            if not isinstance(address, str):
                raise ApiError(published.GET_DOCUMENT, 200, "the answer has no address")
            try:
                content: bytes = yield Call(DOWNLOAD, partial(seller.authorization.download, address))
                return content
            except ApiError:
                if attempt == DOWNLOAD_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    # -- reports --------------------------------------------------------------------------------------------------

    def _fetch_report(self, seller: _Seller, request: PlannedRequest, opened: OpenReport | None = None) -> Steps:
        """Ask for a report, unless that was done, wait for it, and import it."""
        if opened is None:
            opened = yield from self._ask_for_report(seller, request)
            yield Pause(self._poll_seconds)
        try:
            report = yield from self._await_report(seller, request, opened)
        except ApiError as error:
            if error.status != 404:
                raise
            self._close_report(seller, opened)
            yield from self._fetch_report(seller, request)
            return
        status, document_id = report.get("processingStatus"), report.get("reportDocumentId")
        if status == "CANCELLED":
            seller.result.add_note(request, failures.cancelled_note(request))
            self._remember(seller, request, "")
            return
        content = (yield from self._download(seller, str(document_id))) if document_id else None
        if status != "DONE" or content is None:
            self._close_report(seller, opened)
            reason = seller.authorization.clean(_decode_sentence(content or b""))
            raise PullFailure(failures.fatal_sentence(request, opened.report_id, reason))
        try:
            yield from self._import_document(seller, request, opened.report_id, content)
        except PullFailure:
            self._close_report(seller, opened)
            raise

    def _ask_for_report(self, seller: _Seller, request: PlannedRequest) -> Generator[Step, Any, OpenReport]:
        """Ask for a report and remember its id."""
        body: dict[str, Any] = {
            "reportType": request.kind.name,
            "marketplaceIds": [MARKETPLACES[request.marketplace].marketplace_id],
        }
        if request.kind.asks in (published.START, published.SPAN):
            body["dataStartTime"] = format_instant(request.since)
        if request.kind.asks == published.SPAN:
            body["dataEndTime"] = format_instant(request.until)
        answer = yield self._call(seller, published.CREATE_REPORT, body=body)
        report_id = answer.data.get("reportId")
        if not isinstance(report_id, str) or not report_id:
            raise ApiError(published.CREATE_REPORT, 200, "the answer has no report id")
        _LOG.info("%s: report %s asked for", failures.describe_request(request), report_id)
        opened = OpenReport(
            seller.access.region, request.marketplace, request.kind.name, format_instant(request.since),
            format_instant(request.until), report_id, format_instant(self._now),
        )  # fmt: skip
        seller.state.open_reports.append(opened)
        self._save(seller)
        return opened

    def _await_report(
        self, seller: _Seller, request: PlannedRequest, opened: OpenReport
    ) -> Generator[Step, Any, dict[str, Any]]:
        """Return the report once it is ready, cancelled or broken off."""
        began = self._now
        while True:
            answer = yield self._call(seller, published.GET_REPORT, opened.report_id)
            status = answer.data.get("processingStatus")
            if status not in ("IN_QUEUE", "IN_PROGRESS"):
                return answer.data
            waited = self._now - parse_instant(opened.asked_at)
            if self._now - began >= LONGEST_REPORT_WAIT:
                raise PullFailure(failures.slow_sentence(request, opened.report_id, status, waited))
            yield Pause(max(self._poll_seconds, min(120.0, waited.total_seconds() / 10)))

    def _close_report(self, seller: _Seller, opened: OpenReport) -> None:
        """Forget a report that cannot be imported, so that the next run asks for a new one."""
        seller.state.open_reports = [one for one in seller.state.open_reports if one != opened]
        self._save(seller)

    def _remember(self, seller: _Seller, request: PlannedRequest, digest: str, part: str = "") -> None:
        """Remember a request as pulled."""
        since, until = format_instant(request.since), format_instant(request.until)
        region = seller.access.region
        seller.state.add_pulled(PulledSpan(region, request.marketplace, request.kind.name, since, until, digest, part))
        self._save(seller)

    # -- settlements ----------------------------------------------------------------------------------------------

    def _fetch_listed(self, seller: _Seller, request: PlannedRequest) -> Steps:
        """List the reports that Amazon makes by itself, and import those that are new."""
        ids = [MARKETPLACES[code].marketplace_id for code in seller.access.marketplaces]
        # Amazon counts the days of its limit to the second.
        query = {
            "reportTypes": request.kind.name, "processingStatuses": "DONE", "marketplaceIds": ",".join(ids),
            "pageSize": "100", "createdSince": format_instant(request.since + timedelta(minutes=5)),
        }  # fmt: skip
        known = seller.state.pulled_parts(seller.access.region, request.kind.name)
        found: list[dict[str, Any]] = []
        while True:
            answer = yield self._call(seller, published.GET_REPORTS, query=query)
            rows = answer.data.get("reports")
            found += [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
            token = answer.data.get("nextToken")
            if not token:
                break
            query = {"nextToken": str(token)}
        new = [row for row in found if str(row.get("reportId")) not in known and row.get("reportDocumentId")]
        seller.expected_calls[published.GET_DOCUMENT] += len(new)
        for row in reversed(new):
            yield from self._fetch_listed_report(seller, request, row, ids)

    def _fetch_listed_report(
        self, seller: _Seller, request: PlannedRequest, row: dict[str, Any], ids: list[str]
    ) -> Steps:  # fmt: skip
        """Download and import one listed report; a failure is noted and stops no other."""
        report_id, created_at = str(row["reportId"]), str(row.get("createdTime", ""))
        own = [
            code
            for code in seller.access.marketplaces
            if MARKETPLACES[code].marketplace_id in _texts(row, "marketplaceIds")
        ]
        made = _read_instant(created_at) or request.until
        one = replace(request, marketplace=own[0] if len(own) == 1 else "", since=made, until=made)
        try:
            content = yield from self._download(seller, str(row["reportDocumentId"]))
            yield from self._import_document(seller, one, report_id, content, part=report_id)
        except ApiError as error:
            if error.is_final or error.status in (401, 403):
                raise
            self._fail(seller, failures.api_error_sentence(error, one))
        except PullFailure as failure:
            self._fail(seller, str(failure))

    # -- pages of orders ------------------------------------------------------------------------------------------

    def _fetch_pages(self, seller: _Seller, request: PlannedRequest, opened: OpenPages | None = None) -> Steps:
        """Fetch and import the pages of orders of one span, from the first or from where an earlier run stopped.

        A page token that is no longer good starts the span again, once: its orders are stored only once.
        """
        pages = opened or self._first_page(request)
        was_restarted = False
        time = "created" if request.kind.followed_by else "lastUpdated"
        query = {
            f"{time}After": format_instant(request.since),
            f"{time}Before": format_instant(request.until),
            "marketplaceIds": ",".join(MARKETPLACES[code].marketplace_id for code in seller.access.marketplaces),
            "maxResultsPerPage": str(published.orders_per_page()),
            "includedData": INCLUDED_DATA,
        }
        while True:
            token = {"paginationToken": pages.token} if pages.token else {}
            try:
                answer = yield self._call(seller, published.SEARCH_ORDERS, query=query | token)
            except ApiError as error:
                if error.status != 400 or not token or was_restarted:
                    raise
                _LOG.info(
                    "%s: the page token is no longer good; from the first page on", failures.describe_request(request)
                )
                pages, was_restarted = self._first_page(request), True
                continue
            digest = yield from self._import_page(seller, request, len(pages.digests), answer)
            next_token = (answer.data.get("pagination") or {}).get("nextToken")
            pages = replace(
                pages, digests=[*pages.digests, digest], token=str(next_token or ""), asked_at=format_instant(self._now)
            )
            self._remember_pages(seller, request, pages)
            if not next_token:
                return

    def _first_page(self, request: PlannedRequest) -> OpenPages:
        since, until = format_instant(request.since), format_instant(request.until)
        return OpenPages(
            request.access.region, request.marketplace, request.kind.name, since, until, [], "",
            format_instant(self._now),
        )  # fmt: skip

    def _import_page(
        self, seller: _Seller, request: PlannedRequest, page: int, answer: ApiAnswer
    ) -> Generator[Step, Any, str]:
        """Import a page of orders and return the digest of its import; empty for a page without orders."""
        orders = answer.data.get("orders")
        if not isinstance(orders, list):
            raise ApiError(published.SEARCH_ORDERS, 200, "the answer has no orders")
        if not orders:
            return ""
        # Without the page token, which differs each time: the same orders are then the same file.
        content = json.dumps({"orders": orders}, ensure_ascii=False, separators=(",", ":")).encode()
        return (yield from self._import_content(seller, request, f"page {page + 1}", content))

    def _remember_pages(self, seller: _Seller, request: PlannedRequest, pages: OpenPages) -> None:
        """Remember how far the pages of a span are imported, or that all are."""
        region, state = seller.access.region, seller.state
        state.open_pages = [
            one for one in state.open_pages
            if (one.region, one.marketplace, one.report_type, one.span)
            != (region, pages.marketplace, pages.report_type, pages.span)
        ]  # fmt: skip
        if pages.token:
            state.open_pages.append(pages)
            self._save(seller)
            return
        for number, digest in enumerate(pages.digests):
            part = str(number) if number else ""
            kind = (region, pages.marketplace, pages.report_type)
            state.add_pulled(PulledSpan(*kind, pages.since, pages.until, digest, part))
        self._save(seller)

    # -- import ---------------------------------------------------------------------------------------------------

    def _import_document(
        self, seller: _Seller, request: PlannedRequest, report_id: str, content: bytes, part: str = ""
    ) -> Steps:  # fmt: skip
        """Import the document of a report and remember it."""
        digest = yield from self._import_content(seller, request, report_id, content)
        self._remember(seller, request, digest, part)

    def _import_content(
        self, seller: _Seller, request: PlannedRequest, label: str, content: bytes
    ) -> Generator[Step, Any, str]:  # fmt: skip
        """Import a document and return the digest of its import. Raises PullFailure if it is refused."""
        source = self._detect(seller, request, label, content)
        reasons = []
        for origin in request.kind.marketplace_from:
            code = (request.marketplace or None) if origin == published.REQUEST else None
            file = FileToImport(source, seller.access.account, code)
            result: ImportResult = yield ImportStep(file, len(content))
            if not result.refused:
                self._add_result(seller.result, request, result)
                return result.digest or file.digest
            reasons.append(result.refused)
        raise PullFailure(failures.refused_sentence(request, reasons[0]))

    def _detect(self, seller: _Seller, request: PlannedRequest, label: str, content: bytes) -> RawFile:
        """Return a document as a raw file. Raises PullFailure unless it is of the kind that was asked for."""
        name = f"{seller.access.account}/{_file_name(request, label)}"
        if not _unpack_beginning(content).strip():
            raise PullFailure(failures.no_report_sentence(request, label, "is empty: it has not even a header."))
        try:
            source = detect_content(content, name, seller.access.account)
        except ReaderError as error:
            sentence = seller.authorization.clean(_decode_sentence(content))
            if sentence:
                problem = f"holds no report, but the text: {sentence}"
                raise PullFailure(failures.no_report_sentence(request, label, problem)) from None
            raise PullFailure(failures.refused_sentence(request, str(error))) from None
        if source.kind != request.kind.kind:
            problem = f"holds another kind of file: {source.kind}."
            raise PullFailure(failures.no_report_sentence(request, label, problem))
        return source

    def _add_result(self, total: AccountResult, request: PlannedRequest, result: ImportResult) -> None:
        """Add the import of one document to the result of its account."""
        if result.parsed_file is None:
            total.already_stored += 1
            return
        total.files += 1
        total.rows += result.parsed_file.rows
        notes = [*result.parsed_file.notes, *result.warnings]
        for note in notes:
            total.add_note(request, note)

    def _import_files(self, files: Sequence[FileToImport]) -> list[ImportResult]:
        """Import documents, those with orders first, and return the results in the given order."""
        position = import_order()
        ordered = sorted(range(len(files)), key=lambda at: (files[at].account or "", position[files[at].source.kind]))
        today = (self._now + timedelta(hours=14)).date()
        results = import_raw_files([files[at] for at in ordered], self._store, import_day=today)
        by_position = dict(zip(ordered, (_without_rows(one) for one in results), strict=True))
        return [by_position[at] for at in range(len(files))]


def _without_rows(result: ImportResult) -> ImportResult:
    """Return a result without the rows of its file, which would pile up in memory."""
    parsed = result.parsed_file
    return result if parsed is None else replace(result, parsed_file=replace(parsed, tables={}))


def _file_name(request: PlannedRequest, label: str) -> str:
    """Return the name of a document in the store.

    It says what was asked for, for `store remove` and for people.
    """
    region = request.access.region
    days = f"{request.since:%Y%m%d}-{request.until:%Y%m%d}"
    return f"{request.kind.name} {request.marketplace or region} {days} {label}"


def _unpack_beginning(content: bytes) -> bytes:
    """Return the first bytes of a document, unpacked if it is packed by gzip; some more than a sentence has."""
    if not content.startswith(GZIP_MAGIC):
        return content[: MAX_SENTENCE_BYTES + 1]
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, MAX_SENTENCE_BYTES + 1)
    except zlib.error:
        return content[: MAX_SENTENCE_BYTES + 1]


def _decode_sentence(content: bytes) -> str:
    """Return a short document as a text; empty if it is long or no text."""
    content = _unpack_beginning(content)
    if len(content) > MAX_SENTENCE_BYTES or b"\0" in content:
        return ""
    text = content.decode("utf-8", errors="replace").strip()
    return "" if "\t" in text or text.startswith(("{", "[")) else text


def _texts(row: dict[str, Any], field_name: str) -> list[str]:
    values = row.get(field_name)
    return [str(value) for value in values] if isinstance(values, list) else []


def _read_instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None
