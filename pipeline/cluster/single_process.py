"""A distributed stage with one worker: an actor of the node's resources, started again where it dies.

Ray Train would add a controller with its helpers and a worker group: processes that import Ray and torch, one after the
other, with nothing to coordinate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.cluster.ray_loader import prefetch_of
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, compute_whole
from pipeline.engine.worker_group import RESTARTS, Prefetch


class SingleProcess:
    """An actor: the whole stage, which resumes from its own checkpoints when Ray restarts the actor."""

    def run(self, job: ShardJob, restarts: int) -> ShardRecord:
        """Computes the stage in this process and returns its record; see `compute_whole`."""
        return compute_whole(job, restarts)


def start_alone(job: ShardJob, request: dict[str, Any]) -> tuple[Any, Any]:
    """Starts the stage with these resources; returns the actor, and the reference of its record."""
    import ray

    # Once more than it may, so that it can say itself why that is the last time.
    actor = ray.remote(**request, max_restarts=RESTARTS + 1, max_task_retries=RESTARTS + 1)(SingleProcess).remote()
    return actor, actor.run.remote(job, RESTARTS)


def run_alone(function: Callable[[Prefetch], Any], *, loaders: int, ephemeral: bool) -> Any:
    """Returns function(prefetch), computed here: a `WorkerGroup` of the actor's own process; see `prefetch_of`."""
    return function(prefetch_of(loaders, ephemeral))
