"""Which detections of one image find a face by COCO's rule, at all overlaps and area ranges at once.

A detection takes the free face of highest overlap among those that count; only where none reaches the threshold, one of
the ignored ones, which removes it. Of equal overlaps the last face is taken. A crowd is never used up, and its overlap
is the share of the detection that is inside.

Tensor names: N detections, F faces, T overlaps, A area ranges.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_matrix

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

THRESHOLDS: Final[Float64] = np.linspace(0.5, 0.95, 10)
AREAS: Final = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Name -> least and greatest area in square pixels, both included."""
_REACHED: Final[Float64] = np.minimum(THRESHOLDS, 1 - 1e-10)


def outside(areas: Float64) -> Bool:
    """Returns bool [A, n]: whether areas are outside each range of `AREAS`."""
    low, high = np.array(list(AREAS.values())).T[:, :, None]
    found: Bool = (areas < low) | (areas > high)
    return found


def match_image(boxes_N4: Float64, faces_F4: Float64, crowd_F: Bool, ignored_AF: Bool) -> tuple[Bool, Bool]:
    """Returns bool [A, T, N] twice: whether a detection found a face, and whether it is to be ignored.

    Args:
        boxes_N4: float64 [N, 4] xyxy, by falling score.
        faces_F4: float64 [F, 4] xyxy.
        crowd_F: bool [F], groups of faces.
        ignored_AF: bool [A, F], faces that do not count in each range, crowds among them.
    """
    shape = (len(AREAS), len(THRESHOLDS))
    found = np.zeros((*shape, len(boxes_N4)), bool)
    sides = boxes_N4[:, 2:] - boxes_N4[:, :2]
    ignored = np.repeat(outside(sides[:, 0] * sides[:, 1])[:, None], len(THRESHOLDS), axis=1)
    if not (len(boxes_N4) and len(faces_F4)):
        return found, ignored
    iou_NF = _overlaps(boxes_N4, faces_F4, crowd_F)
    free = np.ones((*shape, len(faces_F4)), bool)
    first, second = np.ix_(range(shape[0]), range(shape[1]))
    for row in np.flatnonzero(iou_NF.max(axis=1) >= _REACHED[0]).tolist():
        iou = np.where(free & (iou_NF[row] >= _REACHED[:, None]), iou_NF[row], -1.0)
        face, best = _last_best(np.where(ignored_AF[:, None], -1.0, iou))
        other, spare = _last_best(np.where(ignored_AF[:, None], iou, -1.0))
        counts = best >= 0
        face = np.where(counts, face, other)
        matched = counts | (spare >= 0)
        found[:, :, row] = matched
        ignored[:, :, row] = np.where(matched, ~counts, ignored[:, :, row])
        free[first, second, face] &= ~matched | crowd_F[face]
    return found, ignored


def _overlaps(boxes_N4: Float64, faces_F4: Float64, crowd_F: Bool) -> Float64:
    iou = iou_matrix(boxes_N4, faces_F4)
    if crowd_F.any():
        crowds = faces_F4[crowd_F]
        corners = np.minimum(boxes_N4[:, None, 2:], crowds[:, 2:]) - np.maximum(boxes_N4[:, None, :2], crowds[:, :2])
        shared = corners.clip(min=0).prod(axis=2)
        sides = boxes_N4[:, 2:] - boxes_N4[:, :2]
        with np.errstate(divide="ignore", invalid="ignore"):
            iou[:, crowd_F] = np.where(shared > 0, shared / sides.prod(axis=1)[:, None], 0.0)
    return iou


def _last_best(iou: Float64) -> tuple[NDArray[np.int64], Float64]:
    """Returns the position of the greatest number along the last axis, the last one on ties, and that number."""
    return iou.shape[-1] - 1 - iou[..., ::-1].argmax(axis=-1), iou.max(axis=-1)
