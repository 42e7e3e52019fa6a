"""Formats of refined scores. Suppression depends on their order alone, AP on their values alone.

AP sorts the boxes of all images together, at 1,000 thresholds from the lowest score to the highest: scores that a clip
makes equal lose the ranker's order.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
ScoreFormat = Literal["sum", "squash", "clip"]


def format_scores(refined: Float32, how: ScoreFormat) -> Float32:
    """Returns float32 [M], refined scores (detector's score plus correction, float32 [M]) in a format.

    * "sum" leaves them: no two become equal, and a box that is not corrected keeps the detector's score. Some are
      outside 0..1, which voting and score cuts do not expect. AP spaces its 1,000 thresholds evenly from the lowest to
      the highest score, so a few outliers leave fewer thresholds for the rest.
    * "squash" brings them into 0..1: 0..1 itself becomes 0.25..0.75, linearly, and the rest approaches the ends as
      1 / x does: at 10, float32 still separates sums that differ by 5e-5. The order stays and 0.5 stays 0.5; other
      thresholds mean something else.
    * "clip" is the paper's: all beyond 0..1 tie at its ends.

    Example: -1.5, 0, 0.5, 1 and 2 become 0.0625, 0.25, 0.5, 0.75 and 0.9167, or by "clip" 0, 0, 0.5, 1 and 1.

    Raises ValueError: there is no such format.
    """
    if how == "sum":
        return refined
    if how == "clip":
        return refined.clip(0, 1)
    if how != "squash":
        raise ValueError(f"no score format {how!r}; there are sum, squash, clip")
    beyond = 2 * refined.astype(np.float64) - 1  # -1..1 inside
    size = np.abs(beyond)
    half = np.where(size <= 1, size / 4, 0.5 - 0.25 / np.maximum(size, 1))
    return (0.5 + np.copysign(half, beyond)).astype(np.float32)
