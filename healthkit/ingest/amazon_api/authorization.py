"""One authorisation of a seller: access tokens, calls of the API, and downloads of documents, over HTTP.

A call returns an `ApiAnswer` or raises an `ApiError`, which says whether the same call may succeed later. No message
has a credential, an access token or the address of a document. Calls may come from several threads.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from healthkit.ingest.amazon_api.credentials import Credentials
from healthkit.ingest.amazon_api.published import (
    CREATE_REPORT,
    GET_DOCUMENT,
    GET_REPORT,
    GET_REPORTS,
    SEARCH_ORDERS,
    Addresses,
)
from healthkit.schema.accounts_file import AmazonAccess

if TYPE_CHECKING:
    import httpx as httpx_module

httpx = lazy.load("httpx")
_LOG = logging.getLogger(__name__)

LOGIN = "login"
DOWNLOAD = "download"
USER_AGENT = "healthkit (Language=Python)"
SECONDS_TO_ANSWER = 60
"""Time to wait for an answer before the connection counts as broken. [s]"""
TOKEN_MARGIN = 120
"""Time before its end at which an access token is renewed. [s]"""
TOKEN_ATTEMPTS = 4
"""Access tokens with which one call is tried."""
MAX_MESSAGE = 300
"""Longest text of Amazon's in a message. [characters]"""
MAX_DOCUMENT_BYTES = 1 << 30
"""Largest document that is downloaded; larger ones are refused rather than held in memory. [bytes]"""

_PATHS = {
    CREATE_REPORT: "/reports/2021-06-30/reports",
    GET_REPORT: "/reports/2021-06-30/reports/{}",
    GET_REPORTS: "/reports/2021-06-30/reports",
    GET_DOCUMENT: "/reports/2021-06-30/documents/{}",
    SEARCH_ORDERS: "/orders/2026-01-01/orders",
}


class AmazonApiError(ValueError):
    """Raised if nothing can be pulled at all; the message says what to do."""


class ApiError(Exception):
    """Raised if a call fails. `status` is that of HTTP, or 0 if there was no answer.

    `message` is Amazon's own text, without credentials and addresses. With `may_succeed_later` the same call is worth
    another attempt; with `is_final` no call of this authorisation can succeed.
    """

    def __init__(
        self, operation: str, status: int, message: str, may_succeed_later: bool = False, is_final: bool = False
    ) -> None:
        super().__init__(f"{operation}: {status} {message}".strip())
        self.operation, self.status, self.message = operation, status, message
        self.may_succeed_later, self.is_final = may_succeed_later, is_final


@dataclass(frozen=True)
class ApiAnswer:
    """The JSON data of an answer, and the rate that Amazon states for the operation [calls a second], if it does."""

    data: dict[str, Any]
    rate: float | None = None


def make_http_client() -> httpx_module.Client:
    """Return an HTTP client for all authorisations. Raises AmazonApiError if the extra `amazon` is not installed."""
    if importlib.util.find_spec("httpx") is None:
        raise AmazonApiError("To pull from Amazon, install what it needs: pip install 'healthkit[amazon]'")
    # httpx logs the address of every request, also that of a document, which is as good as a password.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    client: httpx_module.Client = httpx.Client(
        timeout=SECONDS_TO_ANSWER, limits=limits, headers={"User-Agent": USER_AGENT}
    )
    return client


class Authorization:
    """Calls of the API in the name of one seller in one region.

    `time` returns seconds since 1970. The first access token is asked for by the first call.
    """

    def __init__(
        self,
        access: AmazonAccess,
        credentials: Credentials,
        client: httpx_module.Client,
        addresses: Addresses,
        time: Callable[[], float],
    ) -> None:
        self.access, self._credentials, self._client = access, credentials, client
        self._addresses, self._time = addresses, time
        self._lock = threading.Lock()
        self._token, self._token_ends_at = "", 0.0
        self._final_error: ApiError | None = None

    @property
    def place(self) -> str:
        """Where the credentials are kept."""
        return self._credentials.place

    def call(
        self, operation: str, part: str = "", query: Mapping[str, str] | None = None, body: Any = None
    ) -> ApiAnswer:  # fmt: skip
        """Call an operation; `part` is the id in its path.

        An access token that is refused is renewed: once, or a few times if Amazon says that it has expired. Raises
        ApiError.
        """
        for attempt in range(TOKEN_ATTEMPTS):
            token = self._access_token()
            try:
                return self._call_once(operation, part, query, body, token)
            except ApiError as error:
                has_expired = "expired" in error.message
                if error.status not in (401, 403) or attempt == TOKEN_ATTEMPTS - 1 or (attempt and not has_expired):
                    raise
                self._forget_token(token)
        raise AssertionError("unreachable")

    def download(self, address: str) -> bytes:
        """Return the bytes of a document as they come, packed or not. No token is sent. Raises ApiError."""
        try:
            with self._client.stream("GET", address) as response:
                if response.status_code != 200:
                    later = response.status_code == 429 or response.status_code >= 500
                    raise ApiError(DOWNLOAD, response.status_code, "", later)
                # Raw: the document may be packed by itself, whatever the header says.
                pieces, size = [], 0
                for piece in response.iter_raw():
                    pieces.append(piece)
                    size += len(piece)
                    if size > MAX_DOCUMENT_BYTES:
                        raise ApiError(DOWNLOAD, 200, f"the document is larger than {MAX_DOCUMENT_BYTES >> 20:,} MB")
                return b"".join(pieces)
        except httpx.HTTPError as error:
            raise _broken_connection(DOWNLOAD, error) from None

    def _call_once(
        self, operation: str, part: str, query: Mapping[str, str] | None, body: Any, token: str
    ) -> ApiAnswer:  # fmt: skip
        address = self._addresses.of_region(self.access.region) + _PATHS[operation].format(part)
        try:
            response = self._client.request(
                "GET" if body is None else "POST", address,
                params=dict(query) if query else None,
                content=None if body is None else json.dumps(body).encode(),
                headers={"x-amz-access-token": token, "Content-Type": "application/json"},
            )  # fmt: skip
        except httpx.HTTPError as error:
            raise _broken_connection(operation, error) from None
        _LOG.debug("%s %s: %s %s: %d", self.access.account, self.access.region, operation, part, response.status_code)
        return self._read_answer(operation, response)

    def _read_answer(self, operation: str, response: httpx_module.Response) -> ApiAnswer:
        """Return the data of an answer. Raises ApiError for an error, and for an answer that is no JSON object."""
        status = response.status_code
        data = _parse_object(response.content)
        if status >= 400 or data is None or "errors" in data:
            is_later = status == 429 or status >= 500 or (status < 400 and data is None)
            raise ApiError(operation, status, self._error_message(data), is_later)
        try:
            rate = float(response.headers.get("x-amzn-RateLimit-Limit", ""))
        except ValueError:
            rate = 0.0
        return ApiAnswer(data, rate if 0 < rate < float("inf") else None)

    def _error_message(self, data: dict[str, Any] | None) -> str:
        errors = (data or {}).get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        texts = [str(first[name]) for name in ("code", "message", "details") if first.get(name)]
        return self.clean(": ".join(texts))

    def clean(self, text: str) -> str:
        """Return a text of Amazon's for messages: one line, not too long, without credentials and addresses."""
        line = " ".join(self._credentials.redact(text).split())
        with self._lock:
            line = line.replace(self._token, "[credential]") if self._token else line
        line = "".join(one if one.isprintable() else "?" for one in line)
        return line if len(line) <= MAX_MESSAGE else f"{line[:MAX_MESSAGE]}..."

    def _access_token(self) -> str:
        with self._lock:
            if self._final_error is not None:
                raise self._final_error
            if self._time() >= self._token_ends_at - TOKEN_MARGIN:
                self._log_in()
            return self._token

    def _forget_token(self, token: str) -> None:
        """Renew a token at the next call, unless another thread has renewed it."""
        with self._lock:
            if self._token == token:
                self._token_ends_at = 0.0

    def _log_in(self) -> None:
        """Exchange the refresh token for an access token."""
        try:
            response = self._client.post(self._addresses.login, data=self._credentials.login_form())
        except httpx.HTTPError as error:
            raise _broken_connection(LOGIN, error) from None
        status, data = response.status_code, _parse_object(response.content)
        token = (data or {}).get("access_token")
        if status == 200 and isinstance(token, str) and token:
            seconds = (data or {}).get("expires_in")
            self._token = token
            self._token_ends_at = self._time() + (seconds if isinstance(seconds, int | float) else 3600)
            _LOG.debug("%s %s: new access token", self.access.account, self.access.region)
            return
        code = (data or {}).get("error")
        known = code if isinstance(code, str) and code.isidentifier() and len(code) < 40 else ""
        is_later = status == 429 or status >= 500 or status == 200
        refused = ApiError(LOGIN, status, known, is_later, is_final=not is_later)
        if not is_later:
            self._final_error = refused
        raise refused


def _parse_object(content: bytes) -> dict[str, Any] | None:
    """Return the JSON object of an answer, or None if it is none: an error page of a proxy, or a cut text."""
    try:
        data = json.loads(content)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _broken_connection(operation: str, error: Exception) -> ApiError:
    """Return the error for a call without an answer. Its text is left out: it may quote an address."""
    return ApiError(operation, 0, f"no answer ({type(error).__name__})", may_succeed_later=True)
