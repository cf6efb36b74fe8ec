"""A transport for httpx that hands requests to a service without sockets: works with a simulated clock."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from tests.builders.amazon_server.service import Request, Service


class ServiceTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answer requests to Amazon's own addresses from a service: `httpx.Client(transport=ServiceTransport(service))`.

    A request to any other address raises httpx.ConnectError.
    """

    def __init__(self, service: Service):
        self.service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an asynchronous client."""
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        base = f"{request.url.scheme}://{request.url.netloc.decode()}"
        host = next((name for name, url in self.service.hosts.items() if url == base), None)
        if host is None:
            raise httpx.ConnectError(f"no such host: {base}", request=request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self.service.answer(Request(host, request.method, request.url.raw_path.decode(), headers, body))
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer.body, answer.cut_at, request))


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The bytes of an answer; the connection may break after some of them."""

    def __init__(self, body: bytes, cut_at: int | None, request: httpx.Request):
        self.body, self.cut_at, self.request = body, cut_at, request

    def __iter__(self) -> Iterator[bytes]:
        yield self.body[: self.cut_at]
        if self.cut_at is not None:
            told = "peer closed connection without sending complete message body"
            raise httpx.RemoteProtocolError(told, request=self.request)

    async def __aiter__(self):
        for part in self:
            yield part
