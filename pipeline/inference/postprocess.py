"""From candidates to final detections, by the convention of RetinaFace's code or of another one."""

import numpy as np
import torch

from pipeline.boxes.frame import RETINAFACE, Convention
from pipeline.boxes.suppression import nms
from pipeline.data.records import ScoredBoxes


def detections(
    candidates: ScoredBoxes,
    *,
    score: float = 0.02,
    iou: float = 0.4,
    max_before_nms: int | None = 5000,
    max_detections: int | None = 750,
    convention: Convention = RETINAFACE,
) -> ScoredBoxes:
    """Returns the boxes left after the score cut and greedy suppression, best first.

    RetinaFace's public demo: cut, best ``max_before_nms``, suppression, best ``max_detections``. Its WIDER script has
    neither limit (None). MogFace's code is ``score=0.01, iou=0.3, convention=MOGFACE`` (0.6 in the paper).

    Args:
        candidates: best first, in either frame; they come back in theirs.
        score: kept are scores strictly greater.
        iou: a box is dropped if it overlaps a better kept one by more; the convention decides on an equal overlap.
        max_before_nms: most boxes that enter suppression.
        max_detections: most boxes that leave it; equal scores may leave more, where the convention says so.
        convention: how pixels are counted, and how equal overlaps and equal scores are treated.

    Raises ValueError: a limit is negative.
    """
    if min(max_before_nms or 0, max_detections or 0) < 0:
        raise ValueError(
            f"limits must not be negative: max_before_nms={max_before_nms}, max_detections={max_detections}"
        )
    cut = candidates.take(candidates.scores > np.float32(score)).take(slice(max_before_nms))
    left = suppress(cut, iou, convention)
    if convention.ties and max_detections and max_detections < len(left):
        return left.take(left.scores >= left.scores[max_detections - 1])
    return left.take(slice(max_detections))


def suppress(boxes: ScoredBoxes, iou: float, convention: Convention) -> ScoredBoxes:
    """Returns the boxes that greedy suppression keeps, best first, by a convention's rules."""
    corners, scores = torch.from_numpy(boxes.corners(convention.frame)), torch.from_numpy(boxes.scores)
    return boxes.take(
        nms(
            corners, scores, iou, pixel_inclusive=convention.pixel_inclusive, iou_inclusive=convention.iou_inclusive
        ).numpy()
    )
