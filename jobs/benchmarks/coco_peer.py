"""The peer of the evaluation: faster-coco-eval on the same boxes, IoU 0.5, one evaluation per subset.

A face that a subset ignores is a crowd there. The protocols differ in detail (crowds match by overlap with the
detection, ties, the curve's interpolation), so AP is near the official one but not equal; the work is the same. As a
command it is the whole job of a user with COCO files, to be compared with `wider8k evaluate`:

    python -m jobs.benchmarks.coco_peer FOLDER        (written by `write_coco_files`)
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
    from pipeline.data.prediction_set import PredictionSet

DETECTIONS = "detections.json"


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds, user and system, of all threads: reading and indexing, then matching and AP."""

    load: float
    evaluate: float
    ap: dict[str, float]


def coco_truth(truth: WiderGroundTruth, subset: str) -> dict[str, Any]:
    """Returns the ground truth of one subset as COCO's dictionary; the image ids are positions in `truth` plus one."""
    images = [{"id": index + 1, "width": 1024, "height": 1024} for index in range(len(truth.image_ids))]
    annotations: list[dict[str, Any]] = []
    for index, (faces, counted) in enumerate(zip(truth.boxes, truth.counts[subset], strict=True)):
        for (x1, y1, x2, y2), counts in zip(faces.tolist(), counted.tolist(), strict=True):
            width, height = max(x2 - x1, 0), max(y2 - y1, 0)
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": index + 1, "category_id": 1, "iscrowd": int(not counts),
                    "bbox": [x1, y1, width, height], "area": width * height,
                }
            )  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}


def coco_detections(predictions: PredictionSet) -> list[dict[str, Any]]:
    """Returns predictions as COCO's list of results."""
    boxes = predictions.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    rows = zip(predictions.image_rows().tolist(), boxes.tolist(), predictions.scores.tolist(), strict=True)
    return [{"image_id": index + 1, "category_id": 1, "bbox": box, "score": score} for index, box, score in rows]


def write_coco_files(truth: WiderGroundTruth, predictions: PredictionSet, folder: Path) -> None:
    """Writes what the command of this file reads: one ground truth per subset, and the detections."""
    for subset in truth.counts:
        (folder / f"{subset}.json").write_text(json.dumps(coco_truth(truth, subset)), encoding="utf-8")
    (folder / DETECTIONS).write_text(json.dumps(coco_detections(predictions)), encoding="utf-8")


def spend(subsets: Sequence[tuple[str, Any, Any]]) -> Spent:
    """Returns what faster-coco-eval needs for all subsets together.

    Args:
        subsets: (name, ground truth as a dictionary or a JSON file, detections as a list); it writes into the latter.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    load, run, ap = 0.0, 0.0, {}
    for name, ground, found in subsets:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints
            start = time.process_time()
            truth = COCO(ground)
            results = truth.loadRes(found)
            loaded = time.process_time()
            evaluation = COCOeval_faster(truth, results, "bbox", print_function=lambda *_: None)
            evaluation.params.iouThrs = np.array([0.5])
            evaluation.params.maxDets = [100_000]
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
            evaluation.evaluate()
            evaluation.accumulate()
            end = time.process_time()
        precision = evaluation.eval["precision"][0, :, 0, 0, 0]
        ap[name] = float(precision[precision > -1].mean())
        load, run = load + loaded - start, run + end - loaded
    return Spent(load, run, ap)


def main() -> None:
    """Evaluates the files of a folder and prints AP."""
    folder = Path(sys.argv[1])
    names = sorted(file.stem for file in folder.glob("*.json") if file.name != DETECTIONS)
    found = json.loads((folder / DETECTIONS).read_text(encoding="utf-8"))  # once for all subsets, in the peer's favour
    spent = spend([(name, str(folder / f"{name}.json"), found) for name in names])
    print(json.dumps(spent.ap))


if __name__ == "__main__":
    main()
