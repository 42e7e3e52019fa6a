"""Which sizes a padded canvas has: few, since each new one costs a GPU a second, and hardly larger than the images."""

from __future__ import annotations

from typing import Final

from pipeline.models.padding import COARSEST

_STEPS: Final = 32
"""Of the longer side: 8K canvases differ by 256 pixels, 2.5 % of their pixels are empty on average."""


def padded_sides(width: int, height: int) -> tuple[int, int]:
    """Returns (width, height) of the canvas, pixels, on which an image of that size is laid."""
    step = -(-max(width, height) // _STEPS)
    step = -(-step // COARSEST) * COARSEST
    return -(-width // step) * step, -(-height // step) * step
