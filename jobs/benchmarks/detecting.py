"""A detector over a folder of images: as a node of the pipeline, and alone over images decoded in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jobs.benchmarks.baseline import Work
from jobs.benchmarks.images import DETECTOR, REAL_WEIGHTS, gather
from pipeline.data.canvas import parse_canvas
from pipeline.data.datasets.image_folder import ImageFolder
from pipeline.data.images import decode
from pipeline.engine.graph import Graph, Node
from pipeline.engine.stage import Resources
from pipeline.engine.storage import Store
from stages.index import Index
from stages.predict import Predict

IMAGES, BOXES = "photos", "boxes"  # names of the nodes


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint that names its detector, and settings as in `Predict`."""

    weights: Path
    canvas: str
    precision: Literal["float32", "bfloat16"] = "float32"
    engine: str = "torch"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a pipeline and its peer work on; picklable.

    Attributes:
        folder: of the images.
        files: in it, in the pipeline's order.
        place: folder of checkpoints.
        store: on this machine's disks.
        origin: what the images are.
        network: what the model is.
    """

    folder: Path
    files: Sequence[Path]
    place: Path
    model: Model
    store: Store
    origin: str
    network: str


@contextmanager
def bench_of(images: int, canvas: str, shared: Path | None, detector: str = DETECTOR) -> Iterator[Bench]:
    """Yields so many images and a detector in folders of their own, which are removed afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="wider8k-images-") as folder,
        tempfile.TemporaryDirectory(prefix="wider8k-benchmark-") as place,
    ):
        files, origin = gather(Path(folder), images, shared)
        model, network = model_for(Path(place), canvas, shared, detector)
        yield Bench(Path(folder), files, Path(place), model, Store(f"{place}/store"), origin, network)


def model_for(folder: Path, canvas: str, shared: Path | None, name: str = DETECTOR) -> tuple[Model, str]:
    """Returns a detector and what it is: the published MobileNet-0.25 RetinaFace, else random weights in `folder`."""
    weights = shared / REAL_WEIGHTS if shared and name == DETECTOR else None
    if weights and weights.is_file():
        return Model(weights, canvas), "the public MobileNet-0.25 weights"
    from jobs.benchmarks.forward import settled
    from pipeline.models.detectors import DETECTORS
    from pipeline.models.weights import save_bytes

    file = folder / f"{name}.safetensors"
    file.write_bytes(save_bytes(name, settled(DETECTORS[name].build())))
    return Model(file, canvas), f"{name} with random weights"


def detecting_graph(
    model: Model, folder: Path | str, resources: Resources, memory_budget_gb: float | None = None
) -> Graph:
    """Returns the nodes `IMAGES`, an index of the folder, and `BOXES`, the candidates, with `resources`."""
    stage = Predict(
        canvas=model.canvas, precision=model.precision, engine=model.engine, memory_budget_gb=memory_budget_gb
    )
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

    _, detector = open_detector(model.weights)
    predictor = Predictor(detector, dtype=getattr(torch, model.precision), engine=model.engine)
    canvas = parse_canvas(model.canvas)
    images = [decode(file.read_bytes()) for file in files]
    return lambda number: predictor.candidates(images[number], canvas)
