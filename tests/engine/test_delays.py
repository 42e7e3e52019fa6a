"""An item that takes long: its line, its event, and the stacks of its worker."""

from __future__ import annotations

import threading
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.engine.delays import MOST_STACK, Delay, stacks
from pipeline.engine.storage import Store
from pipeline.engine.worker_reports import WorkerReports

SLOW = Delay("shard-a", "e/1.jpg", "6 of 100", 31.2, 2.04, 300, "node7:123")
ENDED = replace(SLOW, seconds=300.4, ended=True, stack="File x, line 1")


def test_a_report_is_one_line() -> None:
    where = "e/1.jpg (row 6 of 100 of shard-a) on node7:123"
    assert SLOW.line() == f"waiting for {where} for 31 s; the longest before it was 2.0 s, the limit is 300"
    first = replace(SLOW, usual=0.0)
    assert first.line() == f"waiting for {where} for 31 s; none was finished before it, the limit is 300"
    assert ENDED.line() == f"no row for {where} in 300 s, and the limit is 300: worker replaced"


def test_the_driver_gets_the_line_and_what_it_is_made_of(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    SLOW.note(store, "n/r/_inflight/run1-shard-a")
    ENDED.note(store, "n/r/_inflight/run1-shard-a")
    slow, ended = WorkerReports(store, "run1").new("n/r").events
    assert (slow["event"], ended["event"]) == ("item slow", "item ended")
    assert {**asdict(SLOW), "line": SLOW.line()}.items() <= slow.items()
    assert {**asdict(ENDED), "line": ENDED.line()}.items() <= ended.items()


def test_stacks_are_those_of_the_other_threads() -> None:
    may_go, there = threading.Event(), threading.Event()

    def compute_shard() -> None:  # whose stack is kept, whatever threads other tests have left
        there.set()
        may_go.wait()

    thread = threading.Thread(target=compute_shard, name="the worker")
    thread.start()
    there.wait()
    text = stacks()
    may_go.set()
    thread.join()
    assert "thread the worker\n" in text and "in compute_shard" in text
    assert "test_stacks_are_those_of_the_other_threads" not in text
    assert len(text) <= MOST_STACK
