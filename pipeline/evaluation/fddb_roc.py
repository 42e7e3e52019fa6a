"""The ROC curves of FDDB, discrete and continuous, as its own tool computes them.

Per image and distinct score, the detections from that score on are matched with the faces one to one, so that the sum
of their overlaps is greatest (the Hungarian method). Discrete: a match counts 1 if its overlap is above 0.5.
Continuous: it counts its overlap. Both are divided by all faces of the set and drawn against the same false positives,
as the tool writes them: detections without those that count in the discrete sense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.fddb.annotation import FddbLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.fddb_overlap import overlaps
from pipeline.evaluation.joined_counts import JoinedCounts

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class FddbCounts(JoinedCounts):
    """What each distinct score of each image adds to the counts; adding two of them puts their rows together.

    Attributes:
        images: number of images.
        faces: number of faces.
        scores: float64 [S], in any order.
        detections: int64 [S], detections of that image with that score.
        hits: int64 [S], how many more overlaps are above one half with them than without; may be negative.
        overlap: float64 [S], how much greater the sum of the overlaps is.
    """

    rows: ClassVar[tuple[str, ...]] = ("scores", "detections", "hits", "overlap")

    images: int
    faces: int
    scores: Float64
    detections: Int64
    hits: Int64
    overlap: Float64

    @classmethod
    def zero(cls) -> FddbCounts:
        """Returns the counts of no image."""
        return cls(0, 0, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class FddbCurves:
    """Both curves at every distinct score, from the highest down.

    Attributes:
        images: number of images.
        faces: number of faces.
        scores: float64 [S], falling.
        false_positives: int64 [S].
        discrete: float64 [S], share of the faces with an overlap above one half.
        continuous: float64 [S], sum of the overlaps by the number of faces.
    """

    images: int
    faces: int
    scores: Float64
    false_positives: Int64
    discrete: Float64
    continuous: Float64

    def to_json(self) -> dict[str, Any]:
        """Returns `{"images", "faces", "discrete": [[false positives, true positive rate, score], ..], "continuous"}`.

        Both lists begin at the highest score.
        """
        curves = {
            name: list(map(list, zip(self.false_positives.tolist(), rate.tolist(), self.scores.tolist(), strict=True)))
            for name, rate in (("discrete", self.discrete), ("continuous", self.continuous))
        }
        return {"images": self.images, "faces": self.faces, **curves}


def count_ellipses(predictions: PredictionSet, labels: FddbLabels) -> FddbCounts:
    """Returns the counts over all images of the labels; images that these do not have are left out.

    Whole FDDB with 5,000 detections: about one second on one core.
    """
    images = labels.image_ids
    steps: list[tuple[float, int, int, float]] = []
    for image_id, (boxes, scores) in predictions.select(images).falling().by_image():
        steps += _steps(overlaps(labels.ellipses[image_id], boxes, labels.border(image_id)), scores)
    rows = np.array(steps, np.float64).reshape(-1, 4)
    whole = rows[:, 1:3].astype(np.int64)
    return FddbCounts(len(images), labels.faces, rows[:, 0].copy(), whole[:, 0], whole[:, 1], rows[:, 3].copy())


def curves(counts: FddbCounts) -> FddbCurves:
    """Returns both curves; the order in which images were added changes nothing, not even the last bit.

    Raises ValueError: there is no face.
    """
    if not counts.faces:
        raise ValueError(f"expected faces, found none in {counts.images} images: there is no curve")
    order = np.lexsort((counts.overlap, counts.hits, counts.detections, -counts.scores))
    scores = counts.scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, np.int64)
    detections, hits, overlap = (
        column[order].cumsum()[last] for column in (counts.detections, counts.hits, counts.overlap)
    )
    faces = float(counts.faces)
    return FddbCurves(counts.images, counts.faces, scores[last], detections - hits, hits / faces, overlap / faces)


def _steps(table: Float64, scores: Float64) -> list[tuple[float, int, int, float]]:
    """Returns per distinct score, falling: the score, and what it adds to detections, hits and the sum of overlaps.

    Args:
        table: float64 [F, N], overlaps of one image.
        scores: float64 [N], falling.
    """
    from scipy.optimize import linear_sum_assignment

    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) + 1 if len(scores) else np.zeros(0, np.int64)
    met = np.flatnonzero(table.any(axis=0))
    steps = []
    start, hits, total = 0, 0, 0.0
    for end in ends.tolist():
        new_hits, new_total = hits, total
        # Detections without any overlap match nothing and change nothing.
        if ((met >= start) & (met < end)).any():
            part = table[:, met[met < end]]
            matched = part[linear_sum_assignment(part, maximize=True)]
            new_hits, new_total = int((matched > OVERLAP).sum()), float(matched.sum())
        steps.append((float(scores[start]), end - start, new_hits - hits, new_total - total))
        start, hits, total = end, new_hits, new_total
    return steps
