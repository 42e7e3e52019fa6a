"""A detector over a folder of images: as a node of the pipeline, and alone over images decoded in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from jobs.benchmarks.baseline import Work
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
    """Checkpoint, detector (None where the checkpoint names it) and settings as in `Predict`.

    Attributes:
        device: of the bare network.
    """

    weights: Path
    detector: str | None
    canvas: str
    max_candidates: int = 5000
    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    engine: str = "torch"

    def on_gpu(self, precision: Literal["float32", "bfloat16"]) -> Model:
        """Returns the same on a GPU."""
        return replace(self, device="cuda", precision=precision)


def detecting_graph(model: Model, folder: Path, resources: Resources, memory_budget_gb: float | None = None) -> Graph:
    """Returns the nodes `IMAGES`, an index of the folder, and `BOXES`, the candidates, with `resources`."""
    shared = {name: getattr(model, name) for name in ("detector", "canvas", "max_candidates", "precision", "engine")}
    stage = Predict(**shared, memory_budget_gb=memory_budget_gb)
    return Graph(
        [
            Node(IMAGES, Index(dataset=ImageFolder()), path=str(folder), resources=Resources(shard_rows=10_000)),
            Node(BOXES, stage, {"samples": (IMAGES,)}, str(model.weights), resources),
        ]
    )


def detecting(model: Model, files: Sequence[Path]) -> Work:
    """Returns the network over images decoded here; enlarging them to the canvas is part of its work."""
    import torch

    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    _, detector = open_detector(model.weights, model.detector)
    predictor = Predictor(
        detector,
        model.device,
        max_candidates=model.max_candidates,
        dtype=getattr(torch, model.precision),
        engine=model.engine,
    )
    canvas = parse_canvas(model.canvas)
    # The bare loop begins warm, on a device too.
    predictor.candidates(decode(files[0].read_bytes()), canvas)
    images = [decode(file.read_bytes()) for file in files]
    return lambda number: predictor.candidates(images[number], canvas)
