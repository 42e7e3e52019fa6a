"""The WIDER FACE validation AP, exactly: whole counts per image that add up, then a curve and its area.

Two passes over the images, so that the work can be spread and still gives the same bits: `score_range` (a minimum and
a maximum, merged by `|`), then `count_images` (whole numbers, added by `+`). Only those numbers enter
`average_precision`, therefore any split of the images gives the same AP to the last digit.

Protocol: scores of the whole set are mapped to 0..1; a detection goes to the face of highest IoU (+1 on widths and
heights) among all faces of its image; below 0.5 it is a false alarm; an ignored face removes it; the first detection
of a counted face is a match, later ones are false alarms. Counted at the 1,000 thresholds 1 - t / 1000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.matching import first_hits, match_faces
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.datasets.wider_face.prediction_lines import Reading
from pipeline.data.prediction_set import PredictionSet

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

IOU: Final = 0.5
STEPS: Final = 1000
# Double arithmetic on purpose: 1 - 700/1000 is slightly above 0.3, so a score of exactly 0.3 enters one step later.
THRESHOLDS: Final[Float64] = 1 - np.arange(1, STEPS + 1) / STEPS


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """Lowest and highest raw score of a set, merged by `|`; what all scores are normalised with."""

    low: float
    high: float

    @classmethod
    def empty(cls, reading: Reading = "matlab") -> ScoreRange:
        """Returns what each tool starts from: nothing at all, or (Python tool) a minimum of 1 and a maximum of 0."""
        return cls(np.inf, -np.inf) if reading == "matlab" else cls(1.0, 0.0)

    def __or__(self, other: ScoreRange) -> ScoreRange:
        return ScoreRange(min(self.low, other.low), max(self.high, other.high))

    def normalise(self, scores: NDArray[Any]) -> Float64:
        """Returns float64 (s - low) / (high - low).

        Where all scores are equal the official tools divide by zero; here every score becomes 1, so that all rows
        enter together at the first threshold.
        """
        if not self.low < self.high:  # all equal, or no score at all
            return np.ones(len(scores))
        normal: Float64 = (scores.astype(np.float64) - self.low) / (self.high - self.low)
        return normal


def score_range(scores: NDArray[Any], reading: Reading = "matlab") -> ScoreRange:
    """Returns the range of raw scores [N] (any float type; compared in float64), as the named tool finds it."""
    start = ScoreRange.empty(reading)
    return start | ScoreRange(float(scores.min()), float(scores.max())) if len(scores) else start


@dataclass(frozen=True, slots=True)
class ApCounts:
    """Whole counts of one subset over some images; adding two of them is exact.

    Attributes:
        faces: faces that count.
        images: images that have any face, counted or ignored (the protocol skips the others).
        boxes: detections in those images.
        proposals: int64 [1000], detections at or above each threshold, without those on ignored faces.
        matches: int64 [1000], counted faces found by them.
    """

    faces: int
    images: int
    boxes: int
    proposals: Int64
    matches: Int64

    def __post_init__(self) -> None:
        """Raises ValueError unless both curves have one count per threshold."""
        if self.proposals.shape != (STEPS,) or self.matches.shape != (STEPS,):
            shapes = f"{self.proposals.shape} and {self.matches.shape}"
            raise ValueError(f"proposals and matches have shapes {shapes}, expected ({STEPS},)")

    @classmethod
    def zero(cls) -> ApCounts:
        """Returns the counts of no image."""
        return cls(0, 0, 0, np.zeros(STEPS, np.int64), np.zeros(STEPS, np.int64))

    def __add__(self, other: ApCounts) -> ApCounts:
        return ApCounts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ApCounts):
            return NotImplemented
        same = (self.faces, self.images, self.boxes) == (other.faces, other.images, other.boxes)
        curves = np.array_equal(self.proposals, other.proposals) and np.array_equal(self.matches, other.matches)
        return same and curves

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Matches:
    """Detections of many images with the face that each goes to, flat: all that any count of the protocol is made of.

    Rows N are detections, image by image in the order in which they are counted; faces F are those of all images.

    Attributes:
        boxes_N4: float64 [N, 4].
        image_N: int64 [N], row of its image.
        face_N: int64 [N], row of the face of highest IoU (+1) where that is at least 0.5, else -1.
        first_N: bool [N], whether it is the first one that goes to its face.
        enters_N: int64 [N], index of the first threshold that it reaches; 1000 where it reaches none.
        faces_F4: float64 [F, 4].
        image_F: int64 [F], never falling.
        has_faces_I: bool [I], whether an image has any face; the protocol skips the others.
        counts: subset -> bool [F], whether a face counts; the others are ignored.
    """

    boxes_N4: Float64
    image_N: Int64
    face_N: Int64
    first_N: NDArray[np.bool_]
    enters_N: Int64
    faces_F4: Float64
    image_F: Int64
    has_faces_I: NDArray[np.bool_]
    counts: Mapping[str, NDArray[np.bool_]]

    def proposals_of(self, counted_F: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Returns bool [N]: detections that stay, for some faces that count: those on the other faces are removed."""
        return self.has_faces_I[self.image_N] & (self.on(counted_F) | (self.face_N < 0))

    def on(self, counted_F: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Returns bool [N]: detections that go to a face that counts, first or later."""
        # The spare entry at the end is what -1, no face, reads: a proposal that matches nothing.
        on_counted_N: NDArray[np.bool_] = np.append(counted_F, False)[self.face_N]
        return on_counted_N

    def counts_of_subsets(self) -> dict[str, ApCounts]:
        """Returns the counts of every subset."""
        return {subset: self.ap_counts(counted_F) for subset, counted_F in self.counts.items()}

    def ap_counts(self, counted_F: NDArray[np.bool_]) -> ApCounts:
        """Returns the counts over all images for the faces that count, bool [F]."""
        return ApCounts(
            faces=int(counted_F.sum()),
            images=int(self.has_faces_I.sum()),
            boxes=int(self.has_faces_I[self.image_N].sum()),
            proposals=running(self.enters_N[self.proposals_of(counted_F)]),
            matches=running(self.enters_N[self.on(counted_F) & self.first_N]),
        )


def match_images(
    predictions: PredictionSet, truth: WiderGroundTruth, scores: ScoreRange, reading: Reading = "matlab"
) -> Matches:
    """Returns the detections of all images of the ground truth, each with its face; arguments as for `count_images`."""
    rows = predictions.select(truth.image_ids)
    rows = rows.falling() if reading == "matlab" else rows
    image_F = np.repeat(np.arange(len(truth.boxes)), [len(faces) for faces in truth.boxes])
    faces_F4 = np.concatenate([np.zeros((0, 4)), *truth.boxes])
    image_N = rows.image_rows()
    # Which face a detection goes to, and which one comes first, is the same in every subset.
    face_N = match_faces(rows.boxes, image_N, faces_F4, image_F, IOU)
    normal_N = scores.normalise(rows.scores)
    return Matches(
        boxes_N4=rows.boxes,
        image_N=image_N,
        face_N=face_N,
        first_N=first_hits(face_N, len(faces_F4)),
        enters_N=enters(normal_N if reading == "matlab" else _highest_from_here(normal_N, rows.offsets)),
        faces_F4=faces_F4,
        image_F=image_F,
        has_faces_I=np.array([len(faces) > 0 for faces in truth.boxes], bool),
        counts={subset: np.concatenate([np.zeros(0, bool), *flags]) for subset, flags in truth.counts.items()},
    )


def count_images(
    predictions: PredictionSet, truth: WiderGroundTruth, scores: ScoreRange, reading: Reading = "matlab"
) -> dict[str, ApCounts]:
    """Returns the counts per subset over all images of the ground truth.

    Args:
        predictions: rows in any order; images that the ground truth does not have are left out.
        truth: faces, and which of them count in each subset; an image without a prediction has no detections.
        scores: range over the whole set, not only over these images.
        reading: "matlab" sorts each image's rows by falling score (stable); "python" takes them as they come and
            counts, at each threshold, everything up to the last row that passes.
    """
    return match_images(predictions, truth, scores, reading).counts_of_subsets()


def curve(counts: ApCounts) -> tuple[Float64, Float64]:
    """Returns precision and recall, float64 [1000] each; NaN where there is no proposal, or no face."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return counts.matches / counts.proposals, counts.matches / np.float64(counts.faces)


def average_precision(counts: ApCounts) -> float:
    """Returns the area under the precision envelope over all points of the curve; NaN if no face counts."""
    if counts.faces == 0:
        return float("nan")
    precision, recall = curve(counts)
    # 0/0 happens only before the first proposal, at recall zero, where it adds nothing.
    precision = np.concatenate([[0.0], np.nan_to_num(precision, nan=0.0), [0.0]])
    recall = np.concatenate([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    step = np.flatnonzero(recall[1:] != recall[:-1])
    return float(np.sum((recall[step + 1] - recall[step]) * envelope[step + 1]))


def enters(normal_N: Float64) -> Int64:
    """Returns the index of the first threshold that each score reaches; 1000 where it reaches none."""
    return STEPS - np.searchsorted(THRESHOLDS[::-1], normal_N, side="right")


def running(enters_N: Int64) -> Int64:
    """Returns int64 [1000]: how many rows have entered at each threshold."""
    return np.bincount(enters_N, minlength=STEPS + 1)[:STEPS].cumsum().astype(np.int64)


def _highest_from_here(normal_N: Float64, offsets: Int64) -> Float64:
    """Returns each row's highest score among itself and the later rows of its image: when the tool first counts it."""
    highest = normal_N.copy()
    for start, stop in pairwise(offsets.tolist()):
        highest[start:stop] = np.maximum.accumulate(normal_N[start:stop][::-1])[::-1]
    return highest
