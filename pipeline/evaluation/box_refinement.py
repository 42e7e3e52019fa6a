"""The common shift and scale with which the toolbox face-eval fits a detector's boxes to an annotation's habit.

Detectors mark a face from the chin to the brows or to the hair, and an annotation has its own habit. The toolbox
therefore counts several rounds: the mean shift and scale from the hits of a round are applied to all boxes before the
next one, and the last one's counts are the result. A figure computed so is above that of the plain protocol.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.joined_counts import JoinedCounts
from pipeline.evaluation.voc_ap import VocProtocol, matched_faces

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fit(JoinedCounts):
    """How the hits of some images differ from their faces; adding two of them is exact, in any order.

    Attributes:
        changes: float64 [H, 4], per hit the shift in x and y by the box's own width and height, and the face's width
            and height by the box's own.
    """

    rows: ClassVar[tuple[str, ...]] = ("changes",)

    changes: Float64

    @classmethod
    def zero(cls) -> Fit:
        """Returns that of no hit."""
        return cls(np.zeros((0, 4)))

    def apply(self, boxes: Float64) -> Float64:
        """Returns boxes [N, 4] xyxy after the mean shift and scale; as they are where there is no hit."""
        if not len(self.changes):
            return boxes
        # Correctly rounded sums: neither the order of the images nor the cut into shards changes a bit.
        means = np.array([math.fsum(column) for column in self.changes.T.tolist()]) / len(self.changes)
        shift, scale = np.split(means, 2)
        sides = boxes[:, 2:] - boxes[:, :2]
        centres = (boxes[:, 2:] + boxes[:, :2]) / 2 + shift * sides
        half = sides / 2 * scale
        return np.concatenate([centres - half, centres + half], axis=1)


def fit_boxes(
    predictions: PredictionSet, labels: BoxLabels, protocol: VocProtocol, positions: NDArray[np.int64]
) -> Fit:
    """Returns what the hits of these images say; arguments as those of `voc_ap.matched_faces`."""
    parts = [np.zeros((0, 4))]
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
        parts.append(np.concatenate([shift, scale], axis=1))
    return Fit(np.concatenate(parts))


def counted(
    predictions: PredictionSet, protocol: VocProtocol, positions: NDArray[np.int64], fits: Sequence[Fit] = ()
) -> tuple[PredictionSet, NDArray[np.int64]]:
    """Returns the detections that are large enough to be counted, their boxes after some rounds, and their positions.

    Args:
        predictions: boxes as they were found.
        protocol: which are large enough, as they were found.
        positions: int64 [N], place of each row in its source.
        fits: of the rounds before, over the whole set.
    """
    sides = predictions.boxes[:, 2:] - predictions.boxes[:, :2]
    kept = (sides > protocol.min_box).any(axis=1)
    ends = np.concatenate([[0], kept.cumsum()]).astype(np.int64)[predictions.offsets]
    boxes = predictions.boxes[kept]
    for fit in fits:
        boxes = fit.apply(boxes)
    return replace(predictions, offsets=ends, boxes=boxes, scores=predictions.scores[kept]), positions[kept]
