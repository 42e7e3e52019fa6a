"""RetinaFace's square crop: a random square that holds a whole face, resized to the training size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.training.augment.labelled_image import Float32
from pipeline.training.augment.resize import sample_interpolation, scaled_size
from pipeline.training.augment.view import View


@dataclass(frozen=True, slots=True)
class SquareCrop:
    """Samples squares until one holds a whole face; after the last try the whole image is padded to a square.

    Attributes:
        shares: sides as shares of the image's short side; each in (0, 1].
        tries: number of squares.
    """

    shares: tuple[float, ...] = (0.3, 0.45, 0.6, 0.8, 1.0)
    tries: int = 250

    def __post_init__(self) -> None:
        """Raises ValueError where a share is outside (0, 1] or no square may be tried."""
        if not self.shares or not all(0 < share <= 1 for share in self.shares) or self.tries < 1:
            raise ValueError(
                f"shares is {self.shares} and tries {self.tries}, expected numbers in (0, 1] and 1 or more"
            )

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns a view of an image of `width` x `height`; without faces it is the first square. See `Geometry`."""
        kind = sample_interpolation(rng)
        for _ in range(self.tries):
            length = max(1, int(min(width, height) * self.shares[int(rng.integers(len(self.shares)))]))
            x, y = int(rng.integers(width - length + 1)), int(rng.integers(height - length + 1))
            inside = (boxes[:, :2] >= (x, y)).all(axis=1) & (boxes[:, 2:] <= (x + length, y + length)).all(axis=1)
            if len(boxes) == 0 or inside.any():
                return View((x, y, x + length, y + length), side, side, 0, 0, side, kind)
        new_width, new_height = scaled_size(width, height, side / max(width, height), side)
        return View((0, 0, width, height), new_width, new_height, 0, 0, side, kind)
