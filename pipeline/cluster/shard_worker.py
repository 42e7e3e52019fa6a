"""An actor that computes shards of one node, and how it is asked for."""

from __future__ import annotations

import gc
import pickle
import uuid
import zlib
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from pipeline.cluster.process_watch import ProcessWatch
from pipeline.engine.shards import ShardJob, compute_shard
from pipeline.engine.stage import Item, MapStage, Resources
from pipeline.engine.watch import Watch

DEATHS_WHILE_OPENING = 3


class ShardWorker:
    """An actor: the stage opened once, one shard per call."""

    def __init__(self, job: ShardJob) -> None:
        assert isinstance(job.stage, MapStage)
        # Ray restarts a worker that dies while it opens its model without end; each death leaves its marker.
        opening = f"{job.run_id}-opening-"
        deaths = sum(name.startswith(opening) for name in job.store.sizes(f"{job.folder}/_inflight"))
        if deaths >= job.ctx.resources.workers + DEATHS_WHILE_OPENING:
            raise ValueError(f"workers of {job.ctx.node} died {deaths} times while they opened their stage")
        marker = f"{job.folder}/_inflight/{opening}{uuid.uuid4().hex[:8]}"
        job.store.write(marker, b"")
        self._job, self._worker, self._turn = job, job.stage.open(job.ctx), Lock()
        self._watch = Watch(job.ctx.resources.item_seconds)
        ProcessWatch(self._watch).start()
        job.store.delete(marker)
        # What is loaded by now stays: the collector need not walk Ray's and torch's objects again and again.
        gc.collect()
        gc.freeze()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes packed item lists, returns the records of the shards it wrote."""
        todo = [pickle.loads(zlib.decompress(items)) for items in batch["items"]]
        records = [compute_shard(self._job, self._worker, items, self._watch, self._turn).to_json() for items in todo]
        return {"record": np.array(records, dtype=object)}

    def one(self, items: bytes) -> None:
        """Takes one packed item list and writes its shard."""
        self({"items": [items]})


def packed(items: Sequence[Item]) -> bytes:
    """Returns items as a worker gets them: 30 bytes each, since those of all shards are in memory from the start."""
    return zlib.compress(pickle.dumps(items), 1)


def shards_at_once(resources: Resources) -> int:
    """Returns how many shards a worker has at a time: one that is computed, and on a GPU two that are written.

    At 1024 pixels a GPU computes an image in a third of the time of its writing. On a CPU every core is busy already,
    and a second shard's rows would take memory.
    """
    return 3 if resources.gpus else 1


def request_of(resources: Resources) -> dict[str, Any]:
    """Returns what Ray reserves for a worker."""
    request = {"num_gpus": resources.gpus, "memory": int(resources.memory_gb * 2**30)}
    return {"num_cpus": resources.reserved_cpus} | {name: amount for name, amount in request.items() if amount}


def second_worker(job: ShardJob, machine: str, items: tuple[Item, ...]) -> tuple[Any, Any]:
    """Starts a worker on a machine, by its id, with one shard; returns it, and what is there once it is written."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(machine, soft=False)
    options = {**request_of(job.ctx.resources), "max_restarts": 0, "scheduling_strategy": there}
    worker = ray.remote(ShardWorker).options(**options).remote(job)
    return worker, worker.one.remote(packed(items))
