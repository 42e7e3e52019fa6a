"""An item that never ends, in a run without a cluster: its row is an error, the others' bytes are those of a quiet run."""

from __future__ import annotations

import collections
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine import watched_thread
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.shards import ShardJob
from pipeline.engine.stage import Item, Resources, Row, StageContext
from pipeline.engine.storage import Store
from pipeline.engine.watch import Abandoned, Watch
from pipeline.engine.watched_thread import WatchedThread
from tests.engine.conftest import World
from tests.engine.squares import Squares

LIMIT = 1.0
TICK = 0.1
SLOW = f"squares.run.item_seconds={LIMIT}"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that waits looks ten times a second, so that limits below a second are not rounded up."""
    monkeypatch.setattr(watched_thread, "TICK", TICK)


def rows(world: World) -> list[tuple[str, int, str | None]]:
    artifact = Artifact(world.store, stored_manifests(world.store, "squares")[0])
    return sorted((row["image_id"], row["value"], row["error"]) for row in artifact.rows())


def shards(world: World) -> dict[str, str]:
    return {shard.name: shard.content_hash for shard in stored_manifests(world.store, "squares")[0].shards}


def events(world: World, kind: str) -> list[dict[str, object]]:
    logs = [world.store.read(f"runs/{name}").decode() for name in sorted(world.store.sizes("runs"))]
    found = [json.loads(line) for log in logs for line in log.splitlines()]
    return [event for event in found if event["event"] == kind]


@pytest.fixture
def left() -> Callable[[], int]:
    """Returns how many threads of workers there are that were not there before the test."""
    before = set(threading.enumerate())
    return lambda: sum(thread.name == "squares" and thread not in before for thread in threading.enumerate())


def wait_until_none_is(left: Callable[[], int]) -> None:
    limit = time.monotonic() + 10
    while left():
        assert time.monotonic() < limit, f"{left()} threads go on"
        time.sleep(0.01)


def release(fifo: Path) -> None:
    """Ends the reads that hang on a FIFO."""
    os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))


def test_an_item_that_never_ends_costs_itself_only(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.run()
    quiet = shards(world)
    world.store.delete_folder("squares")
    world.traced()
    os.mkfifo(world.folder / "trace.n005")
    outcome = world.run(SLOW)
    assert outcome.failed == {}
    (error,) = stored_manifests(world.store, "squares")[0].errors
    assert error[0] == "n005"
    assert error[1].startswith("no result within the time limit of 1 s: its worker was ended after 1")
    assert rows(world) == [(f"n{i:03d}", 0 if i == 5 else i * i, error[1] if i == 5 else None) for i in range(10)]
    assert sum(name in quiet and quiet[name] == content for name, content in shards(world).items()) == 4
    # Its shard is computed again from the start, once with all its items and once one by one.
    assert collections.Counter(world.traced()) == {f"n{i:03d}": {4: 3, 5: 2}.get(i, 1) for i in range(10)}
    said = capsys.readouterr().err
    assert said.count("squares: no row for n005 (row 2 of 2 of shard-") == 2
    ended = events(world, "item ended")
    assert [(each["key"], each["limit"], each["place"]) for each in ended] == [("n005", 1.0, "2 of 2")] * 2
    assert all("squares.py" in str(each["stack"]) and "read_bytes" in str(each["stack"]) for each in ended)
    assert world.store.sizes(f"squares/{stored_manifests(world.store, 'squares')[0].row_fingerprint}/_inflight") == {}

    release(world.folder / "trace.n005")
    (world.folder / "trace.n005").unlink()
    assert not world.run(SLOW, retry_errors=True).failed
    assert [value for _, value, _ in rows(world)] == [i * i for i in range(10)]


def test_what_was_left_behind_writes_nothing_more_and_ends(world: World, left: Callable[[], int]) -> None:
    fifo = world.folder / "trace.n005"
    os.mkfifo(fifo)
    world.run(SLOW)
    before = {path: path.stat().st_mtime_ns for path in Path(world.store.url).rglob("*") if path.is_file()}
    assert left() == 2
    release(fifo)
    wait_until_none_is(left)
    assert {path: path.stat().st_mtime_ns for path in Path(world.store.url).rglob("*") if path.is_file()} == before


def test_an_item_that_takes_long_is_named_before_it_is_given_up(world: World) -> None:
    fifo = world.folder / "trace.n005"
    os.mkfifo(fifo)
    opened = threading.Timer(1.4, lambda: os.close(os.open(fifo, os.O_WRONLY)))
    opened.start()
    assert not world.run("squares.run.item_seconds=2").failed
    opened.join()
    assert [value for _, value, _ in rows(world)] == [i * i for i in range(10)]
    (slow,) = events(world, "item slow")
    assert (slow["key"], slow["limit"], slow["stack"]) == ("n005", 2.0, "")
    assert 1.0 <= float(str(slow["seconds"])) < 2
    assert str(slow["host"]).endswith(f":{os.getpid()}")


def test_where_no_item_ends_in_time_the_node_stops(world: World) -> None:
    for number in range(10):
        os.mkfifo(world.folder / f"trace.n{number:03d}")
    problem = world.run("squares.run.item_seconds=0.3", "squares.run.shard_rows=10").failed["squares"]
    assert "5 items in succession gave no row in time, n000 to n004 on " in problem
    assert "a disk or mount that does not answer, or a limit too short for them, see run.item_seconds" in problem


def job(tmp_path: Path, stage: Squares) -> ShardJob:
    ctx = StageContext("squares", None, Resources(), {})
    return ShardJob(Store(str(tmp_path)), "squares/r", "r", "run1", stage, ctx)


def test_a_loop_in_python_is_ended_and_not_left_behind(tmp_path: Path, left: Callable[[], int]) -> None:
    started = threading.Event()

    class Loops(Squares):
        def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
            def work(items: Sequence[Item]) -> Iterator[Row]:
                started.set()
                while True:
                    time.sleep(0.001)
                yield {}

            return work

    worker = WatchedThread(job(tmp_path, Loops()))
    # A shell's background jobs ignore it, and the tests may be one.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=lambda: (started.wait(), time.sleep(0.2), signal.raise_signal(signal.SIGINT))).start()
    try:
        with pytest.raises(KeyboardInterrupt), closing(worker):
            worker.compute([Item("a", "1")])
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until_none_is(left)


def test_a_thread_that_begins_is_not_ended_in_place_of_the_one_that_starts_it(
    tmp_path: Path, left: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Starts(Squares):
        def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
            def work(items: Sequence[Item]) -> Iterator[Row]:
                while True:
                    threading.Thread(target=time.monotonic, daemon=True).start()
                yield {}

            return work

    traces: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", traces.append)
    monkeypatch.setattr("threading.excepthook", traces.append)
    for _ in range(60):
        worker = WatchedThread(job(tmp_path, Starts()))
        worker._thread._busy = True
        worker._thread._todo.put([Item("a", "1")])
        time.sleep(0.01)
        worker.close()
    wait_until_none_is(left)
    assert traces == []


@pytest.mark.parametrize("end", ["row", "shard", "error"])
def test_a_thread_that_ends_by_itself_while_it_is_given_up_says_nothing(
    tmp_path: Path, left: Callable[[], int], monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Its last steps are Python's own: what is raised there is a trace on the terminal."""
    late: list[str] = []
    go, row = threading.Event(), threading.Event()
    abandon, count, work = Watch.abandon, Watch.row, watched_thread._Thread.run

    class Waits(Squares):
        def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
            if end == "error":
                raise ValueError("mistake")
            go.wait()
            return super().open(ctx)

    def counted(watch: Watch) -> None:
        row.set()
        count(watch)

    def given_up_slowly(watch: Watch) -> None:
        if end == "row":
            abandon(watch)
        go.set()
        assert end != "row" or row.wait(10)
        while end != "row" and worker._thread._done.empty():
            time.sleep(0.001)
        time.sleep(0.1)

    def last_steps(thread: Any) -> None:
        try:
            work(thread)
            for _ in range(300):
                time.sleep(0.001)
        except Abandoned:
            late.append(end)

    monkeypatch.setattr(Watch, "row", counted)
    monkeypatch.setattr(Watch, "abandon", given_up_slowly)
    monkeypatch.setattr(watched_thread._Thread, "run", last_steps)
    worker = WatchedThread(job(tmp_path, Waits()))
    worker._thread._todo.put([Item("a", "1", {"value": 1})])
    worker._thread._busy = True
    worker.close()
    wait_until_none_is(left)
    assert late == []


def test_the_stages_own_errors_are_raised(tmp_path: Path, left: Callable[[], int]) -> None:
    worker = WatchedThread(job(tmp_path, Squares(open_fails=True)))
    with pytest.raises(ValueError, match="squares is set not to open"):
        worker.compute([Item("a", "1")])
    worker.close()
    wait_until_none_is(left)
