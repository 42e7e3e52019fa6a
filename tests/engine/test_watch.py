"""The time limit: given, or by what the items before took; only time in which the process had a turn counts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pipeline.engine.delays import Delay
from pipeline.engine.stage import Item
from pipeline.engine.storage import Store
from pipeline.engine.tries import Tries
from pipeline.engine.watch import FIRST_LIMIT, SHORTEST_LIMIT, TICK, TIMES_THE_SLOWEST, Abandoned, Watch
from pipeline.engine.worker_reports import WorkerReports

ITEMS = [Item(f"n{number}", "1") for number in range(3)]


class Clock:
    """The time of the thread that computes; checks come every `TICK`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("pipeline.engine.watch.time.monotonic", lambda: self.now)

    def wait(self, watch: Watch, seconds: float) -> Delay | None:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            if delay := watch.check(TICK):
                return delay
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("pipeline.engine.watch.memory_shortage", lambda: "")
    return Clock(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def tries(store: Store) -> Tries:
    return Tries.begin(store, "n/r/_inflight/run-shard-a", "m")


def test_the_limit_follows_from_the_slowest_before(clock: Clock, store: Store) -> None:
    watch = Watch()
    assert watch.limit == FIRST_LIMIT
    with watch.over("shard-a", "m:1", ITEMS, tries(store)):
        clock.wait(watch, 2)
        watch.row()
        assert watch.limit == SHORTEST_LIMIT
        clock.wait(watch, 40)
        watch.row()
        clock.wait(watch, 3)
        watch.row()
    assert watch.limit == TIMES_THE_SLOWEST * 40
    assert watch.successor().limit == watch.limit


def test_an_item_is_overdue_after_the_limit_and_reported_before(clock: Clock, store: Store) -> None:
    watch, own, reports = Watch(), tries(store), WorkerReports(store, "run")
    with watch.over("shard-a", "m:1", ITEMS, own):
        clock.wait(watch, 2)
        watch.row()
        assert clock.wait(watch, 29) is None
        assert reports.new("n/r").events == []
        assert clock.wait(watch, 100) is None
        (slow,) = reports.new("n/r").events
        facts = {"event": "item slow", "key": "n1", "place": "2 of 3", "seconds": 30.0, "usual": 2.0, "ended": False}
        assert facts.items() <= slow.items()
        delay = clock.wait(watch, 1000)
        assert delay is not None
        assert (delay.key, delay.seconds, delay.limit, delay.host, delay.ended) == ("n1", 300.0, 300.0, "m:1", True)
        assert (own.own.overdue, own.own.limit) == (300.0, 300.0)
        assert tries(store).earlier[-1].overdue == 300.0


def test_a_given_limit_counts_and_may_be_none(clock: Clock, store: Store) -> None:
    for limit, seconds in ((7.0, 7.0), (math.inf, None)):
        watch = Watch(limit)
        with watch.over("shard-a", "m:1", ITEMS, tries(store)):
            delay = clock.wait(watch, 5000)
        assert (delay and delay.seconds) == seconds


def test_time_in_which_the_process_was_stopped_does_not_count(clock: Clock, store: Store) -> None:
    watch = Watch(60)
    with watch.over("shard-a", "m:1", ITEMS, tries(store)):
        clock.now += 3600
        assert watch.check(3600) is None
        watch.row()
    assert Watch.successor(watch).limit == 60
    assert watch._slowest < 3


def test_nothing_is_overdue_while_nothing_is_due(clock: Clock, store: Store) -> None:
    watch = Watch(5)
    assert clock.wait(watch, 100) is None
    with watch.over("shard-a", "m:1", ITEMS, tries(store)):
        for _ in ITEMS:
            watch.row()
        assert clock.wait(watch, 100) is None, "its shard is being written"
    assert clock.wait(watch, 100) is None


def test_a_worker_that_was_given_up_ends_at_its_next_row(clock: Clock, store: Store) -> None:
    watch = Watch(5)
    with watch.over("shard-a", "m:1", ITEMS, tries(store)):
        watch.row()
        watch.abandon()
        with pytest.raises(Abandoned):
            watch.row()


def test_a_shortage_of_memory_is_noted_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["", "9 of 10 GB in use", "10 of 10 GB in use"])
    monkeypatch.setattr("pipeline.engine.watch.memory_shortage", lambda: next(said))
    watch, own = Watch(), tries(store)
    with watch.over("shard-a", "m:1", ITEMS, own):
        for _ in range(3):
            watch.check(TICK)
    assert tries(store).earlier[-1].shortage == "9 of 10 GB in use"
