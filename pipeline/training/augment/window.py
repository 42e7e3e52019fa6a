"""Square windows over a resized image: around a face, or anywhere."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.training.augment.labelled_image import Float32

TRIALS = 50
_OVERLAP = 0.7


def window_around(
    rng: np.random.Generator, width: int, height: int, boxes: Float32, face: int, side: int
) -> tuple[int, int] | None:
    """Returns x, y of a window of `side` pixels about one face, or None where no trial is good.

    Samples 50 windows, as MogFace's code does. If the image is larger than the window in either direction, each window
    contains the face (or is inside it, if the face is larger) and may cross the image's border. Otherwise each contains
    the whole image. A window is good if it holds some face whole or has an IoU above 0.7 with some face;
    one of the good ones is sampled.

    Args:
        rng: random generator.
        width: of the resized image, pixels.
        height: of the resized image, pixels.
        boxes: [F, 4] xyxy in the resized image, F at least 1.
        face: row of the face.
        side: of the window.
    """
    if side < max(width, height):
        spans = [(boxes[face, 2 + axis] - side, boxes[face, axis]) for axis in (0, 1)]
    else:
        spans = [(float(length - side), 0.0) for length in (width, height)]
    corners = np.stack([np.floor(rng.uniform(min(span), max(span), TRIALS)) for span in spans], axis=1)
    good = np.flatnonzero(_is_good(corners, boxes, side))
    if len(good) == 0:
        return None
    x, y = corners[good[int(rng.integers(len(good)))]]
    return int(x), int(y)


def window_anywhere(rng: np.random.Generator, width: int, height: int, side: int) -> tuple[int, int]:
    """Returns x, y of a window inside the image or, on an axis where it is larger, around the image."""
    x, y = (math.floor(rng.uniform(min(0, length - side), max(0, length - side) + 1)) for length in (width, height))
    return min(x, max(0, width - side)), min(y, max(0, height - side))


def _is_good(corners: NDArray[np.float64], boxes: Float32, side: int) -> NDArray[np.bool_]:
    """Returns bool [T] for corners [T, 2]."""
    # Axis by axis: a reduction over two columns costs more than the arithmetic.
    sides, held = [], np.ones((len(corners), len(boxes)), bool)
    for axis in (0, 1):
        start, low, high = corners[:, axis, None], boxes[None, :, axis], boxes[None, :, 2 + axis]
        end = start + side
        sides.append(np.maximum(np.minimum(end, high) - np.maximum(start, low), 0))
        held &= (low >= start) & (high <= end)
    shared = sides[0] * sides[1]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    good: NDArray[np.bool_] = (held | (shared / (side * side + areas - shared) > _OVERLAP)).any(axis=1)
    return good
