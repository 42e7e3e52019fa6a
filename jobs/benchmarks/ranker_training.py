"""A ranker's training through Ray against the bare loop with batches in memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.benchmarks.detecting import Model
from jobs.benchmarks.images import REAL_IMAGES, evenly, model_for
from jobs.benchmarks.results import Section, cores
from jobs.benchmarks.training_run import Course, compared, course_note
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.engine.graph import Graph, Node
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from pipeline.training.recipes.ranker import RankerRecipe
from stages.index import Index
from stages.label_candidates import LabelCandidates
from stages.predict import Predict
from stages.train_ranker import TrainRanker

CANVAS = "1024"


@dataclass(frozen=True, slots=True)
class Load:
    """A ranker with random weights, trained on the candidates of some images.

    Attributes:
        shared: folder of real data, or None for drawn images and candidates of random weights.
        rounds: alternating runs of both sides.
    """

    ranker: str
    recipe: RankerRecipe
    images: int
    shared: Path | None
    rounds: int
    command: str


def ranker_training_section(load: Load) -> Section:
    """Returns our steps/s and the bare loop's on the same cores, and the share of waiting."""
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place:
        model, network = model_for(Path(place), CANVAS, load.shared)
        course, images = ranker_course(load, model, Path(place))
        found = compared(course, load.rounds)
    name = f"ranker-training, {load.ranker}, {load.recipe.batch} x {load.recipe.crop} px"
    data = f"crops of {images}, candidates of {network} at {CANVAS}"
    return Section("ranker-training", found.rows(name, load.command), [course_note(course, data, load.rounds)])


def ranker_course(load: Load, model: Model, folder: Path) -> tuple[Course, str]:
    """Returns index, dump, labelled candidates and the training on them, in a folder, and what the images are."""
    dataset, path, images = _dataset(load, folder)
    dump = Predict(detector=model.detector, canvas=model.canvas, max_candidates=model.max_candidates)
    training = TrainRanker(ranker=load.ranker, recipe=load.recipe)
    samples, alone = {"samples": ("faces",)}, Resources(workers=1, cpus=cores())
    graph = Graph(
        [
            Node("faces", Index(dataset=dataset), path=path, resources=Resources(shard_rows=10_000)),
            Node("boxes", dump, samples, str(model.weights), alone),
            Node("pairs", LabelCandidates(), {**samples, "candidates": ("boxes",)}),
            Node("ranker", training, {**samples, "rankings": ("pairs",)}, None, alone),
        ]
    )
    return Course(graph, "ranker", Store(str(folder / "store"))), images


def _dataset(load: Load, folder: Path) -> tuple[Any, str | None, str]:
    """Returns the labelled images, their folder and what they are: real ones from all events, or drawn ones."""
    found = sorted((load.shared / REAL_IMAGES).glob("*/*.jpg")) if load.shared else []
    if not load.shared or not found:
        drawn = Synthetic(images=load.images, width=1024, height=683)
        return drawn, None, f"{load.images} drawn images of 1024 x 683"
    chosen, only = evenly(found, load.images), folder / "images.txt"
    only.write_text("".join(f"{file.parent.name}/{file.name}\n" for file in chosen), encoding="utf-8")
    dataset = WiderFace(annotation="mat", missing="skip", only=str(only))
    return dataset, str(load.shared / "data/wider_images"), f"{len(chosen)} real validation images"
