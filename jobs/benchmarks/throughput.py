"""Images/s of a node of the pipeline on Ray against the bare network over images in memory; memory, object store."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jobs.benchmarks.alternate import conditions, cost_rows, pace_rows, round_notes, rows_of_shard, run_rounds
from jobs.benchmarks.baseline import Work
from jobs.benchmarks.detecting import BOXES, IMAGES, Bench, bench_of, detecting, detecting_graph
from jobs.benchmarks.pipeline_run import run_node
from jobs.benchmarks.results import Measured, Section, cores
from pipeline.data.canvas import parse_canvas
from pipeline.data.images import decode
from pipeline.data.records import Detections, read_detections
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from stages.rerank import Rerank

RANKED = "ranked"  # name of the node
CANVAS = "1024"  # of the candidates that are re-ranked
IOU = 0.4
INSIDE = (
    "ours, steady state: from the first shard's begin to the last one's end. In it: reading and decoding the files, "
    "{work}, Parquet, fsync, records, all that Ray does meanwhile, and every worker's first, slower pass. Not in it: "
    "{before}the start of Ray and of the workers (imports, weights)"
)


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
        detector: see `bench_of`.
        shared: folder of real data, or None.
        rounds: measurements of either side, in turn; the slower way of each in the first round only.
        workers: cores for either: as many processes of one thread, or one process of as many threads.
        tile_budget_gb: memory of one worker in one more run with tiles, None for no such run.
    """
    name, shard_rows = f"pipeline-{canvas}", rows_of_shard(images, workers)
    with bench_of(images, canvas, shared, detector) as bench:
        graph = partial(detecting_graph, bench.model, bench.folder)
        found = run_rounds(bench, graph, BOXES, partial(detecting, bench.model, bench.files), workers, rounds)
        rows = [*pace_rows(found, name), *cost_rows(found, name)]
        if tile_budget_gb is not None:
            resources = Resources(workers=workers, shard_rows=shard_rows)
            run = run_node(graph(resources, tile_budget_gb), BOXES, bench.store)
            tiled, crossing = f"{name} in tiles for {tile_budget_gb:g} GB", run.bytes_through_store / run.images
            rows += [
                Measured(f"{tiled}, images/s: steady state", run.rate),
                Measured(f"{tiled}, MB: peak memory of a worker", run.peak_mb),
                Measured(f"{tiled}, bytes/image: payload through the object store", crossing),
            ]
    inside = INSIDE.format(work="enlarging, the network, the best 5,000", before="")
    notes = [
        f"{bench.origin}, {bench.network}, canvas {canvas}",
        conditions(rounds, workers, shard_rows, found.loads),
        *round_notes(found, inside, "peer: the same network over images decoded in memory, warmed up, nothing written"),
        "object store: the packed ids and paths that go in and the records that come out, no pixel and no box; "
        "Ray's own framing adds about 3 KB per shard",
    ]
    return Section(name, rows, notes)


def reranking_section(ranker: str, size: str, images: int, shared: Path | None, rounds: int, workers: int) -> Section:
    """Returns the lines of the network alone, and of network and suppression, with the notes of either side.

    Args:
        ranker: entry of `RANKERS`, with random weights.
        size: as in `Rerank`.
        images: see `throughput_section`, as for what follows.
        shared: likewise.
        rounds: likewise.
        workers: likewise.
    """
    with bench_of(images, CANVAS, shared) as bench:
        weights = ranker_for(bench.place, ranker)
        alone, whole = (
            run_rounds(
                bench,
                partial(reranking_graph, bench, weights, size, iou),
                RANKED,
                partial(reranking, bench, weights, size, iou),
                workers,
                rounds,
            )
            for iou in (None, IOU)
        )
    name = f"reranking, {ranker} at {size}"
    rows = [
        *pace_rows(alone, f"{name}, network"),
        *pace_rows(whole, f"{name}, with NMS"),
        *cost_rows(whole, f"{name}, with NMS"),
    ]
    inside = INSIDE.format(work="the shards of candidates, the ranker", before="the candidates, ")
    peer = "peer: the same ranker over images decoded and candidates read in memory, warmed up, nothing written"
    measured = conditions(rounds, workers, rows_of_shard(images, workers), [*alone.loads, *whole.loads])
    notes = [
        f"{bench.origin}, the best 5,000 candidates of {bench.network} at {CANVAS}; {ranker} with random weights; "
        f"{measured}",
        *(f"network: {note}" for note in round_notes(alone, inside, peer)),
        *(f"with NMS: {note}" for note in round_notes(whole, "the same on both sides", "peer")),
    ]
    return Section("reranking", rows, notes)


def reranking_graph(bench: Bench, weights: Path, size: str, iou: float | None, resources: Resources) -> Graph:
    """Returns index, candidates, and the node `RANKED` with these resources."""
    # Shards of one size, as in a config that says nothing: each is read for one of the node's.
    before = Resources(cpus=cores(), shard_rows=resources.shard_rows)
    first = detecting_graph(bench.model, bench.folder, before)
    inputs = {"samples": (IMAGES,), "candidates": (BOXES,)}
    last = Node(RANKED, Rerank(canvas=size, iou=iou), inputs, str(weights), resources)
    return Graph([*first.nodes.values(), last])


def reranking(bench: Bench, weights: Path, size: str, iou: float | None) -> Work:
    """Returns the ranker over images decoded here and the bench's stored candidates; `iou` None: no suppression."""
    import torch

    from pipeline.boxes.suppression import nms
    from pipeline.data.records import ScoredBoxes
    from pipeline.inference.rerank import Reranker
    from pipeline.models.weights import open_ranker

    reranker = Reranker(open_ranker(weights)[1], canvas=parse_canvas(size))
    found = _candidates(bench.store)
    images = [decode(file.read_bytes()) for file in bench.files]
    given = [found[file.name].scored for file in bench.files]

    def work(number: int) -> ScoredBoxes:
        ranked = reranker(images[number], given[number])
        if iou is None or not len(ranked):
            return ranked
        kept = nms(torch.from_numpy(ranked.boxes), torch.from_numpy(ranked.scores), iou)
        return ranked.take(kept.numpy())

    return work


def ranker_for(folder: Path, name: str) -> Path:
    """Returns a new checkpoint in a folder: a ranker with random weights, whose corrections are all 0."""
    from pipeline.models.rankers import RANKERS
    from pipeline.models.weights import save_bytes

    file = folder / f"{name}.safetensors"
    file.write_bytes(save_bytes(name, RANKERS.find(name).build()))
    return file


def _candidates(store: Store) -> dict[str, Detections]:
    (manifest,) = stored_manifests(store, BOXES)
    tables = Artifact(store, manifest).tables()
    return {found.image_id: found for table in tables for found in read_detections(table)}
