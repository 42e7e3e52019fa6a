"""Adaptive online incremental anchor mining (Ali-AMS, MogFace section 3.1): faces with few anchors get more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import FACE, Assignment
from pipeline.training.assigners.compensation import CandidateAnchors, PartialAliAms, joined
from pipeline.training.assigners.faces import FaceBatch, FaceRows, Predicted, require_predicted
from pipeline.training.assigners.lattice_search import most_overlapping, nearest
from pipeline.training.assigners.max_iou import MaxIou
from pipeline.training.assigners.official_pool import official_pool

Reading = Literal["paper", "own_level", "official"]


@dataclass(frozen=True, slots=True)
class AliAms:
    """Standard matching, then compensation level by level with the detector's own class scores (Algorithm 1).

    On a level, T is the largest number of anchors that a face of the image has there. A face that has n of them,
    0 < n < T, may take T - n more. What the paper leaves open is decided as follows ("paper"): its candidates are the
    T anchors of this level nearest to its centre and the T of highest (positive) IoU, each counted once; those that
    are FACE already do not count; the best T - n by class score become FACE; faces choose in order of their index;
    ties go to the lower anchor.

    Example: face A has 5 anchors on a level, face B 2: T is 5. Of B's candidates (5 nearest, 5 best, say 7 in all, of
    which 2 are its own) the 3 with the highest logits of the other 5 become B's, and B has 5 too.

    Attributes:
        standard: what is compensated.
        reading: "paper" as above; "official" does what the released code does, which differs: T nearest only, of which
            the T - n best by score, *then* those that are FACE already are dropped and not replaced; faces in order of
            their coordinates, equal boxes as one face; the last level is passed over; and candidates come from the
            code's mistaken index ranges (see `official_pool`). "own_level" is the same with candidates of the right
            level.
    """

    standard: MaxIou = field(default_factory=lambda: MaxIou(forced=0.0, hand_over=False))
    reading: Reading = "paper"
    needs_prediction: ClassVar[bool] = True

    @torch.no_grad()
    def __call__(self, anchors: Anchors, faces: FaceBatch, predicted: Predicted | None = None) -> Assignment:
        """Returns the compensated matching of a batch.

        Args:
            anchors: A of them.
            faces: of B images.
            predicted: their logits decide; the boxes are not looked at.

        Raises:
            ValueError: where `predicted` is None.
        """
        require_predicted(predicted, self._name)
        return self.prepare(anchors, faces).complete(predicted)

    @torch.no_grad()
    def prepare(self, anchors: Anchors, faces: FaceBatch) -> PartialAliAms:
        """Returns the standard matching and who may take which anchors; the logits decide between them."""
        matched = self.standard(anchors, faces)
        rows = faces.rows()
        group = torch.arange(len(rows), device=rows.image.device) if self.reading == "paper" else _by_coordinates(rows)
        lacks = list(_lacking(anchors, matched, faces, rows, group, skip_last=self.reading != "paper"))
        if self.reading == "paper":
            # An anchor is of one level, so that no level can disturb another: all of them are served together.
            offers = joined([_paper(anchors, lack, rows, matched.label.view(-1)) for lack in lacks])
        else:
            offers = [self._as_coded(anchors, lack, rows) for lack in lacks]
        return PartialAliAms.of(matched, offers, self._name, in_turn=self.reading == "paper")

    @property
    def _name(self) -> str:
        return "ali_ams" if self.reading == "paper" else f"ali_ams_{self.reading}"

    def _as_coded(self, anchors: Anchors, lack: _Lack, rows: FaceRows) -> CandidateAnchors:
        """Returns what the released code looks at on one level."""
        most, boxes = int(lack.most.max()), rows.boxes[lack.row]
        if self.reading == "own_level":
            anchor, _ = nearest(anchors, lack.level, boxes, most)
        else:
            anchor = official_pool(anchors, boxes, lack.ordinal[rows.image[lack.row]], most)
        who, place = _places(anchor, lack.most, lack, rows, len(anchors))
        return CandidateAnchors(who, place, lack.need, rows.index[lack.row])


class _Lack(NamedTuple):
    """Faces of one level that have too few anchors there, in the order in which they choose."""

    level: int
    row: Tensor  # int64 [N], of `FaceRows`
    need: Tensor  # int64 [N], T - n
    most: Tensor  # int64 [N], T
    ordinal: Tensor  # int64 [B], how many lower levels of the image hold faces


def _lacking(
    anchors: Anchors, matched: Assignment, faces: FaceBatch, rows: FaceRows, group: Tensor, *, skip_last: bool
) -> Iterator[_Lack]:
    """Yields the levels on which a face has fewer anchors than another of its image; counts are of the matching."""
    image, anchor = torch.nonzero(matched.label == FACE, as_tuple=True)
    row = faces.row_of()[image, matched.face[image, anchor]]
    ends = torch.tensor(anchors.level_ends, device=anchor.device)
    levels = len(ends) - int(skip_last)
    level = torch.searchsorted(ends, anchor, right=True)
    groups = len(rows)
    count_LG = torch.bincount(level * groups + group[row], minlength=len(ends) * groups).reshape(len(ends), groups)
    # The first row stands for all of its group.
    first_G = torch.full_like(group, groups).scatter_reduce_(
        0, group, torch.arange(groups, device=group.device), "amin"
    )
    image_G = rows.image[first_G.clamp(max=max(0, groups - 1))]
    most_LB = count_LG.new_zeros(len(ends), rows.images)
    most_LB.scatter_reduce_(1, image_G.expand(len(ends), -1), count_LG, "amax")
    lack_LG = (count_LG > 0) & (count_LG < most_LB[:, image_G])
    ordinal_LB = torch.cumsum((most_LB > 0).long(), dim=0) - (most_LB > 0).long()
    for here in torch.nonzero(lack_LG[:levels].any(dim=1)).flatten().tolist():
        who = torch.nonzero(lack_LG[here]).flatten()
        most = most_LB[here, image_G[who]]
        yield _Lack(here, first_G[who], most - count_LG[here, who], most, ordinal_LB[here])


def _paper(anchors: Anchors, lack: _Lack, rows: FaceRows, label: Tensor) -> CandidateAnchors:
    """Returns what Algorithm 1 looks at on one level: by face, then by anchor."""
    most, boxes = int(lack.most.max()), rows.boxes[lack.row]
    near, _ = nearest(anchors, lack.level, boxes, most)
    high, iou = most_overlapping(anchors, lack.level, boxes, most)
    both = [
        _places(near, lack.most, lack, rows, len(anchors)),
        _places(high, torch.minimum(lack.most, (iou > 0).sum(dim=1)), lack, rows, len(anchors)),
    ]
    # Sorted and without duplicates.
    key = torch.unique(torch.cat([who * len(label) + place for who, place in both]))
    who, place = torch.div(key, len(label), rounding_mode="floor"), key % len(label)
    free = label[place] != FACE
    return CandidateAnchors(who[free], place[free], lack.need, rows.index[lack.row])


def _places(anchor_NK: Tensor, take_N: Tensor, lack: _Lack, rows: FaceRows, count: int) -> tuple[Tensor, Tensor]:
    """Returns who [P] (of the N) and place [P] (image * A + anchor) of the first `take_N` of each row, by anchor."""
    anchor_NK = anchor_NK.masked_fill(
        torch.arange(anchor_NK.shape[1], device=anchor_NK.device) >= take_N[:, None], count
    )
    anchor_NK = torch.sort(anchor_NK, dim=1).values
    who, column = torch.nonzero(anchor_NK < count, as_tuple=True)
    return who, rows.image[lack.row[who]] * count + anchor_NK[who, column]


def _by_coordinates(rows: FaceRows) -> Tensor:
    """Returns int64 [G]: numbers that order the faces of an image by x1, y1, x2, y2; equal boxes share one."""
    if len(rows) == 0:
        return rows.image
    keyed = torch.cat([rows.image[:, None].double(), rows.boxes.double()], dim=1)
    group: Tensor = torch.unique(keyed, dim=0, return_inverse=True)[1]
    return group
