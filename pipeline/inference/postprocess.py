"""From candidates to final detections, in RetinaFace's own convention or in that of MogFace's code."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.boxes.suppression import nms
from pipeline.inference.candidates import Candidates


def detections(
    candidates: Candidates,
    *,
    score: float = 0.02,
    iou: float = 0.4,
    pre_top: int | None = 5000,
    keep: int | None = 750,
    inclusive: bool = False,
    ties: bool = False,
) -> Candidates:
    """Returns what is left of candidates after the score cut and greedy suppression, best first.

    The order of the public demo: cut, best ``pre_top``, suppression with one added to every width and height, best
    ``keep``. The public WIDER FACE script has neither limit; None switches one off. MogFace's code is the same with
    ``score=0.01, iou=0.3`` (0.6 in the paper), ``inclusive`` and ``ties``.

    Args:
        candidates: best first.
        score: kept are scores strictly greater.
        iou: a box is dropped if it overlaps a better kept one by more; equal survives.
        pre_top: most boxes that enter suppression.
        keep: most boxes that leave it.
        inclusive: an overlap of exactly ``iou`` is dropped as well.
        ties: boxes whose score equals that of the last one kept stay too, beyond ``keep``.

    Raises:
        ValueError: a limit is negative.
    """
    if min(pre_top or 0, keep or 0) < 0:
        raise ValueError(f"limits must not be negative: pre_top={pre_top}, keep={keep}")
    cut = candidates.take(candidates.scores > np.float32(score)).take(slice(pre_top))
    boxes, scores = torch.from_numpy(cut.boxes), torch.from_numpy(cut.scores)
    left = cut.take(nms(boxes, scores, iou, plus_one=True, inclusive=inclusive).numpy())
    if ties and keep and keep < len(left):
        return left.take(left.scores >= left.scores[keep - 1])
    return left.take(slice(keep))
