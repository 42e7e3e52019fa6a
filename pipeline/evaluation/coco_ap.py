"""Average precision and recall as COCO's tool computes them: outcomes per detection that add up.

At overlaps from 0.5 to 0.95 and in four ranges of area; the best 100 detections of an image; precision at 101 recalls.
Equal to faster-coco-eval in the tests, but that ``ignore`` of an annotation is obeyed, which COCO's tool overwrites.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.coco_matching import AREAS, THRESHOLDS, match_image, outside
from pipeline.evaluation.joined_counts import JoinedCounts

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

MAX_DETECTIONS: Final = 100
RECALLS: Final[Float64] = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True, eq=False)
class CocoCounts(JoinedCounts):
    """Outcomes of the detections of some images; adding two of them is exact.

    Attributes:
        images: number of images.
        faces: int64 [A], faces that count in each range of `AREAS`.
        scores: float64 [N], in any order.
        positions: int64 [N, 2], number of the image in the set and rank within it, which order equal scores.
        found: bool [N, A, T], whether a face was found at each overlap.
        ignored: bool [N, A, T], whether the detection counts as neither right nor wrong.
    """

    rows: ClassVar[tuple[str, ...]] = ("scores", "positions", "found", "ignored")

    images: int
    faces: Int64
    scores: Float64
    positions: Int64
    found: Bool
    ignored: Bool

    @classmethod
    def zero(cls) -> CocoCounts:
        """Returns the counts of no image."""
        flags = np.zeros((0, len(AREAS), len(THRESHOLDS)), bool)
        return cls(0, np.zeros(len(AREAS), np.int64), np.zeros(0), np.zeros((0, 2), np.int64), flags, flags)


def count_coco(
    predictions: PredictionSet,
    labels: BoxLabels,
    numbers: Sequence[int] | None = None,
    max_detections: int = MAX_DETECTIONS,
) -> CocoCounts:
    """Returns the outcomes over all images of the labels.

    Args:
        predictions: detections of exactly the images of the labels, in their order, rows in any order.
        labels: the faces.
        numbers: of each of these images in the whole set; None where they are the whole set.
        max_detections: the best so many of an image.
    """
    rows = predictions.falling()
    faces = np.zeros(len(AREAS), np.int64)
    none = CocoCounts.zero()
    parts = [(none.scores, none.positions, none.found, none.ignored)]
    for image, (start, stop) in enumerate(pairwise(rows.offsets.tolist())):
        best = slice(start, min(stop, start + max_detections))
        ignored_AF = labels.ignored[image] | outside(labels.areas[image])
        faces += (~ignored_AF).sum(axis=1)
        found, ignored = match_image(rows.boxes[best], labels.boxes[image], labels.crowds[image], ignored_AF)
        scores = rows.scores[best]
        places = np.stack(
            [np.full(len(scores), image if numbers is None else numbers[image]), np.arange(len(scores))], axis=1
        )
        parts.append((scores, places, np.moveaxis(found, 2, 0), np.moveaxis(ignored, 2, 0)))
    return CocoCounts(len(labels.image_ids), faces, *map(np.concatenate, zip(*parts, strict=True)))


@dataclass(frozen=True, slots=True)
class CocoResult:
    """Average precision and recall; NaN in a range where no face counts.

    Attributes:
        precision: float64 [A, T], the mean precision over 101 recalls.
        curves: float64 [A, T, 101], the precision at each of `RECALLS`, 0 where detections do not reach it.
        recall: dict of the number of detections of an image -> float64 [A, T], recall with the best so many.
    """

    precision: Float64
    curves: Float64
    recall: dict[int, Float64]

    def by_overlap(self) -> dict[str, float]:
        """Returns the overlap as text, such as "0.50" -> precision of the faces of every area."""
        return {f"{overlap:.2f}": float(each) for overlap, each in zip(THRESHOLDS, self.precision[0], strict=True)}

    def figures(self) -> dict[str, float]:
        """Returns COCO's figures by name: ap, ap50, ap75, ap and ar by area, ar by number of detections."""
        areas = list(AREAS)
        most = max(self.recall)
        return {
            "ap": float(self.precision[0].mean()),
            "ap50": float(self.precision[0, 0]),
            "ap75": float(self.precision[0, 5]),
            **{f"ap_{name}": float(self.precision[row].mean()) for row, name in enumerate(areas) if row},
            **{f"ar{number}": float(recall[0].mean()) for number, recall in self.recall.items()},
            **{f"ar_{name}": float(self.recall[most][row].mean()) for row, name in enumerate(areas) if row},
        }


def average(counts: CocoCounts, max_detections: int = MAX_DETECTIONS) -> CocoResult:
    """Returns precision and recall; the order in which images were added changes nothing.

    Args:
        counts: over all images.
        max_detections: as they were counted with; recall is also given for 1 and 10 detections of an image.

    Raises ValueError: no face counts.
    """
    if not counts.faces[0]:
        raise ValueError(f"expected faces that count, found none in {counts.images} images: there is no AP")
    order = np.lexsort((counts.positions[:, 1], counts.positions[:, 0], -counts.scores))
    ranks = counts.positions[order, 1]
    found, counted = counts.found[order], ~counts.ignored[order]
    recall = {}
    for number in (each for each in (1, 10, max_detections) if each <= max_detections):
        hits = (found & counted)[ranks < number].sum(axis=0)
        recall[number] = _by(hits, counts.faces)
    precision = np.full((len(AREAS), len(THRESHOLDS)), np.nan)
    curves = np.full((*precision.shape, len(RECALLS)), np.nan)
    for area, faces in enumerate(counts.faces.tolist()):
        for place in range(len(THRESHOLDS) if faces else 0):
            kept = counted[:, area, place]
            curves[area, place] = _precision(found[kept, area, place], faces)
            precision[area, place] = curves[area, place].mean()
    return CocoResult(precision, curves, recall)


def _precision(hits_N: Bool, faces: int) -> Float64:
    """Returns the precision at `RECALLS` of detections by falling score."""
    hits = hits_N.cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / faces, RECALLS, side="left")
    at_recalls: Float64 = np.append(envelope, 0.0)[places]
    return at_recalls


def _by(hits: Int64, faces: Int64) -> Float64:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(faces[:, None] > 0, hits / faces[:, None], np.nan)
