"""One run of a pipeline node on Ray, measured from its shards' records."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.benchmarks.cpu_watch import CpuWatch
from jobs.benchmarks.prerequisites import prepare, require_success
from jobs.benchmarks.shard_spans import ShardSpan, by_worker, rate_of, read_spans
from pipeline.cluster.ray_executor import RayExecutor
from pipeline.cluster.shard_worker import packed
from pipeline.engine.graph import Graph
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob
from pipeline.engine.stage import Item
from pipeline.engine.storage import Store


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run of the node.

    Attributes:
        shards: in the order in which they began.
        seconds: of the whole node, the start of Ray and of its workers included.
        peak_mb: largest resident memory of one worker.
        bytes_through_store: through Ray's object store: item lists in, records out.
        errors: rows that hold one.
        worker_cores: busy cores of the workers on average in steady state, None where it was too short.
        other_cores: likewise of Ray's own processes and this one.
    """

    shards: tuple[ShardSpan, ...]
    seconds: float
    peak_mb: int
    bytes_through_store: int
    errors: int
    worker_cores: float | None = None
    other_cores: float | None = None

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(shard.rows for shard in self.shards)

    @property
    def rate(self) -> float:
        """Images/s in steady state: from the first shard's begin to the last shard's end."""
        return rate_of(self.shards)

    @property
    def busy_rate(self) -> float:
        """Images/s of the workers while they have shards: each one's own pace from begin to end, added up."""
        return sum(rate_of(shards) for shards in by_worker(self.shards).values())


class CountingExecutor(RayExecutor):
    """Ray, with a count of the bytes that are handed to it and come back."""

    bytes_counted = 0

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Computes shards as `RayExecutor` does; adds up the packed items and the records."""
        self.bytes_counted += sum(len(packed(items)) for items in todo)
        for record in super().shards(job, todo):
            self.bytes_counted += len(record.to_json())
            yield record


def run_node(graph: Graph, node: str, store: Store) -> PipelineRun:
    """Returns the measurements of one run of a node; Ray starts and ends within.

    Its prerequisites are computed before, unless they are stored; its own earlier output is removed. The store is on
    this machine's disks.

    Raises:
        RuntimeError: a node failed.
    """
    prepare(graph, node, store)
    started = time.monotonic()
    with CpuWatch() as watch:
        executor = CountingExecutor()
        outcome = Runner(graph, store, Options(frozenset({node})), lambda: executor).run()
    seconds = time.monotonic() - started
    require_success(outcome)
    (manifest,) = stored_manifests(store, node)
    shards, peak = read_spans(Path(store.path(manifest.folder)))
    begun, ended = shards[0].begun, max(shard.ended for shard in shards)
    workers = {int(shard.host.rpartition(":")[2]) for shard in shards}
    return PipelineRun(
        shards,
        seconds,
        peak,
        executor.bytes_counted,
        len(manifest.errors),
        watch.cores(begun, ended, only=workers),
        watch.cores(begun, ended, but=workers),
    )
