"""Interfaces for a group of worker processes, and a prefetching iterator."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")

Prefetch = Callable[[Callable[[int], Any], range], Iterator[Any]]
"""(make, numbers) -> make(n) for n in order, computed ahead of time, possibly elsewhere; both must pickle."""

WorkerGroup = Callable[[Callable[[Prefetch], Any]], Any]
"""Runs a function in every worker process of a node (`Resources.workers`); returns what rank 0 returned.

A process that dies is started again, `RESTARTS` times at most, and the function resumes from its own checkpoints.
Several form one torch process group and restart together, also after an exception, which may be the death of another
one; a single process's exception ends it. `WorkersStopped` ends a group for good.
"""

DEPTH = 3
RESTARTS = 5  # within one run; another run resumes


class WorkersStopped(RuntimeError):
    """Raised by every process of a group alike: going on is of no use."""


def run_locally(function: Callable[[Prefetch], Any]) -> Any:
    """Returns function(in_threads): the worker group of a run without a cluster is this process."""
    return function(in_threads)


def in_threads(make: Callable[[int], Any], numbers: range) -> Iterator[Any]:
    """Yields make(n) in order, a few of them ahead in two threads of this process."""
    with ThreadPoolExecutor(2, thread_name_prefix="ahead") as pool:
        yield from prefetch(pool, make, numbers, DEPTH)


def prefetch(
    pool: Executor,
    function: Callable[[A], B],
    arguments: Iterable[A],
    depth: int,
    cost: Callable[[A], float] = lambda argument: 0.0,
    room: float = math.inf,
) -> Iterator[B]:
    """Yields function(a) in order, computing up to `depth` of them ahead in the pool's threads.

    The costs of those that are ahead stay within `room`; a single one may exceed it.
    """
    waiting: deque[tuple[Future[B], float]] = deque()
    held = 0.0
    for argument in arguments:
        amount = cost(argument)
        while waiting and held + amount > room:
            held -= waiting[0][1]
            yield waiting.popleft()[0].result()  # held by nothing here while it is used
        full = len(waiting) == depth
        if full:
            waiting[0][0].result()  # an error comes before more is computed
        waiting.append((pool.submit(function, argument), amount))
        del argument  # 60 MB of a large photograph's file, else held until the next one
        held += amount
        if full:
            held -= waiting[0][1]
            yield waiting.popleft()[0].result()
    while waiting:
        yield waiting.popleft()[0].result()
