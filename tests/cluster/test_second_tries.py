"""When a shard that takes long is started a second time, what counts of two tries, and that nothing is left of the loser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.simulated.small_cluster import SmallCluster
from pipeline.cluster import second_tries
from pipeline.cluster.second_tries import FEWEST, SHORTEST_SECONDS, TIMES_THE_MEDIAN, SecondTries
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.items import Item
from pipeline.engine.runner import NodeFailed
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, shard_name
from tests.cluster.squares_driver import (
    assert_as_in_a_quiet_run,
    assert_without_dumps,
    at_a_pace,
    ended,
    start_squares,
)
from tests.engine.conftest import World


class Captured(LocalExecutor):
    """Keeps what the runner hands it."""

    job: ShardJob
    parts: list[tuple[Item, ...]]
    records: list[ShardRecord]

    def shards(self, job, parts):
        records = list(super().shards(job, parts))
        if job.ctx.node == "squares":
            Captured.job, Captured.parts, Captured.records = job, list(parts), records
        yield from records


class Tail:
    """A node of five shards near its end, and a clock."""

    def __init__(self, world: World) -> None:
        world.run(executor=Captured)
        self.store, self.now, self.said = world.store, 0.0, list[str]()
        self.records, self.parts = Captured.records, Captured.parts
        self.started: list[tuple[str, str]] = []
        self.second = SecondTries(Captured.job, self.parts, self._start, self.said.append, clock=lambda: self.now)

    def _start(self, job: ShardJob, machine: str, part: tuple[Item, ...]) -> tuple[object, object]:
        assert job.run_id == f"{Captured.job.run_id}.second"
        self.started.append((machine, shard_name(part)))
        return object(), object()

    def finish(self, count: int, seconds: float) -> None:
        for record in self.records[:count]:
            self.second.first(replace(record, seconds=seconds))

    def check(self, at: float, waiting: int = 0, busy: str = "ab", room: str = "abcd") -> list[tuple[str, str]]:
        self.now = at
        self.second.check(waiting, {f"worker {each}": each for each in busy}, lambda: list(room))
        return self.started


@pytest.fixture
def tail(world: World) -> Tail:
    return Tail(world)


def test_what_is_still_in_work_long_after_the_last_was_handed_out_is_started_once_more(tail: Tail) -> None:
    tail.finish(3, 20.0)
    slow = [record.name for record in tail.records[3:]]
    assert tail.check(0) == []
    assert tail.check(TIMES_THE_MEDIAN * 20 - 1) == []
    assert tail.check(TIMES_THE_MEDIAN * 20) == list(zip("cd", slow, strict=True)), "on machines without a slow try"
    assert re.fullmatch(
        rf"squares: {slow[0]} has been with its worker for 60 s at least, .* 20.0 s or less: .*", tail.said[0]
    )


@pytest.mark.parametrize(
    ("finished", "seconds", "options"),
    [
        (3, 1.0, {"at": SHORTEST_SECONDS - 1}),
        (FEWEST - 1, 1.0, {"at": 1000}),
        (3, 20.0, {"at": 1000, "waiting": 1}),
        (3, 20.0, {"at": 1000, "room": "ab"}),
        (3, 20.0, {"at": 1000, "room": ""}),
        (3, 20.0, {"at": 1000, "busy": ""}),
        (5, 20.0, {"at": 1000}),
    ],
    ids=["too short", "few finished", "others wait", "no other machine", "no room", "none in work", "all finished"],
)
def test_else_nothing_is(tail: Tail, finished: int, seconds: float, options: dict) -> None:
    tail.finish(finished, seconds)
    tail.check(0)
    assert tail.check(**options) == []


def test_the_time_counts_from_the_last_one_that_was_handed_out(tail: Tail) -> None:
    tail.finish(3, 20.0)
    tail.check(0)
    tail.check(50, waiting=1)  # a worker died, and its shard waits
    assert tail.check(100) == []
    assert tail.check(159) == []
    assert len(tail.check(160)) == 2


def test_one_machine_gets_one_of_two(tail: Tail) -> None:
    tail.finish(3, 20.0)
    tail.check(0)
    assert tail.check(60, room="c") == [("c", tail.records[3].name)]


@pytest.fixture
def ended_workers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The workers that were ended; there is no Ray here that could do it."""
    ended_ones: list[object] = []
    monkeypatch.setattr(second_tries, "_end", ended_ones.append)
    return ended_ones


def test_a_first_try_that_finishes_after_all_takes_no_second_one_from_another(
    tail: Tail, ended_workers: list[object]
) -> None:
    tail.finish(3, 20.0)
    tail.check(0)
    tail.check(60, room="c")
    tail.second.first(tail.records[3])
    assert len(ended_workers) == 1
    assert tail.check(61, busy="b", room="d") == [("c", tail.records[3].name), ("d", tail.records[4].name)]


@pytest.mark.usefixtures("ended_workers")
@pytest.mark.parametrize("first_wins", [True, False])
def test_a_second_try_that_was_ended_has_not_failed(
    tail: Tail, monkeypatch: pytest.MonkeyPatch, first_wins: bool
) -> None:
    import ray

    def dead(_: object) -> None:
        raise ray.exceptions.RayActorError

    def wait(refs: list[object], **_: object) -> tuple[list[object], list[object]]:
        if first_wins:  # just now
            tail.second.first(tail.records[3])
        return refs, []

    tail.finish(3, 20.0)
    tail.check(0)
    tail.check(60, room="c")
    monkeypatch.setattr(ray, "wait", wait)
    monkeypatch.setattr(ray, "get", dead)
    tail.check(61, room="")
    tail.check(62, room="")
    failed = [line for line in tail.said if "failed" in line]
    name = tail.records[3].name
    assert failed == ([] if first_wins else [f"squares: the second try of {name} failed: RayActorError"])


def test_rows_that_are_not_those_of_the_record_are_computed_again(tail: Tail) -> None:
    name, folder = tail.records[0].name, tail.store.folders("squares")[0]
    assert tail.second._stored(name) == tail.records[0]
    tail.store.write(f"squares/{folder}/{name}.parquet", b"of another try")
    with pytest.raises(NodeFailed, match=rf"two tries of {name} on two machines gave other bytes"):
        tail.second._stored(name)
    assert f"{name}.json" not in tail.store.sizes(f"squares/{folder}")


@pytest.fixture
def machines() -> Iterator[SmallCluster]:
    cluster = SmallCluster()
    yield cluster
    cluster.close()


@pytest.mark.ray
@pytest.mark.faults
def test_a_machine_that_hangs_costs_half_a_minute_and_no_row(world: World, machines: SmallCluster) -> None:
    """One of two takes ten minutes for a number, as long as the other one would take for thousands."""
    at_a_pace(world, 24)
    machines.add(1, {"SQUARES_PAUSE": "600"})
    machines.add(1)
    code, text = ended(start_squares(world, machines.env, "wait=1", "squares.run.workers=2", "cubes.run.workers=2"))
    assert code == 0, text
    assert "started a second time on another machine" in text
    assert_without_dumps(text)
    for node in ("squares", "cubes"):
        folder = Path(world.store.path(node))
        records = [json.loads(file.read_text()) for file in folder.glob("*/shard-*.json")]
        assert sorted(key for record in records for key in record["items"]["key"]) == [f"n{n:03d}" for n in range(24)]
        assert not list(folder.glob("*/_inflight")), "the loser left something"
        assert not list(folder.glob("*/.tmp-*"))
    assert_as_in_a_quiet_run(world, 24)
