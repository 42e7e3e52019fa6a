"""AP of predictions against labels, on paths or on arrays, with the protocol it was computed by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from pipeline.api.memory_inputs import BoxesByImage, LabelsByImage, labels_in_memory, predictions_in_memory
from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.wider_face.ground_truth import is_official, load_ground_truth
from pipeline.data.predictions.compared_labels import read_compared_labels
from pipeline.evaluation import coco_ap, voc_ap
from pipeline.evaluation.benchmark_inputs import BenchmarkDetections, WantedImages, read_detections
from pipeline.evaluation.evaluate_files import read_inputs, truth_of_labels
from pipeline.evaluation.wider_result import WiderResult, require_faces
from pipeline.evaluation.wider_result import evaluate as evaluate_wider

Protocol: TypeAlias = Literal["wider", "voc", "coco"]
PROTOCOLS: Final = ("wider", "voc", "coco")
_RULES: Final = {
    "wider": "WIDER FACE's rule at IoU 0.5, sides one pixel larger",
    "voc": "PASCAL VOC's rule at IoU 0.5, sides one pixel larger, all points",
    "coco": "COCO's rule, mean of IoU 0.5 to 0.95, best 100 boxes of an image",
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """AP and what it was computed by.

    Attributes:
        ap: name -> AP in 0..1. "wider": "easy", "medium" and "hard" against the official files, "all" against other
            labels; NaN where no face counts. "voc": "all". "coco": its own names, "ap", "ap50", "ap_small", ...
        protocol: plain JSON values; "name" and "rule" are always there.
        images: number of images.
        faces: name -> faces that count.
        problems: of the input, name -> lines, only those that occurred.
    """

    ap: Mapping[str, float]
    protocol: Mapping[str, Any]
    images: int
    faces: Mapping[str, int]
    problems: Mapping[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Returns AP in percent, then protocol, images and faces, then a line per problem."""
        figures = ", ".join(f"{n} {'-' if math.isnan(value) else f'{100 * value:.2f}'}" for n, value in self.ap.items())
        faces = ", ".join(f"{count} {name}" for name, count in self.faces.items())
        problems = [f"{name}: {lines[0]}{_more(lines)}" for name, lines in self.problems.items()]
        return "\n".join([f"AP {figures} by {self.protocol['rule']}; {self.images} images, faces: {faces}", *problems])


def _more(lines: list[str]) -> str:
    return f" and {len(lines) - 1} more" if len(lines) > 1 else ""


def evaluate(
    predictions: str | PathLike[str] | BoxesByImage,
    labels: str | PathLike[str] | LabelsByImage,
    *,
    protocol: Protocol = "wider",
) -> Evaluation:
    """Returns the AP of predictions.

    Args:
        predictions: a path of any form of `wider8k predictions`: WIDER text, COCO results, YOLO text, CSV, ... Or a
            mapping of image name -> `Faces`, or float [N, 5] with x1 y1 x2 y2 score in pixels of the original image.
        labels: a path: the folder of the four official WIDER FACE .mat files, or labels of any form of
            `wider8k dataset`: COCO JSON, YOLO text, VOC XML, CSV, ... Or a mapping of image name -> float [F, 4]
            x1 y1 x2 y2, all of which count. The images are those of the labels; one without predictions has no
            detections, and is listed in `problems`.
        protocol: "wider", "voc" or "coco"; the three give different numbers, see docs/protocols.md.

    Raises FileNotFoundError: a path is not there; ValueError: malformed input, predictions that are not of these
        images or not of this box format, or no face that counts; the message says where, what was expected and found.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}, found {protocol!r}")
    if not isinstance(labels, Mapping) and is_official(path := Path(labels).expanduser()):
        if protocol != "wider":
            raise ValueError(f"{path}: the official files go with protocol 'wider' alone, found {protocol!r}")
        return _official(predictions, path)
    if isinstance(labels, Mapping):
        truth = labels_in_memory(labels)
        wanted = WantedImages(truth.image_ids, truth.boxes)
    else:
        path = Path(labels).expanduser()
        file = read_compared_labels(path)
        truth, wanted = file.labels, WantedImages.of(file)
    if not truth.faces:
        raise ValueError(f"labels: expected faces that count, found none in {len(truth.image_ids)} images")
    if isinstance(predictions, Mapping):
        found = predictions_in_memory(predictions, truth.image_ids, truth.boxes)
    else:
        found = read_detections(Path(predictions).expanduser(), wanted)
    return {"wider": _wider, "voc": _voc, "coco": _coco}[protocol](found, truth)


def _official(predictions: str | PathLike[str] | BoxesByImage, folder: Path) -> Evaluation:
    if not isinstance(predictions, Mapping):
        return _of_wider(read_inputs(Path(predictions).expanduser(), folder).evaluate())
    truth = load_ground_truth(folder)
    found = predictions_in_memory(predictions, truth.image_ids, truth.boxes)
    return _of_wider(evaluate_wider(truth, found.predictions, problems=_problems(found)))


def _wider(found: BenchmarkDetections, labels: BoxLabels) -> Evaluation:
    truth = truth_of_labels(labels)
    require_faces(truth, "labels")
    return _of_wider(evaluate_wider(truth, found.predictions, problems=_problems(found)))


def _of_wider(result: WiderResult) -> Evaluation:
    protocol = {"name": "wider", "rule": _RULES["wider"], **result.protocol}
    faces = {name: each.faces for name, each in result.counts.items()}
    return Evaluation(result.ap, protocol, result.protocol["images"], faces, result.problems)


def _voc(found: BenchmarkDetections, labels: BoxLabels) -> Evaluation:
    counts = voc_ap.count_boxes(found.predictions, labels, positions=found.positions)
    protocol = {"name": "voc", "rule": _RULES["voc"], "iou": voc_ap.IOU, "pixel_inclusive": True}
    ap = {"all": voc_ap.average_precision(counts).ap}
    return Evaluation(ap, protocol, counts.images, {"all": counts.faces}, _problems(found))


def _coco(found: BenchmarkDetections, labels: BoxLabels) -> Evaluation:
    counts = coco_ap.count_coco(found.predictions, labels)
    figures = {name: value for name, value in coco_ap.average(counts).figures().items() if name.startswith("ap")}
    protocol = {"name": "coco", "rule": _RULES["coco"], "max_detections": coco_ap.MAX_DETECTIONS}
    return Evaluation(figures, protocol, counts.images, {"all": int(np.asarray(counts.faces)[0])}, _problems(found))


def _problems(found: BenchmarkDetections) -> dict[str, list[str]]:
    return {name: list(lines) for name, lines in found.problems.items() if lines}
