"""Several sets of detections of one image, from other scales or other detectors, made into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.boxes.frame import RETINAFACE, Convention
from pipeline.inference.candidates import Candidates

if TYPE_CHECKING:
    from pipeline.boxes.voting import Singles


@dataclass(frozen=True, slots=True)
class Voting:
    """Boxes that agree are averaged (`pipeline.boxes.voting.vote`); CRFace's fusion of scales by default.

    Attributes:
        iou: least overlap with the best box of a group, inclusive.
        singles: "keep" or "drop" groups of one.
        cap: most boxes that are left.
        convention: how pixels are counted, and whether corners are rounded first.
    """

    iou: float = 0.4
    singles: Singles = "keep"
    cap: int | None = None
    convention: Convention = RETINAFACE


@dataclass(frozen=True, slots=True)
class Suppression:
    """Of boxes that agree the best is left (`pipeline.boxes.suppression.nms`).

    Attributes:
        iou: a box that overlaps a better one by more is dropped.
        cap: most boxes that are left.
        convention: how pixels are counted, and whether an equal overlap is dropped too.
    """

    iou: float = 0.4
    cap: int | None = None
    convention: Convention = RETINAFACE


Fusion = Voting | Suppression


def pool(sets: Sequence[Candidates]) -> Candidates:
    """Returns the rows of all sets by falling score; equal scores in the order of the sets, then of their rows.

    Landmarks are kept where every set that has a row has them, else none are. Boxes are in the frame of the first set.

    Raises:
        ValueError: no set at all.
    """
    if not sets:
        raise ValueError("there is nothing to pool: no set of detections")
    order = np.argsort(-np.concatenate([each.scores for each in sets]), kind="stable")
    marks = [each.landmarks for each in sets if len(each)]
    known = [each for each in marks if each is not None]
    return Candidates(
        np.concatenate([each.to(sets[0].frame).boxes for each in sets])[order],
        np.concatenate([each.scores for each in sets])[order],
        np.concatenate(known)[order] if known and len(known) == len(marks) else None,
        sets[0].frame,
    )


def fuse(sets: Sequence[Candidates], rule: Fusion) -> Candidates:
    """Returns one set of detections, best first, computed in float64 and given in float32, in the first set's frame.

    Args:
        sets: in original pixels of one image; the first one wins where scores are equal.
        rule: what to do with boxes that overlap.

    Raises:
        ValueError: no set at all, or a parameter of the rule is out of range.
    """
    pooled = pool(sets)
    if isinstance(rule, Suppression):
        return _suppressed(pooled, rule)
    from pipeline.boxes.voting import vote

    n, marks, frame = len(pooled), pooled.landmarks, rule.convention.frame
    voted = vote(
        pooled.corners(frame),
        pooled.scores,
        iou=rule.iou,
        pixel_inclusive=rule.convention.votes_pixel_inclusive,
        singles=rule.singles,
        rounded=rule.convention.rounded,
        cap=rule.cap,
        extras_NE=None if marks is None else marks.reshape(n, 10),
    )
    return Candidates(
        pooled.frame.corners(voted.boxes, frame).astype(np.float32),
        voted.scores.astype(np.float32),
        None if marks is None else voted.extras.astype(np.float32).reshape(-1, 5, 2),
        pooled.frame,
    )


def _suppressed(pooled: Candidates, rule: Suppression) -> Candidates:
    import torch

    from pipeline.boxes.suppression import nms

    convention = rule.convention
    boxes, scores = torch.from_numpy(pooled.corners(convention.frame)), torch.from_numpy(pooled.scores)
    kept = nms(
        boxes, scores, rule.iou, pixel_inclusive=convention.pixel_inclusive, iou_inclusive=convention.iou_inclusive
    )
    return pooled.take(kept.numpy()[: rule.cap])
