"""The anchors of one picture size as assigners see them: boxes, and the regular lattices they form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from pipeline.boxes.anchors import AnchorGrid


@dataclass(frozen=True, slots=True)
class Lattice:
    """Equal anchors in rows and columns; a level has one lattice per anchor size.

    Attributes:
        level: 0 is the finest.
        first: index of the anchor of row 0 and column 0.
        step: from an anchor's index to that of its right neighbour: the number of sizes per cell.
        rows: number of them.
        columns: number of them.
        stride: from one column, or row, to the next, in the unit of the corners (pixels).
    """

    level: int
    first: int
    step: int
    rows: int
    columns: int
    stride: float


@dataclass(frozen=True, slots=True)
class Anchors:
    """A anchors in the order of `AnchorGrid`: level, row, column, size.

    That they lie on lattices is what makes assigning fast: which of them a face can overlap is a window of rows and
    columns, found without touching the others.

    Attributes:
        centres: float32 [A, 4] as ``cx, cy, w, h`` in pixels, what coders take; shared, not to be written into.
        corners: float32 [A, 4] xyxy in pixels, what overlaps are measured with.
        lattices: in the order of their levels, then sizes.
    """

    centres: Tensor
    corners: Tensor
    lattices: tuple[Lattice, ...]

    @classmethod
    def of(
        cls,
        grid: AnchorGrid,
        height: int,
        width: int,
        device: torch.device | str = "cpu",
        *,
        pixel_inclusive: bool = False,
    ) -> Anchors:
        """Returns the anchors of a picture.

        Args:
            grid: strides and sizes.
            height: of the picture, pixels.
            width: of the picture, pixels.
            device: where the tensors live.
            pixel_inclusive: corners are inclusive pixels, ``c -+ (side - 1) / 2``, as MogFace's code has them ;
                to be used with faces given the same way.
        """
        centres = grid.centres(height, width, device)
        half = (centres[:, 2:] - float(pixel_inclusive)) / 2
        low = centres[:, :2] - half
        high = centres[:, :2] + half if pixel_inclusive else low + centres[:, 2:]
        lattices, first = [], 0
        for level, ((rows, columns), sizes) in enumerate(zip(grid.shapes(height, width), grid.sizes, strict=True)):
            step, stride = len(sizes), grid.strides[level]
            lattices += [Lattice(level, first + size, step, rows, columns, stride) for size in range(step)]
            first += rows * columns * step
        return cls(centres, torch.cat([low, high], dim=1), tuple(lattices))

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def level_ends(self) -> tuple[int, ...]:
        """Per level, finest first, the index behind its last anchor; an anchor's level is where its index falls."""
        counts = {each.level: each.rows * each.columns * each.step for each in self.lattices}
        return tuple(accumulate(counts[level] for level in sorted(counts)))

    def of_level(self, level: int) -> tuple[Lattice, ...]:
        """Returns the lattices of one level, by size."""
        return tuple(each for each in self.lattices if each.level == level)
