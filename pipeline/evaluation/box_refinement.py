"""The common shift and scale with which the toolbox face-eval fits a detector's boxes to an annotation's habit.

Detectors mark a face from the chin to the brows or to the hair, and an annotation has its own habit. The toolbox
therefore counts several rounds: the mean shift and scale from the hits of a round are applied to all boxes before the
next one, and the last one's counts are the result. A figure computed so is above that of the plain protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.voc_ap import VocProtocol, matched_faces

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """Sums over the hits of some images; adding two of them gives those of both.

    Attributes:
        hits: their number.
        sums: float64 [4], of shifts in x and y by the box's own width and height, and of the faces' widths and heights
            by the boxes' own.
    """

    hits: int
    sums: Float64

    def __add__(self, other: Fit) -> Fit:
        return Fit(self.hits + other.hits, self.sums + other.sums)

    def apply(self, boxes: Float64) -> Float64:
        """Returns boxes [N, 4] xyxy after the mean shift and scale; as they are where there is no hit."""
        if not self.hits:
            return boxes
        shift, scale = np.split(self.sums / self.hits, 2)
        sides = boxes[:, 2:] - boxes[:, :2]
        centres = (boxes[:, 2:] + boxes[:, :2]) / 2 + shift * sides
        half = sides / 2 * scale
        return np.concatenate([centres - half, centres + half], axis=1)


def fit_boxes(
    predictions: PredictionSet, labels: BoxLabels, protocol: VocProtocol, positions: NDArray[np.int64]
) -> Fit:
    """Returns the sums over the hits of these images; arguments as those of `voc_ap.matched_faces`."""
    total = Fit(0, np.zeros(4))
    for image, rows, face_N in matched_faces(predictions, labels, protocol, positions):
        faces = labels.boxes[image]
        counted = ~np.append(protocol.ignored(faces, labels.ignored[image]), True)
        first = np.unique(face_N, return_index=True)[1]
        first = first[counted[face_N[first]]]
        boxes, hit = predictions.boxes[rows[first]], faces[face_N[first]]
        sides = boxes[:, 2:] - boxes[:, :2]
        sized = (sides > 0).all(axis=1)
        boxes, hit, sides = boxes[sized], hit[sized], sides[sized]
        shift = (hit[:, 2:] + hit[:, :2] - boxes[:, 2:] - boxes[:, :2]) / 2 / sides
        scale = (hit[:, 2:] - hit[:, :2]) / sides
        total += Fit(len(boxes), np.concatenate([shift, scale], axis=1).sum(axis=0))
    return total


def refined(
    predictions: PredictionSet, labels: BoxLabels, protocol: VocProtocol, positions: NDArray[np.int64]
) -> tuple[PredictionSet, NDArray[np.int64]]:
    """Returns the detections that a protocol counts, their boxes after all rounds but the last, and their positions."""
    sides = predictions.boxes[:, 2:] - predictions.boxes[:, :2]
    kept = (sides > protocol.min_box).any(axis=1)
    ends = np.concatenate([[0], kept.cumsum()]).astype(np.int64)[predictions.offsets]
    chosen = replace(predictions, offsets=ends, boxes=predictions.boxes[kept], scores=predictions.scores[kept])
    for _ in range(protocol.rounds - 1):
        fit = fit_boxes(chosen, labels, protocol, positions[kept])
        chosen = replace(chosen, boxes=fit.apply(chosen.boxes))
    return chosen, positions[kept]
