"""Let a service listen on loopback, a port for each host that it plays, each request in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.builders.amazon_server.service import Request, Service


@contextlib.contextmanager
def listening(service: Service) -> Iterator[Service]:
    """Listen until the block ends; `service.hosts` then names the addresses by host."""
    before, servers = dict(service.hosts), []
    try:
        for host in before:
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service, host))
            server.daemon_threads = True
            server.handle_error = lambda *_: None  # a client that is killed breaks its connections
            servers.append(server)
            service.hosts[host] = f"http://127.0.0.1:{server.server_address[1]}"
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield service
    finally:
        service.hosts = before
        for server in servers:
            server.shutdown()
            server.server_close()


def _handler(service: Service, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = service.answer(Request(host, self.command, self.path, headers, body))
            head = [f"HTTP/1.1 {answer.status} Answer", f"Content-Length: {len(answer.body)}"]
            head += [f"{name}: {value}" for name, value in answer.headers.items()]
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write("\r\n".join([*head, "", ""]).encode() + answer.body[: answer.cut_at])
            self.close_connection = answer.cut_at is not None

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            """Say nothing: the service records every call."""

    return Handler
