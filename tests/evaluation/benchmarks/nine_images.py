"""Nine images of 400 x 400 px with 0 to 4 faces each: their labels as CSV and as FDDB's folds, and guesses about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.data.prediction_set import PredictionSet

IMAGES = 9


def faces_of(image: int) -> np.ndarray:
    """float64 [F, 4] xyxy, 0 to 4 faces of an image of 400 x 400 px."""
    random = np.random.default_rng(image)
    corners, sides = random.uniform(0, 300, (image % 5, 2)), random.uniform(25, 100, (image % 5, 2))
    return np.concatenate([corners, corners + sides], axis=1)


def write_csv(folder: Path) -> Path:
    rows = ["image,x1,y1,x2,y2"]
    for image in range(IMAGES):
        rows += [f"{image}.jpg,{x1},{y1},{x2},{y2}" for x1, y1, x2, y2 in faces_of(image).tolist()]
        rows += [] if len(faces_of(image)) else [f"{image}.jpg,,,,"]
    (folder / "faces.csv").write_text("\n".join(rows) + "\n")
    return folder / "faces.csv"


def write_folds(folder: Path) -> Path:
    (folder / "FDDB-fold-01.txt").write_text("".join(f"{image}.jpg\n" for image in range(IMAGES)))
    lines = []
    for image in range(IMAGES):
        faces = faces_of(image)
        lines += [f"{image}.jpg", str(len(faces))]
        lines += [
            f"{(y2 - y1) / 2} {(x2 - x1) / 2} 1.57 {(x1 + x2) / 2} {(y1 + y2) / 2} 1"
            for x1, y1, x2, y2 in faces.tolist()
        ]
    (folder / "FDDB-fold-01-ellipseList.txt").write_text("\n".join(lines) + "\n")
    return folder


def guesses() -> PredictionSet:
    """Boxes beside every face and one elsewhere, with scores of which many are equal, rows in no order."""
    random = np.random.default_rng(99)
    parts = [np.concatenate([faces_of(image), [[300, 300, 350, 350]]]) for image in range(IMAGES)]
    boxes = np.concatenate(parts)
    boxes += random.normal(0, 8, boxes.shape)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 22)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    scores = random.integers(1, 6, len(boxes)) / 5
    return PredictionSet(tuple(f"{image}.jpg" for image in range(IMAGES)), offsets, boxes, scores)
