"""Fusion of several sets of detections of one image, from other scales or other detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.boxes.frame import RETINAFACE, Convention
from pipeline.data.records import ScoredBoxes

if TYPE_CHECKING:
    from pipeline.boxes.voting import Singles


@dataclass(frozen=True, slots=True)
class Voting:
    """Boxes that agree are averaged (`pipeline.boxes.voting.vote`); CRFace's fusion of scales by default."""

    iou: float = 0.4  # least overlap with the best box of a group, inclusive
    singles: Singles = "keep"  # "keep" or "drop" groups of one
    cap: int | None = None  # most boxes that are left
    convention: Convention = RETINAFACE  # how pixels are counted, and whether corners are rounded first


@dataclass(frozen=True, slots=True)
class Suppression:
    """Of boxes that agree the best is left (`pipeline.boxes.suppression.nms`)."""

    iou: float = 0.4  # a box that overlaps a better one by more is dropped
    cap: int | None = None  # most boxes that are left
    convention: Convention = RETINAFACE  # how pixels are counted, and whether an equal overlap is dropped too


Fusion = Voting | Suppression


def pool(sets: Sequence[ScoredBoxes]) -> ScoredBoxes:
    """Returns the rows of all sets by falling score; equal scores in the order of the sets, then of their rows.

    Landmarks are kept where every set with a row has them, else none are. Boxes are in the frame of the first set.

    Raises ValueError: no set at all.
    """
    if not sets:
        raise ValueError("no set of detections to pool")
    order = np.argsort(-np.concatenate([each.scores for each in sets]), kind="stable")
    all_landmarks = [each.landmarks for each in sets if len(each)]
    known = [each for each in all_landmarks if each is not None]
    return ScoredBoxes(
        np.concatenate([each.to(sets[0].frame).boxes for each in sets])[order],
        np.concatenate([each.scores for each in sets])[order],
        np.concatenate(known)[order] if known and len(known) == len(all_landmarks) else None,
        sets[0].frame,
    )


def fuse(sets: Sequence[ScoredBoxes], rule: Fusion) -> ScoredBoxes:
    """Returns one set of detections, best first, computed in float64 and given in float32, in the first set's frame.

    The sets are in original pixels of one image; the first one wins where scores are equal.

    Raises ValueError: no set at all, or a parameter of the rule is out of range.
    """
    pooled = pool(sets)
    if isinstance(rule, Suppression):
        from pipeline.inference.postprocess import suppress

        return suppress(pooled, rule.iou, rule.convention).take(slice(rule.cap))
    from pipeline.boxes.voting import vote

    n, landmarks, frame = len(pooled), pooled.landmarks, rule.convention.frame
    voted = vote(
        pooled.corners(frame),
        pooled.scores,
        iou=rule.iou,
        pixel_inclusive=rule.convention.votes_pixel_inclusive,
        singles=rule.singles,
        rounded=rule.convention.rounded,
        cap=rule.cap,
        extras_NE=None if landmarks is None else landmarks.reshape(n, 10),
    )
    return ScoredBoxes(
        pooled.frame.corners(voted.boxes, frame).astype(np.float32),
        voted.scores.astype(np.float32),
        None if landmarks is None else voted.extras.astype(np.float32).reshape(-1, 5, 2),
        pooled.frame,
    )
