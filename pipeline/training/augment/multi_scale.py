"""Multi-scale training: the size of the image is sampled from a list, independent of its faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.training.augment.labelled_image import Float32
from pipeline.training.augment.resize import sample_interpolation, scaled_size
from pipeline.training.augment.view import View
from pipeline.training.augment.window import window_anywhere

TRAINING_SIDES = tuple(range(640, 1185, 32))
"""The list of MogFace's code: 640, 672, .., 1184."""

MAX_SIDE = 12000


@dataclass(frozen=True, slots=True)
class MultiScale:
    """Every image's short side gets one of the sizes, sampled each time; a window anywhere is cut out of it.

    MogFace names MST without a recipe; resizing the short side is COCO's way, and the window keeps images of one batch
    equal in size. All sizes have the same probability; the resized image has at most `MAX_SIDE`^2 pixels.
    """

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns a view of an image of `width` x `height`; `boxes` have no effect. See `Geometry`."""
        short = TRAINING_SIDES[int(rng.integers(len(TRAINING_SIDES)))]
        new_width, new_height = scaled_size(width, height, short / min(width, height), MAX_SIDE)
        kind = sample_interpolation(rng)
        x, y = window_anywhere(rng, new_width, new_height, side)
        return View((0, 0, width, height), new_width, new_height, x, y, side, kind)
