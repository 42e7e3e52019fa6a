"""A function over many arguments inside a whole stage, one Ray task each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.engine.runner import NodeFailed
from pipeline.engine.worker_group import RESTARTS

A = TypeVar("A")
B = TypeVar("B")


def fan_out(function: Callable[[A], B], arguments: Sequence[A]) -> list[B]:
    """Returns [function(a) for a in arguments], in order, each computed in a Ray task.

    Half a millisecond of overhead per task: give each argument twenty milliseconds of work or more. Called inside a
    task it borrows that task's CPUs while it waits.

    Raises NodeFailed: processes died at the same argument more than `RESTARTS` times.
    """
    import ray

    # Once more than it may, so that the last try can say why it is. None at all would make Ray's monitor of memory end
    # others before it: it begins with those that can be tried again, the newest first.
    task = ray.remote(num_cpus=1, max_retries=RESTARTS + 1)(_one)
    shared = ray.put(function)  # what the function carries (ground truth) is stored once, not once per task
    results: list[B] = ray.get([task.remote(RESTARTS, shared, argument) for argument in arguments])
    return results


def _one(restarts: int, function: Callable[[A], B], argument: A) -> B:
    """Computes one, unless it was tried too often: what takes too much memory, Ray itself tries again without end."""
    if (deaths := _tries_before()) > restarts:
        raise NodeFailed(
            f"a process of it died {deaths} times at the same part; if memory was short, use a larger machine"
        )
    return function(argument)


def _tries_before() -> int:
    from ray._private.worker import global_worker

    number: int = global_worker.core_worker.get_current_task_attempt_number()
    return number
