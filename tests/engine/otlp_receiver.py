"""An OTLP/HTTP collector on the loopback: keeps the spans that are sent to it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.serving import serving


class Receiver(HTTPServer):
    """Answers every request with a status.

    Attributes:
        spans: of all requests.
        resources: attributes of each request's sender.
        headers: of the last request.
        asked: how many requests there were.
    """

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.asked = status, 0
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        for sender in request.resource_spans:
            self.resources.append(values(sender.resource.attributes))
            self.spans += [span for scope in sender.scope_spans for span in scope.spans]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        self.server.asked += 1
        self.server.headers = dict(self.headers)
        if self.path == "/v1/traces" and self.server.status == 200:
            self.server.take(ExportTraceServiceRequest.FromString(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


def values(attributes: Any) -> dict[str, Any]:
    """Attributes of a span, an event or a sender as a dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def receiver(status: int = 200) -> Iterator[Receiver]:
    with serving(Receiver(status)) as made:
        yield made
