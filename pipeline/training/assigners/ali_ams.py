"""Adaptive online incremental anchor mining (Ali-AMS, MogFace section 3.1): faces with few anchors get more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.assigners.assignment import FACE, Assignment
from pipeline.training.assigners.candidate_pairs import CHUNK
from pipeline.training.assigners.compensation import (
    CandidateAnchors,
    PartialAliAms,
    sequential_compensation,
    simultaneous_compensation,
)
from pipeline.training.assigners.faces import FaceBatch, FaceRows
from pipeline.training.assigners.grouped_sort import k_smallest
from pipeline.training.assigners.lattice_search import most_overlapping, nearest
from pipeline.training.assigners.max_iou import STANDARD

Variant = Literal["paper", "own_level", "official"]


@dataclass(frozen=True, slots=True)
class AliAms(Assigner):
    """Standard matching, then compensation level by level with the detector's own class scores (Algorithm 1).

    On a level, T is the largest number of anchors that a face of the image has there. A face that has n of them,
    0 < n < T, may take T - n more. What the paper leaves open is decided as follows ("paper"): its candidates are the
    T anchors of this level nearest to its centre and the T of highest (positive) IoU, each counted once; those that
    are FACE already do not count; the best T - n by class score become FACE; faces choose in order of their index;
    ties go to the lower anchor.

    Example: face A has 5 anchors on a level, face B 2: T is 5. Of B's candidates (5 nearest, 5 best, say 7 in all, of
    which 2 are its own) the 3 with the highest logits of the other 5 become B's, and B has 5 too.

    Attributes:
        standard: the matching that is compensated.
        variant: "paper" as above; "official" is the released code, which differs: T nearest only, of which the T - n
            best by score, *then* those that are FACE already are dropped and not replaced; faces in order of their
            coordinates, equal boxes as one face; the last level is skipped; and candidates come from the code's
            mistaken index ranges (see `official_pool`). "own_level" is the same with candidates of the right level.
    """

    standard: Assigner = STANDARD
    variant: Variant = "paper"
    needs_prediction: ClassVar[bool] = True

    def prepare(self, anchors: Anchors, faces: FaceBatch) -> PartialAliAms:
        """Returns the standard matching and the candidates of each face; the logits decide between them."""
        matched = self.standard(anchors, faces)
        rows = faces.rows()
        if self.variant == "paper":
            group = torch.arange(len(rows), device=rows.image.device)
            deficits = _deficits(anchors, matched, faces, rows, group, skip_last=False)
            # An anchor is of one level, so levels are independent: all of them are served together.
            found = [_paper_candidates(anchors, each, rows, matched.label.view(-1)) for each in deficits]
            return sequential_compensation(matched, found, "ali_ams")
        deficits = _deficits(anchors, matched, faces, rows, _by_coordinates(rows), skip_last=True)
        found = [self._official_candidates(anchors, each, rows) for each in deficits]
        return simultaneous_compensation(matched, found, f"ali_ams_{self.variant}")

    def _official_candidates(self, anchors: Anchors, deficit: _Deficit, rows: FaceRows) -> CandidateAnchors:
        """Returns the candidates of the released code on one level."""
        most, boxes = int(deficit.most.max()), rows.boxes[deficit.row]
        if self.variant == "own_level":
            anchor = nearest(anchors, deficit.level, boxes, most)
        else:
            anchor = official_pool(anchors, boxes, deficit.ordinal[rows.image[deficit.row]], most)
        group, index = _first_of_each(anchor, deficit.most, deficit, rows, len(anchors))
        return CandidateAnchors.of(group, index, deficit.need, rows.column[deficit.row])


class _Deficit(NamedTuple):
    """Faces of one level that have too few anchors there, in the order in which they choose."""

    level: int
    row: Tensor  # int64 [N], of `FaceRows`
    need: Tensor  # int64 [N], T - n
    most: Tensor  # int64 [N], T
    ordinal: Tensor  # int64 [B], number of lower levels of the image that have faces


def _deficits(
    anchors: Anchors, matched: Assignment, faces: FaceBatch, rows: FaceRows, group: Tensor, *, skip_last: bool
) -> Iterator[_Deficit]:
    """Yields the levels on which a face has fewer anchors than another of its image; counts are of the matching."""
    image, anchor = torch.nonzero(matched.label == FACE, as_tuple=True)
    row = faces.row_of()[image, matched.face[image, anchor]]
    ends = torch.tensor(anchors.level_ends, device=anchor.device)
    levels = len(ends) - int(skip_last)
    level = torch.searchsorted(ends, anchor, right=True)
    groups = len(rows)
    count_LG = torch.bincount(level * groups + group[row], minlength=len(ends) * groups).reshape(len(ends), groups)
    # The first row represents its group.
    first_G = torch.full_like(group, groups).scatter_reduce_(
        0, group, torch.arange(groups, device=group.device), "amin"
    )
    image_G = rows.image[first_G.clamp(max=max(0, groups - 1))]
    most_LB = count_LG.new_zeros(len(ends), rows.images)
    most_LB.scatter_reduce_(1, image_G.expand(len(ends), -1), count_LG, "amax")
    lack_LG = (count_LG > 0) & (count_LG < most_LB[:, image_G])
    ordinal_LB = torch.cumsum((most_LB > 0).long(), dim=0) - (most_LB > 0).long()
    for here in torch.nonzero(lack_LG[:levels].any(dim=1)).flatten().tolist():
        lacking = torch.nonzero(lack_LG[here]).flatten()
        most = most_LB[here, image_G[lacking]]
        yield _Deficit(here, first_G[lacking], most - count_LG[here, lacking], most, ordinal_LB[here])


def _paper_candidates(anchors: Anchors, deficit: _Deficit, rows: FaceRows, label: Tensor) -> CandidateAnchors:
    """Returns the candidates of Algorithm 1 on one level, by face, then by anchor."""
    most, boxes = int(deficit.most.max()), rows.boxes[deficit.row]
    near = nearest(anchors, deficit.level, boxes, most)
    high, iou = most_overlapping(anchors, deficit.level, boxes, most)
    both = [
        _first_of_each(near, deficit.most, deficit, rows, len(anchors)),
        _first_of_each(high, torch.minimum(deficit.most, (iou > 0).sum(dim=1)), deficit, rows, len(anchors)),
    ]
    # Sorted and without duplicates.
    key = torch.unique(torch.cat([group * len(label) + index for group, index in both]))
    group, index = torch.div(key, len(label), rounding_mode="floor"), key % len(label)
    free = label[index] != FACE
    return CandidateAnchors.of(group[free], index[free], deficit.need, rows.column[deficit.row])


def _first_of_each(
    anchor_NK: Tensor, take_N: Tensor, deficit: _Deficit, rows: FaceRows, count: int
) -> tuple[Tensor, Tensor]:
    """Returns group [P] (of the N) and flat index [P] (image * A + anchor) of each row's first `take_N`, by anchor."""
    anchor_NK = anchor_NK.masked_fill(
        torch.arange(anchor_NK.shape[1], device=anchor_NK.device) >= take_N[:, None], count
    )
    anchor_NK = torch.sort(anchor_NK, dim=1).values
    group, column = torch.nonzero(anchor_NK < count, as_tuple=True)
    return group, rows.image[deficit.row[group]] * count + anchor_NK[group, column]


def _by_coordinates(rows: FaceRows) -> Tensor:
    """Returns int64 [G]: numbers that order the faces of an image by x1, y1, x2, y2; equal boxes share one."""
    if len(rows) == 0:
        return rows.image
    keyed = torch.cat([rows.image[:, None].double(), rows.boxes.double()], dim=1)
    group: Tensor = torch.unique(keyed, dim=0, return_inverse=True)[1]
    return group


def official_pool(anchors: Anchors, boxes_G4: Tensor, ordinal_G: Tensor, k: int) -> Tensor:
    """Returns int64 [G, k], the k nearest anchors within the index range that the code uses, nearest first.

    For the n-th level of an image that has faces (counted from 0, whatever level it is) the range ends where level n
    ends, and is as long as the finest level. At 640 x 640 these are 0-25600, 6400-32000, 8000-33600, 8400-34000,
    8500-34100: from the second on the nearest anchors are mostly of the finest level. Such a range is no lattice, so
    every anchor of it is compared, in blocks of at most `CHUNK` distances.

    Args:
        anchors: of the image.
        boxes_G4: float32 [G, 4] xyxy in pixels.
        ordinal_G: int64 [G], n.
        k: how many, at most the number of anchors of the finest level.
    """
    ends = anchors.level_ends
    middle = (boxes_G4[:, :2] + boxes_G4[:, 2:]) / 2
    centres = (anchors.corners[:, :2] + anchors.corners[:, 2:]) / 2
    out = torch.zeros(len(boxes_G4), min(k, ends[0]), dtype=torch.int64, device=boxes_G4.device)
    step, offsets = max(1, CHUNK // ends[0]), torch.arange(ends[0], device=boxes_G4.device)
    for ordinal in torch.unique(ordinal_G).tolist():
        start = ends[ordinal] - ends[0]
        pool, rows = centres[start : ends[ordinal]], torch.nonzero(ordinal_G == ordinal).flatten()
        for part in torch.split(rows, step):
            gap = pool[None, :, :] - middle[part, None, :]
            out[part] = start + k_smallest((gap * gap).sum(dim=2), offsets, k)[1]
    return out
