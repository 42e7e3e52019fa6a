"""Who carries out shards: the protocol, and the executor that needs nothing but this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from pipeline.engine.capacity import UNLIMITED, Machine
from pipeline.engine.heartbeat import Heartbeat
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, compute_shard, compute_whole
from pipeline.engine.stage import Item, MapStage


class Executor(Protocol):
    """Carries out the shards of a node, in any order, on whatever it has."""

    def machines(self) -> Sequence[Machine]:
        """Returns what each machine has; `UNLIMITED` where nothing runs side by side."""
        ...

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Computes shards of a map stage; yields each one's record once it is safely stored."""
        ...

    def whole(self, job: ShardJob) -> ShardRecord:
        """Runs a whole stage."""
        ...

    def stop(self) -> None:
        """Makes every `shards` and `whole` that is under way in another thread raise soon: the run ends early."""
        ...

    def close(self) -> None:
        """Gives everything back."""
        ...


def with_heartbeat(job: ShardJob) -> ShardJob:
    """Returns the job with a `say` that reaches the driver through the store, from any process."""
    heartbeat = Heartbeat(job.store, f"{job.folder}/_inflight/{job.run_id}-whole.progress")
    return replace(job, ctx=replace(job.ctx, log=heartbeat))


class LocalExecutor:
    """Runs every stage here, one after another: the reference for the cluster, and the way to debug.

    A node with several workers is still one worker here; threads per worker are the same, so bytes are the same.
    """

    def machines(self) -> Sequence[Machine]:
        """Returns `UNLIMITED`: nothing runs side by side here, so nothing can starve."""
        return UNLIMITED

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Opens the stage once and computes shard after shard."""
        assert isinstance(job.stage, MapStage)
        worker = job.stage.open(job.ctx)
        for items in todo:
            yield compute_shard(job, worker, items)

    def whole(self, job: ShardJob) -> ShardRecord:
        """Runs the stage in this thread."""
        return compute_whole(with_heartbeat(job))

    def stop(self) -> None:
        """Has nothing to stop: the work is done in the thread that asks for it."""

    def close(self) -> None:
        """Has nothing to give back."""
