"""Several processes that work on one thing together, and numbers computed ahead of whoever needs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")

Stream = Callable[[Callable[[int], Any], range], Iterator[Any]]
"""(make, numbers) -> make(n) for n in order, computed ahead of time, possibly elsewhere; both must pickle."""

Gang = Callable[[Callable[[Stream], Any]], Any]
"""Runs a function in every process of a node's `Resources.workers` at once; returns what the first one returned.

Where there are several, they have joined one torch process group. A process that dies starts all of them anew: the
function has to find out itself how far it had come. `GangStopped` ends it for good; any other exception may be that of
one process only and has all of them started anew a few times.
"""

AHEAD = 3


class GangStopped(RuntimeError):
    """Raised by every process of a gang alike: they all came to see that there is no use in going on."""


def alone(function: Callable[[Stream], Any]) -> Any:
    """Returns function(stream): the gang of a run without a cluster is this process, however many were asked for."""
    return function(in_threads)


def in_threads(make: Callable[[int], Any], numbers: range) -> Iterator[Any]:
    """Yields make(n) in order, a few of them ahead in two threads of this process."""
    with ThreadPoolExecutor(2, thread_name_prefix="ahead") as pool:
        yield from ahead(pool, make, numbers, AHEAD)


def ahead(pool: ThreadPoolExecutor, function: Callable[[A], B], arguments: Iterable[A], depth: int) -> Iterator[B]:
    """Yields function(a) in order, computing up to `depth` of them ahead in the pool's threads."""
    rest = iter(arguments)
    waiting: deque[Future[B]] = deque(pool.submit(function, each) for each in islice(rest, depth))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(function, each) for each in islice(rest, 1))
        yield result
