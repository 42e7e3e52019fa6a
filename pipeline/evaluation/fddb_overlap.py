"""How much of an ellipse and a rectangle is common to both, in pixels, as FDDB's own tool draws and counts them.

The tool fills both shapes in masks of the image's size with OpenCV, and divides the pixels of both by those of either:
an ellipse around the rounded centre with radii cut to whole pixels and the angle rounded to whole degrees, and a
rectangle whose rounded corners are part of it. What is outside the image is not drawn. Here the ellipse is drawn once
into a mask of its own size, and a rectangle is a slice of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MARGIN = 2  # pixels around the ellipse's greatest extent
FAR = 1 << 20  # the border of an image whose size is not known


@dataclass(frozen=True, slots=True)
class _Pixels:
    """A filled ellipse without what is outside the image: its mask, the place of the mask's corner, and its pixels."""

    mask: NDArray[np.uint8]  # uint8 [H, W], 1 inside
    x: int
    y: int
    area: int


def overlaps(
    ellipses_F5: NDArray[np.float64], boxes_N4: NDArray[np.float64], size: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Returns the overlap of every ellipse with every box of one image, 0 where nothing is shared.

    Args:
        ellipses_F5: float64 [F, 5]: major and minor radius, angle in radians, centre x and y, as annotated.
        boxes_N4: float64 [N, 4] xyxy, x2 = x + w.
        size: width and height of the image; None where unknown: only the borders at 0 cut off anything.

    Returns:
        float64 [F, N] in 0..1, pixels of both by pixels of either.
    """
    width, height = size or (FAR, FAR)
    table = np.zeros((len(ellipses_F5), len(boxes_N4)))
    if not table.size:
        return table
    # Corners are rounded as single precision numbers, halves to the even one.
    x1, y1, x2, y2 = np.rint(boxes_N4.astype(np.float32)).astype(np.int64).T
    left, right = np.minimum(x1, x2).clip(0, width), np.maximum(x1, x2).clip(-1, width - 1) + 1
    top, bottom = np.minimum(y1, y2).clip(0, height), np.maximum(y1, y2).clip(-1, height - 1) + 1
    areas = (right - left).clip(0) * (bottom - top).clip(0)
    for row, ellipse in enumerate(ellipses_F5):
        drawn = _draw(ellipse, width, height)
        tall, wide = drawn.mask.shape
        meets = (left < drawn.x + wide) & (right > drawn.x) & (top < drawn.y + tall) & (bottom > drawn.y)
        for column in np.flatnonzero(meets & (areas > 0)).tolist():
            rows = slice(max(top[column] - drawn.y, 0), bottom[column] - drawn.y)
            columns = slice(max(left[column] - drawn.x, 0), right[column] - drawn.x)
            shared = int(np.count_nonzero(drawn.mask[rows, columns]))
            table[row, column] = shared / (drawn.area + int(areas[column]) - shared)
    return table


def _draw(ellipse: NDArray[np.float64], width: int, height: int) -> _Pixels:
    import cv2

    major, minor = int(ellipse[0]), int(ellipse[1])
    x, y = np.rint(ellipse[3:5].astype(np.float32)).astype(np.int64).tolist()
    reach = max(major, minor) + _MARGIN
    # The canvas ends where the image does: OpenCV draws a shape that is cut off in its own way.
    left, top = max(x - reach, 0), max(y - reach, 0)
    right, bottom = min(x + reach + 1, width), min(y + reach + 1, height)
    mask = np.zeros((max(bottom - top, 0), max(right - left, 0)), np.uint8)
    if mask.size:
        degrees = float(np.degrees(ellipse[2]))
        cv2.ellipse(mask, (x - left, y - top), (major, minor), degrees, 0, 360, 1, cv2.FILLED)
    return _Pixels(mask, left, top, int(np.count_nonzero(mask)))
