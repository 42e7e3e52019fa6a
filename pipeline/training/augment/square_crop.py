"""RetinaFace's and S3FD's square crop: a random square that holds a whole face, brought to the training size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.training.augment.resize import sample_interpolation, scaled_size
from pipeline.training.augment.view import View


@dataclass(frozen=True, slots=True)
class SquareCrop:
    """Draws squares until one holds a whole face; after the last try the whole picture is padded to a square.

    Attributes:
        shares: sides to choose from, as shares of the short side; each in (0, 1].
        between: draw the share uniformly between the first and the last of `shares` (S3FD) instead of one of them.
        tries: squares drawn before giving up.
    """

    shares: tuple[float, ...] = (0.3, 0.45, 0.6, 0.8, 1.0)
    between: bool = False
    tries: int = 250

    def __post_init__(self) -> None:
        """Raises ValueError where a share is none or no square may be tried."""
        if not self.shares or not all(0 < share <= 1 for share in self.shares) or self.tries < 1:
            raise ValueError(
                f"shares is {self.shares} and tries {self.tries}, expected numbers in (0, 1] and 1 or more"
            )

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: NDArray[np.float32], side: int) -> View:
        """Returns a view of a picture of `width` x `height`; without faces the first square is taken.

        Args:
            rng: decides.
            width: of the picture, pixels.
            height: likewise.
            boxes: [F, 4] xyxy.
            side: of the result.
        """
        kind = sample_interpolation(rng)
        for _ in range(self.tries):
            length = max(1, int(min(width, height) * self._share(rng)))
            x, y = int(rng.integers(width - length + 1)), int(rng.integers(height - length + 1))
            if len(boxes) == 0 or _holds_a_face(boxes, x, y, length):
                return View((x, y, x + length, y + length), side, side, 0, 0, side, kind)
        new_width, new_height = scaled_size(width, height, side / max(width, height), side)
        return View((0, 0, width, height), new_width, new_height, 0, 0, side, kind)

    def _share(self, rng: np.random.Generator) -> float:
        if self.between:
            return float(rng.uniform(self.shares[0], self.shares[-1]))
        return self.shares[int(rng.integers(len(self.shares)))]


def _holds_a_face(boxes: NDArray[np.float32], x: int, y: int, side: int) -> bool:
    inside = (boxes[:, :2] >= (x, y)).all(axis=1) & (boxes[:, 2:] <= (x + side, y + side)).all(axis=1)
    return bool(inside.any())
