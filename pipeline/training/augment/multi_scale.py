"""Multi-scale training: the size of the picture is drawn from a list, no face has a say in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.training.augment.resize import sample_interpolation, scaled_size
from pipeline.training.augment.scene import Float32
from pipeline.training.augment.view import View
from pipeline.training.augment.window import window_anywhere

TRAINING_SIDES = tuple(range(640, 1185, 32))
"""The released code's list: 640, 672, .., 1184."""


@dataclass(frozen=True, slots=True)
class MultiScale:
    """Every picture's short side gets one of the sizes, drawn anew each time; a window anywhere is cut out of it.

    The paper names MST without a recipe; resizing the short side is COCO's way, and the window keeps pictures of one
    batch equal in size. For one size per batch without any window, `Whole` at a side from `sample_side`.

    Attributes:
        sides: pixels to choose from, all alike.
        max_side: the resized picture has at most `max_side`^2 pixels.
    """

    sides: tuple[int, ...] = TRAINING_SIDES
    max_side: int = 12000

    def __post_init__(self) -> None:
        """Raises ValueError where there is no size, or one below 1."""
        if not self.sides or min(self.sides) < 1:
            raise ValueError(f"sides is {self.sides}, expected numbers of 1 or more")

    def sample_side(self, rng: np.random.Generator) -> int:
        """Returns one of the sizes."""
        return self.sides[int(rng.integers(len(self.sides)))]

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns a view of a picture of `width` x `height`; `boxes` have no part in it."""
        new_width, new_height = scaled_size(width, height, self.sample_side(rng) / min(width, height), self.max_side)
        kind = sample_interpolation(rng)
        x, y = window_anywhere(rng, new_width, new_height, side)
        return View((0, 0, width, height), new_width, new_height, x, y, side, kind)


def once(seed: int = 0, sides: tuple[int, ...] = TRAINING_SIDES) -> int:
    """Returns the one training size that the released code's "MST" draws for a whole run (a bug: difference 5).

    With the released seed 0 it is 1024, which is what the SSE and MogFace_E configurations train on. NumPy's legacy
    generator is used because the number is to be theirs.
    """
    return int(np.random.RandomState(seed).choice(sides))
