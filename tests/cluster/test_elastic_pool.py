"""A node that runs while machines join its cluster, are taken away and are lost: nothing is lost, nothing doubled."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Iterator

import pytest

from jobs.soaking.small_cluster import SmallCluster
from pipeline.cluster.elastic_pool import ElasticPool
from pipeline.cluster.waiting import Waiting
from pipeline.engine.capacity import Machine
from pipeline.engine.stage import AUTO
from tests.cluster.squares_driver import (
    assert_as_in_a_quiet_run,
    assert_without_dumps,
    at_a_pace,
    ended,
    read_until,
    start_squares,
)

WORKERS = ("squares.run.workers=auto", "cubes.run.workers=4")


@pytest.mark.parametrize(
    ("wish", "grows", "rooms", "shards", "expected"),
    [
        (4, False, (2, 1), 100, 3),  # what fits, now
        (4, False, (8, 1), 100, 4),
        (4, False, (8,), 2, 2),
        (4, False, (0,), 100, 1),  # one that waits for a machine
        (4, True, (0,), 100, 4),  # what an autoscaler starts machines for
        (AUTO, False, (2, 1), 100, 3),
        (AUTO, True, (0,), 100, 1),
        (AUTO, True, (2, 1), 100, 6),
        (AUTO, True, (2, 1), 4, 4),
    ],
)
def test_a_pool_is_as_large_as_what_fits(
    wish: int, grows: bool, rooms: tuple[int, ...], shards: int, expected: int
) -> None:
    worker = Machine(1, 0, 0)
    pool = ElasticPool("n", worker, wish, grows, Waiting("n", worker, 1, print), print)
    assert pool.size([Machine(room) for room in rooms], shards) == expected


@pytest.fixture(scope="module")
def head() -> Iterator[SmallCluster]:
    cluster = SmallCluster()
    yield cluster
    cluster.close()


@pytest.fixture
def machines(head: SmallCluster) -> Iterator[SmallCluster]:
    """A cluster of a head without CPUs."""
    yield head
    head.lose_all()


def wait_for_items(world, count: int) -> None:
    limit, trace = time.monotonic() + 60, world.folder / "trace"
    while not trace.exists() or len(trace.read_text().split()) < count:
        assert time.monotonic() < limit
        time.sleep(0.05)


def finished_keys(world) -> set[str]:
    """Returns the keys of the stored shards of `squares`."""
    found = set()
    for recipe in world.store.folders("squares"):
        for name in world.store.sizes(f"squares/{recipe}"):
            if name.startswith("shard-") and name.endswith(".json"):
                record = json.loads(world.store.read(f"squares/{recipe}/{name}"))
                found |= set(record["items"]["key"])
    return found


@pytest.mark.ray
@pytest.mark.slow
class TestSeveralMachines:
    def test_a_cluster_without_room_is_refused_with_what_helps(self, world, machines):
        code, text = ended(start_squares(world, machines.env))
        assert code == 1
        assert "squares: a worker takes 1 cpus, and the cluster has no machine with room for one (1 x 0 cpus" in text
        assert "no setting helps; add a machine" in text

    @pytest.mark.faults
    def test_machines_that_join_are_used_and_a_lost_one_is_made_up_for(self, world, machines):
        at_a_pace(world, 40)
        driver = start_squares(world, machines.env, "wait=2", *WORKERS)
        read_until(driver, "numbers: no machine of the cluster has room for a worker of 1 cpus", "waiting until")
        first = machines.add(1)
        read_until(driver, "numbers: a machine has joined")
        wait_for_items(world, 4)
        machines.add(2)
        text = read_until(driver, "squares: the cluster has room for 3 workers now")
        machines.lose(first)
        code, rest = ended(driver)
        assert code == 0, text + rest
        assert "squares: the cluster has room for 2 workers now" in rest
        assert_without_dumps(text + rest)
        assert_as_in_a_quiet_run(world, 40)

    @pytest.mark.faults
    def test_a_lost_last_machine_is_waited_for_and_the_same_job_goes_on_with_another(self, world, machines):
        at_a_pace(world, 40)
        job = ("wait=0.2", "squares.run.workers=4")
        last = machines.add(2)
        driver = start_squares(world, machines.env, *job)
        wait_for_items(world, 8)
        machines.lose(last)
        text = read_until(driver, "squares: no machine of the cluster has room for a worker", "waiting until")
        code, rest = ended(driver)
        assert code == 1
        assert "squares: failed: no machine joined within 12 s (--wait-minutes)" in rest
        assert "what is finished is kept, and the same command goes on from it" in rest
        assert "cubes: failed: no machine joined within 12 s" in rest and "cubes: no machine" not in rest
        assert_without_dumps(text + rest)
        finished = finished_keys(world)
        assert 0 < len(finished) < 40
        world.traced()
        machines.add(1)
        driver = start_squares(world, machines.env, *job)
        text = read_until(driver, "squares: 4 workers of 1 cpus each are wished for, and the cluster has room for 1")
        code, rest = ended(driver)
        assert code == 0, text + rest
        assert not finished & set(world.traced())
        assert_as_in_a_quiet_run(world, 40)

    @pytest.mark.faults
    def test_a_machine_that_will_be_taken_away_finishes_what_it_has(self, world, machines):
        at_a_pace(world, 40)
        taken = machines.add(2, taken=1)
        driver = start_squares(world, machines.env, "wait=1", *WORKERS)
        wait_for_items(world, 4)
        machines.add(2)
        text = read_until(driver, "squares: the cluster has room for 4 workers now")
        machines.drain("taken")
        text += read_until(driver, "squares: the cluster has room for 2 workers now")
        time.sleep(3)  # each worker has two shards of 0.6 s
        machines.lose(taken)
        code, rest = ended(driver)
        assert code == 0, text + rest
        counts = collections.Counter(world.traced())
        assert set(counts.values()) == {1}, "something was computed twice"
        assert_as_in_a_quiet_run(world, 40)
