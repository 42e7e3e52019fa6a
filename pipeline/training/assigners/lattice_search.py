"""The anchors of a level that are nearest to a face, or overlap it most, found in a few cells of the lattice.

On a lattice of equal anchors the distance to a face, and the overlap with it, get worse from column to column and from
row to row. So a cell in the i-th best column and the j-th best row (from 1) has i * j - 1 better ones, and the k best
cells are all among those with i * j <= k: 23 cells for k = 9, 111 for k = 30. Ties go to the lower index in columns,
rows and cells alike, which keeps this exact.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from pipeline.boxes.iou import iou_pairs
from pipeline.training.assigners.anchors import Anchors, Lattice
from pipeline.training.assigners.grouped_sort import k_smallest


def nearest(anchors: Anchors, level: int, boxes_G4: Tensor, k: int) -> Tensor:
    """Returns int64 [G, k]: the anchors of a level whose centres are nearest to those of G boxes, ties by index.

    Args:
        anchors: of the image.
        level: 0 is the finest.
        boxes_G4: float32 [G, 4] xyxy in pixels.
        k: how many, at least 1; all of the level where it has fewer.
    """
    middle = (boxes_G4[:, :2] + boxes_G4[:, 2:]) / 2
    cells, costs = [], []
    for lattice in anchors.of_level(level):
        gaps = (axis.mean(dim=1) - middle[:, i, None] for i, axis in enumerate(_axes(anchors, lattice)))
        dx, dy = (gap * gap for gap in gaps)
        column, row = _best_cells(dx, dy, k)
        cells.append(lattice.first + (row * lattice.columns + column) * lattice.step)
        costs.append(dx.gather(1, column) + dy.gather(1, row))
    return k_smallest(torch.cat(costs, dim=1), torch.cat(cells, dim=1), k)[1]


def most_overlapping(anchors: Anchors, level: int, boxes_G4: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns the k anchors of a level with the highest IoU with G boxes, highest first.

    Args: see `nearest`.

    Returns:
        int64 [G, k] anchors, equal overlaps by rising index, and float32 [G, k] IoU; where that is 0 the anchor is
        arbitrary.
    """
    cells = []
    for lattice in anchors.of_level(level):
        across, down = (
            -_shared(axis, boxes_G4[:, i, None], boxes_G4[:, i + 2, None])
            for i, axis in enumerate(_axes(anchors, lattice))
        )
        column, row = _best_cells(across, down, k)
        cells.append(lattice.first + (row * lattice.columns + column) * lattice.step)
    cell = torch.cat(cells, dim=1)
    cost, anchor = k_smallest(-iou_pairs(boxes_G4[:, None, :], anchors.corners[cell]), cell, k)
    return anchor, -cost


def _axes(anchors: Anchors, lattice: Lattice) -> tuple[Tensor, Tensor]:
    """Returns the sides of the columns, float32 [columns, 2] left and right, and of the rows, [rows, 2]."""
    across = slice(lattice.first, lattice.first + lattice.columns * lattice.step, lattice.step)
    row_step = lattice.columns * lattice.step
    down = slice(lattice.first, lattice.first + lattice.rows * row_step, row_step)
    return anchors.corners[across, 0::2], anchors.corners[down, 1::2]


def _shared(sides_N2: Tensor, low_G1: Tensor, high_G1: Tensor) -> Tensor:
    return (torch.minimum(high_G1, sides_N2[:, 1]) - torch.maximum(low_G1, sides_N2[:, 0])).clamp(min=0)


def _best_cells(across_GN: Tensor, down_GN: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns column and row, int64 [G, C] each, of the cells that can be among the k best; equal costs by index."""
    column, row = (torch.sort(cost, dim=1, stable=True).indices[:, :k] for cost in (across_GN, down_GN))
    i, j = _template(k, column.shape[1], row.shape[1], str(across_GN.device))
    return column[:, i], row[:, j]


@lru_cache(maxsize=256)
def _template(k: int, columns: int, rows: int, device: str) -> tuple[Tensor, Tensor]:
    """Returns the ranks of column and row, counted from 0, of the cells that can be among the k best."""
    ranks = [(i, j) for i in range(columns) for j in range(min(rows, k // (i + 1)))]
    with torch.inference_mode(False):
        i, j = torch.tensor(ranks, device=device).T
    return i, j
