"""HAMBox's online high-quality anchor compensation (HAMBox section 3.2; CRFace uses it without the weighted loss)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from pipeline.boxes.iou import iou_matrix
from pipeline.models.transfer import to_device
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner, StaticAssignment
from pipeline.training.assigners.assignment import BACKGROUND, FACE, IGNORED, Assignment, candidate_indices
from pipeline.training.assigners.candidate_pairs import CHUNK
from pipeline.training.assigners.faces import FaceBatch, FaceRows, Predicted, require_predicted
from pipeline.training.assigners.grouped_sort import best_of_group
from pipeline.training.assigners.max_iou import MaxIou


@dataclass(frozen=True, slots=True)
class HamBox(Assigner):
    """Matching by IoU, then anchors whose *predicted* boxes fit a face that has few.

    1. First-step matches: anchors of IoU `positive` or more, see `MaxIou`.
    2. Compensation: a face with M < `min_matches` anchors is an outer face. It takes the best K - M background anchors
       by the IoU of their decoded boxes with it, if that is at least `compensation_iou`. An anchor of several faces
       goes to the highest IoU.
    3. Background anchors left, whose decoded box reaches `ignore_iou` with any face, are ignored.

    Example: K = 3, a face with one anchor; the decoded boxes of three background anchors have IoU 0.9, 0.85 and 0.7
    with it. The first two are compensated, the third is ignored.

    Attributes:
        min_matches: K.
        positive: T1, IoU of anchors.
        compensation_iou: T2, IoU of decoded boxes.
        ignore_iou: IoU of decoded boxes.
        low_quality_matches: whether each face takes its best anchor in step 1 (CRFace) or not (HAMBox).
    """

    min_matches: int = 3
    positive: float = 0.35
    compensation_iou: float = 0.8
    ignore_iou: float = 0.5
    low_quality_matches: bool = True
    needs_prediction: ClassVar[bool] = True

    def prepare(self, anchors: Anchors, faces: FaceBatch) -> PartialHamBox:
        """Returns the first-step matches, and how many anchors each face still wants; predicted boxes decide which."""
        first_step = MaxIou(self.positive, 0.0 if self.low_quality_matches else None, reassign_best=False)
        matched, rows = first_step(anchors, faces), faces.rows()
        image, anchor = torch.nonzero(matched.label == FACE, as_tuple=True)
        row = faces.row_of()[image, matched.face[image, anchor]]
        missing = self.min_matches - torch.bincount(row, minlength=len(rows))
        ends = torch.bincount(rows.image, minlength=rows.images).cumsum(0).tolist()
        return PartialHamBox(self, StaticAssignment(matched), rows, missing, tuple(ends))


@dataclass(frozen=True, slots=True)
class PartialHamBox:
    """The first-step matches, and the faces that predicted boxes are compared with.

    Attributes:
        rule: with its thresholds.
        matched: the first-step matches.
        rows: the faces.
        missing: int64 [G], how many anchors each face may still take; 0 or less for none.
        ends: of each image, the row behind its last face.
    """

    rule: HamBox
    matched: StaticAssignment
    rows: FaceRows
    missing: Tensor
    ends: tuple[int, ...]

    def to(self, device: torch.device) -> PartialHamBox:
        """Returns it on a device."""
        missing = to_device(self.missing, device)
        return replace(self, matched=self.matched.to(device), rows=self.rows.to(device), missing=missing)

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the compensated matching; see `PartialAssignment`."""
        matched, rows, rule = self.matched.complete(predicted), self.rows, self.rule
        boxes = require_predicted(predicted, "hambox").boxes.float()
        if len(rows) == 0:
            return matched
        free = matched.label == BACKGROUND
        best_BA, iou_GK, anchor_GK = self._compared(boxes, free)
        count, k = free.shape[1], iou_GK.shape[1]
        wanted_GK = (iou_GK >= rule.compensation_iou) & (torch.arange(k, device=boxes.device) < self.missing[:, None])
        index = (rows.image[:, None] * count + anchor_GK).flatten()
        row = torch.arange(len(rows), device=boxes.device)[:, None].expand(-1, k).flatten()
        iou = torch.where(wanted_GK, iou_GK, -1.0).flatten()
        taker = best_of_group(index, iou, row, free.numel()).view_as(free)
        out = replace(matched, label=torch.where(free & (best_BA >= rule.ignore_iou), IGNORED, matched.label))
        return replace(
            out.with_faces(taker, rows.column),
            compensated=matched.compensated | (taker >= 0),
            candidates=torch.cat([candidate_indices(matched), index]),
        )

    def _compared(self, boxes: Tensor, free: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns each box's highest IoU with a face, float32 [B, A], and each face's best free boxes by IoU.

        These are their IoU, float32 [G, K], 0 where no box is free, and anchor, int64 [G, K], ties by rising index.
        Every box is compared with every face of its image, in blocks of at most `CHUNK` overlaps (but at least one
        face); image by image, because one image of 1,000 faces would make seven others of its batch cost as much.
        """
        count, step = free.shape[1], max(1, CHUNK // free.shape[1])
        highest, best, anchors = torch.zeros_like(boxes[..., 0]), [], []
        backwards = torch.arange(count - 1, -1, -1, device=boxes.device)
        for image, (start, end) in enumerate(pairwise((0, *self.ends))):
            for low in range(start, end, step):
                iou = iou_matrix(self.rows.boxes[low : min(end, low + step)], boxes[image])
                highest[image] = torch.maximum(highest[image], iou.amax(dim=0))
                iou *= free[image]
                # IoU, whose bits rise with it, and index in one integer: equal overlaps go to the lower index.
                key = iou.view(torch.int32).long().bitwise_left_shift_(32).bitwise_or_(backwards)
                anchor = count - 1 - (key.topk(min(self.rule.min_matches, count), dim=1).values & 0xFFFFFFFF)
                best.append(iou.gather(1, anchor))
                anchors.append(anchor)
        return highest, torch.cat(best), torch.cat(anchors)
