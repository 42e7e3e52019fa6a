"""Which face each detection goes to, by overlap with +1 on every width and height (the WIDER FACE convention).

Tensor names: N detections, F faces, P pairs. Boxes are xyxy in pixels; all arithmetic is float64, so that equal inputs
give equal bits on every machine.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_pairs

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

PAIRS_AT_ONCE: Final = 1 << 20  # keeps the pair arrays of one round around 100 MB
NO_FACE: Final = -1


def match_faces(
    boxes_N4: NDArray[Any],
    box_image_N: Int64,
    faces_F4: NDArray[Any],
    face_image_F: Int64,
    iou: float = 0.5,
) -> Int64:
    """Returns each detection's face of highest IoU if that reaches a threshold, over many images in one go.

    Only pairs that could reach the threshold are computed (`_candidates`). Example: the 297,298 detections of a
    published set need 551,238 pairs.

    Args:
        boxes_N4: [N, 4] xyxy, the detections of all images.
        box_image_N: int64 [N], the image of each, any order.
        faces_F4: [F, 4] xyxy, the faces of all images, counted or ignored.
        face_image_F: int64 [F], the image of each, any order.
        iou: threshold t, 0 < t <= 1, reached with equality.

    Returns:
        int64 [N], a row of `faces_F4` (the first one on ties) or -1.

    Raises:
        ValueError: the threshold is outside (0, 1].
    """
    if not 0 < iou <= 1:
        raise ValueError(f"an IoU threshold must be in (0, 1], got {iou}")
    face_N = np.full(len(boxes_N4), NO_FACE)
    if len(boxes_N4) == 0 or len(faces_F4) == 0:
        return face_N
    # Column by column in memory: every step below works on whole columns.
    boxes, faces = boxes_N4.astype(np.float64, order="F"), faces_F4.astype(np.float64, order="F")
    order_F, first_N, count_N = _candidates(boxes, box_image_N, faces, face_image_F, iou)
    ends = np.cumsum(count_N)
    start = 0
    while start < len(boxes):
        taken = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, taken + PAIRS_AT_ONCE, side="right")))
        counts = count_N[start:stop]
        box_P = np.repeat(np.arange(start, stop), counts)
        place_P = np.arange(len(box_P)) - np.repeat(np.cumsum(counts) - counts, counts) + first_N[box_P]
        _keep_best(face_N, boxes, faces, box_P, order_F[place_P], iou)
        start = stop
    return face_N


def first_hits(face_N: Int64, faces: int) -> NDArray[np.bool_]:
    """Returns bool [N]: whether a detection is the first, in row order, that goes to its face.

    Args:
        face_N: int64 [N], the face of each detection or -1.
        faces: number of faces F; every entry of face_N is below it.
    """
    first = np.full(faces + 1, len(face_N), np.int64)
    first[face_N[::-1]] = np.arange(len(face_N))[::-1]  # the last write wins: the lowest row; -1 writes to the spare
    hit_N: NDArray[np.bool_] = (face_N >= 0) & (first[face_N] == np.arange(len(face_N)))
    return hit_N


def _candidates(
    boxes: Float64, box_image: Int64, faces: Float64, face_image: Int64, iou: float
) -> tuple[Int64, Int64, Int64]:
    """Returns the faces sorted by image and horizontal centre; per box its first place in that order, and how many.

    With widths w1 (box), w2 (face), centres d apart and t the threshold: IoU <= overlap / max(w1, w2) and
    overlap <= (w1 + w2) / 2 - d, so d <= (w1 + w2) / 2 - t max(w1, w2). Over all w2 that is largest at w2 = w1, or
    at w2 = w1 / t if t < 1/2: d <= w1 (1 - t) max(1, 1 / 2t). One pixel more absorbs the rounding.
    """
    middle = (faces[:, 0] + faces[:, 2]) / 2
    low = middle.min()
    span = middle.max() - low + 2
    key = face_image * span + (middle - low)
    order = np.argsort(key, kind="stable")
    reach = np.maximum(boxes[:, 2] - boxes[:, 0] + 1, 0) * ((1 - iou) * max(1.0, 0.5 / iou)) + 1
    centre = (boxes[:, 0] + boxes[:, 2]) / 2 - low
    # Clipped, so that a box far outside cannot reach into the keys of the next image.
    bounds = [np.clip(centre + side * reach, -0.5, span - 1.5) + box_image * span for side in (-1, 1)]
    first = np.searchsorted(key[order], bounds[0], side="left")
    last = np.searchsorted(key[order], bounds[1], side="right")
    return order, first, last - first


def _keep_best(face_N: Int64, boxes: Float64, faces: Float64, box_P: Int64, face_P: Int64, iou: float) -> None:
    """Writes into face_N the best face of every box that appears among these pairs and reaches the threshold."""
    box_P4, face_P4 = np.take(boxes.T, box_P, axis=1).T, np.take(faces.T, face_P, axis=1).T
    iou_P = iou_pairs(box_P4, face_P4, pixel_inclusive=True)
    good = np.flatnonzero(iou_P >= iou)
    # Last key first: by box, then falling IoU, then the lower face; the first row of each box is its choice.
    good = good[np.lexsort((face_P[good], -iou_P[good], box_P[good]))]
    box = box_P[good]
    chosen = np.flatnonzero(np.diff(box, prepend=-1))
    face_N[box[chosen]] = face_P[good[chosen]]
