"""A ranker's input, made from an image and its candidates in the same way in training, evaluation and use.

Boxes are relative to the input image: a ranker trained on padded squares reads other positions without the padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes.box_table import box_table
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.images import resize

Float32 = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Colour = tuple[float, float, float]


class RankerInput(NamedTuple):
    """One image and the candidates of one detector as they reach a network.

    Attributes:
        pixels: uint8 [h, w, 3], BGR.
        table: float32 [N, 5], see `box_table`; relative to `pixels`, their padding included.
        valid: rows of the table that are candidates.
    """

    pixels: Pixels
    table: Float32
    valid: int


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a ranker's input is made from an image.

    Attributes:
        canvas: what the image is resized to, aspect kept, bilinear.
        square: the image is padded to a square of its long edge, at the top left, so that images of any aspect make
            one batch.
    """

    canvas: Canvas = ORIGINAL
    square: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of the input in pixels, for an image of that size."""
        size = self.canvas.size(width, height)
        return (max(size), max(size)) if self.square else size

    def apply(self, image: Pixels, boxes: Float32, scores: Float32, rows: int, fill: Colour) -> RankerInput:
        """Returns the network's input of one image, see `pixels` and `table`."""
        height, width = image.shape[:2]
        return RankerInput(self.pixels(image, fill), *self.table(boxes, scores, width, height, rows))

    def pixels(self, image: Pixels, fill: Colour, change: Callable[[Pixels], Pixels] | None = None) -> Pixels:
        """Returns the input image, uint8 [h, w, 3], BGR.

        Args:
            image: uint8 [H, W, 3], BGR.
            fill: BGR of the padding, rounded: the ranker's own mean, about zero after normalisation.
            change: a training's change of colours, pixel by pixel; done where there are fewer of them.
        """
        height, width = image.shape[:2]
        size = self.canvas.size(width, height)
        late = size[0] * size[1] < width * height
        if change and not late:
            image = change(image)
        resized = resize(image, *size)
        if change and late:
            resized = change(resized)
        across, down = self.size(width, height)
        if (across, down) == size:
            return resized
        padded = np.empty((down, across, 3), np.uint8)
        padded[:] = fill_of(fill)
        padded[: size[1], : size[0]] = resized
        return padded

    def table(self, boxes: Float32, scores: Float32, width: int, height: int, rows: int) -> tuple[Float32, int]:
        """Returns the table of the candidates, float32 [rows, 5], and how many rows they fill; see `box_table`."""
        table, valid = box_table(boxes, scores, width, height, rows)
        if self.square:
            size, (across, down) = self.canvas.size(width, height), self.size(width, height)
            table[:, [0, 2]] *= np.float32(size[0] / across)
            table[:, [1, 3]] *= np.float32(size[1] / down)
        return table, valid


def trained_preprocessing(whole: bool, side: int) -> Preprocessing:
    """Returns the preprocessing that a ranker is trained and used with.

    Args:
        whole: it learns from whole images, in squares; otherwise from squares cut out of them, which are images of
            their own, as large as they are.
        side: of the squares in pixels.
    """
    return Preprocessing(Canvas(side), square=True) if whole else Preprocessing()


def stored_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """Returns the preprocessing of a checkpoint's configuration: that of its recipe, or the image as it is without one.

    Raises:
        ValueError: its recipe has `whole` and no size in pixels.
    """
    recipe = config.get("recipe") or {}
    if not recipe.get("whole"):
        return Preprocessing()
    side = recipe.get("crop")
    if not isinstance(side, int) or side < 1:
        raise ValueError(f"the checkpoint's recipe.crop must be a size in pixels, found {side!r}")
    return trained_preprocessing(True, side)


def fill_of(colour: Colour) -> NDArray[np.uint8]:
    """Returns uint8 [3], the colour in whole grey levels."""
    return np.rint(np.asarray(colour, np.float32)).astype(np.uint8)
