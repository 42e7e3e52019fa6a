"""An index of boxes by size and place, for NumPy alone: importing it costs no torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


class OverlapIndex:
    """Finds the few boxes that may overlap another one by at least a threshold.

    With an overlap of t the shared height is at least t times either height: heights differ by at most a factor of 1/t,
    and upper edges by at most (1 - t) of the higher box. So boxes are put into classes of height, each class is cut
    into rows a little higher than that, and within a row they are sorted by their left edge.
    """

    def __init__(self, corners_N4: Float64, iou: float) -> None:
        """Args: float64 [N, 4] xyxy; the threshold, above 0."""
        self._left, self._top = (corners_N4[:, side] - corners_N4[:, side].min(initial=np.inf) for side in (0, 1))
        sides = np.maximum(corners_N4[:, 2:] - corners_N4[:, :2], 0)
        self._width, height = sides[:, 0], sides[:, 1]
        span = float(self._top.max(initial=1) + height.max(initial=1))
        # At least so much: rows thinner than that would only be more of them.
        self._step = max(-math.log(iou), 0.1) + 1e-9
        self._share = max(1 - iou, 0.1)
        self._iou = iou
        self._class = np.floor(np.log(np.maximum(height, 1e-4 * span)) / self._step).astype(np.int64)
        lowest = self._class.min(initial=0)
        self._class -= lowest
        self._row_height = self._share * np.exp((np.arange(self._class.max(initial=0) + 3) + lowest + 1) * self._step)
        # Rows of all classes are numbered through, with room for one above and one below each class.
        rows = (span / self._row_height).astype(np.int64) + 4
        self._first_row = rows.cumsum() - rows + 1
        self._stretch = 4 * float(self._left.max(initial=0) + self._width.max(initial=0) / iou + 1)
        at = self._row(self._class + 1, self._top) * self._stretch + self._left
        self._rows = np.argsort(at, kind="stable")
        self._at = at[self._rows]

    def _row(self, level: Int64, top: Float64) -> Int64:
        row: Int64 = self._first_row[level] + np.floor(top / self._row_height[level]).astype(np.int64)
        return row

    def forget(self, gone_N: NDArray[np.bool_]) -> None:
        """Leaves out these boxes from now on."""
        stay = ~gone_N[self._rows]
        self._rows, self._at = self._rows[stay], self._at[stay]

    def pairs(self, boxes_Q: Int64) -> tuple[Int64, Int64]:
        """Returns pairs of one of these boxes and one that it may overlap enough, two int64 [P]."""
        left, top, width = self._left[boxes_Q], self._top[boxes_Q], self._width[boxes_Q]
        slack = 1e-6 * (1 + left + width)
        before, after = (1 - self._iou) / self._iou * width + slack, (1 - self._iou) * width + slack
        level = self._class[boxes_Q] + np.arange(3)[:, None]
        row = self._row(level, top)[:, None] + np.arange(-1, 2)[:, None]
        at = row * self._stretch + left
        start = np.searchsorted(self._at, at - before, "left").reshape(-1)
        count = np.searchsorted(self._at, at + after, "right").reshape(-1) - start
        found = np.repeat(np.tile(boxes_Q, 9), count)
        # Counts up from each start.
        return found, self._rows[np.arange(len(found)) + np.repeat(start - count.cumsum() + count, count)]
