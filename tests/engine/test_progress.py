from __future__ import annotations

import io
import json
import time

from pipeline.engine import progress
from pipeline.engine.heartbeat import Heartbeat
from pipeline.engine.live_state import LIVE_FILE, read_live_state
from pipeline.engine.node_progress import ProgressState
from pipeline.engine.progress import ProgressReporter
from pipeline.engine.run_log import read_run_log
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.storage import Store
from pipeline.engine.worker_reports import WorkerReports, note_event
from tests.engine.squares import Squares
from tests.engine.test_node_progress import job


def test_a_heartbeat_writes_now_and_then_only(tmp_path):
    store = Store(str(tmp_path))
    heartbeat = Heartbeat(store, "n/r/_inflight/run1-x.progress")
    for i in range(100):
        heartbeat(f"{i}/100")
    assert WorkerReports(store, "run1").new("n/r").heartbeats == {"x": "0/100"}


def test_a_run_leaves_lines_for_people_and_a_log_for_machines(world, capsys):
    world.run("squares.fail_on=n004")
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("squares: 10 rows, 1 errors (first: n004: set to fail) in ") for line in lines)
    (name,) = world.store.sizes("runs")
    events = [json.loads(line) for line in io.StringIO(world.store.read(f"runs/{name}").decode())]
    ended = {event["node"]: event for event in events if event["event"] == "node ended"}
    assert set(ended) == {"numbers", "squares", "cubes", "total"}
    assert ended["squares"]["items_computed"] == 10
    assert ended["squares"]["versions"]["pyarrow"]
    assert sum(event["event"] == "shard done" and event["node"] == "squares" for event in events) == 5


def test_one_item_that_is_an_error_is_an_event_with_its_message_and_kind(world):
    world.run("squares.fail_on=n004")
    (name,) = world.store.sizes("runs")
    events = read_run_log(world.store, name.removesuffix(".jsonl"))
    # Counted where it begins and where it is carried along.
    assert [(e["node"], e["key"], e["kind"]) for e in events if e["event"] == "item error"] == [
        ("squares", "n004", "set to fail")
    ]
    assert events[0]["event"] == "run started"
    assert events[0]["versions"]["pyarrow"]
    assert events[-1]["event"] == "run ended"
    assert events[-1]["outcome"] == "4 computed, 0 reused"


def test_a_node_that_fails_has_its_trace_in_the_log_and_the_run_its_outcome(world):
    world.run("total.broken=true")
    (name,) = world.store.sizes("runs")
    events = read_run_log(world.store, name.removesuffix(".jsonl"))
    (failed,) = (e for e in events if e["event"] == "node failed")
    assert (failed["node"], failed["outcome"]) == ("total", "failed: RuntimeError: set to break")
    assert "Traceback" in failed["trace"]
    assert events[-1]["outcome"] == "3 computed, 0 reused, 1 failed (total)"


def test_the_live_state_shows_every_node_while_the_run_goes_and_is_gone_after_it(world, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_TURNS", 0.1)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_STATES", 0.0)
    seen: list[list[ProgressState]] = []
    plain = progress.LiveState.write

    def write(self, store):
        plain(self, store)
        seen.append(list(read_live_state(store).nodes))

    monkeypatch.setattr(progress.LiveState, "write", write)
    world.run("squares.seconds=0.1")
    shown = next(found for state in seen if "items" in (found := {each.node: each for each in state})["squares"].count)
    assert list(shown) == ["numbers", "squares", "cubes", "total"]
    assert shown["numbers"].count.startswith("10 rows in ")
    assert shown["squares"].count.endswith("/10 items")
    assert shown["total"].count == "waits"
    assert world.store.read_or_none(LIVE_FILE) is None


class Recorded:
    """Metrics that keep what they are given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []

    def __getattr__(self, name: str):
        return lambda *arguments: self.calls.append((name, arguments))


def test_what_happens_to_a_node_is_published(tmp_path):
    shard_job, metrics = job(tmp_path, Squares()), Recorded()
    record = ShardRecord("shard-1", "r", 4, 10, "h", [], [("a", "bad")], 1.0, 7, "h:1")
    with ProgressReporter(shard_job.store, "run1", io.StringIO(), metrics=metrics) as reporter:
        reporter.node_started(shard_job, items=4, shards=1)
        reporter.shard_done("boxes", record)
        reporter.node_ended("boxes", "4 rows")
    assert [call for call in metrics.calls if call[0] != "progress"] == [
        ("node_started", ("boxes", "squares")), ("shard_done", ("boxes", record)), ("node_ended", ("boxes",)),
    ]  # fmt: skip


def test_a_stall_its_end_and_what_a_worker_noted_are_events(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_TURNS", 0.1)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_STATES", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_PROGRESS_EVENTS", 0.0)
    monkeypatch.setattr("pipeline.engine.node_progress.SHORTEST_STALL", 0.5)
    monkeypatch.setattr("pipeline.engine.node_progress.USUAL_GAPS", 0.01)
    shard_job, metrics = job(tmp_path, Squares()), Recorded()

    def events() -> list[str]:
        return [e["event"] for e in read_run_log(shard_job.store, "run1")]

    def wait_until(event: str) -> None:
        limit = time.monotonic() + 20
        while event not in events():
            assert time.monotonic() < limit, event
            time.sleep(0.05)

    with ProgressReporter(shard_job.store, "run1", io.StringIO(), quiet=True, metrics=metrics) as reporter:
        reporter.node_started(shard_job, items=40, shards=4)
        reporter._active["boxes"].items_done = 5
        note_event(shard_job.store, f"{shard_job.folder}/_inflight/run1-shard-1", "worker died", at="n003")
        wait_until("stalled")
        reporter._active["boxes"].items_done = 6
        wait_until("goes on")
    assert events().count("worker died") == 1
    assert "progress" in events()
    assert metrics.calls[0] == ("node_started", ("boxes", "squares"))
    assert metrics.calls.count(("worker_died", ("boxes",))) == 1
    assert {each.node for name, (states, *_) in metrics.calls if name == "progress" for each in states} == {"boxes"}


def test_a_run_that_is_interrupted_says_so_in_its_log(tmp_path):
    store = Store(str(tmp_path))
    reporter = ProgressReporter(store, "r1", io.StringIO()).__enter__()
    stopped = KeyboardInterrupt("SIGTERM")
    reporter.__exit__(type(stopped), stopped, None)
    (event,) = read_run_log(store, "r1")
    assert event["outcome"] == "ended by KeyboardInterrupt: SIGTERM"
