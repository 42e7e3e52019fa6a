"""A run as OpenTelemetry spans, run > node > shard, made from the events of its log and sent by OTLP over HTTP.

Only where ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``…_TRACES_ENDPOINT``) is set; the other variables of OTLP count as for
any program. The packages are those of the extra ``otel``; without an endpoint nothing of them is imported.

A span is sent when it has ended: of a killed run the finished shards are there, below a run that never comes. Pieces of
a shard (`measures.PIECES`) are seconds among its attributes, as they run side by side in threads and have no beginning.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from pipeline.engine.install_command import install_command
from pipeline.engine.redaction import redact

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SECONDS_BETWEEN_TRIES: Final = 60.0  # after a collector took nothing: one try may take 10 s
_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"  # its loggers: of the trouble with sending,
_HEADERS: Final = "opentelemetry.util.re"  # and of headers that cannot be read, which it says whole
_ADDRESSES: Final = re.compile(r"( with)? url: \S+|\?[^\s'\"]+")  # paths and queries of requests, which may hold keys
_LONG: Final = frozenset({"stack", "trace", "versions"})  # what the log has, and a span has not
_ON_NODE: Final = frozenset({"item error", "worker died", "item slow", "item ended", "stalled", "goes on"})


class Listener(Protocol):
    """Takes the events of a run as its log has them, in order, from several threads; ``run ended`` is the last one."""

    def __call__(self, event: str, node: str, facts: Mapping[str, Any]) -> None:
        """Takes one event."""


def spans_of_run(log: Callable[[str], None]) -> Listener | None:
    """Returns what sends a run's spans; None where they are not asked for, or cannot be sent, which is a line.

    Args:
        log: takes the lines for people.
    """
    endpoint = next(filter(None, (os.environ.get(name) for name in ENDPOINTS)), None)
    if not endpoint or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not _is_address(endpoint):
        log("no spans are sent: expected an OTLP endpoint http://host:port or https://host:port, found another form")
        return None
    place = redact(endpoint).partition("?")[0]
    protocol = next(filter(None, (os.environ.get(name) for name in PROTOCOLS)), "http/protobuf")
    if protocol != "http/protobuf":
        log(f"no spans are sent: expected the OTLP protocol http/protobuf, found {protocol}")
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        log(f"no spans are sent to {place} ({error}): {install_command('wider8k[otel]')}")
        return None
    reasons = _Reasons(log)
    try:
        return Spans(_steady(OTLPSpanExporter(), place, log, reasons))
    except (ValueError, RuntimeError) as error:  # of a variable
        reasons.close()
        log(redact(f"no spans are sent: {str(error).rstrip('.')}; see OTEL_BSP_* and the other variables OTEL_*"))
        return None


def _is_address(endpoint: str) -> bool:
    """Returns whether it is one; what is none may hold keys in places that `redact` does not see."""
    try:
        url = urlsplit(endpoint)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # of the port
        return False


class Spans:
    """Makes spans from events and has them sent; see `Listener`."""

    def __init__(self, exporter: SpanExporter) -> None:
        """Sends by an exporter, from a thread of its own."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create()
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "wider8k"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("wider8k")
        self._run: Span | None = None
        self._nodes: dict[str, Span] = {}
        self._failed, self._guard = False, threading.Lock()

    def __call__(self, event: str, node: str, facts: Mapping[str, Any]) -> None:
        """Takes one event; see `Listener`."""
        with self._guard:
            if event == "run started":
                self._run = self._begin("run", None, facts)
            elif event == "node started":
                self._nodes[node] = self._begin(node, self._run, {"node": node, **facts})
            elif event == "shard done":
                now, taken = time.time_ns(), round(1e9 * float(facts["seconds"]))
                self._begin("shard", self._nodes.get(node), {"node": node, **facts}, now - taken).end(now)
            elif event in ("node ended", "node failed"):
                self._end(self._nodes.pop(node, None), facts, event == "node failed")
            elif event in _ON_NODE and node in self._nodes:
                self._nodes[node].add_event(event, _attributes(facts))
        if event == "run ended":
            self._close(facts)

    def _close(self, facts: Mapping[str, Any]) -> None:
        with self._guard:
            self._failed |= bool(self._nodes) or bool(facts.get("failed"))
            for span in self._nodes.values():
                self._end(span, {"outcome": "not finished"}, True)
            self._end(self._run, facts, self._failed)
        self._provider.shutdown()

    def _begin(self, name: str, parent: Span | None, facts: Mapping[str, Any], start: int | None = None) -> Span:
        from opentelemetry.trace import set_span_in_context

        context = set_span_in_context(parent) if parent else None
        return self._tracer.start_span(name, context, attributes=_attributes(facts), start_time=start)

    def _end(self, span: Span | None, facts: Mapping[str, Any], failed: bool) -> None:
        from opentelemetry.trace import StatusCode

        if span is None:
            return
        self._failed |= failed
        span.set_attributes(_attributes(facts))
        if failed:
            span.set_status(StatusCode.ERROR, redact(str(facts.get("outcome", ""))))
        span.end()


def _attributes(facts: Mapping[str, Any]) -> dict[str, str | bool | int | float]:
    """Returns what is known as attributes, each with the prefix ``wider8k.``; what is no plain value is left out."""
    every = {**facts, **facts.get("measured", {})}
    plain = {name: value for name, value in every.items() if isinstance(value, str | bool | int | float)}
    return {f"wider8k.{n}": redact(v) if isinstance(v, str) else v for n, v in plain.items() if n not in _LONG}


def _steady(exporter: SpanExporter, place: str, log: Callable[[str], None], reasons: _Reasons) -> SpanExporter:
    """Returns an exporter that a collector in trouble costs one line and ten seconds a minute at most."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Steady(SpanExporter):
        """Leaves spans out for a while after some were not taken."""

        def __init__(self) -> None:
            self._again, self._lost = 0.0, 0

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            if time.monotonic() >= self._again:
                if exporter.export(spans) is SpanExportResult.SUCCESS:
                    return SpanExportResult.SUCCESS
                if not self._lost:
                    log(redact(f"{place} takes no spans, the run goes on: {reasons.first}"))
                self._again = time.monotonic() + SECONDS_BETWEEN_TRIES
            self._lost += len(spans)
            return SpanExportResult.FAILURE

        def shutdown(self) -> None:
            exporter.shutdown()
            reasons.close()
            if self._lost:
                log(f"{self._lost} spans were not sent to {place}")

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Steady()


class _Reasons(logging.Handler):
    """Keeps what the exporter says of the first trouble, in place of a line for each on the screen, without keys."""

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__()
        self.first = "no reason given"
        self._log, self._known, self._header = log, False, False
        self._spread = {logger: logger.propagate for logger in map(logging.getLogger, (_EXPORTER, _HEADERS))}
        for logger in self._spread:
            logger.propagate = False
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _HEADERS:
            if not self._header:
                self._log(
                    "OTEL_EXPORTER_OTLP_HEADERS: expected name=value,name=value; what is not of that form is left out"
                )
            self._header = True
        elif not self._known:
            self.first, self._known = _ADDRESSES.sub("", record.getMessage().partition("\n")[0]), True

    def close(self) -> None:
        for logger, spreads in self._spread.items():
            logger.removeHandler(self)
            logger.propagate = spreads
        super().close()
