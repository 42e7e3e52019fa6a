"""A node that runs while machines join its cluster, are taken away and are lost: nothing is lost, nothing doubled."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.simulated.small_cluster import SmallCluster
from pipeline.cluster.claims import SECONDS_SETTLED, Claims
from pipeline.cluster.elastic_pool import SHORT_SECONDS, ElasticPool, _surplus
from pipeline.cluster.waiting import Waiting
from pipeline.engine.capacity import Machine
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.shares import Claim
from pipeline.engine.stage import AUTO
from tests.cluster.squares_driver import (
    assert_as_in_a_quiet_run,
    assert_without_dumps,
    at_a_pace,
    ended,
    read_until,
    start_squares,
)

LATE = """\
  late: {stage: squares, power: 1, seconds: 0.2, inputs: {numbers: cubes}, run: {shard_rows: 2, workers: auto}}
"""
WORKERS = ("squares.run.workers=auto", "cubes.run.workers=4")


def pool_of(wish: int, grows: bool = False, claims: Claims | None = None) -> ElasticPool:
    worker = Machine(1, 0, 0)
    return ElasticPool("r", "n", worker, wish, grows, claims or Claims(), Waiting("n", worker, 1, print), print)


def machines_of(*cpus: int) -> dict[str, Machine]:
    return {f"m{number}": Machine(each) for number, each in enumerate(cpus)}


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
    pool = pool_of(wish, grows)
    assert pool.size(sum(pool.share(machines_of(*rooms), shards).values()), shards) == expected


def test_beside_others_it_has_its_share_and_asks_for_more_once_all_have_theirs() -> None:
    now = [0.0]
    claims = Claims(clock=lambda: now[0])
    pool = pool_of(8, grows=True, claims=claims)
    with claims.hold("other", Claim(Machine(1, 0, 0), 8)):
        share = sum(pool.share(machines_of(2, 2, 2), 100).values())
        assert (share, pool.size(share, 100)) == (3, 3)
        now[0] += SECONDS_SETTLED
        assert pool.size(share, 100) == 8
        claims.report("r", 5, share)  # it has more still: the other's workers wait
        assert pool.size(share, 100) == 3
    assert pool.size(sum(pool.share(machines_of(2, 2, 2), 100).values()), 100) == 8


def test_a_worker_has_a_second_shard_where_they_are_short() -> None:
    pool = pool_of(4)
    assert pool.at_once(1) == 1
    for seconds in (SHORT_SECONDS - 4, SHORT_SECONDS + 3):
        pool.finished(seconds)
        assert pool.at_once(1) == 2
    pool.finished(60)
    assert (pool.at_once(1), pool.at_once(2), pool.at_once(3)) == (1, 2, 3)


@pytest.mark.parametrize(
    ("places", "busy", "expected"),
    [
        ({"m0": 2, "m1": 2}, "abcd", ""),
        ({"m0": 1, "m1": 1}, "abcd", "db"),  # the newest of each machine
        ({"m0": 2}, "abcd", "dc"),  # another node's larger workers are to have the other machine
        ({"m0": 2}, "bcd", "ad"),  # one without a shard ends at once
        ({"m0": 1}, "abcd", "dcb"),
    ],
)
def test_workers_above_the_share_end(places: dict[str, int], busy: str, expected: str) -> None:
    located = {"a": "m0", "b": "m0", "c": "m1", "d": "m1"}
    found = _surplus(located, {each: each in busy for each in located}, places, sum(places.values()))
    assert sorted(found) == sorted(expected)


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


def workers_in_order(world, node: str) -> list[str]:
    """Returns the worker of each stored shard of a node, in the order in which they were finished."""
    folder = Path(world.store.path(node))
    files = sorted(folder.glob("*/shard-*.json"), key=lambda file: file.stat().st_mtime_ns)
    return [json.loads(file.read_text())["host"] for file in files]


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
        assert stored_manifests(world.store, "cubes") or "cubes: failed: no machine joined" in text + rest, text + rest
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

    @pytest.mark.faults
    def test_a_node_that_begins_later_gets_its_share_of_one_that_has_more(self, world, machines):
        config = world.folder / "config.yaml"
        config.write_text(f"{config.read_text()}{LATE}")
        at_a_pace(world, 120)
        (world.folder / "pace").write_text("0.6")
        machines.add(4)
        sets = ("squares.run.workers=auto", "cubes.seconds=0.05", "cubes.run.shard_rows=30", "wait=1")
        driver = start_squares(world, machines.env, *sets)
        text = read_until(driver, "squares: 3 workers, beside 1 other node")
        text += read_until(driver, "late: 2 workers, beside 1 other node")
        text += read_until(driver, "workers, alone")
        code, rest = ended(driver)
        assert code == 0, text + rest
        assert_without_dumps(text + rest)
        hosts = {node: workers_in_order(world, node) for node in ("squares", "late")}
        assert len(set(hosts["squares"])) >= 3
        assert len(set(hosts["late"][:8])) == 2, "it did not have two workers from its beginning on"
        assert [len(each) for each in hosts.values()] == [60, 60]
