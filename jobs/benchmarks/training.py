"""Training through Ray Train and Ray Data against the bare loop with batches in memory; what assigning takes."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from jobs.benchmarks.measured import Measured, Section, cores, more_is_better
from pipeline.cluster.ray_executor import RayExecutor
from pipeline.data.datasets.synthetic import Synthetic
from pipeline.data.datasets.wider_face import WiderFace
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.graph import Graph, Node
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.plan import Options
from pipeline.engine.runner import Runner
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from pipeline.training.journal import Journal
from pipeline.training.recipe import TrainingRecipe
from stages.index import Index
from stages.train_detector import TrainDetector

FIRST = 5  # steps that do not count: loaders start, memory is taken, kernels are chosen
HELD = 16  # batches that the bare loop has in memory and goes round


@dataclass(frozen=True, slots=True)
class Load:
    """What is trained.

    Attributes:
        detector: entry of `DETECTORS`.
        recipe: batch, side, assigner and number of steps.
        shared: folder of real data, or None for drawn images.
        rounds: ours and the peer take turns so often.
        command: for the table.
    """

    detector: str
    recipe: TrainingRecipe
    shared: Path | None
    rounds: int
    command: str


@dataclass(frozen=True, slots=True)
class Bare:
    """What the bare loop took: median seconds of a step, and of the assigner's part in it."""

    step: float
    assigning: float


def training_section(load: Load) -> Section:
    """Returns steps/s of ours and of the bare loop on the same cores, and the shares of waiting and of assigning."""
    ours, peers, waits = [], [], []
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place:
        for turn in range(load.rounds):
            entries = _run(load, Store(f"{place}/{turn}"))
            seconds = [load.recipe.batch / entry["images_per_second"] for entry in entries]
            ours.append(len(seconds) / sum(seconds))
            waits.append(sum(s * entry["wait_share"] for s, entry in zip(seconds, entries, strict=True)) / sum(seconds))
            # A process of its own, as ours has.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                peers.append(pool.submit(bare_loop, load, f"{place}/{turn}").result())
    step, assigning = median(each.step for each in peers), median(each.assigning for each in peers)
    name = f"training, {load.detector}, {load.recipe.batch} x {load.recipe.crop} px"
    rows = [
        more_is_better(f"{name}, steps/s", median(ours), 1 / step, load.command),
        Measured(f"{name}, % of the time spent waiting for data", 100 * median(waits), None, None, load.command),
        Measured(
            f"{name}, % of a step spent in {load.recipe.assigner}", 100 * assigning / step, None, None, load.command
        ),
    ]
    return Section("training", rows, [_note(load)])


def bare_loop(load: Load, store: str) -> Bare:
    """Returns the times of the plain loop over batches in memory; to be called in a fresh process."""
    import torch

    from pipeline.training.assigners import ASSIGNERS
    from pipeline.training.detector_task import task_of
    from pipeline.training.first_weights import first_detector
    from pipeline.training.loop import Trainer
    from pipeline.training.settings import channels_last, deterministic, set_norms

    torch.set_num_threads(cores())
    batches = _batches(load, Store(store))
    held = [batches(step) for step in range(HELD)]
    detector = first_detector(load.detector, load.recipe.seed)
    set_norms(detector, load.recipe.norms)
    task = task_of(detector, load.recipe)
    spent: list[float] = []
    timed = _Timed(ASSIGNERS[load.recipe.assigner], spent)
    steps, assigning = [], []
    with deterministic(), channels_last(detector):
        trainer = Trainer(replace(task, assigner=timed), load.recipe)
        for step in range(load.recipe.steps):
            begun, before = time.perf_counter(), len(spent)
            trainer.step(held[step % HELD].to_batch(detector.normalisation))
            steps.append(time.perf_counter() - begun)
            assigning.append(sum(spent[before:]))
    return Bare(sum(steps[FIRST:]) / len(steps[FIRST:]), median(assigning[FIRST:]))


@dataclass(frozen=True)
class _Timed:
    assigner: Any
    spent: list[float]

    @property
    def needs_prediction(self) -> bool:
        needs: bool = self.assigner.needs_prediction
        return needs

    def __call__(self, *arguments: Any) -> Any:
        begun = time.perf_counter()
        result = self.assigner(*arguments)
        self.spent.append(time.perf_counter() - begun)
        return result


def _graph(load: Load) -> Graph:
    if load.shared:
        dataset: Any = WiderFace(annotation="mat", missing="skip")
        at: str | None = str(load.shared / "data/wider_images")
    else:
        dataset, at = Synthetic(images=200, width=1024, height=683), None
    stage = TrainDetector(detector=load.detector, recipe=load.recipe)
    return Graph(
        [
            Node("faces", Index(dataset=dataset), at=at, resources=Resources(shard_rows=10_000)),
            Node("detector", stage, {"samples": ("faces",)}, None, Resources(workers=1, cpus=cores())),
        ]
    )


def _run(load: Load, store: Store) -> list[dict[str, Any]]:
    """Returns the log of a training on Ray, without its first steps."""
    graph = _graph(load)
    Runner(graph, store, Options(frozenset({"faces"})), LocalExecutor).run()
    outcome = Runner(graph, store, Options(frozenset(graph.order)), RayExecutor).run()
    if outcome.failed:
        raise RuntimeError(f"the benchmark's training failed: {outcome.failed}")
    (manifest,) = stored_manifests(store, "detector")
    entries = Journal(store, f"detector/{manifest.recipe}/work", load.recipe.steps).entries()
    return [entry for entry in entries if entry["step"] > FIRST]


def _batches(load: Load, store: Store) -> Any:
    from pipeline.data.records import Sample
    from pipeline.models.detectors import DETECTORS
    from pipeline.training.batches import Batches
    from pipeline.training.pictures import Pictures

    (manifest,) = stored_manifests(store, "faces")
    samples = [Sample.from_row(row) for row in Artifact(store, manifest).rows()]
    node = _graph(load).nodes["faces"]
    assert isinstance(node.stage, Index)
    dataset, at = node.stage.dataset, node.at or ""
    fill = DETECTORS[load.detector].build().normalisation.mean_bgr
    pictures = Pictures(samples, lambda path: dataset.image_bytes(at, path), load.recipe, fill)
    return Batches(pictures, load.recipe.batch, load.recipe.seed, load.recipe.sides)


def _note(load: Load) -> str:
    data = "real validation images" if load.shared else "drawn images of 1024 x 683"
    return (
        f"{load.recipe.steps} steps, the first {FIRST} not counted, {load.recipe.augmentation} crops of {data}, one "
        f"process of {cores()} threads and one loader process beside it, on {cores()} cores; the peer: the same step, "
        f"its {HELD} batches decoded and cropped in memory, no log, no checkpoint; medians of {load.rounds} rounds"
    )
