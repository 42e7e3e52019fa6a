"""A config on drawn faces within seconds: the same nodes, with small networks, few steps and small images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.engine.config import Config
from pipeline.engine.graph import Node
from pipeline.inference.test_time import MODES, SINGLE
from stages.index import Index
from stages.label_candidates import LabelCandidates
from stages.predict import Predict
from stages.redetect import Redetect
from stages.rerank import Rerank
from stages.statistics import Statistics
from stages.text_predictions import TextPredictions
from stages.train_detector import TrainDetector
from stages.train_ranker import TrainRanker

IMAGES: Final = 2
SIDE: Final = 96  # of the images, pixels
CANDIDATES: Final = 120  # of an image: more than the largest distance between two boxes that a config compares
WEIGHTS, RANKER, PREDICTIONS = "untrained.safetensors", "untrained_ranker.safetensors", "predictions"
_TRAINING: Final = {"steps": 1, "batch": 2, "crop": 64, "warmup": 0, "bf16": False, "colour_jitter": False}
# Of several passes each has a size of its own, and a network takes a tenth of a second for the first image of a size.
_MODE: Final = "mogface_single"

Fields = Iterator[tuple[str, Any]]


def tiny_sets(config: Config, folder: Path) -> list[str]:
    """Returns the `--set` that make a config tiny: no figure of it means anything.

    Args:
        config: any whose stages are in `_FIELDS`; others are left as they are.
        folder: where `write_tiny_files` puts the weights and predictions that stand in for outside files.
    """
    found = []
    for name, node in config.graph.nodes.items():
        for stage, fields in _FIELDS.items():
            if isinstance(node.stage, stage):
                found += [f"{name}.{field}={_text(value)}" for field, value in fields(node, folder)]
    return found


def write_tiny_files(config: Config, folder: Path) -> None:
    """Writes an untrained RetinaFace where a node needs weights from outside, and a ranker and text likewise."""
    stages = [node.stage for node in config.graph.nodes.values() if not node.inputs.get("checkpoint")]
    folder.mkdir(parents=True, exist_ok=True)
    if any(isinstance(stage, Predict) for stage in stages) and not (folder / WEIGHTS).exists():
        _write_weights(folder / WEIGHTS)
    if any(isinstance(stage, Rerank) for stage in stages) and not (folder / RANKER).exists():
        _write_ranker(folder / RANKER)
    if any(isinstance(stage, TextPredictions) for stage in stages) and not (folder / PREDICTIONS).exists():
        _write_predictions(folder / PREDICTIONS)


def _index(node: Node, folder: Path) -> Fields:
    split = "train" if "train" in node.name else "test"
    yield "dataset", {"kind": "synthetic", "split": split, "images": IMAGES, "width": SIDE, "height": SIDE}


def _train_detector(node: Node, folder: Path) -> Fields:
    assert isinstance(node.stage, TrainDetector)
    detector, args = node.stage.detector, node.stage.model_args
    six_levels = not detector.startswith("retinaface")
    yield "detector", "mogface_mobilenet" if six_levels else "retinaface_mobilenet"
    hcam = args.get("hcam", [] if detector.endswith("baseline") else [3, 5])
    yield "model_args", {"hcam": hcam, "width": 16} if six_levels else {}
    # MST enlarges every image to hundreds of pixels: a small crop of it has no face.
    fields = {**_TRAINING, "crop": 640} if node.stage.recipe.augmentation == "mst" else _TRAINING
    yield from ((f"recipe.{name}", value) for name, value in fields.items())
    yield "run.cpus", 1


def _train_ranker(node: Node, folder: Path) -> Fields:
    assert isinstance(node.stage, TrainRanker)
    yield "ranker", "roi_mobilenet" if node.stage.ranker.startswith("roi") else "crface_mobilenet"
    yield "model_args", {}
    fields = {**_TRAINING, "num_candidates": CANDIDATES, "checkpointed": False}
    yield from ((f"recipe.{name}", value) for name, value in fields.items())
    yield "run.cpus", 1


def _predict(node: Node, folder: Path) -> Fields:
    assert isinstance(node.stage, Predict)
    if not node.inputs.get("checkpoint"):
        yield "detector", "retinaface_mobilenet"
        yield "path", str(folder / WEIGHTS)
    yield "max_candidates", CANDIDATES
    yield "precision", "float32"
    if node.stage.mode != SINGLE and MODES.find(node.stage.mode).fusion is not None:
        yield "mode", _MODE
    elif node.stage.canvas != "original":
        yield "canvas", _small(node.stage.canvas)


def _redetect(node: Node, folder: Path) -> Fields:
    assert isinstance(node.stage, Redetect)
    if not node.inputs.get("checkpoint"):
        yield "detector", "retinaface_mobilenet"
        yield "path", str(folder / WEIGHTS)
    if node.stage.canvas != "original":
        yield "canvas", _small(node.stage.canvas)


def _rerank(node: Node, folder: Path) -> Fields:
    assert isinstance(node.stage, Rerank)
    if not node.inputs.get("checkpoint"):
        yield "path", str(folder / RANKER)
    if node.stage.canvas is not None:
        yield "canvas", _small(node.stage.canvas)


def _text_predictions(node: Node, folder: Path) -> Fields:
    yield "path", str(folder / PREDICTIONS)


def _label(node: Node, folder: Path) -> Fields:
    yield "max_candidates", CANDIDATES


def _statistics(node: Node, folder: Path) -> Fields:
    yield "side", 2 * SIDE


_FIELDS: Final[Mapping[type, Callable[[Node, Path], Fields]]] = {
    Index: _index,
    TrainDetector: _train_detector,
    TrainRanker: _train_ranker,
    Predict: _predict,
    Redetect: _redetect,
    Rerank: _rerank,
    LabelCandidates: _label,
    TextPredictions: _text_predictions,
    Statistics: _statistics,
}


def _small(canvas: str) -> str:
    """Returns a canvas of another size for every other one, in their order."""
    edge = 7680 if canvas == "8k" else int(canvas) if canvas.isdigit() else 1024
    return str(64 + edge // 32)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _write_weights(file: Path) -> None:
    import torch

    from pipeline.models.detectors import DETECTORS
    from pipeline.models.weights import save_bytes

    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = DETECTORS.find("retinaface_mobilenet").build()
    file.write_bytes(save_bytes("retinaface_mobilenet", detector))


def _write_ranker(file: Path) -> None:
    import torch

    from pipeline.models.rankers import RANKERS
    from pipeline.models.weights import save_bytes

    args: dict[str, Any] = {"num_candidates": CANDIDATES}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ranker = RANKERS.find("crface_mobilenet").build(**args)
    file.write_bytes(save_bytes("crface_mobilenet", ranker, {"model_args": args}))


def _write_predictions(folder: Path) -> None:
    """Writes every drawn face of the test images a little beside its place, one text per image."""
    from pipeline.data.datasets.synthetic.dataset import Synthetic

    rng = np.random.default_rng(0)
    drawn = Synthetic(split="test", images=IMAGES, width=SIDE, height=SIDE)
    read = drawn.open("")
    for entry in drawn.entries():
        sample = read(entry)
        boxes = sample.boxes + rng.normal(0, 1, sample.boxes.shape)
        scores = np.sort(rng.uniform(0, 1, len(boxes)))[::-1]
        rows = [
            f"{x1:.1f} {y1:.1f} {x2 - x1:.1f} {y2 - y1:.1f} {score:.3f}"
            for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True)
        ]
        file = folder / f"{sample.image_id}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([Path(sample.image_id).name, str(len(rows)), *rows, ""]), encoding="utf-8")
