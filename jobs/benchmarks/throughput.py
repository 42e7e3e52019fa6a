"""The pipeline's images/s against the bare network, a worker's memory, and bytes in the object store."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jobs.benchmarks.alternate import conditions, cost_rows, pace_rows, round_notes, rows_of_shard, run_rounds
from jobs.benchmarks.detecting import BOXES, bench_of, detecting, detecting_graph
from jobs.benchmarks.pipeline_run import PipelineRun, run_node
from jobs.benchmarks.results import Measured, Section
from pipeline.engine.stage import Resources

INSIDE = (
    "ours, steady state: from the first shard's begin to the last one's end. In it: reading and decoding the files, "
    "enlarging, the network, the best 5,000, Parquet, fsync, records, all that Ray does meanwhile, and every worker's "
    "first, slower pass. Not in it: the start of Ray and of the workers (imports, weights)"
)
PEER = "peer: the same network over images decoded in memory, warmed up, nothing written"


def throughput_section(
    canvas: str,
    images: int,
    detector: str,
    shared: Path | None,
    rounds: int,
    workers: int,
    tile_budget_gb: float | None = None,
) -> Section:
    """Returns the lines of one canvas: medians over rounds in which ours and the peer alternate.

    Args:
        canvas: as in `Predict`; `detector` likewise.
        images: how many.
        detector: see `bench_of`; `shared` likewise.
        shared: folder of real data, or None.
        rounds: measurements of either side, in turn; the slower way of each in the first round only.
        workers: cores for either: as many processes of one thread, or one process of as many threads.
        tile_budget_gb: memory of one worker in one more run with tiles, None for no such run.
    """
    name = f"pipeline-{canvas}"
    with bench_of(images, canvas, shared, detector) as bench:
        graph = partial(detecting_graph, bench.model, bench.folder)
        found = run_rounds(bench, graph, BOXES, partial(detecting, bench.model, bench.files), workers, rounds)
        rows = [*pace_rows(found, name), *cost_rows(found, name)]
        shard_rows = rows_of_shard(images, workers)
        if tile_budget_gb is not None:
            resources = Resources(workers=workers, shard_rows=shard_rows)
            run = run_node(graph(resources, tile_budget_gb), BOXES, bench.store)
            rows += _tile_rows(f"{name} in tiles for {tile_budget_gb:g} GB", run)
    notes = [
        f"{bench.origin}, {bench.network}, canvas {canvas}",
        conditions(rounds, workers, shard_rows, found.loads),
        *round_notes(found, INSIDE, PEER),
        "object store: the pickled ids and paths that go in and the records that come out, no pixel and no box; "
        "Ray's own framing adds about 3 KB per shard",
    ]
    return Section(name, rows, notes)


def _tile_rows(name: str, run: PipelineRun) -> list[Measured]:
    return [
        Measured(f"{name}, images/s: steady state", run.rate),
        Measured(f"{name}, MB: peak memory of a worker", run.peak_mb),
        Measured(f"{name}, bytes/image: payload through the object store", run.bytes_through_store / run.images),
    ]
