"""Sizes of batches on a GPU: few, since each new one costs a second.

At a new size cuDNN takes 25 ms for every convolution of MobileNet to choose its kernel: 1 s, beside less than a
millisecond for an image in a batch. So canvases are somewhat larger than their images and batches are filled up with
empty ones: of 495 validation images 11 % of the pixels are empty at 1024 (5 canvases), 5 % at 8K (18).
"""

from typing import Final

from pipeline.models.padding import COARSEST

_STEPS: Final = 16  # of the longer side of a large canvas
_LEAST_STEP: Final = 2 * COARSEST
_COUNTS: Final = (1, 8, 16)
_MOST: Final = 32  # images at once, of small canvases too


def padded_sides(width: int, height: int) -> tuple[int, int]:
    """Returns (width, height) of the canvas, pixels, on which an image of that size is laid."""
    step = -(-max(width, height) // _STEPS)
    step = max(_LEAST_STEP, -(-step // COARSEST) * COARSEST)
    return -(-width // step) * step, -(-height // step) * step


def padded_count(images: int, most: int) -> int:
    """Returns the number of images that a batch of ``images`` is filled up to; a full one has ``most``."""
    return next((count for count in _COUNTS if images <= count <= most), max(images, most))


def full_count(pixels: int, width: int, height: int) -> int:
    """Returns how many images of a canvas of that size make a full batch of at most so many pixels; at least one."""
    return max(1, min(_MOST, pixels // (width * height)))
