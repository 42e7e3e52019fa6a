"""The oracle confidence of a box: how well it lies on the closest labelled face (CRFace, section 3.1)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 1 << 16
"""Overlaps computed at once: about 2 MB of temporary arrays, which stay in a core's cache."""

Floats = NDArray[np.floating[Any]]


def closest_overlap(boxes: Floats, faces: Floats, pixel_inclusive: bool = False) -> Floats:
    """Returns float32 [M] in 0..1: the highest intersection over union of each box with any face, 0 without faces.

    All labelled faces count, also those that no subset of the benchmark counts. Never more than about `BLOCK` of the
    M x F overlaps are there at once: 5,000 boxes and 2,000 faces take some 5 MB instead of 80 for each table.
    Computed in float64; float64 boxes get a float64 answer.

    Example: a box (0, 0, 10, 10) and a face (0, 0, 10, 5) overlap by 0.5; with `pixel_inclusive` by 66 / 121 = 0.545.

    Args:
        boxes: float [M, 4] xyxy in pixels, finite.
        faces: float [F, 4] xyxy in the same pixels; without `pixel_inclusive` one without area never overlaps anything.
        pixel_inclusive: every width and height is one larger, as the WIDER FACE protocol counts; a face without area is one
            pixel wide or high there, as in the benchmark's own tool.

    Raises:
        ValueError: where one of the two is not [.., 4].
    """
    for name, values in (("boxes", boxes), ("faces", faces)):
        if values.ndim != 2 or values.shape[1] != 4:
            raise ValueError(f"{name} have shape {values.shape}, expected (.., 4)")
    best: Floats = np.zeros(len(boxes), np.float64 if boxes.dtype == np.float64 else np.float32)
    columns = _columns(faces, pixel_inclusive)
    columns = tuple(column[columns[4] > 0] for column in columns)
    if not len(columns[4]):
        return best
    rows = _columns(boxes, pixel_inclusive)
    step = max(1, BLOCK // len(columns[4]))
    for start in range(0, len(boxes), step):
        block = slice(start, start + step)
        best[block] = _overlaps(tuple(row[block, None] for row in rows), columns).max(axis=1)
    return best


Columns = tuple[NDArray[np.float64], ...]


def _columns(boxes: Floats, pixel_inclusive: bool) -> Columns:
    """Returns x1, y1, x2, y2 and area; inclusive corners become exclusive ones, which is what `pixel_inclusive` says."""
    x1, y1, x2, y2 = boxes.astype(np.float64).T
    if pixel_inclusive:
        x2, y2 = x2 + 1, y2 + 1
    return x1, y1, x2, y2, np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)


def _overlaps(boxes: Columns, faces: Columns) -> NDArray[np.float64]:
    """Returns float64 [m, F] for columns of boxes [m, 1] and faces [F] that have an area."""
    shared: NDArray[np.float64] = np.minimum(boxes[2], faces[2])
    shared -= np.maximum(boxes[0], faces[0])
    np.maximum(shared, 0, out=shared)
    height = np.minimum(boxes[3], faces[3])
    height -= np.maximum(boxes[1], faces[1])
    shared *= np.maximum(height, 0, out=height)
    shared /= boxes[4] + faces[4] - shared
    return shared
