"""Speculative execution: stragglers are started a second time on another machine, and the first to finish counts.

Once no shard of a node waits, its workers have had those that are left for as long as that lasts. Where it lasts
several times the median of the finished ones, and another machine has room for a worker, each gets a second try there.
As soon as every shard is finished in one way or the other, the workers of the slow tries are ended.

Both tries write the same names. Where computing is exact they write the same bytes; where it is not (two kinds of GPU),
what is stored at the end, when no try runs any more, is compared with its hash.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final

from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.runner import NodeFailed
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, shard_name
from pipeline.engine.stage import Item

TIMES_THE_MEDIAN: Final = 3.0
SHORTEST_SECONDS: Final = 30.0
"""Before this a second try would take longer to open its model than it can save."""
FEWEST: Final = 3  # finished shards, of which the median says something
SECONDS_TO_END: Final = 30.0  # for a worker that is killed, perhaps on a machine that does not answer


class AllFinishedError(Exception):
    """Ends the first tries that go on: every shard that they are at has been finished by a second one."""


@dataclass
class SecondTries:
    """The shards of one node that are computed by a pool, and the second tries of some.

    Attributes:
        job: of the node.
        todo: its shards.
        start: starts a worker on a machine, by its id, with a shard; returns it and the reference to its record.
        log: takes a line for each second try.
        clock: gives seconds.
    """

    job: ShardJob
    todo: Sequence[tuple[Item, ...]]
    start: Callable[[ShardJob, str, tuple[Item, ...]], tuple[Any, Any]]
    log: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _seconds: dict[str, float] = field(default_factory=dict)  # of finished shards, by name
    _since: float | None = None  # when the last shard was handed out
    _tries: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # worker and reference, by name
    _found: set[str] = field(default_factory=set)  # names of those that have finished
    _failed: set[str] = field(default_factory=set)
    _slow: list[Any] = field(default_factory=list)  # workers of first tries, at the end
    _guard: Lock = field(default_factory=Lock, repr=False)

    def first(self, record: ShardRecord) -> ShardRecord:
        """Counts a shard that its first try has finished; returns what is stored of it."""
        with self._guard:
            self._seconds[record.name] = record.seconds
            second = self._tries.get(record.name)
        if second is None:
            return record
        _end(second[0])
        return self._stored(record.name)

    @property
    def complete(self) -> bool:
        """Whether every shard is finished, some by a second try alone."""
        return bool(self._found) and len(self._seconds.keys() | self._found) == len(self.todo)

    def rest(self) -> list[ShardRecord]:
        """Returns the records of all shards that `first` has not counted, where the node is `complete`."""
        for worker in (*self._slow, *(worker for name, (worker, _) in self._tries.items() if name not in self._found)):
            _end(worker)
        return [self._stored(name) for name in sorted(self._found - self._seconds.keys())]

    def close(self) -> None:
        """Ends the second tries that still run."""
        for name, (worker, _) in self._tries.items():
            if name not in self._found:
                _end(worker)

    def check(self, waiting: int, busy: Mapping[Any, str], room: Callable[[], Collection[str]]) -> None:
        """Starts second tries where they are due, and takes those that have finished.

        Args:
            waiting: shards that are not handed out.
            busy: workers that have a shard -> the ids of their machines.
            room: gives the ids of the machines that have room for a worker now, once for each worker.

        Raises AllFinishedError: every shard is finished.
        """
        self._take()
        if self.complete:
            self._slow = list(busy)
            raise AllFinishedError
        now = self.clock()
        if waiting or not busy:
            self._since = None
            return
        if self._since is None:
            self._since = now
        with self._guard:
            if len(self._tries.keys() | self._seconds) == len(self.todo) or len(self._seconds) < FEWEST:
                return
            usual = statistics.median(self._seconds.values())
            if (lasts := now - self._since) >= max(SHORTEST_SECONDS, TIMES_THE_MEDIAN * usual):
                self._start([machine for machine in room() if machine not in busy.values()], lasts, usual)

    def _start(self, machines: Sequence[str], lasts: float, usual: float) -> None:
        if not machines:
            return
        others = self._seconds.keys() | self._tries
        parts = {name: part for part in self.todo if (name := shard_name(part)) not in others}
        for (name, part), machine in zip(parts.items(), machines, strict=False):
            known = f"half of the others took {usual:.1f} s or less"
            line = f"{name} has been with its worker for {lasts:.0f} s at least, and {known}"
            self.log(f"{self.job.ctx.node}: {line}: started a second time on another machine")
            job = replace(self.job, run_id=f"{self.job.run_id}.second")  # with its own marks of what was tried
            self._tries[name] = self.start(job, machine, part)

    def _take(self) -> None:
        import ray

        with self._guard:
            known = self._found | self._failed | self._seconds.keys()
        refs = {ref: name for name, (_, ref) in self._tries.items() if name not in known}
        if not refs:
            return
        for ref in ray.wait(list(refs), num_returns=len(refs), timeout=0)[0]:
            try:
                ray.get(ref)
                self._found.add(refs[ref])
                ray.kill(self._tries[refs[ref]][0])  # it has written, and makes room for the next
            except ray.exceptions.RayError as error:
                with self._guard:
                    if refs[ref] in self._seconds:  # `first` has ended it meanwhile
                        continue
                self._failed.add(refs[ref])  # the first try goes on
                self.log(f"{self.job.ctx.node}: the second try of {refs[ref]} failed: {type(error).__name__}")

    def _stored(self, name: str) -> ShardRecord:
        """Returns the record of a shard that was tried twice, once no try of it runs any more.

        Raises NodeFailed where it is not that of the rows: the tries gave other bytes, and one was ended as it wrote.
        """
        store, folder = self.job.store, self.job.folder
        data, rows = (store.read_or_none(f"{folder}/{name}.{kind}") for kind in ("json", "parquet"))
        record = ShardRecord.from_json(data) if data else None
        if record is None or rows is None or hash_bytes(rows) != record.content_hash:
            store.delete(f"{folder}/{name}.json")
            raise NodeFailed(
                f"two tries of {name} on two machines gave other bytes, and one was ended while it wrote; the same "
                "command computes this shard again"
            )
        return record


def _end(worker: Any) -> None:
    """Ends a worker; returns once it writes nothing more, as far as its machine says so."""
    import ray

    ray.kill(worker)
    with suppress(ray.exceptions.RayError):
        ray.get(worker.__ray_ready__.remote(), timeout=SECONDS_TO_END)
