"""Which sizes batches have on a GPU: few, since each new one costs it a second, whatever the image needs.

With cuDNN 25 ms of every convolution of MobileNet go into the choice of its kernel where a size is new: 1 s, beside
less than a millisecond for an image in a batch. So canvases are somewhat larger than their images and batches are
filled up with nothing: of the 495 validation images at hand 11 % of the pixels are empty at 1024 (5 canvases), 5 % at
8K (18).
"""

from __future__ import annotations

from typing import Final

from pipeline.models.padding import COARSEST

_STEPS: Final = 16  # of the longer side of a large canvas
_LEAST_STEP: Final = 2 * COARSEST
_COUNTS: Final = (1, 8, 16)
_MOST: Final = 32  # images at once, of small canvases too: a filled-up batch is little more than what it is needed for


def padded_sides(width: int, height: int) -> tuple[int, int]:
    """Returns (width, height) of the canvas, pixels, on which an image of that size is laid."""
    step = -(-max(width, height) // _STEPS)
    step = max(_LEAST_STEP, -(-step // COARSEST) * COARSEST)
    return -(-width // step) * step, -(-height // step) * step


def padded_count(images: int, most: int) -> int:
    """Returns how many images a batch is filled up to.

    Args:
        images: that there are.
        most: images of a full batch of that canvas.
    """
    return next((count for count in _COUNTS if images <= count <= most), max(images, most))


def full_count(pixels: int, width: int, height: int) -> int:
    """Returns how many images of a canvas of that size make a full batch of at most so many pixels; at least one."""
    return max(1, min(_MOST, pixels // (width * height)))
