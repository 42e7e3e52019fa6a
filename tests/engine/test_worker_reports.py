from __future__ import annotations

import io
import time
from collections.abc import Iterable
from typing import ClassVar

import pyarrow as pa
import pytest

from pipeline.engine.executor import LocalExecutor
from pipeline.engine.heartbeat import Heartbeat
from pipeline.engine.progress import ProgressReporter
from pipeline.engine.provenance import this_process
from pipeline.engine.run_log import read_run_log, run_of
from pipeline.engine.runner import Runner
from pipeline.engine.shards import compute_shard, compute_whole, shard_name
from pipeline.engine.stage import Item, Row, StageContext, WholeStage
from pipeline.engine.storage import Store
from pipeline.engine.watch import Watch
from pipeline.engine.worker_reports import Reports, WorkerReports, note_event
from tests.engine.squares import TOTAL, Squares
from tests.engine.test_node_progress import job


def test_events_are_read_once_in_the_order_of_their_times_with_the_heartbeats(tmp_path):
    store = Store(str(tmp_path))
    for run, at in (("run1", "a"), ("run1", "b"), ("run1.2", "of another run")):
        note_event(store, f"boxes/r/_inflight/{run}-shard-1", "worker died", at=at)
    Heartbeat(store, "boxes/r/_inflight/run1-shard-1.progress")("3/10")
    Heartbeat(store, "boxes/r/_inflight/run1.2-shard-1.progress")("4/10")
    reports = WorkerReports(store, "run1")
    found = reports.new("boxes/r")
    assert [event["at"] for event in found.events] == ["a", "b"]
    assert found.events[0]["host"] == this_process()
    assert found.heartbeats == {"shard-1": "3/10"}
    note_event(store, "boxes/r/_inflight/run1-shard-1", "worker died", at="c")
    later = reports.new("boxes/r")
    assert ([event["at"] for event in later.events], later.heartbeats) == (["c"], {"shard-1": "3/10"})
    assert [event["at"] for event in WorkerReports(store, "run1.2").new("boxes/r").events] == ["of another run"]
    assert reports.new("none") == Reports({}, [])


def test_events_less_than_a_millisecond_apart_keep_their_order(tmp_path, monkeypatch):
    now = 1_800_000_000.1234
    monkeypatch.setattr("pipeline.engine.worker_reports.time.time", lambda: now)
    for number in range(8):
        now += 1e-5
        note_event(Store(str(tmp_path)), "boxes/r/_inflight/run1-shard-1", "worker died", at=number)
    found = WorkerReports(Store(str(tmp_path)), "run1").new("boxes/r").events
    assert [event["at"] for event in found] == [*range(8)]


def test_a_store_that_does_not_answer_loses_no_event_and_doubles_none(tmp_path, monkeypatch):
    store, plain, broken = Store(str(tmp_path)), Store.read_or_none, [True]

    def read(self, name):
        if broken[0] and name.endswith(".event"):
            raise OSError("503 Slow Down")
        return plain(self, name)

    note_event(store, "boxes/r/_inflight/run1-shard-1", "worker died", at="a")
    monkeypatch.setattr(Store, "read_or_none", read)
    reports = WorkerReports(store, "run1")
    with pytest.raises(OSError, match="503"):
        reports.new("boxes/r")
    broken[0] = False
    assert [[event["at"] for event in reports.new("boxes/r").events] for _ in range(2)] == [["a"], []]


def test_a_tick_of_the_driver_lists_the_folder_once(tmp_path, monkeypatch):
    """On an object store a listing is a request."""
    shard, listed, plain = job(tmp_path, Squares()), [], Store.sizes
    monkeypatch.setattr(Store, "sizes", lambda self, folder: listed.append(folder) or plain(self, folder))
    reporter = ProgressReporter(shard.store, "run1", io.StringIO())
    reporter.node_started(shard, items=4, shards=1)
    reporter._states(time.monotonic())
    assert listed == ["boxes/r/_inflight"]


def test_the_worker_after_a_dead_one_notes_what_that_was_at(tmp_path):
    """Deaths are those of a worker that stops without a word: the marker of its attempt is left."""
    shard = job(tmp_path, Squares())
    items = [Item(f"n{i}", str(i), {"value": i}) for i in range(3)]
    worker = shard.stage.open(shard.ctx)

    def dies_on(key: str):
        def work(todo):
            for item, row in zip(todo, worker(todo), strict=True):
                if item.key == key:
                    raise KeyboardInterrupt  # as far as the marker goes, a death
                yield row

        return work

    for _ in range(2):
        try:
            compute_shard(shard, dies_on("n1"), items, Watch())
        except KeyboardInterrupt:
            continue
    reports = WorkerReports(shard.store, "run1")
    assert [event["at"] for event in reports.new(shard.folder).events] == [shard_name(items)]
    compute_shard(shard, worker, items, Watch())
    (event,) = reports.new(shard.folder).events
    assert (event["event"], event["at"], event["attempt"]) == ("worker died", "n1", 2)


def test_a_whole_stage_that_begins_again_notes_what_the_last_one_was_at(tmp_path):
    whole = job(tmp_path, Constant())
    reports = WorkerReports(whole.store, "run1")
    compute_whole(whole)
    assert reports.new(whole.folder).events == []
    for at in ("step 3/10", ""):
        with pytest.raises(KeyboardInterrupt):
            compute_whole(job(tmp_path, Constant(dies_at=at)))
    compute_whole(whole)
    events = [(event["at"], event["attempt"]) for event in reports.new(whole.folder).events]
    assert events == [("step 3/10", 1), ("step 3/10", 2)]


class Constant(WholeStage):
    name: ClassVar[str] = "constant"
    version: ClassVar[str] = "1"
    output: ClassVar[pa.Schema] = TOTAL
    dies_at: str | None = None

    def run(self, ctx: StageContext) -> Iterable[Row]:
        if self.dies_at:
            ctx.log(self.dies_at)
        if self.dies_at is not None:
            raise KeyboardInterrupt  # as far as the marker goes, a death
        return [{"total": 7}]


def test_the_driver_puts_them_into_the_run_log(world):
    """Noted before the node begins, as by a worker of the same run."""
    (row,) = {planned.row_fingerprint for name, planned in world.plan().items() if name == "numbers"}
    graph, options = world._graph((), {})
    run = Runner(graph, world.store, options, LocalExecutor)
    note_event(world.store, f"numbers/{row}/_inflight/{run._run_id}-shard-1", "worker died", at="n001")
    run.run()
    (log,) = (run_of(name) for name in world.store.sizes("runs"))
    (event,) = (event for event in read_run_log(world.store, log) if event["event"] == "worker died")
    assert (event["node"], event["at"]) == ("numbers", "n001")
