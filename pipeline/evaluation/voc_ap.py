"""Average precision as PASCAL VOC computes it, for AFW and PASCAL Face: outcomes per detection that add up.

Detections are taken by falling score; rows of equal score keep the order in which they were written. Each goes to the
face of its image with the highest overlap, sides counted as ``x2 - x1 + 1``, whether that face counts or is ignored. An
ignored face removes the detection; the first one on a face that counts is a hit, later ones are false alarms, as is a
detection without a face. AP is the area under the precision envelope over all points.

Two protocols differ in the details:

========  ====================  ===========  ================  ================  ====================
name      overlap               on ties      ignored by size   small detections  boxes
========  ====================  ===========  ================  ================  ====================
voc       0.5 or more           first face   none              kept              as they are
face-eval above 0.5             last face    a side < 30 px    left out          shifted and scaled
========  ====================  ===========  ================  ================  ====================

``voc`` is that of the VOC development kit. ``face-eval`` is that of the toolbox with which AFW and PASCAL Face are
published (marcopede/face-eval, `box_refinement`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_matrix
from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.joined_counts import JoinedCounts

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

IOU: Final = 0.5
_NO_FACE: Final = -1


@dataclass(frozen=True, slots=True)
class VocProtocol:
    """What counts as a face and as a hit; see the table at the top.

    Attributes:
        name: of the protocol.
        min_face: pixels; a face with a smaller width or height is ignored.
        min_box: pixels; a detection is left out whose width and height are both at most this.
        rounds: how often boxes are shifted and scaled before they are counted, less one.
    """

    name: Literal["voc", "face-eval"] = "voc"
    min_face: float = 0
    min_box: float = -np.inf
    rounds: int = 1

    def reaches(self, iou: Float64) -> NDArray[np.bool_]:
        """Returns whether overlaps are enough for a face to be found."""
        return iou > IOU if self.name == "face-eval" else iou >= IOU

    def ignored(self, faces_F4: Float64, flags_F: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Returns which faces do not count: those annotated so, and those that are too small."""
        width_F, height_F = np.abs(faces_F4[:, 2:] - faces_F4[:, :2]).T
        ignored: NDArray[np.bool_] = flags_F | (width_F < self.min_face) | (height_F < self.min_face)
        return ignored


VOC: Final = VocProtocol()
FACE_EVAL: Final = VocProtocol("face-eval", min_face=30, min_box=21, rounds=5)


@dataclass(frozen=True, slots=True, eq=False)
class VocCounts(JoinedCounts):
    """Outcomes of the detections of some images that are no ignored face's; adding two of them is exact.

    Attributes:
        images: number of images.
        faces: faces that count.
        scores: float64 [N], in any order.
        positions: int64 [N], place of each detection in its source, which orders equal scores.
        hits: bool [N], whether it is the first on a face that counts.
    """

    rows: ClassVar[tuple[str, ...]] = ("scores", "positions", "hits")

    images: int
    faces: int
    scores: Float64
    positions: Int64
    hits: NDArray[np.bool_]

    @classmethod
    def zero(cls) -> VocCounts:
        """Returns the counts of no image."""
        return cls(0, 0, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, bool))


@dataclass(frozen=True, slots=True)
class VocCurve:
    """Precision and recall after each detection, by falling score.

    Attributes:
        scores: float64 [N].
        precision: float64 [N].
        recall: float64 [N].
        ap: area under the precision envelope, in 0..1.
    """

    scores: Float64
    precision: Float64
    recall: Float64
    ap: float


def matched_faces(
    predictions: PredictionSet, labels: BoxLabels, protocol: VocProtocol, positions: Int64
) -> Iterator[tuple[int, Int64, Int64]]:
    """Yields per image its index, the rows of its detections by falling score, and the face that each reaches or -1.

    Args:
        predictions: detections of exactly the images of the labels, in their order.
        labels: the faces.
        protocol: which overlaps are enough.
        positions: int64 [N], place of each row in its source.
    """
    order = np.lexsort((positions, -predictions.scores, predictions.image_rows()))
    for image, (start, stop) in enumerate(pairwise(predictions.offsets.tolist())):
        rows, faces = order[start:stop], labels.boxes[image]
        if not (len(rows) and len(faces)):
            yield image, rows, np.full(len(rows), _NO_FACE)
            continue
        iou = iou_matrix(predictions.boxes[rows], faces, pixel_inclusive=True)
        last = protocol.name == "face-eval"
        best = len(faces) - 1 - iou[:, ::-1].argmax(axis=1) if last else iou.argmax(axis=1)
        reached = protocol.reaches(iou[np.arange(len(rows)), best])
        yield image, rows, np.where(reached, best, _NO_FACE)


def count_boxes(
    predictions: PredictionSet, labels: BoxLabels, protocol: VocProtocol = VOC, positions: Int64 | None = None
) -> VocCounts:
    """Returns the outcomes over all images of the labels.

    Args:
        predictions: detections of exactly the images of the labels, in their order; boxes as they are to be counted
            (`box_refinement.counted` gives those of ``face-eval``).
        labels: the faces.
        protocol: what counts.
        positions: int64 [N], place of each row in its source; None where the rows themselves are in order.
    """
    places = np.arange(len(predictions.scores)) if positions is None else positions
    kept, hits, faces = [], [], 0
    for image, rows, face_N in matched_faces(predictions, labels, protocol, places):
        ignored = protocol.ignored(labels.boxes[image], labels.ignored[image])
        faces += int((~ignored).sum())
        # The spare entry at the end is what -1, no face, reads.
        counts_N = ~np.append(ignored, False)[face_N]
        rows, face_N = rows[counts_N], face_N[counts_N]
        hit_N = np.zeros(len(rows), bool)
        _, first = np.unique(face_N, return_index=True)
        hit_N[first] = True
        kept.append(rows)
        hits.append(hit_N & (face_N != _NO_FACE))
    chosen = np.concatenate([np.zeros(0, np.int64), *kept])
    flags = np.concatenate([np.zeros(0, bool), *hits])
    return VocCounts(len(labels.image_ids), faces, predictions.scores[chosen], places[chosen], flags)


def average_precision(counts: VocCounts) -> VocCurve:
    """Returns curve and AP; the order in which images were added changes nothing.

    Raises ValueError: no face counts.
    """
    if not counts.faces:
        raise ValueError(f"expected faces that count, found none in {counts.images} images: there is no AP")
    order = np.lexsort((counts.positions, -counts.scores))
    hits = counts.hits[order].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / np.float64(counts.faces)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    ap = float((np.diff(recall, prepend=0.0) * envelope).sum())
    return VocCurve(counts.scores[order], precision, recall, ap)
