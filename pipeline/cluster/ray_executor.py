"""Shards through a Ray Data actor pool, whole stages as one Ray task.

Only ids go in and records come out: a worker reads its images and writes its shard itself, so no pixel enters the
object store. The plan is `from_items` and one actor pool, which has no read or write tasks that could starve.
"""

from __future__ import annotations

import gc
import logging
import pickle
import re
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from pipeline.cluster.address import joined
from pipeline.cluster.process_watch import ProcessWatch
from pipeline.cluster.ray_loader import on_every_round
from pipeline.cluster.session import connect
from pipeline.cluster.start import leave
from pipeline.cluster.train import train_together
from pipeline.engine.capacity import Machine
from pipeline.engine.runner import NodeFailed
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, compute_shard, compute_whole
from pipeline.engine.stage import Item, MapStage, Resources
from pipeline.engine.watch import Watch

DEATHS_WHILE_OPENING = 3
SECONDS_BETWEEN_CHECKS = 0.25  # of whether the run is being stopped
_stopped: set[str] = set()  # names of executors
A = TypeVar("A")
B = TypeVar("B")


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
        """Takes pickled item lists, returns the records of the shards it wrote."""
        todo = [pickle.loads(items) for items in batch["items"]]
        records = [compute_shard(self._job, self._worker, items, self._watch, self._turn).to_json() for items in todo]
        return {"record": np.array(records, dtype=object)}


class RayExecutor:
    """Carries out nodes on the cluster this process is connected to, or connects first."""

    def __init__(self, verbose: bool = False, cpus: int | None = None) -> None:
        self._name = uuid.uuid4().hex  # by which its datasets are ended
        self._connected = connect(verbose, cpus)

    def machines(self) -> tuple[Machine, ...]:
        """Returns the CPUs, GPUs and memory of each machine of the cluster as it is now."""
        import ray

        found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return tuple(
            Machine(each.get("CPU", 0.0), each.get("GPU", 0.0), each.get("memory", 0.0) / 2**30) for each in found
        )

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Computes shards in a pool of `job.ctx.resources.workers` actors; yields records as shards finish.

        Raises NodeFailed with the worker's own error; finished shards stay.
        """
        import ray.data

        end_if_stopped = on_every_round(partial(_end_if_stopped, self._name))
        ray.data.DataContext.get_current().custom_execution_callback_classes = [end_if_stopped]
        resources = job.ctx.resources
        threads = shards_at_once(resources)
        pool = ray.data.ActorPoolStrategy(
            size=min(resources.workers, len(todo)),
            enable_true_multi_threading=threads > 1,
            # Otherwise the first worker that is there takes twice as many, and the others find none.
            max_tasks_in_flight_per_actor=threads if threads > 1 else None,
        )
        request = _request(resources) | ({"max_concurrency": threads} if threads > 1 else {})
        rows = [{"items": pickle.dumps(items)} for items in todo]
        with warnings.catch_warnings():
            # There is no other way yet to give a worker several threads.
            warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
            done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                ShardWorker, fn_constructor_args=(job,), batch_size=1, compute=pool, **request
            )
        try:
            for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
                for data in batch["record"]:
                    record = ShardRecord.from_json(bytes(data))
                    assert record is not None
                    yield record
        except ray.exceptions.RayError as error:
            raise _cause(error) from error

    def whole(self, job: ShardJob) -> ShardRecord:
        """Runs a whole stage in one task of its resources; its `fan_out` and `worker_group` use the cluster.

        Raises NodeFailed with the task's own error.
        """
        import ray

        resources, passing = job.ctx.resources, self._connected and not joined()
        worker_group = partial(
            train_together, resources=resources, store=job.store, folder=f"{job.folder}/work/ray", passing=passing
        )
        job = replace(job, ctx=replace(job.ctx, fan_out=fan_out, worker_group=worker_group))
        # The task of a distributed stage only waits for its worker group, which holds the node's resources.
        request = {"num_cpus": 0} if job.stage.distributed else _request(resources)
        try:
            task = ray.remote(**request)(compute_whole).remote(job)
            while not ray.wait([task], timeout=SECONDS_BETWEEN_CHECKS)[0]:
                _end_if_stopped(self._name)
            record: ShardRecord = ray.get(task)
        except ray.exceptions.RayError as error:
            raise _cause(error) from error
        return record

    def stop(self) -> None:
        """Ends the threads that wait for shards and whole stages within a second."""
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it would report the end as an error of its own
        _stopped.add(self._name)

    def close(self) -> None:
        """Leaves the cluster if this executor connected to it; a local one ends."""
        if self._connected:
            self._connected = False
            leave()


def fan_out(function: Callable[[A], B], arguments: Sequence[A]) -> list[B]:
    """Returns [function(a) for a in arguments], in order, each computed in a Ray task.

    Half a millisecond of overhead per task: give each argument twenty milliseconds of work or more. Called inside a
    task it borrows that task's CPUs while it waits.
    """
    import ray

    task = ray.remote(num_cpus=1)(lambda shared, argument: shared(argument))
    shared = ray.put(function)  # what the function carries (ground truth) is stored once, not once per task
    results: list[B] = ray.get([task.remote(shared, argument) for argument in arguments])
    return results


def shards_at_once(resources: Resources) -> int:
    """Returns how many shards a worker has at a time: one that is computed, and on a GPU two that are written.

    At 1024 pixels a GPU computes an image in a third of the time of its writing. On a CPU every core is busy already,
    and a second shard's rows would take memory.
    """
    return 3 if resources.gpus else 1


def _request(resources: Resources) -> dict[str, Any]:
    request = {"num_gpus": resources.gpus, "memory": int(resources.memory_gb * 2**30)}
    return {"num_cpus": resources.reserved_cpus} | {name: amount for name, amount in request.items() if amount}


def _cause(error: BaseException) -> Exception:
    """Returns the worker's own error out of Ray's wrappers: a ValueError as such, anything else as NodeFailed."""
    chain: list[BaseException] = [error]
    while (inner := getattr(chain[-1], "cause", None) or chain[-1].__cause__) is not None:
        if inner in chain or type(inner).__name__ == "SystemException":  # Ray Data's mark on its own errors
            break
        chain.append(inner)
    last = chain[-1]
    kind, message = type(last).__name__, str(last).strip()
    # A constructor's error arrives as the text of its trace, whose last line names it.
    if named := re.findall(r"^(\w+(?:Error|Exception)): (.*)$", message, re.MULTILINE):
        kind, message = named[-1]
    if kind.endswith("ValueError") or isinstance(last, ValueError):
        return ValueError(message)
    return NodeFailed(f"{kind}: {message.splitlines()[-1] if message else 'no message'}")


def _end_if_stopped(name: str) -> None:
    """Raises NodeFailed where the executor of this name was stopped in this process.

    The thread that reads a dataset waits, and Ray Data has no other way to end it than an error in its scheduler. That
    is pickled and sent to the workers, so it has a name instead of an event.
    """
    if name in _stopped:
        raise NodeFailed("the run is being stopped")
