"""`label_candidates` over an index and three dumps of random boxes: rows/s, and whether its memory stays constant."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from jobs.benchmarks.prerequisites import in_new_process, prepare, require_success
from jobs.benchmarks.results import Measured, Section
from pipeline.data.records import Detections, Sample
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import Manifest, stored_manifests
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.shard_record import KEY, VERSION, ShardRecord
from pipeline.engine.shards import ShardJob, Worker, compute_shard, peak_memory_mb
from pipeline.engine.stage import Item, Items, MapStage, Port, Resources, Row, StageContext
from pipeline.engine.storage import Store
from pipeline.engine.watch import Watch
from stages.label_candidates import LabelCandidates

DUMPS = ("first", "second", "third")
JOINED = "joined"
INPUT_ROWS = 5000  # of a shard of the inputs
JOINED_ROWS = 500  # of a shard of the join
WIDTH, HEIGHT = 1024, 768
_LARGEST = 200.0  # box side, pixels


@dataclass(frozen=True, slots=True)
class Joined:
    """Measurements of a join.

    Attributes:
        seconds: of the node, without its planning.
        worker_mb: largest resident memory of the worker at the end of each shard, in their order; it never falls.
        planning_mb: the same of the planning process, which had `before_mb` before.
    """

    rows: int
    seconds: float
    planning_seconds: float
    worker_mb: tuple[int, ...]
    planning_mb: int
    before_mb: int

    @property
    def ends_mb(self) -> tuple[int, int]:
        """Of the worker, in the first tenth of the shards and in the last one."""
        tenth = max(1, len(self.worker_mb) // 10)
        return max(self.worker_mb[:tenth]), max(self.worker_mb[-tenth:])


class OneWorker(LocalExecutor):
    """Computes shards in one other process, as on a cluster, without Ray.

    The process starts at once: one that starts later would have the memory of this one counted as its own peak.
    """

    def __init__(self) -> None:
        """Starts the process."""
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._pool.submit(peak_memory_mb).result()

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Opens the stage there and computes shard after shard."""
        self._pool.submit(_open, job).result()
        for items in todo:
            yield self._pool.submit(_compute, items).result()

    def close(self) -> None:
        """Ends the process."""
        self._pool.shutdown()


def joining_section(images: int, boxes: int) -> Section:
    """Returns rows/s and peak memory of a join of three dumps with so many random boxes per image."""
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as folder:
        graph, store = joining_graph(images, boxes), Store(folder)
        begun = time.monotonic()
        prepare(graph, JOINED, store)
        written = time.monotonic() - begun
        found = in_new_process(join, graph, store)
    first_mb, last_mb = found.ends_mb
    name = f"joining {images:,} images, {len(DUMPS)} x {boxes} boxes"
    rows = [
        Measured(f"{name}, rows/s", found.rows / found.seconds),
        Measured(f"{name}, MB: peak of the worker, first tenth", first_mb),
        Measured(f"{name}, MB: peak of the worker, last tenth", last_mb),
        Measured(f"{name}, MB: peak of the planning process", found.planning_mb),
        Measured(f"{name}, s: planning", found.planning_seconds),
    ]
    notes = [
        f"one worker beside the planning process, without Ray; {JOINED_ROWS} rows per shard, {INPUT_ROWS:,} per shard "
        f"of the inputs, which were written in {written:.0f} s; libraries included: the planning process had "
        f"{found.before_mb} MB before it planned; tenths of the shards, in their order"
    ]
    return Section("joining", rows, notes)


def joining_graph(images: int, boxes: int) -> Graph:
    """Returns samples, one dump per name of `DUMPS`, and the node `JOINED`."""
    large = Resources(shard_rows=INPUT_ROWS)
    samples = {"samples": ("images",)}
    dumps = [
        Node(name, SyntheticDump(boxes=boxes, seed=seed), samples, resources=large)
        for seed, name in enumerate(DUMPS, start=1)
    ]
    joined = Node(
        JOINED, LabelCandidates(), {**samples, "candidates": DUMPS}, resources=Resources(shard_rows=JOINED_ROWS)
    )
    return Graph([Node("images", SyntheticSamples(images=images), resources=large), *dumps, joined])


def join(graph: Graph, store: Store) -> Joined:
    """Returns the measurements of node `JOINED`; best in a fresh process, with its inputs stored.

    Raises:
        RuntimeError: it failed.
    """
    executor, before, begun = OneWorker(), peak_memory_mb(), time.monotonic()
    try:
        require_success(Runner(graph, store, Options(frozenset({JOINED})), lambda: executor).run())
    finally:
        executor.close()  # the runner does so only where there was work
    seconds = time.monotonic() - begun
    (manifest,) = stored_manifests(store, JOINED)
    node = float(manifest.run["wall_seconds"])
    return Joined(manifest.rows, node, seconds - node, _peaks(store, manifest), peak_memory_mb(), before)


def _peaks(store: Store, manifest: Manifest) -> tuple[int, ...]:
    files = (store.read(f"{manifest.folder}/{shard.name}.json") for shard in manifest.shards)
    return tuple(record.peak_mb for file in files if (record := ShardRecord.from_json(file)))


_opened: tuple[ShardJob, Worker] | None = None


def _open(job: ShardJob) -> None:
    global _opened
    assert isinstance(job.stage, MapStage)
    _opened = job, job.stage.open(job.ctx)


def _compute(items: Sequence[Item]) -> ShardRecord:
    assert _opened is not None
    return compute_shard(*_opened, items, Watch())


class SyntheticSamples(MapStage):
    """Samples without files, with faces anywhere in them.

    Attributes:
        images: how many.
        faces: of each.
    """

    name: ClassVar[str] = "synthetic_samples"
    version: ClassVar[str] = "1"
    output: ClassVar[pa.Schema] = SAMPLES

    images: int = Field(ge=1)
    faces: int = Field(10, ge=0)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per image."""
        numbers = pc.utf8_lpad(pc.cast(pa.array(np.arange(self.images)), pa.string()), 7, "0")
        keys = pc.binary_join_element_wise("synthetic", numbers, "/")
        return Items(keys, pa.nulls(len(keys), pa.string()).fill_null(""))

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker of random rows of `SAMPLES`."""

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                boxes, _ = _sampled(0, item, self.faces)
                yield Sample(item.key, f"{item.key}.jpg", "", WIDTH, HEIGHT, boxes).to_row()

        return work


class SyntheticDump(MapStage):
    """Boxes anywhere in the images of some samples.

    Attributes:
        boxes: of each image.
        seed: one per detector.
    """

    name: ClassVar[str] = "synthetic_dump"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("samples",)
    inputs: ClassVar[dict[str, Port]] = {"samples": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = DETECTIONS

    boxes: int = Field(ge=0)
    seed: int = Field(1, ge=1)

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample."""
        rows = ctx.one("samples").listing()
        return Items(rows[KEY], rows[VERSION])

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker of random rows of `DETECTIONS`."""

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                boxes, scores = _sampled(self.seed, item, self.boxes)
                yield Detections(item.key, WIDTH, HEIGHT, boxes, scores).to_row()

        return work


def _sampled(seed: int, item: Item, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns float32 [count, 4] boxes and float32 [count] falling scores that depend on seed and image alone."""
    rng = np.random.default_rng((seed, int(item.key.rpartition("/")[2])))
    numbers = rng.random((count, 5), dtype=np.float32)
    sides = 8 + numbers[:, 2:4] * (_LARGEST - 8)
    corners = numbers[:, :2] * (np.array([WIDTH, HEIGHT], np.float32) - sides)
    return np.concatenate([corners, corners + sides], axis=1), np.sort(numbers[:, 4])[::-1]
