"""Many images on one sheet, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SIDE: Final = 480
"""Pixels of an image's square on a sheet."""

_GAP: Final = 8
_CAPTION: Final = 28
_PAPER: Final = 245


def contact_sheet(images: Sequence[Image], captions: Sequence[str], columns: int = 4, side: int = SIDE) -> Image:
    """Returns uint8 [H, W, 3], the images in rows of ``columns``, each fitted into a square and with its caption.

    ``images`` are uint8 [h, w, 3] of any size, BGR; ``side`` is that of the squares in pixels. A long caption keeps its
    end. Raises ValueError: no image, or another number of captions.
    """
    if not images or len(images) != len(captions):
        raise ValueError(f"expected images with a caption each, found {len(images)} and {len(captions)}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height, width = side + _CAPTION + _GAP, side + _GAP
    sheet = np.full((rows * height + _GAP, columns * width + _GAP, 3), _PAPER, np.uint8)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        top, left = _GAP + place // columns * height, _GAP + place % columns * width
        tile = fitted(image, side)
        y, x = top + (side - tile.shape[0]) // 2, left + (side - tile.shape[1]) // 2
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        _write(sheet, caption, left, top + side + _CAPTION - 9, side)
    return sheet


def fitted(image: Image, side: int = SIDE) -> Image:
    """Returns an image, uint8 [h, w, 3], enlarged or reduced so that its long edge is ``side`` pixels."""
    import cv2

    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _write(sheet: Image, caption: str, left: int, bottom: int, side: int) -> None:
    import cv2

    text = caption.encode("ascii", "replace").decode()
    while cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0] > side:
        text = f"..{text.removeprefix('..')[1:]}"
    cv2.putText(sheet, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
