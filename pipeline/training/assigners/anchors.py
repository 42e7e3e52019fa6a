"""The anchors of one image size: boxes, and the regular lattices they form."""

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
        rows, columns: numbers of them.
        stride: between columns, or rows, in the unit of the corners (pixels).
    """

    level: int
    first: int
    step: int
    rows: int
    columns: int
    stride: float


@dataclass(frozen=True, slots=True)
class Anchors:
    """A anchors in the order of `AnchorGrid`: level, row, column, size; a face overlaps a window of each lattice.

    Attributes:
        centres: float32 [A, 4] as ``cx, cy, w, h`` in pixels, for coders; shared, not to be written into.
        corners: float32 [A, 4] xyxy in pixels, for IoU.
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
        """Returns the anchors of an image of `height` x `width` pixels.

        Args:
            grid: strides and sizes.
            height: pixels.
            width: pixels.
            device: of the tensors.
            pixel_inclusive: corners are inclusive pixels, ``c -+ (side - 1) / 2``, as in MogFace's code, for
                faces of the same convention.
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
