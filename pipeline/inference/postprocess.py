"""From candidates to final detections, in RetinaFace's own convention."""

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
) -> Candidates:
    """Returns what is left of candidates after the score cut and greedy suppression, best first.

    The order of the public demo: cut, best ``pre_top``, suppression with one added to every width and height, best
    ``keep``. The public WIDER FACE script has neither limit; None switches one off.

    Args:
        candidates: best first.
        score: kept are scores strictly greater.
        iou: a box is dropped if it overlaps a better kept one by more; equal survives.
        pre_top: most boxes that enter suppression.
        keep: most boxes that leave it.

    Raises:
        ValueError: a limit is negative.
    """
    if min(pre_top or 0, keep or 0) < 0:
        raise ValueError(f"limits must not be negative: pre_top={pre_top}, keep={keep}")
    cut = candidates.take(candidates.scores > np.float32(score)).take(slice(pre_top))
    kept = nms(torch.from_numpy(cut.boxes), torch.from_numpy(cut.scores), iou, plus_one=True)
    return cut.take(kept.numpy()[:keep])
