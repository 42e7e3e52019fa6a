"""Pools of workers that grow with the cluster and shrink with it, while their node runs.

Ray Data's pools have a size between two bounds, and decide on it by a share of the cluster that is counted every twenty
seconds and rounded down to whole CPUs. Here both bounds are set, once a second, to what fits: the pool follows at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipeline.cluster.machines import leaving_nodes, machines_now
from pipeline.cluster.ray_loader import on_every_round
from pipeline.cluster.waiting import Waiting
from pipeline.engine.capacity import Machine, inventory, room_for
from pipeline.engine.stage import AUTO

SECONDS_BETWEEN_COUNTS = 1.0
_pools: dict[str, ElasticPool] = {}  # by the name of their node's run, of this process


@dataclass
class ElasticPool:
    """The size of one node's pool.

    Attributes:
        node: its name.
        worker: what a worker takes of its machine.
        wish: workers at most, `AUTO` for as many as fit.
        grows: the cluster starts machines for workers that wait for one.
        waiting: for a first machine, or another one.
        log: takes a line when the number of workers that fit changes.
    """

    node: str
    worker: Machine
    wish: int
    grows: bool
    waiting: Waiting
    log: Callable[[str], None]
    _room: float | None = None
    _next: float = field(default=0.0, repr=False)

    def size(self, machines: Sequence[Machine], shards: int) -> int:
        """Returns how many workers there should be: running, and asked for.

        A worker without a machine is what an autoscaler starts one for. As it does not say how many it can start, a
        pool without a maximum doubles.

        Args:
            machines: that are there.
            shards: left to compute; more workers than these would have nothing to do.
        """
        room = room_for(self.worker, machines)
        most = max(2 * room, 1) if self.grows and self.wish == AUTO else self.wish if self.grows else room
        return int(max(1, min(most, self.wish, shards)))

    def follow(self, executor: Any) -> None:
        """Sets the bounds of the pools of a dataset that is being computed.

        Raises NodeFailed where no machine has had room for a worker for too long.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + SECONDS_BETWEEN_COUNTS
        machines = machines_now()
        self.waiting.check(machines)
        self._report(machines)
        leaving = leaving_nodes()
        for operator, state in executor._topology.items():
            shards = state.total_enqueued_input_blocks()
            for pool in operator.get_autoscaling_actor_pools():
                size = self.size(machines, shards + pool.num_tasks_in_flight())
                # Those on a machine that is drained finish their shard; others take their place meanwhile.
                size += sum(pool.get_actor_location(actor) in leaving for actor in list(pool._running_actors))
                pool._config = replace(pool._config, min_size=size, max_size=size, initial_size=size)

    def _report(self, machines: Sequence[Machine]) -> None:
        room, before = min(room_for(self.worker, machines), self.wish), self._room
        self._room = room
        if before is not None and room and room != before:  # without any, `waiting` has its line
            self.log(f"{self.node}: the cluster has room for {room:g} workers now ({inventory(machines)})")


def following(name: str, pool: ElasticPool) -> type[Any]:
    """Returns a callback of Ray Data's scheduler by which a pool follows the cluster until `forget`.

    Args:
        name: of this pool, unique in this process.
        pool: which to follow.
    """
    _pools[name] = pool
    return on_every_round(partial(_follow, name))


def forget(name: str) -> None:
    """Ends the following of a pool."""
    _pools.pop(name, None)


def _follow(name: str, executor: object) -> None:
    if pool := _pools.get(name):
        pool.follow(executor)
