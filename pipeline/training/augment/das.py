"""Data-anchor sampling (PyramidBox, ECCV 2018, section 3.3): the target size of a face is near a random anchor size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ANCHOR_SIZES = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


@dataclass(frozen=True, slots=True)
class DataAnchorSampling:
    """Samples the target size of a face.

    The anchor size nearest to the face has index a (the smaller one on a tie); an index is sampled uniformly from 0 to
    min(a + 1, last), and around that anchor size S the target is S * 2^U(-1, 1), as in MogFace's code: log-uniform.

    Attributes:
        sizes: anchor sides in pixels, rising.
    """

    sizes: tuple[float, ...] = ANCHOR_SIZES

    def __post_init__(self) -> None:
        """Raises ValueError where there is no anchor size, or sizes do not rise from above 0."""
        if not self.sizes or not all(a < b for a, b in zip((0.0, *self.sizes), self.sizes, strict=False)):
            raise ValueError(f"sizes is {self.sizes}, expected rising numbers above 0")

    def sample(self, rng: np.random.Generator, scale: float) -> float:
        """Returns the target in pixels of a face of `scale` pixels (root of its area)."""
        nearest = int(np.abs(np.asarray(self.sizes) - scale).argmin())
        top = min(nearest + 1, len(self.sizes) - 1)
        index = int(rng.integers(top + 1))
        return float(self.sizes[index] * 2.0 ** rng.uniform(-1.0, 1.0))
