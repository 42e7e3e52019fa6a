"""From candidates to final detections, by the convention of RetinaFace's code or of another one."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.boxes.frame import RETINAFACE, Convention
from pipeline.boxes.suppression import nms
from pipeline.inference.candidates import Candidates


def detections(
    candidates: Candidates,
    *,
    score: float = 0.02,
    iou: float = 0.4,
    max_before_nms: int | None = 5000,
    max_detections: int | None = 750,
    convention: Convention = RETINAFACE,
) -> Candidates:
    """Returns what is left of candidates after the score cut and greedy suppression, best first.

    RetinaFace's public demo: cut, best ``max_before_nms``, suppression, best ``max_detections``. Its WIDER script has
    neither limit; None switches one off. MogFace's code is ``score=0.01, iou=0.3, convention=MOGFACE`` (0.6 in the
    paper).

    Args:
        candidates: best first, in either frame; they come back in theirs.
        score: kept are scores strictly greater.
        iou: a box is dropped if it overlaps a better kept one by more; an equal overlap is the convention's matter.
        max_before_nms: most boxes that enter suppression.
        max_detections: most boxes that leave it; equal scores may leave more, where the convention says so.
        convention: how pixels are counted, and what becomes of equal overlaps and equal scores.

    Raises:
        ValueError: a limit is negative.
    """
    if min(max_before_nms or 0, max_detections or 0) < 0:
        raise ValueError(
            f"limits must not be negative: max_before_nms={max_before_nms}, max_detections={max_detections}"
        )
    cut = candidates.take(candidates.scores > np.float32(score)).take(slice(max_before_nms))
    boxes, scores = torch.from_numpy(cut.corners(convention.frame)), torch.from_numpy(cut.scores)
    left = cut.take(
        nms(
            boxes, scores, iou, pixel_inclusive=convention.pixel_inclusive, iou_inclusive=convention.iou_inclusive
        ).numpy()
    )
    if convention.ties and max_detections and max_detections < len(left):
        return left.take(left.scores >= left.scores[max_detections - 1])
    return left.take(slice(max_detections))
