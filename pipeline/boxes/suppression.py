"""Which of many overlapping boxes to keep: the best k, and greedy non-maximum suppression."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from pipeline.boxes.kernels import kernel


def top_candidates(scores: Tensor, k: int) -> Tensor:
    """Returns the indices of the k highest scores, int64 [min(k, N)], best first, equal scores by rising index.

    A full stable sort of the 1.6 million scores of an 8K image costs several times as much as finding the k-th score
    and sorting what reaches it.

    Args:
        scores: float [N], without NaN.
        k: how many at most.

    Raises:
        ValueError: k is negative.
    """
    if k < 0:
        raise ValueError(f"cannot keep {k} candidates")
    if k == 0:
        return torch.zeros(0, dtype=torch.int64, device=scores.device)
    if k >= len(scores):
        return torch.sort(scores, descending=True, stable=True).indices
    least = torch.topk(scores, k, sorted=False).values.min()
    reached = torch.nonzero(scores >= least).squeeze(1)
    order = torch.sort(scores[reached], descending=True, stable=True).indices[:k]
    return reached[order]


def top_candidates_of_each(scores_BN: Tensor, k: int) -> Tensor:
    """Returns `top_candidates` of every row, int64 [B, min(k, N)], with no wait for the device.

    ``scores_BN`` float32 has none below zero but those that are to come last.
    """
    if scores_BN.device.type == "cpu":
        return torch.stack([top_candidates(scores, k) for scores in scores_BN])
    return _by_key(scores_BN, k)


def _by_key(scores_BN: Tensor, k: int) -> Tensor:
    count = scores_BN.shape[1]
    # Of numbers from zero up the bits are in the order of the numbers. With the index in the lower half no two keys are
    # equal, so that any algorithm gives the one order.
    bits = scores_BN.contiguous().view(torch.int32).to(torch.int64)
    last = (1 << 32) - 1
    keys = (bits << 32) | (last - torch.arange(count, device=scores_BN.device))
    return last - (torch.topk(keys, min(k, count), dim=1).values & last)


def nms(
    boxes_N4: Tensor, scores_N: Tensor, iou: float, *, pixel_inclusive: bool = True, iou_inclusive: bool = False
) -> Tensor:
    """Returns which boxes survive greedy non-maximum suppression, best first.

    A box is dropped if its IoU with a better kept one is greater than ``iou``; an equal one survives. Equal scores are
    taken by rising index. The defaults are RetinaFace's convention; MogFace's code also drops an equal IoU.

    Args:
        boxes_N4: float [N, 4] xyxy in pixels.
        scores_N: float [N].
        iou: threshold in 0..1.
        pixel_inclusive: count corners as inclusive pixels: each width and height is one pixel larger.
        iou_inclusive: an overlap of exactly ``iou`` is dropped. Decided in float64 on the CPU, wherever the boxes are.

    Returns:
        int64 [kept], indices into the arguments, on their device.
    """
    # float64 because torchvision compares with a double threshold: in float32 an overlap of exactly 2/5 would round
    # to more than 0.4 and be dropped.
    corners = boxes_N4.double()
    if pixel_inclusive:
        corners = torch.cat([corners[:, :2], corners[:, 2:] + 1], dim=1)
    scores = scores_N.double()
    if iou_inclusive:
        # "At least t" is "more than the number before t"; on a GPU torchvision compares in float32, too coarse for it.
        corners, scores, iou = corners.cpu(), scores.cpu(), math.nextafter(iou, -math.inf)
    return _plain_nms()(corners, scores, iou).to(boxes_N4.device)


@cache
def _plain_nms() -> Callable[[Tensor, Tensor, float], Tensor]:
    plain = kernel("nms")
    if plain is None:
        from torchvision.ops import nms as whole

        plain = whole
    known: Callable[[Tensor, Tensor, float], Tensor] = plain
    return known
