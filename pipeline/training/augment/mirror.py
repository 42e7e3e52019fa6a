"""Horizontal flip, with left and right landmarks exchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.training.augment.scene import Scene

_LEFT_RIGHT = [1, 0, 2, 4, 3]


def mirror(scene: Scene) -> Scene:
    """Returns the scene flipped left to right.

    A box (x1, y1, x2, y2) of an image W wide becomes (W - x2, y1, W - x1, y2); the left eye becomes the right one.
    """
    width = np.float32(scene.image.shape[1])
    boxes, landmarks = scene.boxes.copy(), scene.landmarks[:, _LEFT_RIGHT].copy()
    boxes[:, [0, 2]] = width - scene.boxes[:, [2, 0]]
    landmarks[:, :, 0] = width - landmarks[:, :, 0]
    return replace(scene, image=np.ascontiguousarray(scene.image[:, ::-1]), boxes=boxes, landmarks=landmarks)
