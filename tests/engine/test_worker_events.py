from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import ClassVar

import pyarrow as pa

from pipeline.engine.executor import LocalExecutor
from pipeline.engine.heartbeat import Heartbeat
from pipeline.engine.run_log import read_run_log, run_of
from pipeline.engine.runner import Runner
from pipeline.engine.shards import compute_shard, compute_whole, shard_name
from pipeline.engine.stage import Item, Row, StageContext, WholeStage
from pipeline.engine.storage import Store
from pipeline.engine.watch import Watch
from pipeline.engine.worker_events import note_event, take_events
from tests.engine.squares import TOTAL, Squares
from tests.engine.test_node_progress import job


def test_events_are_taken_once_in_the_order_of_their_times(tmp_path):
    store = Store(str(tmp_path))
    note_event(store, "boxes/r", "run1", "worker died", at="a")
    note_event(store, "boxes/r", "run1", "worker died", at="b")
    note_event(store, "boxes/r", "run1.2", "worker died", at="of another run")
    found = take_events(store, "boxes/r", "run1")
    assert [event["at"] for event in found] == ["a", "b"]
    assert found[0]["host"].startswith(f"{socket.gethostname()}:")
    assert take_events(store, "boxes/r", "run1") == []
    assert [event["at"] for event in take_events(store, "boxes/r", "run1.2")] == ["of another run"]


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
    assert [event["at"] for event in take_events(shard.store, shard.folder, "run1")] == [shard_name(items)]
    compute_shard(shard, worker, items, Watch())
    (event,) = take_events(shard.store, shard.folder, "run1")
    assert (event["event"], event["at"], event["attempt"]) == ("worker died", "n1", 2)


def test_a_whole_stage_that_begins_again_notes_what_the_last_one_was_at(tmp_path):
    whole = job(tmp_path, Constant())
    compute_whole(whole)
    assert take_events(whole.store, whole.folder, "run1") == []
    Heartbeat(whole.store, f"{whole.folder}/_inflight/run1-whole.progress")("step 3/10")
    compute_whole(whole)
    assert [event["at"] for event in take_events(whole.store, whole.folder, "run1")] == ["step 3/10"]


class Constant(WholeStage):
    name: ClassVar[str] = "constant"
    version: ClassVar[str] = "1"
    output: ClassVar[pa.Schema] = TOTAL

    def run(self, ctx: StageContext) -> Iterable[Row]:
        return [{"total": 7}]


def test_the_driver_puts_them_into_the_run_log(world):
    """Noted before the node begins, as by a worker of the same run."""
    (row,) = {planned.row_fingerprint for name, planned in world.plan().items() if name == "numbers"}
    graph, options = world._graph((), {})
    run = Runner(graph, world.store, options, LocalExecutor)
    note_event(world.store, f"numbers/{row}", run._run_id, "worker died", at="n001")
    run.run()
    (log,) = (run_of(name) for name in world.store.sizes("runs"))
    (event,) = (event for event in read_run_log(world.store, log) if event["event"] == "worker died")
    assert (event["node"], event["at"]) == ("numbers", "n001")
