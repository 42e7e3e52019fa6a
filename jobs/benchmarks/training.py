"""A detector's training through Ray against the bare loop with batches in memory; the share of assigning."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.benchmarks.results import Section, alone, cores
from jobs.benchmarks.training_run import Course, compared, course_note
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.engine.graph import Graph, Node
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from pipeline.training.recipes.detector import DetectorRecipe
from stages.index import Index
from stages.train_detector import TrainDetector


@dataclass(frozen=True, slots=True)
class Load:
    """A detector with random weights and its recipe.

    Attributes:
        shared: folder of real data, or None for drawn images.
        rounds: alternating runs of both sides.
    """

    detector: str
    recipe: DetectorRecipe
    shared: Path | None
    rounds: int
    command: str


def training_section(load: Load) -> Section:
    """Returns our steps/s and the bare loop's on the same cores, and the shares of waiting and of assigning."""
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place:
        course = detector_course(load, Store(place))
        found = compared(course, load.rounds)
    name = f"training, {load.detector}, {load.recipe.batch} x {load.recipe.crop} px"
    assigning = f"{name}, % of a step spent in {load.recipe.assigner}"
    share = 100 * found.bare.part / found.bare.step
    rows = [*found.rows(name, load.command), alone(assigning, share, load.command)]
    data = "real validation images" if load.shared else "drawn images of 1024 x 683"
    return Section("training", rows, [course_note(course, f"{load.recipe.augmentation} crops of {data}", load.rounds)])


def detector_course(load: Load, store: Store) -> Course:
    """Returns an index and the training on its images; on real ones with `shared`, else on drawn ones."""
    if load.shared:
        dataset: Any = WiderFace(annotation="mat", missing="skip")
        path: str | None = str(load.shared / "data/wider_images")
    else:
        dataset, path = Synthetic(images=200, width=1024, height=683), None
    stage = TrainDetector(detector=load.detector, recipe=load.recipe)
    graph = Graph(
        [
            Node("faces", Index(dataset=dataset), path=path, resources=Resources(shard_rows=10_000)),
            Node("detector", stage, {"samples": ("faces",)}, None, Resources(workers=1, cpus=cores())),
        ]
    )
    return Course(graph, "detector", store)
