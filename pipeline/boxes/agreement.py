"""Agreement: what the candidates of several canvases or detectors say together of each box of their union, as numbers.

A box that many candidates of every canvas support is more often a face than one of the same score that few do.
Tensor names: N boxes, F features, P pairs of a box and a candidate, S sets of candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_pairs
from pipeline.boxes.overlap_index import OverlapIndex

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Scored = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
"""Boxes [M, 4] xyxy in pixels, and their scores [M]."""

FEATURES: Final = ("score", "logit", "scale", "aspect", "count", "mass", "close_mass")
"""Columns of `Agreement.features`."""
LOGIT: Final = FEATURES.index("logit")
EDGE: Final = 1e-5
"""A score nearer than this to 0 or 1 counts as this far from it in a logit."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What counts as agreement; overlaps are of sides one pixel larger, as in RetinaFace's suppression and voting.

    Attributes:
        score: boxes at or below it are not ordered.
        candidate_score: candidates at or below it support nothing.
        iou: least overlap with a box at which a candidate supports it, inclusive, above 0.
        close_iou: least overlap at which it also counts as close, not below `iou`.
    """

    score: float = 0.02
    candidate_score: float = 0.01
    iou: float = 0.4
    close_iou: float = 0.7

    def __post_init__(self) -> None:
        """Raises ValueError where a number is out of its range."""
        for name, low in (("score", 0.0), ("candidate_score", 0.0)):
            if not low <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a number in [0, 1)")
        if not 0 < self.iou <= self.close_iou <= 1:
            raise ValueError(f"iou is {self.iou} and close_iou {self.close_iou}, expected 0 < iou <= close_iou <= 1")

    def features(self, boxes_N4: NDArray[np.floating[Any]], scores_N: Float32, sets: Sequence[Scored]) -> Float32:
        """Returns the numbers of every box, float32 [N, 7], columns as `FEATURES`.

        They are its score and the logit of it; log2 of the root of its area, and of width by height, sides of at least
        a pixel; and three sums over the sets: ``log(1 + x)``, where x is the number of candidates of that set that
        support the box, the sum of their scores, and the sum of the scores of those that are close. A sum of logarithms
        grows with the number of sets that agree; which set a candidate is of makes no difference, nor does the order
        of the sets but for the last bit.

        Args:
            boxes_N4: [N, 4] xyxy in pixels, the union: several sets voted or suppressed to one.
            scores_N: [N] in 0..1.
            sets: the candidates of each canvas or detector, not suppressed, in any order.

        Raises:
            ValueError: a score that is not in 0..1, of the boxes or of the candidates.
        """
        for name, scores in (("boxes", scores_N), *(("candidates", scores) for _, scores in sets)):
            if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
                raise ValueError(f"scores of {name} are {scores.min():.4g} to {scores.max():.4g}, expected 0..1")
        sides = np.maximum(boxes_N4[:, 2:].astype(np.float64) - boxes_N4[:, :2], 1)
        columns = [
            scores_N.astype(np.float64),
            logit(scores_N),
            np.log2(np.sqrt(sides.prod(axis=1))),
            np.log2(sides[:, 0] / sides[:, 1]),
            *np.log1p(self._support(boxes_N4, sets)).sum(axis=2),
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def _support(self, boxes_N4: NDArray[np.floating[Any]], sets: Sequence[Scored]) -> Float64:
        """Returns float64 [3, N, S]: number, sum of scores, and sum of the scores of the close ones."""
        n, kept = len(boxes_N4), [(b[s > self.candidate_score], s[s > self.candidate_score]) for b, s in sets]
        scores = np.concatenate([np.zeros(0), *(s.astype(np.float64) for _, s in kept)])
        set_M = np.repeat(np.arange(len(sets)), [len(s) for _, s in kept])
        corners = np.concatenate([boxes_N4.astype(np.float64), *(b.astype(np.float64) for b, _ in kept)])
        corners[:, 2:] += 1
        # Boxes and candidates are in one index; the pairs of two boxes are left out.
        box_P, row_P = OverlapIndex(corners, self.iou).pairs(np.arange(n))
        box_P, candidate_P = box_P[row_P >= n], row_P[row_P >= n] - n
        iou_P = iou_pairs(np.take(corners, box_P, axis=0), np.take(corners, candidate_P + n, axis=0))
        agrees = iou_P >= self.iou
        box_P, candidate_P, close_P = box_P[agrees], candidate_P[agrees], iou_P[agrees] >= self.close_iou
        at_P, score_P = box_P * len(sets) + set_M[candidate_P], scores[candidate_P]
        weights = (None, score_P, np.where(close_P, score_P, 0))
        sums = [np.bincount(at_P, each, n * len(sets)).reshape(n, len(sets)) for each in weights]
        return np.stack([each.astype(np.float64) for each in sums])


def logit(scores_N: NDArray[np.floating[Any]]) -> Float64:
    """Returns log(s / (1 - s)) of scores in 0..1, float64 [N], each at least `EDGE` away from 0 and 1."""
    inside = scores_N.astype(np.float64).clip(EDGE, 1 - EDGE)
    result: Float64 = np.log(inside / (1 - inside))
    return result
