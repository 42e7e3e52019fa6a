"""How many faces the boxes could reach at all: faces without any box, and average recall over overlaps.

CRFace counts 531 faces without a box among 4,062 missed ones: no order of the boxes finds these, while the others are
lost by their scores. Average recall asks how exactly the boxes are placed. Whole counts per image, which add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.matching import match_faces
from pipeline.evaluation.closest_faces import ClosestFaces
from pipeline.evaluation.wider_ap import IOU, Matches

Int64 = NDArray[np.int64]

IOUS: Final[NDArray[np.float64]] = np.linspace(0.5, 0.95, 10)
LIMITS: Final[tuple[int | None, ...]] = (1, 10, 100, 1000, None)
"""Most boxes of an image that count, best first; None for all."""


@dataclass(frozen=True, slots=True)
class RecallCounts:
    """Whole counts of one subset over some images; adding two of them is exact.

    Attributes:
        faces: faces that count.
        missed: those that no detection goes to, whatever its score: none that has them as its face of highest IoU
            reaches an IoU of 0.5. The others bound the recall of the AP's curve.
        without_box: those that no detection overlaps with an IoU (+1) of 0.5, whatever its score, also none that goes
            to another face; a part of `missed`.
        found: int64 [limits, 10], faces that one of the first boxes of their image (`LIMITS`) goes to with an IoU of
            0.5, 0.55, .. 0.95.
    """

    faces: int
    missed: int
    without_box: int
    found: Int64

    @classmethod
    def zero(cls) -> RecallCounts:
        """Returns the counts of no image."""
        return cls(0, 0, 0, np.zeros((len(LIMITS), len(IOUS)), np.int64))

    def __add__(self, other: RecallCounts) -> RecallCounts:
        return RecallCounts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def average_recall(self) -> Mapping[str, float]:
        """Limit ("1", .., "all") -> mean over the ten overlaps of the share of faces found, 0..1; NaN without faces."""
        shares = self.found.mean(axis=1) / self.faces if self.faces else np.full(len(LIMITS), np.nan)
        return {str(limit or "all"): float(share) for limit, share in zip(LIMITS, shares, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values; an average recall that does not exist is null."""
        recall = {limit: None if np.isnan(share) else share for limit, share in self.average_recall.items()}
        whole = {"faces": self.faces, "missed": self.missed, "without_box": self.without_box}
        return {**whole, "average_recall": recall, "found": self.found.tolist()}


def count_recall(matches: Matches, closest: ClosestFaces) -> dict[str, RecallCounts]:
    """Returns the counts per subset over the images of some matches.

    A detection goes to its face of highest IoU, as in the AP, at every threshold: no second choice is tried. Unlike
    COCO's, ignored faces take part in that choice, and their boxes take places among the first ones of an image.
    """
    faces, images = len(matches.faces_F4), len(matches.has_faces_I)
    lengths = np.bincount(matches.image_N, minlength=images)
    place_N = np.arange(len(matches.image_N)) - (np.cumsum(lengths) - lengths)[matches.image_N]
    best_LF = np.zeros((len(LIMITS), faces))
    for best_F, limit in zip(best_LF, LIMITS, strict=True):
        rows = np.flatnonzero((matches.face_N >= 0) & (place_N < (len(place_N) if limit is None else limit)))
        np.maximum.at(best_F, matches.face_N[rows], closest.iou_N[rows])
    reached_LF = np.searchsorted(IOUS, best_LF, side="right")
    covered_F = match_faces(matches.faces_F4, matches.image_F, matches.boxes_N4, matches.image_N, IOU) >= 0
    return {
        subset: RecallCounts(
            faces=int(counted_F.sum()),
            missed=int((counted_F & (best_LF[-1] < IOU)).sum()),
            without_box=int((counted_F & ~covered_F).sum()),
            found=(reached_LF[:, counted_F, None] > np.arange(len(IOUS))).sum(axis=1).astype(np.int64),
        )
        for subset, counted_F in matches.counts.items()
    }
