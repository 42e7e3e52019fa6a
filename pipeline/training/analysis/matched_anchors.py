"""How the anchors of a matching are shared among faces by their scale: MogFace's Fig. 1b as cumulative curves."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.training.analysis.level_ranges import LevelSweep

BORDER: Final = 20.0
"""Scale in pixels at which the figure has its border."""
SCALES: Final = (
    8.0,
    10.0,
    12.0,
    14.0,
    16.0,
    18.0,
    BORDER,
    24.0,
    28.0,
    32.0,
    40.0,
    48.0,
    64.0,
    96.0,
    128.0,
    256.0,
    512.0,
)
"""Where the curves are read off, pixels, rising."""


def shares_below(
    scales_F: NDArray[np.floating[Any]], sweep: LevelSweep | None = None, borders: tuple[float, ...] = SCALES
) -> NDArray[np.float64]:
    """Returns float64 [B]: the share of the faces below each border, or of the anchors that those faces match.

    A face matches as many anchors as a square one of its scale does on average over positions in an image of its own;
    below the smallest and above the largest size of the sweep, as many as that one. All are NaN without any.

    Args:
        scales_F: scale of every face, root of its area, pixels.
        sweep: anchors by the size of a face; None counts the faces themselves.
        borders: pixels, rising.
    """
    weight_F = np.ones(len(scales_F))
    if sweep is not None:
        weight_F = np.interp(scales_F, sweep.sizes, sweep.anchors.sum(axis=1) / sweep.positions)
    below_B = np.array([weight_F[scales_F < border].sum() for border in borders])
    total = weight_F.sum()
    found: NDArray[np.float64] = below_B / total if total else np.full(len(borders), np.nan)
    return found
