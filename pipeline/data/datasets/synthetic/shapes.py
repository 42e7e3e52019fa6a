"""Anti-aliased shapes in the coordinates of one head: the face's centre is the origin, its half height the unit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

_SHIFT: Final = 4  # OpenCV draws at 1/16 pixel


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on a canvas of uint8 [H, W, 3] BGR, in place."""

    canvas: NDArray[np.uint8]  # what is drawn on
    centre: tuple[float, float]  # (x, y) of the head's origin, canvas pixels
    unit: float  # canvas pixels per unit
    roll: float  # radians by which the head leans clockwise

    def to_pixels(self, points: Points) -> NDArray[np.float64]:
        """Returns float64 [N, 2], canvas pixels of head coordinates (u to the right, v down)."""
        cosine, sine = math.cos(self.roll) * self.unit, math.sin(self.roll) * self.unit
        turn = np.array([[cosine, sine], [-sine, cosine]])
        pixels: NDArray[np.float64] = np.array(points, np.float64) @ turn + self.centre
        return pixels

    def ellipse(
        self, u: float, v: float, half_width: float, half_height: float, colour: Colour, line: float = 0
    ) -> None:
        """Fills an ellipse, or draws its outline where ``line`` (units) is given."""
        import cv2

        axes = (self._fixed(half_width * self.unit), self._fixed(half_height * self.unit))
        centre = self._fixed_points([(u, v)])[0]
        thickness = self._thickness(line) if line else -1
        degrees = math.degrees(self.roll)
        cv2.ellipse(self.canvas, tuple(map(int, centre)), axes, degrees, 0, 360, colour, thickness, cv2.LINE_AA, _SHIFT)

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fills a polygon."""
        import cv2

        cv2.fillPoly(self.canvas, [self._fixed_points(points)], colour, cv2.LINE_AA, _SHIFT)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """Draws an open line of ``width`` units through the points."""
        import cv2

        fixed = [self._fixed_points(points)]
        cv2.polylines(self.canvas, fixed, False, colour, self._thickness(width), cv2.LINE_AA, _SHIFT)

    def _fixed_points(self, points: Points) -> NDArray[np.int32]:
        return np.rint(self.to_pixels(points) * (1 << _SHIFT)).astype(np.int32)

    def _fixed(self, length: float) -> int:
        return max(1, round(length * (1 << _SHIFT)))

    def _thickness(self, width: float) -> int:
        return max(1, round(width * self.unit))


def arc(u: float, v: float, half_width: float, half_height: float, start: float, end: float, steps: int = 13) -> Points:
    """Returns points on an ellipse from ``start`` to ``end`` degrees, 0 being right and 90 down."""
    first, step = math.radians(start), math.radians(end - start) / (steps - 1)
    angles = [first + step * place for place in range(steps)]
    return [(u + half_width * math.cos(angle), v + half_height * math.sin(angle)) for angle in angles]


def shade(colour: Colour, factor: float) -> Colour:
    """Returns the colour, each channel multiplied by ``factor`` and kept within 0 to 255."""
    blue, green, red = (min(255, max(0, round(channel * factor))) for channel in colour)
    return blue, green, red


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Returns the mixture of two colours, ``share`` (0 to 1) of it the second."""
    blue, green, red = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return blue, green, red
