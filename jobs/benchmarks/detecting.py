"""A detector over a folder of images: as a node of the pipeline, and alone over images decoded in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.benchmarks.bare_loop import Work
from pipeline.data.canvas import parse_canvas
from pipeline.data.datasets.image_folder import ImageFolder
from pipeline.data.images import decode
from pipeline.engine.graph import Graph, Node
from pipeline.engine.stage import Resources
from stages.index import Index
from stages.predict import Predict

IMAGES, BOXES = "photos", "boxes"  # names of the nodes


@dataclass(frozen=True, slots=True)
class Model:
    """What is run.

    Attributes:
        weights: checkpoint file.
        detector: entry of `DETECTORS`, or None where the checkpoint tells it.
        canvas: as in `Predict.canvas`.
        top: candidates kept per image.
    """

    weights: Path
    detector: str | None
    canvas: str
    top: int = 5000


def detecting_graph(model: Model, folder: Path, resources: Resources, memory_budget_gb: float | None = None) -> Graph:
    """Returns the nodes `IMAGES`, an index of the folder, and `BOXES`, the candidates.

    Args:
        model: to be run.
        folder: of images.
        resources: of the second node.
        memory_budget_gb: as in `Predict`.
    """
    stage = Predict(detector=model.detector, canvas=model.canvas, top=model.top, memory_budget_gb=memory_budget_gb)
    return Graph(
        [
            Node(IMAGES, Index(dataset=ImageFolder()), at=str(folder), resources=Resources(shard_rows=10_000)),
            Node(BOXES, stage, {"samples": (IMAGES,)}, str(model.weights), resources),
        ]
    )


def detecting(model: Model, files: Sequence[Path]) -> Work:
    """Returns the network over images decoded here; enlarging them to the canvas is part of its work.

    Args:
        model: to be run.
        files: of the images.
    """
    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    predictor, canvas = Predictor(open_detector(model.weights, model.detector)[1], top=model.top), model.canvas
    images = [decode(file.read_bytes()) for file in files]
    return lambda number: predictor.candidates(images[number], parse_canvas(canvas))
