"""Selective scale enhancement (MogFace, Algorithm 2): a pyramid level is sampled, then a face size of that level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PAPER_EDGES = (8.4, 20.7, 48.2, 106.2, 212.4, 420.8, 640.0)
"""Borders of the scales of p2..p7 in Table 2 of the paper, pixels."""

CONFIG_EDGES = (8.4, 26.7, 54.0, 106.2, 212.4, 420.8, 640.0)
"""The same in the released configurations."""

_P5, _P6 = 3, 4  # Index of a level, p2 being 0.
_OTHERS = (0, 1, 2, 5)
_OFFICIAL_SMALLEST = 16.0
_ROUNDING = 1e-6  # tolerance of sums of written shares, such as six times 0.166667


@dataclass(frozen=True, slots=True)
class SelectiveScale:
    """Samples the target size of a face, independent of its size.

    "paper" (Algorithm 2): with r uniform, p5 if r < its share, p6 if r <= both shares, else one of p2, p3, p4 and p7
    with equal chance; the target is uniform in that level's range. "official" (the released code): the same two shares
    for p5 and p6, but the rest is uniform from 16 px to where p5 begins, so that p2 gets little and p7 nothing.

    Attributes:
        edges: seven borders of the ranges of p2..p7, pixels.
        shares: chances of p5 and p6, the paper's 0.2 and (1 - 0.2) * 0.2; or of each of p2..p7, together 1: what Table
            1 varies.
        variant: one of the two.
    """

    edges: tuple[float, ...] = PAPER_EDGES
    shares: tuple[float, ...] = (0.2, 0.16)
    variant: Literal["paper", "official"] = "paper"

    def __post_init__(self) -> None:
        """Raises ValueError where the borders are not seven rising numbers or the shares are invalid."""
        rising = all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        if len(self.edges) != 7 or not rising or self.edges[0] <= 0:
            raise ValueError(f"edges is {self.edges}, expected seven rising numbers above 0")
        require_shares(self.shares)
        if len(self.shares) == 6 and self.variant == "official":
            raise ValueError("the official rule has shares of p5 and p6 alone, expected no others")
        if self.variant == "official" and self.edges[_P5] <= _OFFICIAL_SMALLEST:
            raise ValueError(f"p5 begins at {self.edges[_P5]}, but the official rule starts at {_OFFICIAL_SMALLEST}")

    def sample(self, rng: np.random.Generator, scale: float) -> float:
        """Returns the target in pixels (root of the area); the face's own `scale` has no effect."""
        r = rng.random()
        if len(self.shares) == 6:
            ends = np.cumsum(self.shares)
            level = int(np.searchsorted(ends, r * ends[-1], side="right"))
        elif r < self.shares[0]:
            level = _P5
        elif r <= self.shares[0] + self.shares[1]:
            level = _P6
        elif self.variant == "official":
            return float(rng.uniform(_OFFICIAL_SMALLEST, self.edges[_P5]))
        else:
            level = _OTHERS[int(rng.integers(len(_OTHERS)))]
        return float(rng.uniform(self.edges[level], self.edges[level + 1]))

    def expected_shares(self) -> NDArray[np.float64]:
        """Returns float64 [6]: the chance of each of p2..p7 in closed form; together 1, or less by the part below p2.

        With the defaults 0.16, 0.16, 0.16, 0.2, 0.16, 0.16.
        """
        if len(self.shares) == 6:
            return np.array(self.shares, np.float64) / sum(self.shares)
        share_p5, share_p6 = self.shares
        rest = max(0.0, 1 - share_p5 - share_p6)
        shares = np.zeros(6)
        if self.variant == "paper":
            shares[list(_OTHERS)] = rest / len(_OTHERS)
        else:
            within = np.clip(self.edges, _OFFICIAL_SMALLEST, self.edges[_P5])
            shares += rest * np.diff(within) / (self.edges[_P5] - _OFFICIAL_SMALLEST)
        shares[_P5] += share_p5
        shares[_P6] += share_p6
        return shares


def require_shares(shares: Sequence[float]) -> None:
    """Raises ValueError unless these are two shares of at most 1 together (p5, p6), or six of 1 together (p2..p7)."""
    total = sum(shares)
    if len(shares) not in (2, 6):
        raise ValueError(f"{len(shares)} shares, expected two (of p5 and p6) or six (of p2 to p7)")
    if not min(shares) >= 0 or not total <= 1 + _ROUNDING:
        raise ValueError(f"shares {_listed(shares)} add up to {total:g}, expected none below 0 and at most 1 together")
    if len(shares) == 6 and total < 1 - _ROUNDING:
        raise ValueError(f"shares {_listed(shares)} of p2 to p7 add up to {total:g}, expected 1")


def _listed(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:g}" for share in shares)
