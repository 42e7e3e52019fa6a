"""Images/s of the `rerank` node on Ray against the bare ranker over images and candidates in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jobs.benchmarks.alternate import Rounds, Way, conditions, cost_rows, pace_rows, round_notes, take_turns
from jobs.benchmarks.baseline import Work, bare_loop
from jobs.benchmarks.detecting import BOXES, IMAGES, Model, detecting_graph
from jobs.benchmarks.images import gather, model_for
from jobs.benchmarks.pipeline_run import PipelineRun, run_node
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
CANVAS = "1024"  # of the candidates
IOU = 0.4
INSIDE = (
    "ours, steady state: from the first shard's begin to the last one's end. In it: reading and decoding the files, "
    "the shards of candidates, the ranker, Parquet, fsync, records, all that Ray does meanwhile, and every worker's "
    "first, slower pass. Not in it: the candidates, the start of Ray and of the workers (imports, weights)"
)
PEER = "peer: the same ranker over images decoded and candidates read in memory, warmed up, nothing written"


@dataclass(frozen=True, slots=True)
class Load:
    """What is run: a ranker with random weights at a size as in `Rerank.size`.

    Attributes:
        rounds: measurements of either side, in turn; the slower way of each in the first round only.
        workers: cores for either: as many processes of one thread, or one process of as many threads.
        shared: folder of real data, or None.
    """

    ranker: str
    size: str
    images: int
    rounds: int
    workers: int
    shared: Path | None
    command: str


def reranking_section(load: Load) -> Section:
    """Returns the lines of the network alone, and of network and suppression, with the notes of either side."""
    with (
        tempfile.TemporaryDirectory(prefix="wider8k-images-") as images,
        tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as folder,
    ):
        files, origin = gather(Path(images), load.images, load.shared)
        model, network = model_for(Path(folder), CANVAS, load.shared)
        bench = Bench(model, Path(images), ranker_for(Path(folder), load.ranker), Store(f"{folder}/store"))
        alone, whole = (_rounds(load, bench, files, iou) for iou in (None, IOU))
    name = f"reranking, {load.ranker} at {load.size}"
    rows: list[Measured] = [
        *pace_rows(alone, f"{name}, network", load.command),
        *pace_rows(whole, f"{name}, with NMS", load.command),
        *cost_rows(whole, f"{name}, with NMS", load.command),
    ]
    measured = conditions(load.rounds, load.workers, _shard_rows(load), [*alone.loads, *whole.loads])
    notes = [
        f"{origin}, the best 5,000 candidates of {network} at {CANVAS}; {load.ranker} with random weights; {measured}",
        *(f"network: {note}" for note in round_notes(alone, INSIDE, PEER)),
        *(f"with NMS: {note}" for note in round_notes(whole, "the same on both sides", "peer")),
    ]
    return Section("reranking", rows, notes)


@dataclass(frozen=True, slots=True)
class Bench:
    """What both sides work on; picklable. The store is on this machine's disks."""

    model: Model
    folder: Path
    weights: Path
    store: Store

    def graph(self, size: str, iou: float | None, resources: Resources) -> Graph:
        """Returns index, candidates, and the node `RANKED` with these resources."""
        # Shards of one size, as in a config that says nothing: each is read for one of the node's.
        before = Resources(cpus=cores(), shard_rows=resources.shard_rows)
        first = detecting_graph(self.model, self.folder, before)
        inputs = {"samples": (IMAGES,), "candidates": (BOXES,)}
        last = Node(RANKED, Rerank(size=size, iou=iou), inputs, str(self.weights), resources)
        return Graph([*first.nodes.values(), last])


def reranking(bench: Bench, files: Sequence[Path], size: str, iou: float | None) -> Work:
    """Returns the ranker over images decoded here and the bench's stored candidates; `iou` None: no suppression."""
    import torch

    from pipeline.boxes.suppression import nms
    from pipeline.data.records import ScoredBoxes
    from pipeline.inference.rerank import Reranker
    from pipeline.models.weights import open_ranker

    reranker = Reranker(open_ranker(bench.weights)[1], canvas=parse_canvas(size))
    found = _candidates(bench.store)
    images = [decode(file.read_bytes()) for file in files]
    tables = [found[file.name] for file in files]
    given = [each.scored for each in tables]

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


def _rounds(load: Load, bench: Bench, files: Sequence[Path], iou: float | None) -> Rounds:
    make = partial(reranking, bench, files, load.size, iou)

    def ours(way: Way) -> PipelineRun:
        resources = Resources(workers=way[0], cpus=way[1], shard_rows=_shard_rows(load))
        return run_node(bench.graph(load.size, iou, resources), RANKED, bench.store)

    return take_turns(ours, lambda way: bare_loop(make, len(files), *way), load.workers, load.rounds)


def _shard_rows(load: Load) -> int:
    return max(1, load.images // (8 * load.workers))


def _candidates(store: Store) -> dict[str, Detections]:
    (manifest,) = stored_manifests(store, BOXES)
    tables = Artifact(store, manifest).tables()
    return {found.image_id: found for table in tables for found in read_detections(table)}
