"""Detections examined again: each in a crop of its own with what is around it, by the detector that found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_matrix
from pipeline.data.canvas import Canvas
from pipeline.data.records import Detections, ScoredBoxes

Image = NDArray[np.uint8]


class Finder(Protocol):
    """What finds boxes in an image, such as a `Predictor`."""

    def candidates(self, image_bgr: Image, canvas: Canvas) -> ScoredBoxes:
        """Returns the boxes in pixels of the image, before suppression."""


@dataclass(frozen=True, slots=True)
class Redetection:
    """How crops are cut and what counts as found again.

    Attributes:
        score: detections from this score on are examined.
        context: sides of the crop by those of the box, around its centre; what is beyond the image is left out.
        canvas: size at which the detector sees a crop.
        iou: overlap with the box from which on a box of the crop is the same one.
    """

    score: float
    context: float
    canvas: Canvas
    iou: float

    def rescore(self, finder: Finder, image: Image, found: Detections) -> Detections:
        """Returns the same boxes, each examined one with the best score of the same box in its crop, 0 without one.

        Boxes below the score keep theirs. They fall in score; equal ones keep their order.
        """
        scores = found.scores.copy()
        for row in np.flatnonzero(found.scores >= self.score).tolist():
            scores[row] = self._again(finder, image, found.boxes[row])
        order = np.argsort(-scores, kind="stable")
        marks = None if found.landmarks is None else found.landmarks[order]
        return Detections(found.image_id, found.width, found.height, found.boxes[order], scores[order], marks)

    def _again(self, finder: Finder, image: Image, box: NDArray[np.float32]) -> float:
        left, top, right, bottom = crop_window(box, self.context, image.shape[1], image.shape[0])
        if right <= left or bottom <= top:
            return 0.0
        again = finder.candidates(np.ascontiguousarray(image[top:bottom, left:right]), self.canvas)
        if not len(again):
            return 0.0
        own = box.astype(np.float64) - [left, top, left, top]
        same = iou_matrix(again.boxes.astype(np.float64), own[None])[:, 0] >= self.iou
        return float(again.scores[same].max(initial=0.0))


def crop_window(box: NDArray[np.float32], context: float, width: int, height: int) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom, whole pixels within the image, of a box enlarged around its centre.

    Args:
        box: float32 [4] xyxy in pixels of the image.
        context: sides of the crop by those of the box, 1 or more.
        width: of the image, pixels.
        height: likewise.
    """
    corners = box.astype(np.float64)
    centre, half = (corners[:2] + corners[2:]) / 2, (corners[2:] - corners[:2]) * context / 2
    left, top = np.floor(centre - half).clip(0, [width, height]).astype(int).tolist()
    right, bottom = np.ceil(centre + half).clip(0, [width, height]).astype(int).tolist()
    return left, top, right, bottom
