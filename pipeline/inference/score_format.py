"""Refined scores as they are written: their order is all that suppression sees, and their values all that AP sees.

AP puts the boxes of all images into one order, at 1,000 thresholds from the lowest score to the highest. So scores that
a clip makes equal lose what the ranker said about them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Written = Literal["sum", "squash", "clip"]


def written(refined: Float32, how: Written) -> Float32:
    """Returns float32 [M], the scores that are written for refined ones.

    * "sum" leaves them: no two become equal, and a box that is not corrected keeps the detector's score. Some leave
      0..1, which voting and a cut at a score do not expect; few that lie far out take thresholds from all the others.
    * "squash" brings them into 0..1: 0..1 itself becomes 0.25..0.75, in a straight line, and what lies outside nears
      the ends as 1 / x does: at 10, float32 still tells apart sums that differ by 5e-5. The order stays and 0.5 stays
      0.5; other thresholds mean something else.
    * "clip" is the paper's: what lies outside 0..1 ties at its ends.

    Example: -1.5, 0, 0.5, 1 and 2 become 0.0625, 0.25, 0.5, 0.75 and 0.9167, or by "clip" 0, 0, 0.5, 1 and 1.

    Args:
        refined: float32 [M], detector's score plus correction.
        how: one of these.

    Raises:
        ValueError: there is no such way.
    """
    if how == "sum":
        return refined
    if how == "clip":
        return refined.clip(0, 1)
    if how == "squash":
        return _squashed(refined)
    raise ValueError(f"no way {how!r} to write scores; there are sum, squash, clip")


def _squashed(refined: Float32) -> Float32:
    beyond = 2 * refined.astype(np.float64) - 1  # -1..1 inside
    size = np.abs(beyond)
    half = np.where(size <= 1, size / 4, 0.5 - 0.25 / np.maximum(size, 1))
    return (0.5 + np.copysign(half, beyond)).astype(np.float32)
