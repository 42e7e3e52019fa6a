"""HAMBox's online high-quality anchor compensation (HAMBox section 3.2; CRFace uses it without the weighted loss)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from pipeline.training.assigners.anchor_set import Anchors
from pipeline.training.assigners.assignment import BACKGROUND, FACE, IGNORED, Assignment
from pipeline.training.assigners.face_batch import FaceBatch, Predicted, required
from pipeline.training.assigners.max_iou import MaxIou
from pipeline.training.assigners.overlaps import reaching
from pipeline.training.assigners.ranking import prevailing, rank_in_group


@dataclass(frozen=True, slots=True)
class HamBox:
    """Plain matching, then anchors whose *predicted* boxes fit a face that has few.

    1. Plain matching with threshold `plain`, with a forced best anchor per face or without.
    2. A face with M < `matches` anchors is an outer face. It takes the best K - M background anchors by the IoU of
       their decoded boxes with it, if that is at least `fit`. One that several faces want goes to the highest IoU.
    3. Background anchors left, whose decoded box reaches `ignored` with any face, are ignored.

    Example: K = 3, a face with one anchor; the decoded boxes of three background anchors have IoU 0.9, 0.85 and 0.7
    with it. The first two are compensated, the third is ignored.

    Attributes:
        matches: K. At 0 the online steps 2 and 3 are off: the plain matching comes back.
        plain: T1, IoU of anchors.
        fit: T2, IoU of decoded boxes.
        ignored: IoU of decoded boxes.
        forced: whether each face takes its best anchor in step 1 (CRFace) or not (HAMBox as read).
    """

    matches: int = 3
    plain: float = 0.35
    fit: float = 0.8
    ignored: float = 0.5
    forced: bool = True
    needs_prediction: ClassVar[bool] = True

    @torch.no_grad()
    def __call__(self, anchors: Anchors, faces: FaceBatch, predicted: Predicted | None = None) -> Assignment:
        """Returns the compensated matching of a batch.

        Args:
            anchors: A of them.
            faces: of B images.
            predicted: its decoded boxes decide; the logits are not looked at. May be None if `matches` is 0.

        Raises:
            ValueError: where `predicted` is None and needed.
        """
        matched = MaxIou(self.plain, 0.0 if self.forced else None, hand_over=False)(anchors, faces)
        if self.matches == 0:
            return matched
        boxes, rows = required(predicted, "hambox").boxes, faces.rows()
        face, label, added = (each.view(-1) for each in (matched.face, matched.label, matched.compensated))
        pairs = reaching(boxes, rows, min(self.fit, self.ignored))
        pairs = pairs.where(label[pairs.place] == BACKGROUND)
        image, anchor = torch.nonzero(matched.label == FACE, as_tuple=True)
        row = faces.row_of()[image, matched.face[image, anchor]]
        missing = self.matches - torch.bincount(row, minlength=len(rows))
        fitting = pairs.where((pairs.iou >= self.fit) & (missing[pairs.row] > 0))
        wanted = fitting.where(rank_in_group(fitting.row, fitting.iou, len(rows)) < missing[fitting.row])
        extra = wanted.where(prevailing(wanted.place, wanted.iou, wanted.row, len(label)))
        label[pairs.place[pairs.iou >= self.ignored]] = IGNORED
        face[extra.place], label[extra.place], added[extra.place] = rows.index[extra.row], FACE, True
        return matched
