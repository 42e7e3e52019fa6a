"""RetinaFace's square crop: a random square that holds a whole face, brought to the training size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.training.example import Example


def square_crop(
    example: Example, size: int, shares: Sequence[float], rng: np.random.Generator, tries: int = 50
) -> Example:
    """Returns a random square of the example, `size` pixels wide and high.

    The square's side is one of `shares` times the image's short side. It must hold at least one whole face, unless the
    image has none; if `tries` squares fail, the largest centred square is taken. Faces whose centre lies in the square
    stay, their boxes clipped to it, their landmarks not.

    Args:
        example: any image size.
        size: side of the result, pixels.
        shares: sides to choose from, each in (0, 1].
        rng: decides; the same state gives the same crop.
        tries: squares drawn before giving up.
    """
    height, width = example.image.shape[:2]
    short = min(height, width)
    for _ in range(tries):
        side = max(1, round(short * float(rng.choice(np.asarray(shares)))))
        x, y = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
        if len(example.boxes) == 0 or _holds_a_face(example.boxes, x, y, side):
            return _cut(example, x, y, side, size)
    return _cut(example, (width - short) // 2, (height - short) // 2, short, size)


def _holds_a_face(boxes: NDArray[np.float32], x: int, y: int, side: int) -> bool:
    inside = (boxes[:, :2] >= (x, y)).all(axis=1) & (boxes[:, 2:] <= (x + side, y + side)).all(axis=1)
    return bool(inside.any())


def _cut(example: Example, x: int, y: int, side: int, size: int) -> Example:
    import cv2  # Here: it costs start-up time that a plan does not have to pay.

    centres = (example.boxes[:, :2] + example.boxes[:, 2:]) / 2
    kept = ((centres > (x, y)) & (centres < (x + side, y + side))).all(axis=1)
    factor = np.float32(size / side)
    corner = np.asarray((x, y), np.float32)
    boxes = (np.clip(example.boxes[kept] - np.tile(corner, 2), 0, side) * factor).astype(np.float32)
    window = example.image[y : y + side, x : x + side]
    how = cv2.INTER_AREA if size < side else cv2.INTER_LINEAR
    image = np.ascontiguousarray(window) if size == side else cv2.resize(window, (size, size), interpolation=how)
    landmarks = ((example.landmarks[kept] - corner) * factor).astype(np.float32)
    return replace(example, image=image, boxes=boxes, landmarks=landmarks)
