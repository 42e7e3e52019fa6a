"""A crop of an image, resized, and a square window over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.training.augment.labelled_image import Float32, LabelledImage, Pixels, has_area
from pipeline.training.augment.resize import Rect, resize_part, sample_interpolation, source_rect

MEAN_BGR = (103.53, 116.28, 123.675)
"""ImageNet's mean colour: zero after normalisation, MogFace's zero padding."""

Colours = Literal["first", "cheapest"]
"""When colours change: before resizing, or before or after it, wherever there are fewer pixels."""


@dataclass(frozen=True, slots=True)
class View:
    """A deterministic crop, resize and window of an image.

    Attributes:
        cut: x1, y1, x2, y2 of the crop of the original, inside it.
        width, height: of the resized crop, pixels.
        x, y: left and top border of the window in the resized frame; the window may pass the borders of the image.
        side: of the square window, and of the result.
        interpolation: one of `resize.INTERPOLATIONS`.
        target: sampled size of a face (root of its area), pixels; None where no face was aimed at.
    """

    cut: Rect
    width: int
    height: int
    x: int
    y: int
    side: int
    interpolation: str = "linear"
    target: float | None = None

    def apply(
        self,
        labelled: LabelledImage,
        fill: tuple[float, float, float] = MEAN_BGR,
        change: Callable[[Pixels], Pixels] | None = None,
        when: Colours = "first",
    ) -> LabelledImage:
        """Returns the window, [side, side, 3], and its faces.

        Faces that are not `visible` are dropped; the boxes of the others are clipped, their landmarks are not.

        Args:
            labelled: of the size that the view was sampled for.
            fill: BGR outside the image, 0..255; rounded for uint8 pixels.
            change: a pointwise change of colours, applied only to pixels that are needed.
            when: always before resizing, or after it where there are fewer pixels then.
        """
        image = self._pixels(labelled.image, fill, change or (lambda pixels: pixels), when)
        boxes, kept = self.visible(labelled.boxes)
        landmarks = self.place(labelled.landmarks.reshape(-1, 10)).reshape(-1, 5, 2)
        return replace(labelled, image=image, boxes=boxes, landmarks=landmarks).take(kept)

    def visible(self, boxes: Float32) -> tuple[Float32, NDArray[np.bool_]]:
        """Returns boxes in pixels of the result, clipped, float32 [F, 4], and whether each is visible, bool [F].

        Visible is a box whose centre is strictly inside and that has an area after clipping.
        """
        placed = self.place(boxes)
        centres = (placed[:, :2] + placed[:, 2:]) / 2
        clipped = np.clip(placed, 0, np.float32(self.side))
        return clipped, ((centres > 0) & (centres < self.side)).all(axis=1) & has_area(clipped)

    def place(self, points: Float32) -> Float32:
        """Returns float32 [F, 2 n]: points x, y, x, y, ... of the original in the pixels of the result, not clipped."""
        x1, y1, x2, y2 = self.cut
        repeats = points.shape[1] // 2
        corner = np.tile([x1, y1], repeats)
        factor = np.tile([self.width / (x2 - x1), self.height / (y2 - y1)], repeats)
        placed: Float32 = ((points - corner) * factor - np.tile([self.x, self.y], repeats)).astype(np.float32)
        return placed

    def _pixels(
        self, image: Pixels, fill: tuple[float, float, float], change: Callable[[Pixels], Pixels], when: Colours
    ) -> Pixels:
        x1, y1, x2, y2 = self.cut
        inside = image[y1:y2, x1:x2]
        seen = (
            min(max(self.x, 0), self.width),
            min(max(self.y, 0), self.height),
            max(min(self.x + self.side, self.width), 0),
            max(min(self.y + self.side, self.height), 0),
        )
        if seen[0] >= seen[2] or seen[1] >= seen[3]:
            shown = change(inside[:1, :1])  # Nothing is seen; this pixel gives the dtype.
            return _canvas(self.side, fill, shown)
        source = (x2 - x1, y2 - y1)
        rect = source_rect(source, (self.width, self.height), seen)
        part: Pixels = np.ascontiguousarray(inside[rect[1] : rect[3], rect[0] : rect[2]])
        late = when == "cheapest" and _area(seen) < _area(rect)
        shown = resize_part(
            part if late else change(part), rect, source, (self.width, self.height), seen, self.interpolation
        )
        shown = change(shown) if late else shown
        if shown.shape[:2] == (self.side, self.side):
            return shown
        canvas = _canvas(self.side, fill, shown)
        top, left = seen[1] - self.y, seen[0] - self.x
        canvas[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
        return canvas


class Geometry(Protocol):
    """Samples views; frozen, so that it may be shared."""

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns a view of an image, `side` pixels wide and high.

        Args:
            rng: random generator.
            width: of the image, pixels.
            height: of the image, pixels.
            boxes: [F, 4] xyxy, the faces that may be aimed at, all with an area; F may be 0.
            side: of the result.
        """
        ...


@dataclass(frozen=True, slots=True)
class Squeeze:
    """The whole image squeezed to the training size, aspect not kept: the row without DAS of MogFace's Table 4."""

    interpolation: str | None = None

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns the view of the whole image; the interpolation is sampled if none is set."""
        kind = self.interpolation or sample_interpolation(rng)
        return View((0, 0, width, height), side, side, 0, 0, side, kind)


def _area(rect: Rect) -> int:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _canvas(side: int, fill: tuple[float, float, float], like: Pixels) -> Pixels:
    colour = np.asarray(fill, np.float32)
    canvas = np.empty((side, side, 3), like.dtype)
    canvas[:] = colour if like.dtype == np.float32 else np.rint(colour).astype(np.uint8)
    return canvas
