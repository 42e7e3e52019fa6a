"""ATSS: each face sets its own threshold from the overlaps of the anchors around it (Zhang et al., CVPR 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from pipeline.boxes.iou import iou_pairs
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import FACE, Assignment, all_background, listed
from pipeline.training.assigners.faces import FaceBatch, Predicted
from pipeline.training.assigners.grouped_sort import prevailing
from pipeline.training.assigners.lattice_search import nearest
from pipeline.training.assigners.plan import Known


@dataclass(frozen=True, slots=True)
class Atss:
    """Candidates of a face are the k anchors of each level nearest to its centre (fewer where a level is smaller).

    FACE are those whose IoU reaches the mean plus the standard deviation (unbiased) of the IoUs of all candidates of
    the face, and whose centre lies inside it. An anchor that several faces claim goes to the highest IoU. No forced
    match: a face may get nothing.

    Example: IoUs 0.6, 0.5, 0.1, 0.0 have mean 0.3 and deviation 0.29: only the first reaches 0.59.

    Attributes:
        k: candidates per level.
        margin: pixels that a centre must lie inside every side of the face, exclusive.
    """

    k: int = 9
    margin: float = 0.01
    needs_prediction: ClassVar[bool] = False

    @torch.no_grad()
    def __call__(self, anchors: Anchors, faces: FaceBatch, predicted: Predicted | None = None) -> Assignment:
        """Returns the assignment of a batch; `predicted` is not looked at.

        Args:
            anchors: A of them.
            faces: of B images.
            predicted: unused.
        """
        rows = faces.rows()
        out = all_background(rows.images, len(anchors), rows.boxes.device)
        if len(rows) == 0:
            return replace(out, places=listed(out))
        levels = range(len(anchors.level_ends))
        anchor_GC = torch.cat([nearest(anchors, level, rows.boxes, self.k)[0] for level in levels], dim=1)
        boxes_GC4, faces_G14 = anchors.corners[anchor_GC], rows.boxes[:, None, :]
        iou_GC = iou_pairs(boxes_GC4, faces_G14)
        spread_G1 = iou_GC.std(dim=1, keepdim=True) if iou_GC.shape[1] > 1 else 0.0
        reached = iou_GC >= iou_GC.mean(dim=1, keepdim=True) + spread_G1
        middle = (boxes_GC4[..., :2] + boxes_GC4[..., 2:]) / 2
        gap = torch.minimum(middle - faces_G14[..., :2], faces_G14[..., 2:] - middle).amin(dim=-1)
        row, column = torch.nonzero(reached & (gap > self.margin), as_tuple=True)
        place, iou = rows.image[row] * len(anchors) + anchor_GC[row, column], iou_GC[row, column]
        wins = prevailing(place, iou, row, out.label.numel())
        out.face.view(-1)[place[wins]] = rows.index[row[wins]]
        out.label.view(-1)[place] = FACE
        return replace(out, places=listed(out))

    def plan(self, anchors: Anchors, faces: FaceBatch) -> Known:
        """Returns the assignment of a batch as a plan that leaves nothing open."""
        return Known(self(anchors, faces))
