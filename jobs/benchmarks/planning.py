"""What plan, resume, an empty run, `status` and `clean` cost over many images in three nodes: time, memory, growth."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, Final

import pyarrow as pa

from jobs.benchmarks.joining import SyntheticSamples
from jobs.benchmarks.prerequisites import compute, in_new_process, require_success
from jobs.benchmarks.results import Measured, Section
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS, SAMPLES
from pipeline.engine.garbage import unused_files
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import SHARD
from pipeline.engine.plan import Decision, Options, plan
from pipeline.engine.shard_record import KEY, VERSION
from pipeline.engine.shards import peak_memory_mb
from pipeline.engine.stage import Item, Items, MapStage, Port, Resources, Row, StageContext
from pipeline.engine.storage import Store
from stages.cli.stored import status_line

IMAGES, BOXES, FOUND = NODES = ("images", "boxes", "found")
SHARD_ROWS: Final = 100
_EMPTY: Final = Detections("", 1024, 768).to_row()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work takes.

    Attributes:
        seconds, cpu_seconds: of a wall clock, and of the processor.
        memory_mb: the largest resident memory, libraries included.
        requests: to the stand-in for S3; None without one.
    """

    seconds: float
    cpu_seconds: float
    memory_mb: int
    requests: int | None


@dataclass(frozen=True, slots=True)
class Far:
    """A stand-in for S3, by its URL, and how many seconds each of its answers takes."""

    server: str
    delay: float


def planning_section(sizes: Sequence[int], store: str | None, delay_ms: float | None = None) -> Section:
    """Returns the costs of planning over so many images each; without a store in a temporary folder.

    A store that is given keeps the outputs, one folder per size: another run measures them again. With a delay the
    store is a stand-in for S3 on this machine that answers every request after so many milliseconds.
    """
    with ExitStack() as open_:
        far = None
        if delay_ms is not None:
            from jobs.benchmarks.slow_s3 import BUCKET, slow_s3  # with aiohttp, which no measured process has use for

            far, store = Far(open_.enter_context(slow_s3()), delay_ms / 1000), f"s3://{BUCKET}"
        place = store or open_.enter_context(tempfile.TemporaryDirectory(prefix="wider8k-benchmark-"))
        for images in sizes:
            prepared = in_new_process(compute, planning_graph(images), frozenset(NODES), Store(f"{place}/{images}"))
            require_success(prepared)
        costs = {images: _costs(images, Store(f"{place}/{images}"), far) for images in sizes}
    rows = []
    for what in WORK:
        for images, found in costs.items():
            name = f"{what}, {images:,} images x {len(NODES)} nodes"
            rows.append(Measured(f"{name}, s", found[what].seconds))
            rows.append(Measured(f"{name}, s of one core", found[what].cpu_seconds))
            rows.append(Measured(f"{name}, MB", found[what].memory_mb))
            if (requests := found[what].requests) is not None:
                rows.append(Measured(f"{name}, requests", requests))
        if len(sizes) > 1:
            rows.append(Measured(f"{what}, growth exponent", growth({n: costs[n][what].cpu_seconds for n in sizes})))
    slow = "" if delay_ms is None else f"; {delay_ms:g} ms a request to a stand-in for S3"
    notes = [f"{SHARD_ROWS} rows a shard; each in a process of its own; the growth is of the seconds of one core{slow}"]
    return Section("planning", rows, notes)


def growth(seconds: Mapping[int, float]) -> float:
    """Returns the exponent between the smallest and the largest size: 1 where ten times as many take ten times."""
    low, high = min(seconds), max(seconds)
    return math.log(seconds[high] / seconds[low]) / math.log(high / low)


def planning_graph(images: int) -> Graph:
    """Returns samples, detections planned with columns of them, and detections planned with those."""
    resources = Resources(shard_rows=SHARD_ROWS)
    return Graph(
        [
            Node(IMAGES, SyntheticSamples(images=images, faces=0), resources=resources),
            Node(BOXES, NoBoxes(), {"rows": (IMAGES,)}, resources=resources),
            Node(FOUND, NoneFound(), {"rows": (BOXES,)}, resources=resources),
        ]
    )


class NoBoxes(MapStage):
    """Detections without boxes, one row per sample, planned as `predict` is."""

    name: ClassVar[str] = "no_boxes"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("rows",)
    inputs: ClassVar[dict[str, Port]] = {"rows": Port(SAMPLES)}
    output: ClassVar[pa.Schema] = DETECTIONS

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per sample, with where its image is."""
        rows = ctx.one("rows").listing(["content_hash", "path", "width", "height"])
        return Items(rows[KEY], rows["content_hash"], rows.select(["path", "width", "height"]))

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns a worker of empty rows."""
        return lambda items: ({**_EMPTY, "image_id": item.key} for item in items)


class NoneFound(NoBoxes):
    """Detections without boxes, one row per row of other detections, planned as `suppress` is."""

    name: ClassVar[str] = "none_found"
    inputs: ClassVar[dict[str, Port]] = {"rows": Port(DETECTIONS)}

    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns one item per row, with its shard."""
        rows = ctx.one("rows").listing()
        return Items(rows[KEY], rows[VERSION], rows.select([SHARD]))


def _costs(images: int, store: Store, far: Far | None) -> dict[str, Cost]:
    """Returns what each piece of `WORK` takes, in its order."""
    return {what: in_new_process(_cost, work, images, store, far) for what, work in WORK.items()}


def _cost(work: Callable[[Graph, Store], None], images: int, store: Store, far: Far | None) -> Cost:
    graph = planning_graph(images)
    with _without_manifest(graph, store) if work in _AFTER_A_KILL else nullcontext():
        _count_requests(far, slow=True)
        begun, used = time.monotonic(), time.process_time()
        work(graph, store)
        seconds, cpu_seconds = time.monotonic() - begun, time.process_time() - used
        return Cost(seconds, cpu_seconds, peak_memory_mb(), _count_requests(far, slow=False))


def _count_requests(far: Far | None, slow: bool) -> int | None:
    """Returns how many requests a stand-in had since the last time; from now on its answers take their time or none."""
    if far is None:
        return None
    from jobs.benchmarks.slow_s3 import wait  # with aiohttp, which a process has no use for without a stand-in

    return wait(far.server, far.delay if slow else 0)


@contextmanager
def _without_manifest(graph: Graph, store: Store) -> Iterator[None]:
    """Takes the manifest of the last node away, as if its run had been killed at the end, and puts it back."""
    planned = plan(graph, store, Options(frozenset(NODES)))[FOUND]
    name = f"{FOUND}/{planned.row_fingerprint}/manifest-{planned.fingerprint}.json"
    manifest = store.read(name)
    store.delete(name)
    try:
        yield
    finally:
        store.write(name, manifest)


def _plan(graph: Graph, store: Store) -> None:
    plan(graph, store, Options(frozenset(NODES)))


def _run(graph: Graph, store: Store) -> None:
    require_success(compute(graph, frozenset(NODES), store))


def _status(graph: Graph, store: Store) -> None:
    for planned in plan(graph, store, Options(frozenset(NODES))).values():
        status_line(store, planned)


def _clean(graph: Graph, store: Store) -> None:
    list(unused_files(store, plan(graph, store, Options(frozenset(NODES)))))


def _plan_first(graph: Graph, store: Store) -> None:
    """Plans the last node as if nothing of it were stored."""
    plan(graph, store, Options(frozenset(NODES), force=frozenset({FOUND})))


def _plan_after_a_kill(graph: Graph, store: Store) -> None:
    """Plans the last node from the records of its shards: its manifest is gone."""
    found = plan(graph, store, Options(frozenset(NODES)))[FOUND]
    assert found.decision is Decision.RESUME, found.reason


def _run_after_a_kill(graph: Graph, store: Store) -> None:
    """Finishes the last node from the shards that a killed run left: all that a resumed run does but computing."""
    outcome = compute(graph, frozenset(NODES), store)
    require_success(outcome)
    assert outcome.computed == [FOUND], outcome.computed


_AFTER_A_KILL = (_plan_after_a_kill, _run_after_a_kill)
WORK: Final[Mapping[str, Callable[[Graph, Store], None]]] = {
    "plan": _plan,
    "run without work": _run,
    "status": _status,
    "clean": _clean,
    "plan of a node without shards": _plan_first,
    "plan after a kill": _plan_after_a_kill,
    "run after a kill": _run_after_a_kill,
}
