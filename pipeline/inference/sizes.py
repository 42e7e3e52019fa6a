"""Rules for the size at which a detector sees an image, beside the canvas of a fixed edge."""

import math
from dataclasses import dataclass

# Most pixels of an image in MogFace's code, by the GPU memory of its time.
_MOGFACE_PIXELS = 2147483647 / 200


@dataclass(frozen=True, slots=True)
class Scale:
    """Both sides times a factor, rounded to even as OpenCV does, never below one pixel.

    Attributes:
        factor: above 0.
    """

    factor: float

    def __post_init__(self) -> None:
        """Raises ValueError unless the factor is a positive, finite number."""
        if not 0 < self.factor < math.inf:
            raise ValueError(f"a scale must be above 0, got {self.factor}")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns (width, height) in whole pixels for an original of that size."""
        _check(width, height)
        return max(1, round(width * self.factor)), max(1, round(height * self.factor))


@dataclass(frozen=True, slots=True)
class RetinaFaceSize:
    """RetinaFace's public test: the short side becomes 1600, or less so that the long one does not exceed 2150."""

    short: int = 1600  # pixels of the shorter side
    long: int = 2150  # most pixels of the longer side

    def factor(self, width: int, height: int) -> float:
        """Returns what both sides are multiplied by."""
        _check(width, height)
        factor = self.short / min(width, height)
        return self.long / max(width, height) if round(factor * max(width, height)) > self.long else factor

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns (width, height) in whole pixels for an original of that size."""
        return Scale(self.factor(width, height)).size(width, height)


def mogface_largest(width: int, height: int, *, hard: bool = False, capped: bool = True) -> float:
    """Returns the largest scale that MogFace's code uses for an image of width x height pixels (multi-scale test).

    Args:
        width: of the image.
        height: of the image.
        hard: its preset for the hard subset.
        capped: above 2.2 it is 2.6, or 2.3 with ``hard``; False for the single-scale test, whose scale is at most 1.
    """
    _check(width, height)
    largest = math.sqrt(_MOGFACE_PIXELS / (width * height))
    if not capped or largest <= 2.2:
        return largest
    return 2.3 if hard else 2.6


def _check(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels has no size for a detector")
