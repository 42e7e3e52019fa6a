"""How a node's throughput grows with the nodes of a cluster, and how nodes that run side by side share it.

The network is a stand-in that takes a fixed time per image and no processor: a cluster of eight nodes fits onto a
machine of two cores, and what is measured is what the pipeline adds. Each simulated node has one CPU, so one worker.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Final

import pyarrow as pa
from pydantic import Field

from jobs.benchmarks.joining import SyntheticSamples
from jobs.benchmarks.prerequisites import in_new_process, prepare, require_success
from jobs.benchmarks.results import Measured, Section
from jobs.benchmarks.shard_spans import (
    ShardSpan,
    all_busy,
    busy_workers,
    by_worker,
    efficiencies,
    rate_between,
    rate_of,
    read_spans,
)
from jobs.simulated.small_cluster import SmallCluster
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.shard_record import KEY
from pipeline.engine.stage import AUTO, Item, Items, MapStage, Port, Resources, Row, StageContext
from pipeline.engine.storage import Store

ROOT = Path(__file__).resolve().parents[2]
IMAGES, BOXES = "images", "boxes"
COSTS: Final = (0.5, 1.0, 2.0)  # of an image of the detectors side by side, as multiples of the given seconds
_EMPTY: Final = Detections("", 1024, 768).to_row()


class SleepingDetector(MapStage):
    """Detections without boxes, each after a fixed time that takes no processor.

    Attributes:
        seconds: of an image.
    """

    name: ClassVar[str] = "sleeping_detector"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples",)
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = DETECTIONS

    seconds: float = Field(gt=0)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample."""
        rows = ctx.one("samples").listing(["content_hash"])
        return Items(rows[KEY], rows["content_hash"])

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker of empty rows."""

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                time.sleep(self.seconds)
                yield {**_EMPTY, "image_id": item.key}

        return work


@dataclass(frozen=True, slots=True)
class ClusterRun:
    """One run of some nodes on a cluster.

    Attributes:
        spans: node -> its shards, in the order in which they began.
        begun: when the run began, in seconds since the epoch.
        seconds: of the whole run, from joining the cluster to its end.
    """

    spans: Mapping[str, tuple[ShardSpan, ...]]
    begun: float
    seconds: float


def scaling_section(sizes: Sequence[int], images: int, seconds: float, shard_rows: int) -> Section:
    """Returns throughput and efficiency of one node of the graph on clusters of so many simulated nodes.

    Args:
        sizes: numbers of nodes, one among them.
        images: for each node of the cluster.
        seconds: of the stand-in network for an image.
        shard_rows: images of a shard.
    """
    runs: dict[int, ClusterRun] = {}
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place, joined_cluster() as nodes:
        there = 0
        for size in sorted(sizes):
            for _ in range(size - there):
                nodes.add(1)
            there, store = size, Store(f"{place}/{size}")
            graph = sleeping_graph(size * images, {BOXES: seconds}, shard_rows)
            prepare(graph, BOXES, store)
            runs[size] = in_new_process(run_on_cluster, graph, (BOXES,), store)
    return Section("scaling", scaling_rows(runs), [
        f"{images} images a node, {seconds:g} s each, {shard_rows} a shard; one worker a node",
        "steady state: while every worker has work; first to last shard: with the start of the workers one after "
        "the other, and the end in which some have none; whole: with joining the cluster, planning, opening, manifest",
        *(_limits(size, run.spans[BOXES], run) for size, run in runs.items()),
    ])  # fmt: skip


@contextmanager
def joined_cluster() -> Iterator[SmallCluster]:
    """Starts a cluster that the processes started inside join, and ends it. Raises RuntimeError: it did not start."""
    # Eight raylets that start on two cores are silent for more than a second.
    cluster = SmallCluster(environment={"PYTHONPATH": str(ROOT)}, patient=True)
    before = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield cluster
    finally:
        os.environ.pop("RAY_ADDRESS")
        if before is not None:
            os.environ["RAY_ADDRESS"] = before
        cluster.close()


def scaling_rows(runs: Mapping[int, ClusterRun]) -> list[Measured]:
    """Returns images/s and efficiency of each number of nodes, in steady state, from first to last shard, and whole."""
    spans = {size: run.spans[BOXES] for size, run in runs.items()}
    rates = {
        "steady state": {size: rate_between(each, *all_busy(each)) for size, each in spans.items()},
        "first to last shard": {size: rate_of(each) for size, each in spans.items()},
        "whole": {size: sum(s.rows for s in each) / runs[size].seconds for size, each in spans.items()},
    }
    rows = []
    for what, found in rates.items():
        efficiency = efficiencies(found)
        for size, rate in found.items():
            rows.append(Measured(f"scaling, {what}, {size} nodes, images/s", rate))
            rows.append(Measured(f"scaling, {what}, {size} nodes, efficiency", efficiency[size]))
    return rows


def sharing_section(workers: int, images: int, seconds: float, shard_rows: int) -> Section:
    """Returns how three detectors of different cost share the workers of a cluster of simulated nodes.

    Args:
        workers: nodes of the cluster, of one worker each.
        images: for each of the detectors.
        seconds: of the middle detector for an image; the others take half and twice as long.
        shard_rows: images of a shard.
    """
    costs = {f"detector_{number}": cost * seconds for number, cost in enumerate(COSTS, 1)}
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place, joined_cluster() as nodes:
        for _ in range(workers):
            nodes.add(1)
        graph, store = sleeping_graph(images, costs, shard_rows), Store(place)
        prepare(graph, next(iter(costs)), store)
        run = in_new_process(run_on_cluster, graph, tuple(costs), store)
    return Section("sharing", sharing_rows(run, workers), [
        f"{workers} workers; {images} images for each of three detectors of "
        f"{', '.join(f'{cost:g}' for cost in costs.values())} s an image, {shard_rows} images a shard",
        "phases: while so many of the detectors have shards, from the first shard of the run on",
        *(f"{node}: {_starts(run.spans[node], run.begun)}; {_pauses(run.spans[node])}" for node in costs),
    ])  # fmt: skip


def sharing_rows(run: ClusterRun, workers: int) -> list[Measured]:
    """Returns the busy workers of each detector in each phase, and the share of all workers' time with a shard."""
    rows = []
    for begin, end, left in phases(run.spans):
        name = f"sharing, {len(left)} detectors with work for {end - begin:.0f} s"
        found = {node: busy_workers(run.spans[node], begin, end) for node in left}
        rows += [Measured(f"{name}, busy workers of {node}", busy) for node, busy in found.items()]
        rows.append(Measured(f"{name}, busy share of all", sum(found.values()) / workers))
    every = [span for spans in run.spans.values() for span in spans]
    begin, end = min(s.begun for s in every), max(s.ended for s in every)
    rows.append(Measured("sharing, busy share from first to last shard", busy_workers(every, begin, end) / workers))
    rows.append(Measured("sharing, seconds before the first shard", begin - run.begun))
    return rows


def phases(spans: Mapping[str, Sequence[ShardSpan]]) -> list[tuple[float, float, tuple[str, ...]]]:
    """Returns begin, end and nodes of each part of a run: those that have shards left; a part ends where one ends."""
    ends = sorted((max(s.ended for s in each), node) for node, each in spans.items())
    begin, found = min(s.begun for each in spans.values() for s in each), []
    for number, (end, _) in enumerate(ends):
        if end > begin:
            found.append((begin, end, tuple(sorted(node for _, node in ends[number:]))))
        begin = max(begin, end)
    return found


def sleeping_graph(images: int, costs: Mapping[str, float], shard_rows: int) -> Graph:
    """Returns samples, and for each name a stand-in detector of its seconds an image, with as many workers as fit."""
    resources = Resources(workers=AUTO, shard_rows=shard_rows)
    detectors = [
        Node(name, SleepingDetector(seconds=cost), {"samples": (IMAGES,)}, resources=resources)
        for name, cost in costs.items()
    ]
    samples = Node(IMAGES, SyntheticSamples(images=images, faces=0), resources=Resources(shard_rows=1000))
    return Graph([samples, *detectors])


def run_on_cluster(graph: Graph, nodes: Sequence[str], store: Store) -> ClusterRun:
    """Returns one run of some nodes on the cluster of `RAY_ADDRESS`, whose store is on this machine's disks.

    Raises:
        RuntimeError: a node failed.
    """
    from pipeline.cluster.ray_executor import RayExecutor

    begun, started = time.time(), time.monotonic()
    outcome = Runner(graph, store, Options(frozenset(nodes)), RayExecutor).run()
    seconds = time.monotonic() - started
    require_success(outcome)
    spans = {}
    for node in nodes:
        (manifest,) = stored_manifests(store, node)
        spans[node], _ = read_spans(Path(store.path(manifest.folder)))
    return ClusterRun(spans, begun, seconds)


def _limits(size: int, spans: Sequence[ShardSpan], run: ClusterRun) -> str:
    """Returns where the time of a run on so many nodes went."""
    first, last = min(s.begun for s in spans), max(s.ended for s in spans)
    begin, end = all_busy(spans)
    return (
        f"{size} nodes: {first - run.begun:.1f} s to the first shard, {begin - first:.1f} s until all workers had one, "
        f"{end - begin:.1f} s of steady state, {last - end:.1f} s in which some had none, "
        f"{run.begun + run.seconds - last:.1f} s after the last; {_pauses(spans)}"
    )


def _starts(spans: Sequence[ShardSpan], begun: float) -> str:
    """Returns when each worker of a detector had its first shard and ended its last one."""
    times = [(each[0].begun - begun, each[-1].ended - begun) for each in by_worker(spans).values()]
    return "workers from " + ", ".join(f"{first:.0f} to {last:.0f} s" for first, last in sorted(times))


def _pauses(spans: Sequence[ShardSpan]) -> str:
    pauses = [later.begun - earlier.ended for each in by_worker(spans).values() for earlier, later in pairwise(each)]
    return f"{1000 * sum(pauses) / max(1, len(pauses)):.0f} ms between two shards of a worker"
