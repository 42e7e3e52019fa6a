"""A distributed stage with one worker: an actor of the node's resources, started again where it dies.

Ray Train would add a controller and a worker group: two more processes that import Ray and torch, one after the other,
with nothing to coordinate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.cluster.lean_datasets import without_helpers
from pipeline.cluster.ray_loader import stream_with
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, compute_whole
from pipeline.engine.worker_group import Prefetch, in_threads

RESTARTS = 5  # within one run; another run resumes


class SingleProcess:
    """An actor: the whole stage, which resumes from its own checkpoints when Ray restarts the actor."""

    def run(self, job: ShardJob) -> ShardRecord:
        """Computes the stage in this process and returns its record."""
        return compute_whole(job)


def start_alone(job: ShardJob, request: dict[str, Any]) -> tuple[Any, Any]:
    """Starts the stage with these resources; returns the actor, and the reference of its record."""
    import ray

    # A task instead would be begun again without end where it takes too much memory.
    actor = ray.remote(**request, max_restarts=RESTARTS, max_task_retries=RESTARTS)(SingleProcess).remote()
    return actor, actor.run.remote(job)


def run_alone(function: Callable[[Prefetch], Any], *, loaders: int, passing: bool) -> Any:
    """Returns function(prefetch), computed here: a `WorkerGroup` of the actor's own process.

    Args:
        function: of the training.
        loaders: processes that make its batches; 0 for threads of this one.
        passing: the cluster ends with this run, so that Ray Data needs no helper actors.
    """
    if loaders and passing:
        without_helpers(lambda: True)
    return function(stream_with(loaders) if loaders else in_threads)
