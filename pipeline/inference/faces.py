"""Faces taken out of an image, or made unrecognisable in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]

BLUR_MARGIN = 0.2  # of a side, added on each side: hair, ears and chin make a face known too
BLUR_CELLS = 6  # along the longer side of what is blurred
CROP_MARGIN = 0.3


def blur_faces(image_bgr: Image, boxes: Boxes) -> Image:
    """Returns a copy of uint8 [H, W, 3] in which no face can be recognised, or recovered by sharpening.

    What is inside the ellipse in each enlarged box becomes its means over at most `BLUR_CELLS` x `BLUR_CELLS` cells,
    interpolated: a few colours are left of a face, whatever its size. An ellipse, since corners are mostly background.

    Args:
        image_bgr: any size.
        boxes: float32 [N, 4] xyxy in pixels; they may reach beyond the image.
    """
    import cv2

    blurred: Image = np.ascontiguousarray(image_bgr).copy()
    for left, top, right, bottom in _enlarged(boxes, BLUR_MARGIN, image_bgr):
        # Of the original, so that a face beside another is no brighter or darker for it.
        part = image_bgr[top:bottom, left:right]
        height, width = part.shape[:2]
        long = max(width, height)
        cells = tuple(max(1, min(side, round(BLUR_CELLS * side / long))) for side in (width, height))
        few = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
        smooth = cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)
        mask = np.zeros((height, width), np.uint8)
        centre, axes = ((width - 1) / 2, (height - 1) / 2), (width, height)
        cv2.ellipse(mask, (centre, axes, 0.0), 255, -1)
        blurred[top:bottom, left:right][mask > 0] = smooth[mask > 0]
    return blurred


def crop_faces(image_bgr: Image, boxes: Boxes) -> Iterator[Image]:
    """Yields a copy of each face with `CROP_MARGIN` around it, cut off at the image's border; none is empty.

    Args:
        image_bgr: uint8 [H, W, 3].
        boxes: float32 [N, 4] xyxy in pixels.
    """
    for left, top, right, bottom in _enlarged(boxes, CROP_MARGIN, image_bgr):
        yield image_bgr[top:bottom, left:right].copy()


def _enlarged(boxes: Boxes, margin: float, image: Image) -> Iterator[tuple[int, int, int, int]]:
    """Yields whole pixels that hold each box and its margin, inside the image and at least one pixel wide and high."""
    height, width = image.shape[:2]
    for x1, y1, x2, y2 in boxes.astype(np.float64):
        more_x, more_y = margin * (x2 - x1), margin * (y2 - y1)
        left, right = np.floor(x1 - more_x), np.ceil(x2 + more_x)
        top, bottom = np.floor(y1 - more_y), np.ceil(y2 + more_y)
        left, top = int(np.clip(left, 0, width - 1)), int(np.clip(top, 0, height - 1))
        yield left, top, int(np.clip(right, left + 1, width)), int(np.clip(bottom, top + 1, height))
