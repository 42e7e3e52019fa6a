"""Spans of a run, as a collector gets them."""

from __future__ import annotations

import io
import logging
import sys
import time

import pytest

from pipeline.engine import spans
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.progress import ProgressReporter
from pipeline.engine.spans import ENDPOINTS, PROTOCOLS, spans_of_run
from tests.engine.otlp_receiver import receiver, values

ERROR = 2


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*ENDPOINTS, *PROTOCOLS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def collector(monkeypatch):
    with receiver() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20S3cr3t")
        yield made


def named(collector, name):
    return [span for span in collector.spans if span.name == name]


def test_a_run_holds_its_nodes_and_a_node_its_shards(world, collector):
    before = time.time_ns()
    world.run()
    after = time.time_ns()
    (run,) = named(collector, "run")
    nodes = {name: named(collector, name)[0] for name in ("numbers", "squares", "cubes", "total")}
    assert len(collector.spans) == 1 + len(nodes) + 3 + 5 + 4  # of ten rows in shards of 4, 2 and 3
    assert {span.trace_id for span in collector.spans} == {run.trace_id}
    assert not run.parent_span_id
    assert {node.parent_span_id for node in nodes.values()} == {run.span_id}
    shards = [span for span in named(collector, "shard") if span.parent_span_id == nodes["squares"].span_id]
    assert len(shards) == 5
    for span in collector.spans:
        assert before <= span.start_time_unix_nano <= span.end_time_unix_nano <= after
        assert span.status.code != ERROR
    facts = values(shards[0].attributes)
    assert facts["wider8k.node"] == "squares"
    assert facts["wider8k.rows"] == 2
    assert facts["wider8k.write_seconds"] > 0
    assert facts["wider8k.host"]
    assert values(nodes["squares"].attributes)["wider8k.stage"] == "squares"
    assert values(nodes["squares"].attributes)["wider8k.outcome"] == "10 rows"
    assert values(run.attributes)["wider8k.outcome"] == "4 computed, 0 reused"
    assert collector.resources[0]["service.name"] == "wider8k"
    assert collector.headers["authorization"] == "Bearer S3cr3t"


def test_what_is_reused_has_no_span_and_error_rows_are_events_of_their_node(world, collector):
    world.run()
    collector.spans.clear()
    world.run()
    assert collector.spans == []
    world.run("squares.fail_on=n003")
    (node,) = named(collector, "squares")
    assert [(event.name, values(event.attributes)["wider8k.key"]) for event in node.events] == [("item error", "n003")]


def test_a_failed_node_and_its_run_are_errors(world, collector):
    world.run("total.broken=true")
    (node,), (run,) = named(collector, "total"), named(collector, "run")
    assert (node.status.code, run.status.code) == (ERROR, ERROR)
    assert node.status.message == "failed: RuntimeError: set to break"
    assert [span.name for span in collector.spans if span.status.code == ERROR] == ["total", "run"]


class Interrupted(LocalExecutor):
    def shards(self, job, parts):
        yield from super().shards(job, parts[:1])
        raise KeyboardInterrupt


def test_what_an_interrupt_leaves_is_sent_before_the_end(world, collector):
    with pytest.raises(KeyboardInterrupt):
        world.run(executor=Interrupted)
    (node,), (run,) = named(collector, "numbers"), named(collector, "run")
    assert len(named(collector, "shard")) == 1
    assert values(node.attributes)["wider8k.outcome"] == "not finished"
    assert "KeyboardInterrupt" in values(run.attributes)["wider8k.outcome"]
    assert run.status.code == ERROR


def test_a_run_that_ends_by_an_error_outside_its_nodes_is_an_error(world, collector):
    said: list[str] = []
    listener = spans_of_run(said.append)
    assert listener is not None
    reporter = ProgressReporter(world.store, "r1", io.StringIO())
    reporter.listen(listener)
    listener("run started", "", {})
    with pytest.raises(ValueError, match="nothing"), reporter:
        raise ValueError("nothing was started")
    (run,) = named(collector, "run")
    assert (run.status.code, run.status.message) == (ERROR, "ended by ValueError: nothing was started")
    assert said == []


def test_of_an_address_nothing_is_said_but_the_place(world, monkeypatch, capfd):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1.5")  # the first words of two tries hold the URL
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:S3cr3t@127.0.0.1:1?token=S3cr3t")
    assert len(world.run().computed) == 4
    said = capfd.readouterr().err
    assert "127.0.0.1:1 takes no spans, the run goes on: " in said
    assert "Max retries exceeded (Caused by " in said
    (log,) = world.store.sizes("runs")
    for text in (said, world.store.read(f"runs/{log}").decode()):
        assert "S3cr3t" not in text


@pytest.mark.parametrize("address", ["me:S3cr3t@host:4318", "host?token=S3cr3t", "http://me:S3c?r3t@host"])
def test_what_is_no_address_is_refused_without_being_shown(monkeypatch, address):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    said: list[str] = []
    assert spans_of_run(said.append) is None
    form = "expected an OTLP endpoint http://host:port or https://host:port, found another form"
    assert said == [f"no spans are sent: {form}"]


def test_a_header_that_cannot_be_read_is_a_line_without_it(collector, monkeypatch, capfd):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key: S3cr3t,x=1,other: S3cr3t")
    said: list[str] = []
    listener = spans_of_run(said.append)
    assert listener is not None
    listener("run started", "", {})
    listener("run ended", "", {})
    assert said == ["OTEL_EXPORTER_OTLP_HEADERS: expected name=value,name=value; what is not of that form is left out"]
    assert "S3cr3t" not in capfd.readouterr().err
    assert collector.headers["x"] == "1"


@pytest.mark.parametrize(("name", "value"), [("OTEL_BSP_SCHEDULE_DELAY", "0"), ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1")])
def test_a_variable_that_cannot_be_used_costs_a_line_and_no_run(world, monkeypatch, capfd, name, value):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    assert len(world.run().computed) == 4
    said = capfd.readouterr().err
    assert said.count("no spans are sent: ") == 1
    assert "; see OTEL_BSP_* and the other variables OTEL_*\n" in said
    assert "Traceback" not in said
    for each in (spans._EXPORTER, spans._HEADERS):
        assert logging.getLogger(each).propagate
        assert not logging.getLogger(each).handlers


@pytest.mark.parametrize("status", [400, 503, None])
def test_a_collector_that_takes_nothing_costs_a_line_and_no_rows(world, monkeypatch, capfd, status):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    with receiver(status or 200) as there:
        monkeypatch.setenv(
            "OTEL_EXPORTER_OTLP_ENDPOINT", there.url.replace("//", "//me:S3cr3t@") if status else "http://127.0.0.1:1"
        )
        started = time.monotonic()
        assert len(world.run().computed) == 4
        assert time.monotonic() - started < 5
    said = capfd.readouterr().err
    assert said.count("takes no spans, the run goes on: ") == 1
    assert "17 spans were not sent to" in said
    assert "S3cr3t" not in said
    assert "Failed to export" not in said.replace("the run goes on: Failed to export", "")


def test_without_an_endpoint_or_the_package_there_are_none(monkeypatch):
    said: list[str] = []
    assert spans_of_run(said.append) is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:S3cr3t@collector:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert spans_of_run(said.append) is None
    assert len(said) == 1
    assert said[0].startswith("no spans are sent to http://***@collector:4318 (")
    assert said[0].endswith('pip install "wider8k[otel]"')
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert spans_of_run(said.append) is None
    assert said[1] == "no spans are sent: expected the OTLP protocol http/protobuf, found grpc"
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert spans_of_run(said.append) is None
    assert len(said) == 2


def test_a_collector_in_trouble_is_asked_again_after_a_while(monkeypatch):
    monkeypatch.setattr(spans, "SECONDS_BETWEEN_TRIES", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with receiver(503) as there:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
        listener = spans_of_run(lambda line: None)
        assert listener is not None
        listener("run started", "", {})
        shard = {"shard": "s", "seconds": 0.1}
        listener("shard done", "boxes", shard)
        end = time.monotonic() + 10
        while not there.asked and time.monotonic() < end:
            time.sleep(0.01)
        there.status = 200
        time.sleep(0.4)
        listener("shard done", "boxes", shard)
        listener("run ended", "", {"outcome": "1 computed"})
        assert [span.name for span in there.spans] == ["shard", "run"]
