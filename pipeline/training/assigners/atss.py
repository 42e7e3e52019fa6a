"""ATSS: each face sets its own IoU threshold from the anchors around it (Zhang et al., CVPR 2020, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.boxes.iou import iou_pairs
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner, StaticAssignment
from pipeline.training.assigners.assignment import all_background
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.assigners.grouped_sort import best_of_group
from pipeline.training.assigners.lattice_search import nearest


@dataclass(frozen=True, slots=True)
class Atss(Assigner):
    """Candidates of a face are the k anchors of each level nearest to its centre (fewer where a level is smaller).

    FACE are those whose IoU reaches the mean plus the standard deviation (unbiased) of the IoUs of all candidates of
    the face, and whose centre is inside it. An anchor of several faces goes to the highest IoU. No low-quality
    match: a face may get no anchor.

    Example: IoUs 0.6, 0.5, 0.1, 0.0 have mean 0.3 and deviation 0.29: only the first reaches 0.59.

    Attributes:
        k: candidates per level.
        margin: pixels that a centre must be inside every side of the face, exclusive.
    """

    k: int = 9
    margin: float = 0.01

    def prepare(self, anchors: Anchors, faces: FaceBatch) -> StaticAssignment:
        """Returns the whole assignment; see `Assigner`."""
        rows = faces.rows()
        out = all_background(rows.images, len(anchors), rows.boxes.device)
        if len(rows) == 0:
            return StaticAssignment(out)
        levels = range(len(anchors.level_ends))
        anchor_GC = torch.cat([nearest(anchors, level, rows.boxes, self.k) for level in levels], dim=1)
        boxes_GC4, faces_G14 = anchors.corners[anchor_GC], rows.boxes[:, None, :]
        iou_GC = iou_pairs(boxes_GC4, faces_G14)
        spread_G1 = iou_GC.std(dim=1, keepdim=True) if iou_GC.shape[1] > 1 else 0.0
        reached = iou_GC >= iou_GC.mean(dim=1, keepdim=True) + spread_G1
        middle = (boxes_GC4[..., :2] + boxes_GC4[..., 2:]) / 2
        gap = torch.minimum(middle - faces_G14[..., :2], faces_G14[..., 2:] - middle).amin(dim=-1)
        row, column = torch.nonzero(reached & (gap > self.margin), as_tuple=True)
        index = rows.image[row] * len(anchors) + anchor_GC[row, column]
        taker = best_of_group(index, iou_GC[row, column], row, out.label.numel()).view_as(out.label)
        return StaticAssignment(out.with_faces(taker, rows.column))
