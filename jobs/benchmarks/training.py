"""Trainings of detectors and rankers through Ray against the bare loop with batches in memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from jobs.benchmarks.detecting import Model, model_for
from jobs.benchmarks.images import evenly, real_images
from jobs.benchmarks.results import Measured, Section, cores
from jobs.benchmarks.training_run import Course, compared, course_note, step_rows
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.engine.graph import Graph, Node
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe
from stages.index import Index
from stages.label_candidates import LabelCandidates
from stages.predict import Predict
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

CANVAS = "1024"  # of the candidates that a ranker learns from
SAMPLES = {"samples": ("faces",)}


def training_section(detector: str, recipe: DetectorRecipe, shared: Path | None, rounds: int) -> Section:
    """Returns our steps/s and the bare loop's on the same cores, and the shares of waiting and of assigning."""
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place:
        course = detector_course(detector, recipe, shared, Path(place))
        ours, bare = compared(course, rounds)
    name = f"training, {detector}, {recipe.batch} x {recipe.crop} px"
    share = 100 * bare.part / bare.step
    rows = [*step_rows(name, ours, bare), Measured(f"{name}, % of a step spent in {recipe.assigner}", share)]
    data = "real validation images" if shared else "drawn images of 1024 x 683"
    return Section("training", rows, [course_note(course, f"{recipe.augmentation} crops of {data}", rounds)])


def ranker_training_section(
    ranker: str, recipe: RankerRecipe, images: int, shared: Path | None, rounds: int
) -> Section:
    """Returns our steps/s and the bare loop's on the same cores, and the share of waiting."""
    with tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place:
        model, network = model_for(Path(place), CANVAS, shared)
        course, origin = ranker_course(ranker, recipe, images, shared, model, Path(place))
        ours, bare = compared(course, rounds)
    name = f"ranker-training, {ranker}, {recipe.batch} x {recipe.crop} px"
    data = f"crops of {origin}, candidates of {network} at {CANVAS}"
    return Section("ranker-training", step_rows(name, ours, bare), [course_note(course, data, rounds)])


def detector_course(detector: str, recipe: DetectorRecipe, shared: Path | None, folder: Path) -> Course:
    """Returns an index of real images with `shared`, else of drawn ones, and the training on them, in a folder."""
    dataset: Any = Synthetic(images=200, width=1024, height=683)
    if shared:
        dataset = WiderFace(annotation="mat", missing="skip")
    training = TrainDetector(detector=detector, recipe=recipe)
    node = Node("detector", training, SAMPLES, None, Resources(workers=1, cpus=cores()))
    return Course(Graph([_index(dataset, shared), node]), "detector", Store(str(folder / "store")))


def ranker_course(
    ranker: str, recipe: RankerRecipe, images: int, shared: Path | None, model: Model, folder: Path
) -> tuple[Course, str]:
    """Returns index, dump, labelled candidates and the training on them, in a folder, and what the images are.

    They are real ones from all events, or, without `shared`, drawn ones and the candidates those of random weights.
    """
    dataset: Any = Synthetic(images=images, width=1024, height=683)
    origin = f"{images} drawn images of 1024 x 683"
    if found := real_images(shared):
        chosen, only = evenly(found, images), folder / "images.txt"
        only.write_text("".join(f"{file.parent.name}/{file.name}\n" for file in chosen), encoding="utf-8")
        dataset = WiderFace(annotation="mat", missing="skip", only=str(only))
        origin = f"{len(chosen)} real validation images"
    alone = Resources(workers=1, cpus=cores())
    training = TrainRanker(ranker=ranker, recipe=recipe)
    graph = Graph(
        [
            _index(dataset, shared),
            Node("boxes", Predict(canvas=model.canvas), SAMPLES, str(model.weights), alone),
            Node("pairs", LabelCandidates(), {**SAMPLES, "candidates": ("boxes",)}),
            Node("ranker", training, {**SAMPLES, "labelled": ("pairs",)}, None, alone),
        ]
    )
    return Course(graph, "ranker", Store(str(folder / "store"))), origin


def _index(dataset: Any, shared: Path | None) -> Node:
    path = str(shared / "data/wider_images") if shared and dataset.needs_root else None
    return Node("faces", Index(dataset=dataset), path=path, resources=Resources(shard_rows=10_000))
