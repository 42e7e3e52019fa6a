"""Shards through a Ray Data actor pool, whole stages as one Ray task.

Only ids go in and records come out: a worker reads its images and writes its shard itself, so no pixel enters the
object store. The plan is `from_items` and one actor pool, which has no read or write tasks that could starve.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline.cluster.address import joined
from pipeline.cluster.claims import Claims
from pipeline.cluster.elastic_pool import ElasticPool, following, forget
from pipeline.cluster.fan_out import fan_out
from pipeline.cluster.machines import cannot_be_started, cluster_outlook, leaving_nodes, machines_by_id, machines_now
from pipeline.cluster.ray_loader import on_every_round
from pipeline.cluster.second_tries import AllFinishedError, SecondTries
from pipeline.cluster.session import connect
from pipeline.cluster.shard_worker import ShardWorker, packed, request_of, second_worker, shards_at_once
from pipeline.cluster.single_process import run_alone, start_alone
from pipeline.cluster.start import ends_with_this_process, leave
from pipeline.cluster.train import train_together
from pipeline.cluster.waiting import DEFAULT_MINUTES, Waiting
from pipeline.engine.capacity import FIXED, Machine, Outlook, demand, room_for
from pipeline.engine.runner import NodeFailed
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, compute_whole
from pipeline.engine.shares import Claim
from pipeline.engine.stage import Item, Resources, to_stdout
from pipeline.engine.worker_group import RESTARTS

WORKERS_THAT_MAY_DIE = 8  # of a pool that may grow, while they open
SECONDS_BETWEEN_CHECKS = 0.25  # of whether the run is being stopped
_stopped: set[str] = set()  # names of executors


class RayExecutor:
    """Carries out nodes on the cluster this process is connected to, or connects first."""

    log: Callable[[str], None] = staticmethod(to_stdout)

    def __init__(self, verbose: bool = False, cpus: int | None = None, wait_minutes: float | None = None) -> None:
        """Connects.

        Args:
            verbose: show Ray's own log lines and the workers' output.
            cpus: cores of a local cluster, None for all.
            wait_minutes: how long a node may wait for a machine that has room for a worker. None for `DEFAULT_MINUTES`
                where an autoscaler may start one, or one was lost meanwhile.
        """
        self._name = uuid.uuid4().hex  # by which its datasets are ended
        self._wait_minutes, self._waits_since = wait_minutes, dict[tuple[Machine, int], float]()
        self._claims = Claims()
        self._connected = connect(verbose, cpus)

    def machines(self) -> tuple[Machine, ...]:
        """Returns the CPUs, GPUs and memory of each machine of the cluster that takes work now."""
        return machines_now()

    def outlook(self) -> Outlook:
        """Returns what machines may join: of an autoscaler, or any where the run is to wait for some."""
        if not joined() or self._wait_minutes == 0:
            return FIXED
        found = cluster_outlook()
        return Outlook(True) if self._wait_minutes and not found.grows else found

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Computes shards in a pool of actors: its fair share of those that fit, `job.ctx.resources.workers` at most.

        The pool follows machines and nodes that come and go, and yields records as shards finish.

        Raises NodeFailed with the worker's own error, or where no machine with room joined; finished shards stay.
        """
        import ray

        resources = job.ctx.resources
        pool_of = (demand(resources), resources.workers, self._autoscaled(), self._claims)
        second = SecondTries(job, todo, second_worker, self.log)
        elastic = ElasticPool(uuid.uuid4().hex, job.ctx.node, *pool_of, self._waiting(job), self.log, second)
        try:
            for batch in self._records(job, todo, elastic).iter_batches(batch_size=None, prefetch_batches=0):
                for data in batch["record"]:
                    record = ShardRecord.from_json(bytes(data))
                    assert record is not None
                    elastic.finished(record.seconds)
                    yield second.first(record)
        except ray.exceptions.RayError as error:
            raise _cause(error) from error
        except AllFinishedError:
            yield from second.rest()
        finally:
            forget(elastic)
            second.close()

    def _records(self, job: ShardJob, todo: Sequence[tuple[Item, ...]], elastic: ElasticPool) -> Any:
        """Returns the dataset of the records of shards, to be computed by a pool of actors that `elastic` follows."""
        import ray.data

        resources = job.ctx.resources
        size = elastic.size(sum(elastic.share(machines_by_id(leaving_nodes()), len(todo)).values()), len(todo))
        # Each may die once of a lost machine while it opens, and more may start than at first.
        most = min(resources.workers, max(size, WORKERS_THAT_MAY_DIE))
        job = replace(job, ctx=replace(job.ctx, resources=resources.model_copy(update={"workers": most})))
        threads = shards_at_once(resources)
        pool = ray.data.ActorPoolStrategy(
            size=size, enable_true_multi_threading=threads > 1, max_tasks_in_flight_per_actor=threads
        )
        request = request_of(resources) | ({"max_concurrency": threads} if threads > 1 else {})
        items = ray.data.from_items([{"items": packed(each)} for each in todo], override_num_blocks=len(todo))
        # Its own context: another node's thread may make its dataset meanwhile.
        items.context.custom_execution_callback_classes = [
            on_every_round(partial(_end_if_stopped, self._name)), following(elastic)
        ]  # fmt: skip
        with warnings.catch_warnings():
            # There is no other way yet to give a worker several threads.
            warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
            return items.map_batches(ShardWorker, fn_constructor_args=(job,), batch_size=1, compute=pool, **request)

    def whole(self, job: ShardJob) -> ShardRecord:
        """Runs a whole stage in one process of its resources, or a group; its `fan_out` uses the cluster.

        Raises NodeFailed with the stage's own error, or where no machine with room joined.
        """
        import ray

        resources = self._processes(job)
        count = resources.workers if job.stage.distributed else 1
        waiting = self._waiting(job, count)
        task, end = _begun(replace(job, ctx=replace(job.ctx, fan_out=fan_out, resources=resources)), count)
        try:
            with self._claims.hold(uuid.uuid4().hex, Claim(demand(resources), count, together=True)):
                while not ray.wait([task], timeout=SECONDS_BETWEEN_CHECKS)[0]:
                    _end_if_stopped(self._name)
                    waiting.check(machines_now(leaving=True))  # it may run on one that is drained
                record: ShardRecord = ray.get(task)
        except ray.exceptions.RayError as error:  # first: a task's own NodeFailed is both, and there is no task to end
            del end  # an actor that failed ends with its handle, which the error would keep in this frame
            raise _cause(error) from error
        except NodeFailed:
            end()
            raise
        return record

    def _processes(self, job: ShardJob) -> Resources:
        """Returns the resources of a whole stage with as many workers as start together: those that fit by now.

        On a cluster that starts machines on demand these are all, and asking for them is what it starts them for.
        """
        resources = job.ctx.resources
        if not job.stage.distributed or self._autoscaled():
            return resources
        waiting = self._waiting(job)
        while True:
            machines = self.machines()
            waiting.check(machines)
            if room := int(min(resources.workers, room_for(demand(resources), machines))):
                return resources.model_copy(update={"workers": room})
            _end_if_stopped(self._name)
            time.sleep(SECONDS_BETWEEN_CHECKS)

    def _autoscaled(self) -> bool:
        return joined() and cluster_outlook().grows

    def _waiting(self, job: ShardJob, count: int = 1) -> Waiting:
        minutes = DEFAULT_MINUTES if self._wait_minutes is None else self._wait_minutes
        worker = demand(job.ctx.resources)
        return Waiting(job.ctx.node, worker, minutes, self.log, cannot_be_started, count, self._waits_since)

    def stop(self) -> None:
        """Ends the threads that wait for shards and whole stages within a second."""
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it would report the end as an error of its own
        _stopped.add(self._name)

    def close(self) -> None:
        """Leaves the cluster if this executor connected to it; a local one ends."""
        if self._connected:
            self._connected = False
            leave()


def _begun(job: ShardJob, processes: int) -> tuple[Any, Callable[[], None]]:
    """Starts a whole stage; returns the reference of its record, and what ends it at once."""
    import ray

    resources, ephemeral = job.ctx.resources, ends_with_this_process()
    if job.stage.distributed and processes == 1:
        alone = partial(run_alone, loaders=resources.loaders, ephemeral=ephemeral)
        actor, task = start_alone(replace(job, ctx=replace(job.ctx, worker_group=alone)), request_of(resources))
        return task, partial(ray.kill, actor)
    request = request_of(resources)
    if job.stage.distributed:
        group = partial(
            train_together, resources=resources, store=job.store, folder=f"{job.folder}/work/ray", ephemeral=ephemeral
        )
        job = replace(job, ctx=replace(job.ctx, worker_group=group))
        request = {"num_cpus": 0}  # it only waits for its group, which holds the node's resources
    # Ray begins it again without end where its machine lacks memory; the last try says itself that it is.
    task = ray.remote(**request, max_retries=RESTARTS + 1)(compute_whole).remote(job, RESTARTS)
    return task, partial(ray.cancel, task, force=True)


_OF_A_SHARD = "UserCodeException"


def _cause(error: BaseException) -> Exception:
    """Returns the worker's own error out of Ray's wrappers: a ValueError as such, anything else as NodeFailed."""
    chain: list[BaseException] = [error]
    while (inner := getattr(chain[-1], "cause", None) or chain[-1].__cause__) is not None:
        if inner in chain or type(inner).__name__ == "SystemException":  # Ray Data's mark on its own errors
            break
        chain.append(inner)
    last = chain[-1]
    kind, message = type(last).__name__, str(last).strip()
    if kind == _OF_A_SHARD:
        # Ray Data's own, with its advice; the worker's is before it in the text of the trace that came with it.
        before = next(str(each) for each in chain if _OF_A_SHARD in str(each)).partition(f"{_OF_A_SHARD}: ")[0]
        kind, message = (
            re.findall(r"^(?:[a-z_][\w.]*\.)?([A-Z]\w*): (.*)$", before, re.MULTILINE) or [(kind, message)]
        )[-1]
    # A constructor's error arrives as the text of its trace, whose last line names it.
    elif named := re.findall(r"^(\w+(?:Error|Exception)): (.*)$", message, re.MULTILINE):
        kind, message = named[-1]
    if isinstance(last, NodeFailed):
        return NodeFailed(message)
    if kind.endswith("ValueError") or isinstance(last, ValueError):
        return ValueError(message)
    return NodeFailed(f"{kind}: {message.splitlines()[-1] if message else 'no message'}")


def _end_if_stopped(name: str, executor: object = None) -> None:
    """Raises NodeFailed where the executor of this name was stopped in this process.

    The thread that reads a dataset waits, and Ray Data has no other way to end it than an error in its scheduler. That
    is pickled and sent to the workers, so it has a name instead of an event.
    """
    if name in _stopped:
        raise NodeFailed("the run is being stopped")
