"""Multi-scale training: the size of the image is sampled from a list, independent of its faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.training.augment.resize import sample_interpolation, scaled_size
from pipeline.training.augment.scene import Float32
from pipeline.training.augment.view import View
from pipeline.training.augment.window import window_anywhere

TRAINING_SIDES = tuple(range(640, 1185, 32))
"""The list of MogFace's code: 640, 672, .., 1184."""


@dataclass(frozen=True, slots=True)
class MultiScale:
    """Every image's short side gets one of the sizes, sampled each time; a window anywhere is cut out of it.

    MogFace names MST without a recipe; resizing the short side is COCO's way, and the window keeps images of one batch
    equal in size.

    Attributes:
        sides: pixels, all with the same probability.
        max_side: the resized image has at most `max_side`^2 pixels.
    """

    sides: tuple[int, ...] = TRAINING_SIDES
    max_side: int = 12000

    def __post_init__(self) -> None:
        """Raises ValueError where there is no size, or one below 1."""
        if not self.sides or min(self.sides) < 1:
            raise ValueError(f"sides is {self.sides}, expected numbers of 1 or more")

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns a view of an image of `width` x `height`; `boxes` have no effect. See `Geometry`."""
        short = self.sides[int(rng.integers(len(self.sides)))]
        new_width, new_height = scaled_size(width, height, short / min(width, height), self.max_side)
        kind = sample_interpolation(rng)
        x, y = window_anywhere(rng, new_width, new_height, side)
        return View((0, 0, width, height), new_width, new_height, x, y, side, kind)
