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
    pre_top: int | None = 5000,
    keep: int | None = 750,
    convention: Convention = RETINAFACE,
) -> Candidates:
    """Returns what is left of candidates after the score cut and greedy suppression, best first.

    The order of RetinaFace's public demo: cut, best ``pre_top``, suppression, best ``keep``. Its WIDER FACE script has
    neither limit; None switches one off. MogFace's code is ``score=0.01, iou=0.3, convention=MOGFACE`` (0.6 in the
    paper).

    Args:
        candidates: best first, in either frame; they come back in theirs.
        score: kept are scores strictly greater.
        iou: a box is dropped if it overlaps a better kept one by more; an equal overlap is the convention's matter.
        pre_top: most boxes that enter suppression.
        keep: most boxes that leave it; equal scores may leave more, where the convention says so.
        convention: how pixels are counted, and what becomes of equal overlaps and equal scores.

    Raises:
        ValueError: a limit is negative.
    """
    if min(pre_top or 0, keep or 0) < 0:
        raise ValueError(f"limits must not be negative: pre_top={pre_top}, keep={keep}")
    cut = candidates.take(candidates.scores > np.float32(score)).take(slice(pre_top))
    boxes, scores = torch.from_numpy(cut.corners(convention.frame)), torch.from_numpy(cut.scores)
    left = cut.take(nms(boxes, scores, iou, plus_one=convention.plus_one, inclusive=convention.inclusive).numpy())
    if convention.ties and keep and keep < len(left):
        return left.take(left.scores >= left.scores[keep - 1])
    return left.take(slice(keep))
