"""Pairs of faces and anchors that overlap, found without the full matrix of faces and anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from pipeline.boxes.iou import iou_pairs
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.faces import FaceRows

CHUNK: Final = 1 << 23
"""Overlaps computed at once where every box is compared with every face: about 0.25 GB of temporary tensors."""

_SLACK: Final = 1e-3  # windows and thresholds are widened by it, so that rounding cannot lose a pair


@dataclass(frozen=True, slots=True)
class OverlapPairs:
    """P pairs of a face and an anchor.

    Attributes:
        row: int64 [P], rising: the face's row in `FaceRows`.
        anchor: int64 [P], rising within a row.
        index: int64 [P], flat index image * A + anchor.
        iou: float32 [P].
    """

    row: Tensor
    anchor: Tensor
    index: Tensor
    iou: Tensor

    def where(self, mask: Tensor) -> OverlapPairs:
        """Returns the pairs at which bool [P] `mask` is True."""
        return OverlapPairs(self.row[mask], self.anchor[mask], self.index[mask], self.iou[mask])


def overlapping(anchors: Anchors, rows: FaceRows, at_least: float, *, best_too: bool) -> OverlapPairs:
    """Returns a superset of the pairs that reach an IoU, all with IoU > 0, found through the anchors' lattices.

    With areas S and T, an IoU of t needs a shared area of t (S + T) / (1 + t), hence a shared width of that divided by
    the smaller height, which leaves a window of the lattice. Example: for a face of 30 pixels and t = 0.35 these are
    about 30 of the 34,125 anchors of 640 x 640.

    Args:
        anchors: of the images.
        rows: the faces; those without area overlap nothing.
        at_least: IoU from which every pair is wanted; 0 for all that overlap.
        best_too: also each face's best pair, however low its IoU.
    """
    table = _LatticeTable.of(anchors)
    face_G14 = rows.boxes[:, None, :]
    sides_G12 = (face_G14[..., 2:] - face_G14[..., :2]).clamp(min=0)
    sides_L2 = table.corner_L4[:, 2:] - table.corner_L4[:, :2]
    both_GL = sides_G12.prod(dim=-1) + sides_L2.prod(dim=-1)
    most_GL2 = torch.minimum(sides_G12, sides_L2)
    shared_GL = most_GL2.prod(dim=-1)
    threshold_G1 = torch.full_like(both_GL[:, :1], at_least)
    if best_too:
        known = iou_pairs(rows.boxes[:, None, :], anchors.corners[table.nearest(rows.boxes)])
        threshold_G1 = torch.minimum(threshold_G1, known.amax(dim=1, keepdim=True))
    threshold_G1 = threshold_G1 * (1 - _SLACK)
    possible_GL = (shared_GL > 0) & (shared_GL >= threshold_G1 * (both_GL - shared_GL))
    needed_GL2 = (threshold_G1 / (1 + threshold_G1) * both_GL)[..., None] / most_GL2.flip(-1)
    low_GL2 = (face_G14[..., :2] - table.corner_L4[:, 2:] + needed_GL2) / table.stride_L1
    high_GL2 = (face_G14[..., 2:] - table.corner_L4[:, :2] - needed_GL2) / table.stride_L1
    row, anchor = table.cells_between(low_GL2, high_GL2, possible_GL)
    iou = iou_pairs(rows.boxes[row], anchors.corners[anchor])
    pairs = OverlapPairs(row, anchor, rows.image[row] * len(anchors) + anchor, iou)
    return pairs.where((iou > 0) & (iou >= threshold_G1[row, 0]))


def centre_prior(anchors: Anchors, rows: FaceRows, strides: float) -> OverlapPairs:
    """Returns the pairs whose anchor's centre is inside the face and near the face's centre, OTA's centre prior.

    Args:
        anchors: of the images.
        rows: the faces.
        strides: exclusive distance on each axis, in strides of the anchor's level.
    """
    table = _LatticeTable.of(anchors)
    middle_G12 = (rows.boxes[:, None, :2] + rows.boxes[:, None, 2:]) / 2
    reach_L1 = table.stride_L1 * strides
    origin_L2 = (table.corner_L4[:, :2] + table.corner_L4[:, 2:]) / 2
    low_GL2 = (torch.maximum(middle_G12 - reach_L1, rows.boxes[:, None, :2]) - origin_L2) / table.stride_L1
    high_GL2 = (torch.minimum(middle_G12 + reach_L1, rows.boxes[:, None, 2:]) - origin_L2) / table.stride_L1
    row, anchor = table.cells_between(low_GL2, high_GL2, torch.ones_like(low_GL2[..., 0], dtype=torch.bool))
    box, corners = rows.boxes[row], anchors.corners[anchor]
    centre = (corners[:, :2] + corners[:, 2:]) / 2
    inside = ((centre > box[:, :2]) & (centre < box[:, 2:])).all(dim=1)
    near = (centre - (box[:, :2] + box[:, 2:]) / 2).abs().amax(dim=1) < table.stride_of(anchor) * strides
    pairs = OverlapPairs(row, anchor, rows.image[row] * len(anchors) + anchor, iou_pairs(box, corners))
    return pairs.where(inside & near)


@dataclass(frozen=True, slots=True)
class _LatticeTable:
    """The L lattices as tensors."""

    corner_L4: Tensor  # of the first anchor
    stride_L1: Tensor
    size_L2: Tensor  # columns, rows
    first_L: Tensor
    step_L: Tensor
    ends: Tensor  # index behind the last anchor of each level
    interleaved: bool  # whether a level has several sizes, so that windows do not follow the order of anchors

    @classmethod
    def of(cls, anchors: Anchors) -> _LatticeTable:
        device = anchors.corners.device
        numbers = [[each.first, each.step, each.columns, each.rows] for each in anchors.lattices]
        table = torch.tensor(numbers, device=device)
        return cls(
            corner_L4=anchors.corners[table[:, 0]],
            stride_L1=torch.tensor([[float(each.stride)] for each in anchors.lattices], device=device),
            size_L2=table[:, 2:],
            first_L=table[:, 0].contiguous(),
            step_L=table[:, 1],
            ends=torch.tensor(anchors.level_ends, device=device),
            interleaved=any(each.step > 1 for each in anchors.lattices),
        )

    def stride_of(self, anchor: Tensor) -> Tensor:
        """Returns float32 [P], the stride of each anchor's level."""
        by_level = self.stride_L1[torch.searchsorted(self.first_L, self.ends - 1, right=True) - 1, 0]
        return by_level[torch.searchsorted(self.ends, anchor, right=True)]

    def nearest(self, boxes_G4: Tensor) -> Tensor:
        """Returns int64 [G, L]: an anchor of each lattice with the centre nearest to that of each box."""
        middle = (boxes_G4[:, None, :2] + boxes_G4[:, None, 2:]) / 2
        origin = (self.corner_L4[:, :2] + self.corner_L4[:, 2:]) / 2
        cell = ((middle - origin) / self.stride_L1).round().clamp(min=0)
        cell = torch.minimum(cell, (self.size_L2 - 1).float()).long()
        return self.first_L + (cell[..., 1] * self.size_L2[:, 0] + cell[..., 0]) * self.step_L

    def cells_between(self, low_GL2: Tensor, high_GL2: Tensor, possible_GL: Tensor) -> tuple[Tensor, Tensor]:
        """Returns row and anchor, int64 [P] each, both rising, of the cells of each window of columns and rows.

        Args:
            low_GL2: lowest column and row, not yet whole numbers.
            high_GL2: highest column and row.
            possible_GL: bool, False for an empty window.
        """
        last_L2 = (self.size_L2 - 1).float()
        low = (low_GL2 - _SLACK).ceil().clamp(min=0)
        high = torch.minimum((high_GL2 + _SLACK).floor(), last_L2)
        extent = (high - low + 1).clamp(min=0)
        extent = torch.where(possible_GL[..., None], extent, torch.zeros_like(extent)).long()
        window_W = torch.nonzero(extent.prod(dim=-1).flatten()).squeeze(1)
        size_W = extent.prod(dim=-1).flatten()[window_W]
        begin_W = torch.cumsum(size_W, dim=0) - size_W
        columns_W = extent[..., 0].flatten()[window_W]
        lattice_W = window_W % len(self.first_L)
        low_W2 = low.reshape(-1, 2)[window_W].long()
        # Index of a window's first cell, and how far it is from the end of one of its rows to the next.
        first_W = self.first_L[lattice_W] + (
            (low_W2[:, 1] * self.size_L2[lattice_W, 0] + low_W2[:, 0]) * self.step_L[lattice_W]
        )
        window_P = torch.repeat_interleave(torch.arange(len(window_W), device=window_W.device), size_W)
        offset_P = torch.arange(len(window_P), device=window_W.device) - begin_W[window_P]
        down_P = torch.div(offset_P, columns_W[window_P], rounding_mode="floor")
        across_P = offset_P - down_P * columns_W[window_P]
        lattice_P = lattice_W[window_P]
        cell_P = (down_P * self.size_L2[lattice_P, 0] + across_P) * self.step_L[lattice_P]
        row_P = torch.div(window_W, len(self.first_L), rounding_mode="floor")[window_P]
        anchor_P = first_W[window_P] + cell_P
        if self.interleaved:
            key = torch.sort((row_P << 32) | anchor_P).values
            row_P, anchor_P = key >> 32, key & 0xFFFFFFFF
        return row_P, anchor_P
