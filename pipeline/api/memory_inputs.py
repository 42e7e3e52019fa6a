"""Predictions and labels that a script holds in dicts of arrays, checked as files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.api.faces import Faces
from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_format import ImageInfo, require_format
from pipeline.data.prediction_names import NameMatch
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmark_inputs import BenchmarkDetections

Float64 = NDArray[np.float64]

BoxesByImage: TypeAlias = Mapping[str, Faces | ArrayLike]
"""Image name -> `Faces`, or float [N, 5]: x1 y1 x2 y2 score in pixels of the original image."""

LabelsByImage: TypeAlias = Mapping[str, ArrayLike]
"""Image name -> float [F, 4]: x1 y1 x2 y2 in pixels of the original image; empty for an image without faces."""


def labels_in_memory(labels: LabelsByImage) -> BoxLabels:
    """Returns the labels; every face counts.

    Raises ValueError: there is no image, or an array is not [F, 4], not finite, or has corners in the wrong order.
    """
    if not labels:
        raise ValueError("labels: expected at least one image, found none")
    rows = []
    for image, given in labels.items():
        boxes = _numbers(f"labels[{image!r}]", given, ("x1", "y1", "x2", "y2"))
        rows.append((image, boxes, np.zeros(len(boxes), bool)))
    return BoxLabels.of(rows)


def predictions_in_memory(
    predictions: BoxesByImage, image_ids: tuple[str, ...], faces: Sequence[Float64]
) -> BenchmarkDetections:
    """Returns the detections of exactly these images, in their order.

    Args:
        predictions: names are compared as they are.
        image_ids: the images to be evaluated.
        faces: float64 [F, 4] of each, against which the format of the boxes is checked.

    Raises ValueError: an array is not [N, 5], not finite or of another box format, or a name is of no image.
    """
    wanted = set(image_ids)
    if extra := [name for name in predictions if name not in wanted]:
        NameMatch(image_ids, [i for i in image_ids if i not in predictions], extra, suffix="").require("predictions")
        raise ValueError(f"predictions: expected names of labelled images, found {len(extra)} others: {extra[0]!r}")
    columns = ("x1", "y1", "x2", "y2", "score")
    rows = []
    for image in image_ids:
        given = predictions.get(image, np.zeros((0, 5)))
        if isinstance(given, Faces):
            given = np.c_[given.boxes, given.scores]
        rows.append(_numbers(f"predictions[{image!r}]", given, columns))
    facts = [ImageInfo(each) for each in faces]
    require_format("predictions", "x1 y1 x2 y2", zip(rows, facts, strict=True))
    table = np.concatenate([np.zeros((0, 5)), *rows])
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in rows])]).astype(np.int64)
    chosen = PredictionSet(image_ids, offsets, table[:, :4], table[:, 4])
    missing = [image for image in image_ids if image not in predictions]
    return BenchmarkDetections(chosen, np.arange(len(table)), "arrays", {"missing": missing})


def _numbers(where: str, given: ArrayLike, columns: tuple[str, ...]) -> Float64:
    """Returns float64 [N, columns]; an empty list has none. Raises ValueError as the functions above."""
    try:
        table = np.asarray(given, np.float64)
    except (ValueError, TypeError):
        raise ValueError(f"{where}: expected rows of {' '.join(columns)}, found {type(given).__name__}") from None
    if table.size == 0:
        return np.zeros((0, len(columns)))
    if table.ndim != 2 or table.shape[1] != len(columns):
        raise ValueError(f"{where}: expected rows of {' '.join(columns)}, found an array {list(table.shape)}")
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise ValueError(f"{where}: expected finite numbers, found {table[row].tolist()} in row {row}")
    wrong = np.flatnonzero((table[:, 2:4] < table[:, :2]).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"{where}: expected x1 <= x2 and y1 <= y2, found {table[row, :4].tolist()} in row {row}: are they x y w h?"
        )
    return table
