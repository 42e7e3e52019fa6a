"""A part of a resized image, computed without the rest."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from pipeline.training.augment.labelled_image import Pixels

_FLAGS = {
    "linear": "INTER_LINEAR",
    "cubic": "INTER_CUBIC",
    "area": "INTER_AREA",
    "nearest": "INTER_NEAREST_EXACT",  # the plain one is up to half a pixel off the boxes
    "lanczos": "INTER_LANCZOS4",
}
INTERPOLATIONS = tuple(_FLAGS)
"""The five kinds of RetinaFace's and MogFace's code."""

Rect = tuple[int, int, int, int]

_MARGIN: Final = 5  # Source pixels around the seen part: the widest kernel (Lanczos) reaches four to either side.


def sample_interpolation(rng: np.random.Generator) -> str:
    """Returns one of `INTERPOLATIONS`, all with the same probability."""
    return INTERPOLATIONS[int(rng.integers(len(INTERPOLATIONS)))]


def scaled_size(width: int, height: int, ratio: float, max_side: int | None) -> tuple[int, int]:
    """Returns width and height times `ratio`, rounded, at least 1, with at most about `max_side`^2 pixels together."""
    if max_side is not None:
        ratio = min(ratio, max_side / math.sqrt(width * height))
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def source_rect(source: tuple[int, int], size: tuple[int, int], seen: Rect) -> Rect:
    """Returns the part x1, y1, x2, y2 of an image on which the `seen` part of the resized image depends.

    That is all of it where it shrinks or is seen whole, else the seen part and the reach of the kernels.

    Args:
        source: width and height of the image.
        size: width and height it is resized to.
        seen: x1, y1, x2, y2 in the resized frame, inside it.
    """
    if not _is_part_of_larger(source, size, seen):
        return (0, 0, *source)
    low, high = [], []
    for axis in (0, 1):
        step = source[axis] / size[axis]
        low.append(max(0, math.floor(seen[axis] * step) - _MARGIN))
        high.append(min(source[axis], math.ceil(seen[axis + 2] * step) + _MARGIN))
    return (low[0], low[1], high[0], high[1])


def resize_part(
    part: Pixels, rect: Rect, source: tuple[int, int], size: tuple[int, int], seen: Rect, kind: str
) -> Pixels:
    """Returns the `seen` part of the resized image, [y2 - y1, x2 - x1, 3], of the dtype given.

    An enlarged image is computed only where it is seen: five times 1024 x 768 in float32 would be 236 MB, and an 8K
    frame has no bound. The kernels' positions are those of a resize of the whole (pixel centres aligned), within 1/64
    of a source pixel; "area" is linear there, as it has nothing to average.

    Args:
        part: pixels [h, w, 3] of the image inside `rect`.
        rect: from `source_rect`.
        source: see `source_rect`.
        size: see `source_rect`.
        seen: see `source_rect`.
        kind: one of `INTERPOLATIONS`.

    Raises:
        ValueError: an unknown kind.
    """
    import cv2  # Here, because it is slow to import and samplers do not need it.

    x1, y1, x2, y2 = seen
    if kind not in _FLAGS:
        raise ValueError(f"unknown interpolation {kind!r}; there are {', '.join(_FLAGS)}")
    how = getattr(cv2, _FLAGS[kind])
    if not _is_part_of_larger(source, size, seen):
        resized = part if source == size else cv2.resize(part, size, interpolation=how)
        return np.ascontiguousarray(resized[y1:y2, x1:x2])
    step_x, step_y = source[0] / size[0], source[1] / size[1]
    # The warp has no averaging, which an enlarged image does not need, and its nearest is exact.
    how = {"area": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}.get(kind, how)
    # From the centre of an output pixel to its position in `part`.
    shift = (x1 + 0.5) * step_x - 0.5 - rect[0], (y1 + 0.5) * step_y - 0.5 - rect[1]
    inverse = np.array([[step_x, 0, shift[0]], [0, step_y, shift[1]]])
    flags = how | cv2.WARP_INVERSE_MAP
    done: Pixels = cv2.warpAffine(part, inverse, (x2 - x1, y2 - y1), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return done


def _is_part_of_larger(source: tuple[int, int], size: tuple[int, int], seen: Rect) -> bool:
    return seen != (0, 0, *size) and (size[0] > source[0] or size[1] > source[1])
