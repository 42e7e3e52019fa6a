"""The pipeline's images/s against the bare network, a worker's memory, and bytes in the object store."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jobs.benchmarks.alternate import Way, conditions, cost_rows, pace_rows, round_notes, take_turns
from jobs.benchmarks.baseline import bare_loop
from jobs.benchmarks.detecting import BOXES, Model, detecting, detecting_graph
from jobs.benchmarks.images import gather, model_for
from jobs.benchmarks.pipeline_run import PipelineRun, run_node
from jobs.benchmarks.results import Measured, Section, alone
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store

INSIDE = (
    "ours, steady state: from the first shard's begin to the last one's end. In it: reading and decoding the files, "
    "enlarging, the network, the best 5,000, Parquet, fsync, records, all that Ray does meanwhile, and every worker's "
    "first, slower pass. Not in it: the start of Ray and of the workers (imports, weights)"
)
PEER = "peer: the same network over images decoded in memory, warmed up, nothing written"


@dataclass(frozen=True, slots=True)
class Load:
    """What a section runs; canvas and detector as in `Predict`.

    Attributes:
        rounds: measurements of either side, in turn; the slower way of each in the first round only.
        workers: cores for either: as many processes of one thread, or one process of as many threads.
        tile_budget_gb: memory of one worker in one more run with tiles, None for no such run.
        shared: folder of real data, or None.
    """

    name: str
    canvas: str
    images: int
    rounds: int
    workers: int
    detector: str
    tile_budget_gb: float | None
    shared: Path | None
    command: str


def throughput_section(load: Load) -> Section:
    """Returns the lines of one canvas: medians over rounds in which ours and the peer alternate."""
    with (
        tempfile.TemporaryDirectory(prefix="wider8k-images-") as images,
        tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as folder,
    ):
        files, origin = gather(Path(images), load.images, load.shared)
        model, network = model_for(Path(folder), load.canvas, load.shared, load.detector)
        shard_rows = max(1, len(files) // (8 * load.workers))
        ours = partial(_run, model, Path(images), Store(f"{folder}/store"), shard_rows)
        peer = partial(detecting, model, files)
        rounds = take_turns(ours, lambda way: bare_loop(peer, len(files), *way), load.workers, load.rounds)
        rows = [*pace_rows(rounds, load.name, load.command), *cost_rows(rounds, load.name, load.command)]
        if load.tile_budget_gb is not None:
            rows += _tile_rows(load, ours((load.workers, 1), load.tile_budget_gb))
    notes = [
        f"{origin}, {network}, canvas {load.canvas}",
        conditions(load.rounds, load.workers, shard_rows, rounds.loads),
        *round_notes(rounds, INSIDE, PEER),
        "object store: the pickled ids and paths that go in and the records that come out, no pixel and no box; "
        "Ray's own framing adds about 3 KB per shard",
    ]
    return Section(load.name, rows, notes)


def _run(model: Model, folder: Path, store: Store, rows: int, way: Way, budget: float | None = None) -> PipelineRun:
    resources = Resources(workers=way[0], cpus=way[1], shard_rows=rows)
    return run_node(detecting_graph(model, folder, resources, budget), BOXES, store)


def _tile_rows(load: Load, run: PipelineRun) -> list[Measured]:
    name, crossing = f"{load.name} in tiles for {load.tile_budget_gb:g} GB", run.bytes_through_store / run.images
    return [
        alone(f"{name}, images/s: steady state", run.rate, load.command),
        alone(f"{name}, MB: peak memory of a worker", run.peak_mb, load.command),
        alone(f"{name}, bytes/image: payload through the object store", crossing, load.command),
    ]
