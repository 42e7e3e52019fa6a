"""Small labelled sets with crowds, ignored faces and ties, and a slow evaluation by COCO's rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet

AREAS = {"all": (0, 1e10), "small": (0, 1024), "medium": (1024, 9216), "large": (9216, 1e10)}


def small_set(
    seed: int, images: int = 15, crowds: bool = True, ignored: bool = True
) -> tuple[PredictionSet, BoxLabels]:
    """Returns detections with scores of one decimal and faces of whole pixels; areas are less than the boxes'."""
    random = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {name: [] for name in ("boxes", "ignored", "crowds", "areas")}
    rows, scores = [], []
    for _ in range(images):
        faces = int(random.integers(0, 7))
        corner, sides = random.integers(0, 200, (faces, 2)), random.integers(10, 130, (faces, 2))
        boxes = np.c_[corner, corner + sides].astype(float)
        boxes = np.concatenate([boxes, boxes[:1]]) if len(boxes) and random.random() < 0.2 else boxes
        crowd = random.random(len(boxes)) < (0.15 if crowds else 0)
        columns["boxes"].append(boxes)
        columns["crowds"].append(crowd)
        columns["ignored"].append(crowd | (random.random(len(boxes)) < (0.15 if ignored else 0)))
        columns["areas"].append((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) * 0.8)
        near = np.repeat(boxes, 3, axis=0) + random.integers(-9, 10, (3 * len(boxes), 4))
        far = random.integers(0, 200, (4, 2))
        rows.append(np.concatenate([near, np.c_[far, far + 30], boxes]).astype(float))
        scores.append(np.round(random.random(len(rows[-1])), 1))
    names = tuple(f"i{number}" for number in range(images))
    labels = BoxLabels(names, **{name: tuple(values) for name, values in columns.items()})
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in rows])])
    return PredictionSet(names, offsets, np.concatenate(rows), np.concatenate(scores)), labels


def slow_figures(found: PredictionSet, labels: BoxLabels, most: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns per area range the precision averaged over 101 recalls, and the recall, both [10]."""
    results = {}
    for name, area in AREAS.items():
        outcomes = [_image_outcomes(found, labels, image, area, most) for image in range(len(labels.image_ids))]
        faces = sum(count for count, _ in outcomes)
        results[name] = (np.full(10, np.nan), np.full(10, np.nan))
        for place in range(10) if faces else ():
            rows = [row for _, each in outcomes for row in each[place]]
            rows.sort(key=lambda row: -row[0])  # stable: images in order, detections in theirs
            hits = np.cumsum([row[1] for row in rows if not row[2]])
            recalls = hits / faces
            precisions = [hit / (number + 1) for number, hit in enumerate(hits)]
            total = 0.0
            for recall in np.linspace(0, 1, 101):
                reached = [number for number, each in enumerate(recalls) if each >= recall]
                total += max(precisions[reached[0] :]) if reached else 0.0
            results[name][0][place] = total / 101
            results[name][1][place] = recalls[-1] if len(recalls) else 0.0
    return results


def _image_outcomes(
    found: PredictionSet, labels: BoxLabels, image: int, area: tuple[float, float], most: int
) -> tuple[int, list[list[tuple[float, bool, bool]]]]:
    rows = range(found.offsets[image], found.offsets[image + 1])
    rows = sorted(rows, key=lambda row: -found.scores[row])[:most]
    outside = [bool(size < area[0] or size > area[1]) for size in labels.areas[image]]
    ignored = [bool(flag) or each for flag, each in zip(labels.ignored[image], outside, strict=True)]
    order = sorted(range(len(ignored)), key=lambda face: ignored[face])
    tables = []
    for threshold in np.linspace(0.5, 0.95, 10):
        taken: set[int] = set()
        table = []
        for row in rows:
            best, chosen = min(threshold, 1 - 1e-10), -1
            for face in order:
                crowd = labels.crowds[image][face]
                if face in taken and not crowd:
                    continue
                if chosen >= 0 and not ignored[chosen] and ignored[face]:
                    break
                iou = _iou(found.boxes[row], labels.boxes[image][face], crowd)
                if iou >= best:
                    best, chosen = iou, face
            x1, y1, x2, y2 = found.boxes[row]
            size = (x2 - x1) * (y2 - y1)
            dropped = ignored[chosen] if chosen >= 0 else bool(size < area[0] or size > area[1])
            taken.add(chosen)
            table.append((float(found.scores[row]), chosen >= 0, dropped))
        tables.append(table)
    return ignored.count(False), tables


def _iou(box: Any, face: Any, crowd: bool) -> float:
    w, h = min(box[2], face[2]) - max(box[0], face[0]), min(box[3], face[3]) - max(box[1], face[1])
    if w <= 0 or h <= 0:
        return 0.0
    own = (box[2] - box[0]) * (box[3] - box[1])
    return w * h / (own if crowd else own + (face[2] - face[0]) * (face[3] - face[1]) - w * h)
