"""The oracle confidence of a box: its IoU with the closest labelled face (CRFace, section 3.1)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_matrix

BLOCK: Final = 1 << 16
"""IoU values computed at once: about 3 MB of temporary arrays, which stay in a core's cache."""

Floats = NDArray[np.floating[Any]]


def closest_overlap(boxes: Floats, faces: Floats, pixel_inclusive: bool = False) -> Floats:
    """Returns float32 [M] in 0..1: the highest IoU of each box with any face, 0 without faces.

    All labelled faces count, also those that no subset of the benchmark counts. About `BLOCK` of the M x F values exist
    at once: 5,000 boxes and 2,000 faces take a few MB instead of 80 for each table. Computed in float64; float64 boxes
    get a float64 answer.

    Args:
        boxes: float [M, 4] xyxy in pixels, finite.
        faces: float [F, 4] xyxy in the same pixels.
        pixel_inclusive: see `iou_pairs`; a face without area then is one pixel wide or high, as in the benchmark's own
            tool. Otherwise it overlaps nothing.

    Raises:
        ValueError: where one of the two is not [.., 4].
    """
    for name, values in (("boxes", boxes), ("faces", faces)):
        if values.ndim != 2 or values.shape[1] != 4:
            raise ValueError(f"{name} have shape {values.shape}, expected (.., 4)")
    best: Floats = np.zeros(len(boxes), np.float64 if boxes.dtype == np.float64 else np.float32)
    if not len(faces):
        return best
    step = max(1, BLOCK // len(faces))
    for start in range(0, len(boxes), step):
        block = slice(start, start + step)
        best[block] = iou_matrix(boxes[block], faces, pixel_inclusive=pixel_inclusive).max(axis=1)
    return best
