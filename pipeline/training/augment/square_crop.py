"""RetinaFace's and S3FD's square crop: a random square that holds a whole face, brought to the training size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.training.augment.resize import draw_interpolation, scaled_size
from pipeline.training.augment.view import View

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    from pipeline.training.example import Example


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

    def draw(self, rng: np.random.Generator, width: int, height: int, boxes: NDArray[np.float32], side: int) -> View:
        """Returns a view of a picture of `width` x `height`; without faces the first square is taken.

        Args:
            rng: decides.
            width: of the picture, pixels.
            height: likewise.
            boxes: [F, 4] xyxy.
            side: of the result.
        """
        kind = draw_interpolation(rng)
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
