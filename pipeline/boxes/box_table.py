"""An image's candidates as a ranker reads them: a table of fixed length, relative to the image (CRFace section 3.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

COLUMNS = ("x", "y", "w", "h", "score")


def box_table(boxes: Float32, scores: Float32, width: float, height: float, rows: int) -> tuple[Float32, int]:
    """Returns the best candidates as ``x, y, w, h, score``, best first, and how many rows of the table they fill.

    The order is the one given, so that equal scores keep their positions, to which a ranker's output belongs. Boxes are
    clipped to the image, as in training; one outside has no width or no height.

    Args:
        boxes: float32 [M, 4] xyxy in pixels.
        scores: float32 [M], never rising.
        width: of the image, pixels.
        height: likewise.
        rows: N of the table; candidates after the N-th are left out.

    Returns:
        float32 [rows, 5] in 0..1: top left corner and size, relative to the image's, and score; zeros from row
        ``valid`` on. And ``valid``, the smaller of M and ``rows``.

    Raises:
        ValueError: arrays that do not go together, an empty image or table, numbers that are not finite, rising scores.
    """
    count = len(boxes)
    if boxes.shape != (count, 4) or scores.shape != (count,):
        raise ValueError(f"boxes {boxes.shape} and scores {scores.shape} do not go together: expected (M, 4) and (M,)")
    if not (width > 0 and height > 0 and rows > 0):
        raise ValueError(f"a table needs an image and a row at least, got {width} x {height} pixels and {rows} rows")
    _require_finite(boxes, scores)
    if count > 1 and (rising := np.diff(scores) > 0).any():
        row = int(rising.argmax())
        raise ValueError(f"scores must never rise, but row {row + 1} has {scores[row + 1]} after {scores[row]}")
    valid = min(count, rows)
    table = np.zeros((rows, len(COLUMNS)), np.float32)
    size = np.array([width, height], np.float32)
    clipped = np.clip(boxes[:valid], 0, np.tile(size, 2))
    table[:valid, 0:2] = clipped[:, :2] / size
    table[:valid, 2:4] = (clipped[:, 2:] - clipped[:, :2]) / size
    table[:valid, 4] = scores[:valid]
    return table, valid


def _require_finite(boxes: Float32, scores: Float32) -> None:
    bad = ~(np.isfinite(boxes).all(axis=1) & np.isfinite(scores))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"{int(bad.sum())} of {len(bad)} candidates are not finite, the first is row {row}: "
            f"box {boxes[row].tolist()}, score {scores[row]}"
        )
