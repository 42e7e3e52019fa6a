"""Matching by IoU: each anchor takes the face it overlaps most, each face its best anchor, a low-quality match."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner, StaticAssignment
from pipeline.training.assigners.assignment import FACE, all_background
from pipeline.training.assigners.candidate_pairs import OverlapPairs, overlapping
from pipeline.training.assigners.faces import FaceBatch, FaceRows
from pipeline.training.assigners.grouped_sort import best_of_group, rank_in_group


@dataclass(frozen=True, slots=True)
class MaxIou(Assigner):
    """Plain matching; the defaults are published RetinaFace's, MogFace's standard is `STANDARD`.

    1. An anchor is FACE if its highest IoU with any face is at least `positive`; it learns that face (the first one
       on ties).
    2. Low-quality matches (as detectron2 calls them): a face whose best anchor (the first one on ties) reaches
       `low_quality_iou` makes that anchor FACE.
    3. That anchor learns this face; the last one, where several share it.

    Example: two anchors, face A with IoU (0.60, 0.10) and face B with IoU (0.15, 0.00). Anchor 0 is FACE through A.
    RetinaFace's quirk (`reassign_best`): B's best anchor is anchor 0 too, so `face` is (1, 0) and `label` (1, 0);
    without it `face` is (0, 0). With `low_quality_iou` at 0 B takes anchor 0 in either case.

    A face that overlaps no anchor (no area, or outside) is skipped: it has no best anchor, and no deltas encode a box
    without size.

    Attributes:
        positive: IoU from which an anchor is FACE, inclusive.
        low_quality_iou: IoU from which a face's best anchor is FACE though it is below `positive`; None for no
            low-quality matches.
        reassign_best: a face gets its best anchor, if that is FACE, even if their IoU is below `low_quality_iou`. An
            anchor that is positive for one face may so be trained on another that it hardly overlaps. Published
            RetinaFace does this.
        compensation: S3FD's second stage (section 3.2 of that paper): a face with fewer matches than the mean N
            of its image (rounded down) takes its best anchors of IoU above this that are still background, until it
            has N; an anchor of several such faces goes to the highest IoU. S3FD has 0.1; None for no such stage.
    """

    positive: float = 0.35
    low_quality_iou: float | None = 0.2
    reassign_best: bool = True
    compensation: float | None = None

    def prepare(self, anchors: Anchors, faces: FaceBatch) -> StaticAssignment:
        """Returns the whole assignment; see `Assigner`.

        Only pairs of sufficient IoU are ever in memory: 1,000 faces cost about 30,000 pairs, not 34 million. All but
        the result is as long as the list of their anchors: a batch of 16 images of 640 takes 3 ms instead of 30.
        """
        rows = faces.rows()
        matched = all_background(rows.images, len(anchors), rows.boxes.device)
        if len(rows) == 0:
            return StaticAssignment(matched)
        lowest = self.positive if self.compensation is None else min(self.positive, self.compensation)
        pairs = overlapping(anchors, rows, lowest, best_too=self.low_quality_iou is not None)
        index, place = torch.unique(pairs.index, return_inverse=True)
        near = replace(pairs, index=place)
        high = near.where(near.iou >= self.positive)
        row = best_of_group(high.index, high.iou, high.row, len(index))
        label = (row >= 0).long()
        if self.low_quality_iou is not None and len(index):
            self._add_low_quality(label, row, pairs, rows, len(anchors), self.low_quality_iou, index)
        if self.compensation is not None:
            extra = _second_stage(label, row, near.where(near.iou > self.compensation), rows)
            added = extra >= 0
            row, label = torch.where(added, extra, row), torch.where(added, FACE, label)
            matched.compensated.view(-1)[index[added]] = True
        taken = label == FACE
        index = index[taken]
        matched.face.view(-1)[index] = rows.column[row[taken]]
        matched.label.view(-1)[index] = FACE
        return StaticAssignment(replace(matched, candidates=index))

    def _add_low_quality(
        self,
        label: Tensor,
        row: Tensor,
        pairs: OverlapPairs,
        rows: FaceRows,
        count: int,
        lowest: float,
        known: Tensor,
    ) -> None:
        """Writes every face's best anchor into `label` and `row`, both of the anchors with the flat indices `known`."""
        anchor = best_of_group(pairs.row, pairs.iou, pairs.anchor, len(rows))
        iou = torch.zeros_like(rows.boxes[:, 0]).scatter_reduce_(0, pairs.row, pairs.iou, "amax")
        met = anchor >= 0
        index = torch.searchsorted(known, rows.image * count + anchor).clamp(max=len(known) - 1)  # not met: any
        reached = met & (iou >= lowest)
        label[index[reached]] = FACE
        takers = torch.nonzero(met if self.reassign_best else reached).squeeze(1)
        # The last face wins: rows of an image rise with the index of the face.
        last = torch.full_like(row, -1).scatter_reduce_(0, index[takers], takers, "amax")
        takers = takers[last[index[takers]] == takers]
        row[index[takers]] = takers


def _second_stage(label: Tensor, row: Tensor, pairs: OverlapPairs, rows: FaceRows) -> Tensor:
    """Returns int64 [C]: the row that S3FD's second stage adds to the matching of `label` and `row`, or -1.

    All of the C anchors that `pairs.index` counts.
    """
    matches_G = torch.bincount(row[label == FACE], minlength=len(rows))
    faces_B = torch.bincount(rows.image, minlength=rows.images)
    total_B = torch.zeros_like(faces_B).scatter_add_(0, rows.image, matches_G)
    mean_B = torch.div(total_B, faces_B.clamp(min=1), rounding_mode="floor")
    missing_G = mean_B[rows.image] - matches_G
    free = pairs.where((label[pairs.index] != FACE) & (missing_G[pairs.row] > 0))
    wanted = free.where(rank_in_group(free.row, free.iou) < missing_G[free.row])
    return best_of_group(wanted.index, wanted.iou, wanted.row, len(label))


STANDARD = MaxIou(low_quality_iou=0.0, reassign_best=False)
"""The standard matching of MogFace: every face gets its best anchor, and no anchor that it does not reach."""
