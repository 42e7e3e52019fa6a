"""Which detections of one image find a face by COCO's rule, at all overlaps and area ranges at once.

A detection takes the free face of highest overlap among those that count; only where none reaches the threshold, one of
the ignored ones, which removes it. Of equal overlaps the last face is taken. A crowd is never used up, and its overlap
is the share of the detection that is inside.

Tensor names: N detections, F faces, T overlaps, A area ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    free_FAT = np.ones((len(faces_F4), *shape), bool)
    ignored_FA1 = ignored_AF.T[:, :, None]
    counting_FA1 = ~ignored_FA1
    for row in np.flatnonzero(iou_NF.max(axis=1) >= _REACHED[0]).tolist():
        near = np.flatnonzero(iou_NF[row] >= _REACHED[0])
        if len(near) > 1:  # best first, of equal ones the last
            near = near[np.lexsort((-near, -iou_NF[row, near]))]
        reached = [(face, iou_NF[row, face] >= _REACHED) for face in near.tolist()]
        counts = _take(reached, counting_FA1, free_FAT, crowd_F, np.zeros(shape, bool))
        matched = _take(reached, ignored_FA1, free_FAT, crowd_F, counts)
        found[:, :, row] = matched
        ignored[:, :, row] = (ignored[:, :, row] | matched) & ~counts
    return found, ignored


def _take(
    reached: Sequence[tuple[int, Bool]], wanted_FA1: Bool, free_FAT: Bool, crowd_F: Bool, matched_AT: Bool
) -> Bool:
    """Returns bool [A, T], where a detection has a face, after it took the first free one of those that are wanted.

    Args:
        reached: the faces near it, best first, each with bool [T]: where it overlaps enough.
        wanted_FA1: bool [F, A, 1].
        free_FAT: bool [F, A, T]; what is taken and no crowd is not free any more.
        crowd_F: bool [F].
        matched_AT: where it had one before.
    """
    for face, enough_T in reached:
        takes_AT = wanted_FA1[face] & enough_T & free_FAT[face] & ~matched_AT
        matched_AT = matched_AT | takes_AT
        if not crowd_F[face]:
            free_FAT[face] &= ~takes_AT
    return matched_AT


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
