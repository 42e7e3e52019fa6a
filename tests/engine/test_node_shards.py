"""What is kept of a node's shards as they finish, and in which order they come out."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence

from pipeline.engine.executor import LocalExecutor
from pipeline.engine.manifest import Artifact
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob
from pipeline.engine.stage import Item
from tests.engine.conftest import World


class Counting(LocalExecutor):
    """Counts, as each shard is asked for, how many of the rows that it gave before are still in memory."""

    alive: list[int]

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        given: list[weakref.ref[object]] = []
        self.alive = []
        for record in super().shards(job, todo):
            given.append(weakref.ref(record.items))
            yield record
            del record
            self.alive.append(sum(each() is not None for each in given))


class Looking(LocalExecutor):
    """Notes, as each node begins, the nodes before it whose items are still in memory."""

    def __init__(self) -> None:
        self._given: dict[str, weakref.ref[object]] = {}
        self.alive: dict[str, list[str]] = {}

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        self.alive[job.ctx.node] = [node for node, items in self._given.items() if items() is not None]
        self._given[job.ctx.node] = weakref.ref(todo)
        return super().shards(job, todo)


class Backwards(LocalExecutor):
    """Gives the last shard first."""

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        return super().shards(job, todo[::-1])


def artifact(world: World, *sets: str) -> Artifact:
    found = world.plan(*sets)["numbers"].artifact
    assert found is not None
    return found


def test_rows_of_finished_shards_are_not_kept_in_memory(world: World) -> None:
    world.numbers(range(12))
    executor = Counting()
    world.run("numbers.run.shard_rows=1", executor=lambda: executor, selected=["numbers"])
    assert len(executor.alive) == 12
    assert max(executor.alive) <= 1  # the newest, in the caller's hands


def test_items_of_a_finished_node_are_not_kept_in_memory(world: World) -> None:
    executor = Looking()
    world.run(executor=lambda: executor)
    assert executor.alive == {"numbers": [], "squares": [], "cubes": []}


def test_shards_are_in_the_order_of_their_items_however_they_finish(world: World) -> None:
    world.numbers([3, 4, 5, 8])
    world.run("numbers.run.shard_rows=2", executor=Backwards, selected=["numbers"])
    assert artifact(world).keys().to_pylist() == ["n003", "n004", "n005", "n008"]
    world.numbers([0, 3, 4, 7, 8, 9, 5])
    world.run("numbers.run.shard_rows=2", executor=Backwards, selected=["numbers"])
    found = artifact(world)
    # Stored before: 3 and 4, then 5 and 8, of which the first is 8; new: 0 and 7, then 9.
    assert found.keys().to_pylist() == ["n000", "n007", "n003", "n004", "n005", "n008", "n009"]
    assert [row["image_id"] for row in found.rows()] == found.keys().to_pylist()
