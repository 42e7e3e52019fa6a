"""Mirroring: the picture seen from the other side, with left and right landmarks exchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.training.example import Example

_LEFT_RIGHT = [1, 0, 2, 4, 3]


def mirror(example: Example) -> Example:
    """Returns the example flipped left to right.

    A box (x1, y1, x2, y2) of an image W wide becomes (W - x2, y1, W - x1, y2); the left eye becomes the right one.
    """
    width = np.float32(example.image.shape[1])
    boxes, landmarks = example.boxes.copy(), example.landmarks[:, _LEFT_RIGHT].copy()
    boxes[:, [0, 2]] = width - example.boxes[:, [2, 0]]
    landmarks[:, :, 0] = width - landmarks[:, :, 0]
    return replace(example, image=np.ascontiguousarray(example.image[:, ::-1]), boxes=boxes, landmarks=landmarks)
