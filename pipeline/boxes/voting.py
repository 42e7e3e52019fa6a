"""Box voting: boxes that agree on an object are replaced by their mean, weighted by score.

Greedy like suppression, but suppressed boxes still count (CRFace's fusion of scales, MogFace's of sixteen calls). The
groups come from suppression: its survivors lead, and each suppressed box joins the first leader that covers it, found
among the leaders of like size nearby: there is no loop over boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_pairs
from pipeline.boxes.overlap_index import OverlapIndex
from pipeline.boxes.suppression import nms

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Singles = Literal["keep", "drop"]

_BLOCK = 256
_FEW = 64  # boxes of which all pairs are computed sooner than an index is made


@dataclass(frozen=True, slots=True)
class Voted:
    """What a vote gives, in falling score of the groups' leaders: G groups.

    Attributes:
        boxes: float64 [G, 4] xyxy.
        scores: float64 [G], the highest of each group.
        extras: float64 [G, E], averaged like the boxes.
    """

    boxes: Float64
    scores: Float64
    extras: Float64


def vote(
    boxes_N4: NDArray[np.floating[Any]],
    scores_N: NDArray[np.floating[Any]],
    *,
    iou: float = 0.4,
    pixel_inclusive: bool = True,
    singles: Singles = "keep",
    rounded: bool = False,
    cap: int | None = None,
    extras_NE: NDArray[np.floating[Any]] | None = None,
) -> Voted:
    """Returns the score-weighted mean of every group of overlapping boxes, with the group's highest score.

    The best box leads the first group, which takes every box that overlaps it by at least ``iou``; of the rest the best
    leads the next one. A group of one is left as it is. Where all scores of a group are zero its mean is the plain one.
    The defaults are those of CRFace's fusion; MogFace's code has ``iou=0.6, pixel_inclusive=False, rounded=True,
    cap=750``.

    Args:
        boxes_N4: [N, 4] xyxy in pixels.
        scores_N: [N], never negative, in any order; equal ones are taken by rising index.
        iou: least overlap that joins a group, inclusive, in 0..1 and not 0.
        pixel_inclusive: count corners as inclusive pixels.
        singles: "drop" leaves out groups of one, as InsightFace does, unless it is the very last group.
        rounded: round coordinates to whole pixels before anything else; the means are not rounded again.
        cap: most groups that are returned.
        extras_NE: [N, E], numbers of each box (landmarks) to be averaged with it; never rounded.

    Raises:
        ValueError: lengths that disagree, a negative or NaN score, or a threshold or cap out of range.
    """
    extras = np.zeros((len(scores_N), 0)) if extras_NE is None else extras_NE.astype(np.float64)
    _check(boxes_N4, scores_N, extras, iou, cap)
    order = np.argsort(-scores_N.astype(np.float64), kind="stable")
    boxes, scores, extras = boxes_N4[order].astype(np.float64), scores_N[order].astype(np.float64), extras[order]
    boxes = boxes.round() if rounded else boxes
    leaders, group_N = group(boxes, iou, pixel_inclusive=pixel_inclusive)
    means, sizes = _means(np.concatenate([boxes, extras], axis=1), scores, leaders, group_N)
    chosen = np.arange(len(leaders))
    if singles == "drop":
        chosen = chosen[(sizes > 1) | (chosen == len(leaders) - 1)]
    chosen = chosen[:cap]
    return Voted(means[chosen, :4], scores[leaders[chosen]], means[chosen, 4:])


def group(boxes_N4: Float64, iou: float, *, pixel_inclusive: bool = True) -> tuple[Int64, Int64]:
    """Returns the leaders, int64 [G] rising, and the group of each box, int64 [N] of indices into the leaders.

    Args:
        boxes_N4: [N, 4] xyxy, best first.
        iou: least overlap with its leader, inclusive, above 0.
        pixel_inclusive: count corners as inclusive pixels.
    """
    corners = boxes_N4 + np.array([0.0, 0.0, 1.0, 1.0]) if pixel_inclusive else boxes_N4
    leader_N = np.full(len(corners), len(corners), np.int64)
    rest = np.arange(len(corners))
    columns = np.ascontiguousarray(corners.T)
    near = OverlapIndex(corners, iou) if len(corners) > _FEW else None
    while len(rest):
        # Of a block of the best, suppression finds the leaders; they take what they cover of all the rest.
        block = rest[:_BLOCK]
        falling = torch.arange(len(block), 0, -1, dtype=torch.float64)
        kept = nms(torch.from_numpy(corners[block]), falling, iou, pixel_inclusive=False, iou_inclusive=True)
        leaders = block[kept.numpy()]
        leader_P, row_P = _all_pairs(leaders, rest) if near is None else near.pairs(leaders)
        covers = iou_pairs(columns[:, leader_P].T, columns[:, row_P].T) >= iou
        np.minimum.at(leader_N, row_P[covers], leader_P[covers])
        leader_N[leaders] = leaders
        rest = rest[leader_N[rest] == len(corners)]
        if near is not None:
            near.forget(leader_N < len(corners))
    leaders = np.flatnonzero(leader_N == np.arange(len(corners)))
    return leaders, np.searchsorted(leaders, leader_N)


def _all_pairs(boxes_Q: Int64, others_R: Int64) -> tuple[Int64, Int64]:
    """Returns each of these boxes with each of the others, two int64 [Q * R]."""
    return np.repeat(boxes_Q, len(others_R)), np.tile(others_R, len(boxes_Q))


def _means(values_NV: Float64, scores_N: Float64, leaders_G: Int64, group_N: Int64) -> tuple[Float64, Int64]:
    """Returns float64 [G, V], the weighted mean of each group, and int64 [G], how many rows it has."""
    size_G = np.bincount(group_N, minlength=len(leaders_G))
    silent_G = np.bincount(group_N, scores_N, minlength=len(leaders_G)) == 0
    weight_N = np.where(silent_G[group_N], 1.0, scores_N)
    total_G = np.bincount(group_N, weight_N, minlength=len(leaders_G))
    sums = [np.bincount(group_N, weight_N * column, minlength=len(leaders_G)) for column in values_NV.T]
    means: Float64 = np.stack(sums, axis=1) / total_G[:, None]
    alone_G = size_G == 1
    means[alone_G] = values_NV[leaders_G[alone_G]]  # to the bit
    return means, size_G


def _check(boxes: NDArray[Any], scores: NDArray[Any], extras: NDArray[Any], iou: float, cap: int | None) -> None:
    n = len(scores)
    if boxes.shape != (n, 4) or scores.shape != (n,) or extras.ndim != 2 or len(extras) != n:
        shapes = f"{boxes.shape}, {scores.shape} and {extras.shape}"
        raise ValueError(f"boxes, scores and extras have shapes {shapes}, expected (N, 4), (N,) and (N, E)")
    if n and not scores.min() >= 0:
        raise ValueError(f"scores that weigh must not be negative or NaN, the least is {scores.min()}")
    if not 0 < iou <= 1:
        raise ValueError(f"the overlap that joins a group must be above 0 and at most 1, got {iou}")
    if cap is not None and cap < 0:
        raise ValueError(f"cannot return {cap} groups")
