"""The lattices describe the very anchors of the grid."""

from __future__ import annotations

import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.training.assigners.anchors import Anchors

GRID = AnchorGrid((4, 8, 32), ((16,), (20, 40, 64), (10.88, 100)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 17), (64, 96)])
def test_every_anchor_lies_where_its_lattice_says(height: int, width: int) -> None:
    anchors = Anchors.of(GRID, height, width)
    assert len(anchors) == GRID.count(height, width) == anchors.level_ends[-1]
    torch.testing.assert_close(anchors.corners, GRID.corners(height, width))
    seen = []
    for lattice in anchors.lattices:
        for row in range(lattice.rows):
            for column in range(lattice.columns):
                index = lattice.first + (row * lattice.columns + column) * lattice.step
                seen.append(index)
                shift = torch.tensor([column, row, column, row]) * float(lattice.stride)
                torch.testing.assert_close(anchors.corners[index], anchors.corners[lattice.first] + shift)
                assert index < anchors.level_ends[lattice.level]
                assert index >= (0, *anchors.level_ends)[lattice.level]
    assert sorted(seen) == list(range(len(anchors)))
    assert [len(anchors.of_level(level)) for level in range(3)] == [1, 3, 2]


def test_inclusive_corners_are_one_pixel_shorter() -> None:
    anchors = Anchors.of(GRID, 64, 64, pixel_inclusive=True)
    sides = anchors.corners[:, 2:] - anchors.corners[:, :2]
    torch.testing.assert_close(sides, anchors.centres[:, 2:] - 1)
    torch.testing.assert_close((anchors.corners[:, 2:] + anchors.corners[:, :2]) / 2, anchors.centres[:, :2])
