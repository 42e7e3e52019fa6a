"""A canvas cut into cells, each for one face of a given height, by a distribution of heights."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, slots=True)
class Cell:
    """A rectangle of the canvas and the height of its face, all in pixels."""

    x: int  # left
    y: int  # top
    width: int
    height: int
    face: float  # height of the face in it


@dataclass(frozen=True, slots=True)
class HeightDistribution:
    """The distribution of face heights over canvases of one size.

    The number of faces of height h is proportional to h^-(1 + tilt): with a tilt of 0 all octaves of heights have
    equally many (the height is log-uniform), with 1 each has twice as many as the one above it.
    """

    width: int  # of the canvas, pixels
    height: int  # of the canvas, pixels
    smallest: float  # least face height, pixels
    largest: float  # greatest face height, at most the canvas's
    tilt: float = 0.0  # see above, 0 or more
    finest: int = 256  # least height of a cell; the smallest faces share cells of about it

    def edges(self) -> list[float]:
        """Returns falling heights, the borders of the depths: one octave each, the finest all that is left."""
        depths = max(0, int(np.log2(self.height / self.finest)))
        while depths and self.largest / 2**depths <= self.smallest:
            depths -= 1
        return [*(self.largest / 2**depth for depth in range(depths + 1)), self.smallest]

    def shares(self) -> list[float]:
        """Returns for each depth the share of its cells that are not cut any further; 1 for the last one.

        A cell of depth d fills 1 / 4^d of the canvas. With faces of depth d in proportion w_d, a w_d of its cells are
        needed on average, where a times the sum of w_d / 4^d is 1.
        """
        weights = [self._mass(low, high) for high, low in pairwise(self.edges())]
        scale = 1 / sum(weight / 4**depth for depth, weight in enumerate(weights))
        left, shares = 1.0, []
        for weight in weights:
            shares.append(min(1.0, scale * weight / left))
            left = 4 * (left - scale * weight)
        return shares

    def height_at(self, low: float, high: float, share: float) -> float:
        """Returns the quantile of the heights between two: a ``share`` of them is below it."""
        if self.tilt == 0:
            return float(low * (high / low) ** share)
        first, last = low**-self.tilt, high**-self.tilt
        return float((first + share * (last - first)) ** (-1 / self.tilt))

    def cells(self, random: np.random.Generator) -> list[Cell]:
        """Returns the cells of one canvas: they cover it and do not overlap."""
        return list(self._cut(random, 0, (0, 0, self.width, self.height), self.edges(), self.shares()))

    def _cut(
        self,
        random: np.random.Generator,
        depth: int,
        box: tuple[int, int, int, int],
        edges: list[float],
        shares: list[float],
    ) -> Iterator[Cell]:
        x0, y0, x1, y1 = box
        if depth == len(shares) - 1 or random.random() < shares[depth]:
            face = self.height_at(edges[depth + 1], edges[depth], random.random())
            yield Cell(x0, y0, x1 - x0, y1 - y0, face)
            return
        x, y = (x0 + x1) // 2, (y0 + y1) // 2
        for part in ((x0, y0, x, y), (x, y0, x1, y), (x0, y, x, y1), (x, y, x1, y1)):
            yield from self._cut(random, depth + 1, part, edges, shares)

    def _mass(self, low: float, high: float) -> float:
        """Returns the number of faces between two heights, up to one factor for all."""
        if self.tilt == 0:
            return float(np.log(high / low))
        return float((low**-self.tilt - high**-self.tilt) / self.tilt)
