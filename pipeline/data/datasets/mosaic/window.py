"""A window of an image that holds one face wholly, and every other face wholly or not at all."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.canvas import Box

_LEFT, _TOP, _RIGHT, _BOTTOM = range(4)
_PIXEL: Final = 1.0  # least side of a face that counts


def visible(boxes_F4: NDArray[Any], width: int, height: int) -> NDArray[np.float64]:
    """Returns float64 [F, 4]: xyxy boxes cut to the image; those without a pixel in it become all NaN."""
    most = np.array([width, height, width, height], np.float64)
    boxes: NDArray[np.float64] = np.clip(boxes_F4.astype(np.float64), 0, most)
    boxes[((boxes[:, 2:] - boxes[:, :2]) < _PIXEL).any(axis=1)] = np.nan
    return boxes


def inside(boxes_F4: NDArray[np.float64], window: Box) -> NDArray[np.bool_]:
    """Returns bool [F]: whether a box is wholly in the window; a NaN one is not."""
    x0, y0, x1, y1 = window
    kept: NDArray[np.bool_] = np.all((boxes_F4 >= (x0, y0, x0, y0)) & (boxes_F4 <= (x1, y1, x1, y1)), axis=1)
    return kept


def touching(boxes_F4: NDArray[np.float64], window: Box) -> NDArray[np.bool_]:
    """Returns bool [F]: whether a box shares any area with the window."""
    x0, y0, x1, y1 = window
    shared: NDArray[np.bool_] = np.all(np.hstack([boxes_F4[:, :2] < (x1, y1), boxes_F4[:, 2:] > (x0, y0)]), axis=1)
    return shared


def window_around(
    boxes_F4: NDArray[np.float64], face: int, size: tuple[int, int], most: tuple[int, int], random: np.random.Generator
) -> Box | None:
    """Returns a window in whole pixels of the image, or None where overlapping faces do not fit into one.

    A window of the greatest size is put at random around the face; each side that cuts another face is then moved
    towards the face until it does not, the one that loses the least area.

    Args:
        boxes_F4: all faces, from `visible`.
        face: row of the one to hold.
        size: (width, height) of the image.
        most: greatest (width, height) of the window.
        random: of its position.
    """
    core = _with_neighbours(boxes_F4, face)
    if core[_RIGHT] - core[_LEFT] > most[0] or core[_BOTTOM] - core[_TOP] > most[1]:
        return None
    start, end = [], []
    for axis in (0, 1):
        length = min(size[axis], most[axis])
        first, last = max(0, core[2 + axis] - length), min(core[axis], size[axis] - length)
        start.append(int(random.integers(first, last + 1)))
        end.append(start[axis] + length)
    return _without_cuts(boxes_F4, (start[0], start[1], end[0], end[1]), core)


def _with_neighbours(boxes_F4: NDArray[np.float64], face: int) -> Box:
    """Returns the bounding box of a face and of all faces that overlap it, directly or by others."""
    chosen = np.zeros(len(boxes_F4), bool)
    chosen[face] = True
    while True:
        low, high = boxes_F4[chosen, :2].min(axis=0), boxes_F4[chosen, 2:].max(axis=0)
        core = (int(np.floor(low[0])), int(np.floor(low[1])), int(np.ceil(high[0])), int(np.ceil(high[1])))
        more = chosen | touching(boxes_F4, core)
        if (more == chosen).all():
            return core
        chosen = more


def _without_cuts(boxes_F4: NDArray[np.float64], window: Box, core: Box) -> Box:
    while True:
        cut = np.flatnonzero(touching(boxes_F4, window) & ~inside(boxes_F4, window))
        if not len(cut):
            return window
        x1, y1, x2, y2 = boxes_F4[cut[0]]
        # No face on a border overlaps the core, so at least one of these keeps all of the core.
        moved = (
            (int(np.ceil(x2)), *window[1:]),
            (window[0], int(np.ceil(y2)), *window[2:]),
            (*window[:2], int(np.floor(x1)), window[3]),
            (*window[:3], int(np.floor(y1))),
        )
        kept = [w for w in moved if w[0] <= core[0] and w[1] <= core[1] and w[2] >= core[2] and w[3] >= core[3]]
        window = max(kept, key=lambda each: (each[2] - each[0]) * (each[3] - each[1]))
