"""Pools of workers that grow with the cluster and shrink with it, while their node runs.

Ray Data's pools have a size between two bounds, and decide on it by a share of the cluster that is counted every twenty
seconds and rounded down to whole CPUs. Here both bounds are set, once a second, to the node's fair share: the pool
follows at once. A worker above it finishes the shard that it has and ends, so that another node's can start.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipeline.cluster.claims import Claims
from pipeline.cluster.machines import free_machines, leaving_nodes, machines_by_id
from pipeline.cluster.ray_loader import on_every_round
from pipeline.cluster.second_tries import SecondTries
from pipeline.cluster.waiting import Waiting
from pipeline.engine.capacity import Machine, inventory, room_for
from pipeline.engine.shares import Claim
from pipeline.engine.stage import AUTO

SECONDS_BETWEEN_COUNTS = 1.0
SHORT_SECONDS = 5.0  # of a shard: the time from its end to the next one's begin, 0.02 to 0.2 s, counts
_pools: dict[str, ElasticPool] = {}  # by the name of their node's run, of this process


@dataclass
class ElasticPool:
    """The size of one node's pool.

    Attributes:
        name: of the node's run, unique in this process.
        node: its name.
        worker: what a worker takes of its machine.
        wish: workers at most, `AUTO` for as many as fit.
        grows: the cluster starts machines for workers that wait for one.
        claims: of the nodes that run side by side; its own is among them from `share` on.
        waiting: for a first machine, or another one.
        log: takes a line when the number of workers that fit changes, or those that the node has beside others.
        second: starts shards once more that take far longer than others.
    """

    name: str
    node: str
    worker: Machine
    wish: int
    grows: bool
    claims: Claims
    waiting: Waiting
    log: Callable[[str], None]
    second: SecondTries | None = None
    _room: float | None = None
    _beside: int = 0
    _shards: int = 0
    _seconds: float = 0.0
    _next: float = field(default=0.0, repr=False)
    _ending: list[Any] = field(default_factory=list, repr=False)

    def share(self, machines: Mapping[str, Machine], shards: int) -> dict[str, int]:
        """Returns the id of a machine -> how many workers the node has there by its share.

        Args:
            machines: that are there, by id.
            shards: left to compute; more workers than these would have nothing to do.
        """
        self.claims.update(self.name, Claim(self.worker, min(self.wish, shards)))
        return self.claims.share(self.name, machines)

    def size(self, share: int, shards: int) -> int:
        """Returns how many workers there should be: running, and asked for.

        A worker without a machine is what an autoscaler starts one for. As it does not say how many it can start, a
        pool without a maximum doubles. Beside other nodes it does so once each has its share.

        Args:
            share: workers by the node's share of the machines that are there.
            shards: left to compute.
        """
        asks = self.grows and self.claims.settled()
        most = share if not asks else max(2 * share, 1) if self.wish == AUTO else self.wish
        return int(max(1, min(most, self.wish, shards)))

    def finished(self, seconds: float) -> None:
        """Counts a shard that took so long."""
        self._shards, self._seconds = self._shards + 1, self._seconds + seconds

    def at_once(self, before: int) -> int:
        """Returns how many shards a worker has at once; never fewer than `before`, which Ray Data does not expect.

        A second one waits for its worker while others may have none, at the end and where the pool shrinks. Where
        shards are short, waiting for the scheduler between them costs more.
        """
        short = self._shards > 0 and self._seconds / self._shards < SHORT_SECONDS
        return max(before, 2 if short else 1)

    def follow(self, executor: Any) -> None:
        """Sets the bounds of the pools of a dataset that is being computed, after every round of its scheduler.

        Raises NodeFailed where no machine has had room for a worker for too long, and as `SecondTries.check`.
        """
        pools = [(state, pool) for operator, state in executor._topology.items() for pool in _pools_of(operator)]
        if (now := time.monotonic()) >= self._next:
            self._next = now + SECONDS_BETWEEN_COUNTS
            leaving = leaving_nodes()
            machines = machines_by_id(leaving)
            self.waiting.check(machines.values())
            self._report_room(machines)
            for state, pool in pools:
                self._set_bounds(pool, state.total_enqueued_input_blocks(), machines, leaving)
                self._try_again(pool, state.total_enqueued_input_blocks())
        for _, pool in pools:
            self._end_idle(pool)

    def _set_bounds(self, pool: Any, waiting: int, machines: Mapping[str, Machine], leaving: frozenset[str]) -> None:
        # With none waiting, a worker without a shard gets none any more, whatever others have before them.
        shards = waiting + (pool.num_tasks_in_flight() if waiting else len(_busy(pool)))
        places = self.share(machines, shards)
        share = sum(places.values())
        located = {actor: state.actor_location for actor, state in pool._running_actors.items()}
        staying = {
            actor: machine
            for actor, machine in located.items()
            if machine not in leaving and not pool._running_actors[actor].is_restarting
        }
        self.claims.report(self.name, len(staying), share)
        self._report_share(share)
        size = self.size(share, shards)
        # Those on a machine that is drained finish their shard; others take their place meanwhile.
        size += sum(machine in leaving for machine in located.values())
        at_once = self.at_once(pool.max_tasks_in_flight_per_actor())
        sizes = {"min_size": size, "max_size": size, "initial_size": size}
        pool._config = replace(pool._config, **sizes, max_tasks_in_flight_per_actor=at_once)
        busy = {actor: pool._running_actors[actor].num_tasks_in_flight > 0 for actor in staying}
        self._ending = _surplus(staying, busy, places, max(share, 1))

    def _try_again(self, pool: Any, waiting: int) -> None:
        """Has second tries started on machines that no other node has a use for."""
        if self.second and not self.claims.beside(self.name):
            self.second.check(waiting, _busy(pool), partial(free_machines, self.worker))

    def _end_idle(self, pool: Any) -> None:
        """Keeps further shards from workers that are to end, and ends those that have none.

        Ray Data counts them among its own again in every round, and gives out shards after it.
        """
        for actor in [each for each in self._ending if each in pool._running_actors]:
            state = pool._running_actors[actor]
            for found in (
                pool._alive_actors_to_in_flight_tasks_heap,
                pool._alive_node_to_actor_heap[state.actor_location],
            ):
                if actor in found:
                    del found[actor]
            if not state.num_tasks_in_flight:
                pool._release_running_actor(actor)

    def _report_room(self, machines: Mapping[str, Machine]) -> None:
        there = tuple(machines.values())
        room, before = min(room_for(self.worker, there), self.wish), self._room
        self._room = room
        if before is not None and room and room != before:  # without any, `waiting` has its line
            self.log(f"{self.node}: the cluster has room for {room:g} workers now ({inventory(there)})")

    def _report_share(self, share: int) -> None:
        beside, before = self.claims.beside(self.name), self._beside
        self._beside = beside
        if beside != before:
            others = f"beside {beside} other node{'s' * (beside > 1)}" if beside else "alone"
            self.log(f"{self.node}: {share} worker{'s' * (share != 1)}, {others}")


def following(pool: ElasticPool) -> type[Any]:
    """Returns a callback of Ray Data's scheduler by which a pool follows the cluster until `forget`."""
    _pools[pool.name] = pool
    return on_every_round(partial(_follow, pool.name))


def forget(pool: ElasticPool) -> None:
    """Ends the following of a pool, and its claim."""
    _pools.pop(pool.name, None)
    pool.claims.drop(pool.name)


def _follow(name: str, executor: object) -> None:
    if pool := _pools.get(name):
        pool.follow(executor)


def _pools_of(operator: Any) -> list[Any]:
    pools: list[Any] = operator.get_autoscaling_actor_pools()
    return pools


def _busy(pool: Any) -> dict[Any, str]:
    """Returns the workers that have a shard -> the ids of their machines."""
    running = pool._running_actors.items()
    return {actor: state.actor_location for actor, state in running if state.num_tasks_in_flight}


def _surplus(located: Mapping[Any, str], busy: Mapping[Any, bool], places: Mapping[str, int], share: int) -> list[Any]:
    """Returns the workers above a share: idle ones first, then those on machines where there are more than by it.

    Args:
        located: worker -> id of its machine, in the order in which they started.
        busy: worker -> whether it has a shard.
        places: id of a machine -> workers there by the share.
        share: workers that stay.
    """
    room, above = Counter(places), dict[Any, bool]()
    for worker, machine in located.items():
        above[worker] = not room[machine]
        room[machine] -= bool(room[machine])
    newest_first = list(reversed(located))
    ordered = sorted(newest_first, key=lambda worker: (busy[worker], not above[worker]))
    return ordered[: max(0, len(located) - share)]
