"""An HTTP proxy before an S3 server: it counts requests, lets each take as long as over a network, and spoils some."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from tests.serving import serving


class Proxy(ThreadingHTTPServer):
    """Forwards every request.

    Attributes:
        seen: method and path of each request, in order.
        at_once: the most that were on their way at the same time.
        authorisation: the header of the last request.
        conditions: whether it takes ``If-Match``, which servers of before 2024 answer by 501.
        fault: (method, path) -> what to do instead of answering: an error's status and code, or "cut" half of the body.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: str, seconds: float) -> None:
        """Takes the URL of the server, and how long a request takes in addition."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server, self.seconds = urlsplit(server).netloc, seconds
        self.seen: list[tuple[str, str]] = []
        self.at_once = 0
        self.authorisation, self.conditions = "", True
        self.fault: Callable[[str, str], tuple[int, str] | Literal["cut"] | None] = lambda method, path: None
        self._now = 0
        self._guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def taken(self) -> list[tuple[str, str]]:
        """Returns the requests since the last call."""
        with self._guard:
            seen, self.seen, self.at_once = self.seen, [], 0
        return seen

    @contextmanager
    def counted(self, method: str, path: str) -> Iterator[None]:
        with self._guard:
            self.seen.append((method, path))
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        try:
            yield
        finally:
            with self._guard:
                self._now -= 1

    def forwarded(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Returns the server's answer to a request, and its body."""
        connection = http.client.HTTPConnection(self.server, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the other side's word on the headers
    server: Proxy

    def forward(self) -> None:
        with self.server.counted(self.command, self.path):
            self.server.authorisation = self.headers.get("Authorization", "")
            time.sleep(self.server.seconds)
            fault = self.server.fault(self.command, self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "If-Match" in self.headers and not self.server.conditions:
                fault = 501, "NotImplemented"
            else:
                answer, body = self.server.forwarded(self.command, self.path, sent, dict(self.headers))
        if isinstance(fault, tuple):
            self.send_response_only(fault[0])
            body = f"<Error><Code>{fault[1]}</Code><Message>spoilt</Message></Error>".encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(body)))
        self.end_headers()
        self.wfile.write(body if fault is None else body[: len(body) // 2])
        self.close_connection = self.close_connection or fault is not None

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def proxy(server: str, seconds: float = 0.0) -> Iterator[Proxy]:
    """Runs a proxy before a server for the length of the block."""
    with serving(Proxy(server, seconds)) as made:
        yield made
