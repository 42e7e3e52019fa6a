"""Which candidates of an image overlap, and statistics of them: the strongest feature beside the pixels.

A detector finds a face many times; the number of boxes that agree, their scores and their mean position separate faces
from background and good boxes from poor ones. Nothing here has a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.boxes.iou import iou_matrix

LEAST = 0.4  # the threshold of the suppression that follows: these boxes compete for one place
_CLOSE = 0.7
_BLOCK = 128
STATISTICS = 17  # numbers per box that `statistics` gives
GEOMETRY = 6  # numbers per neighbour that `Neighbours.geometry` has


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of overlapping boxes, each in both orders, by rising ``box`` and in it by rising ``other``; float32 IoU."""

    box: Tensor
    other: Tensor
    iou: Tensor


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The K best neighbours of every box: those of the highest score that overlap it.

    Attributes:
        index: int64 [M, K], the box itself where there are fewer.
        there: bool [M, K], whether there is one.
        geometry: float32 [M, K, 6]: its position in units of the box (x, y, log width, log height), the overlap, and
            how much better its score is.
    """

    index: Tensor
    there: Tensor
    geometry: Tensor


@torch.no_grad()
def overlapping(boxes: Tensor, least: float = LEAST) -> Pairs:
    """Returns all pairs that overlap by more than ``least`` (IoU, no +1), in time that grows with their number.

    Args:
        boxes: float32 [M, 4] xyxy, any unit, x and y may have different ones; boxes of no area overlap nothing.
        least: in 0..1.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    there = torch.nonzero(sides.prod(dim=1) > 0).squeeze(1)
    order = there[_compact(boxes[there], sides[there].prod(dim=1).sqrt())]
    x1, y1, x2, y2 = boxes[order].unbind(1)
    areas = sides[order].prod(dim=1)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(order), _BLOCK):
        block = slice(start, start + _BLOCK)
        # Each pair once: the others come later in the order.
        rest = slice(start, None)
        near = (x1[rest] < x2[block].max()) & (x2[rest] > x1[block].min())
        near &= (y1[rest] < y2[block].max()) & (y2[rest] > y1[block].min())
        near &= (areas[rest] > least * areas[block].min()) & (areas[rest] * least < areas[block].max())
        others = torch.nonzero(near).squeeze(1) + start
        iou = iou_matrix(boxes[order[block]], boxes[order[others]])
        one, two = torch.nonzero(iou > least, as_tuple=True)
        later = others[two] > one + start
        one, two = one[later], two[later]
        found.append((order[one + start], order[others[two]], iou[one, two]))
    if not found:
        nothing = torch.zeros(0, dtype=torch.int64, device=boxes.device)
        return Pairs(nothing, nothing, boxes.new_zeros(0))
    a, b, iou = (torch.cat(part) for part in zip(*found, strict=True))
    box, other, both = torch.cat([a, b]), torch.cat([b, a]), torch.cat([iou, iou])
    sequence = torch.argsort(box * len(boxes) + other)
    return Pairs(box[sequence], other[sequence], both[sequence])


@torch.no_grad()
def statistics(boxes: Tensor, scores: Tensor, pairs: Pairs) -> Tensor:
    """Returns statistics of the neighbours of each box, float32 [M, 17], each number of about unit size.

    Over all neighbours and over the close ones (IoU > 0.7): how many (log), the sum of their scores (log), how many are
    better (log); the best one's score, its gain over the own one, and its IoU; the largest and the mean IoU; the share
    of better neighbours; the mean of all and the box, weighted by score, as in `Neighbours.geometry`, and its distance.

    Args:
        boxes: float32 [M, 4] xyxy, as the pairs were found on.
        scores: float32 [M], never rising.
        pairs: of these boxes.
    """
    count = len(boxes)
    close = (pairs.iou > _CLOSE).float()
    better = (pairs.other < pairs.box).float()  # rows fall in score
    weight = scores[pairs.other].clamp(min=1e-4)
    moved = _relative(boxes, pairs) * weight[:, None]
    ones = torch.ones_like(weight)
    parts = [ones, weight, better, close, close * weight, close * better, pairs.iou]
    sums = boxes.new_zeros(count, len(parts) + 4)
    sums.index_add_(0, pairs.box, torch.cat([torch.stack(parts, dim=1), moved], dim=1))
    number, total, above, near, near_total, near_above, overlap, *_ = sums.unbind(1)
    first, _, some = _runs(pairs, count)
    best = torch.where(some, scores[pairs.other[first]] if len(pairs.box) else scores, 0.0)
    best_iou = torch.where(some, pairs.iou[first] if len(pairs.box) else scores, 0.0)
    most = boxes.new_zeros(count).scatter_reduce_(0, pairs.box, pairs.iou, "amax")
    mean = sums[:, len(parts) :] / (total + scores.clamp(min=1e-4))[:, None]
    logs = [each.log1p() / 2 for each in (number, total, above, near, near_total, near_above)]
    plain = [best, torch.where(some, best - scores, 0.0), best_iou, most]
    shares = [overlap / number.clamp(min=1), above / number.clamp(min=1)]
    return torch.cat(
        [torch.stack([*logs, *plain, *shares], dim=1), mean * 4, mean.norm(dim=1, keepdim=True) * 4], dim=1
    )


@torch.no_grad()
def best_neighbours(boxes: Tensor, scores: Tensor, pairs: Pairs, most: int) -> Neighbours:
    """Returns the ``most`` neighbours of every box that have the highest scores; arguments as for `statistics`."""
    count = len(boxes)
    first, last, _ = _runs(pairs, count)
    places = first[:, None] + torch.arange(most, device=boxes.device)
    there = places < last[:, None]
    own = torch.arange(count, device=boxes.device)[:, None].expand(-1, most)
    if not len(pairs.box):
        return Neighbours(own, there, boxes.new_zeros(count, most, GEOMETRY))
    chosen = places.clamp(max=len(pairs.box) - 1)
    index = torch.where(there, pairs.other[chosen], own)
    gain = scores[pairs.other] - scores[pairs.box]
    geometry = torch.cat([_relative(boxes, pairs), pairs.iou[:, None], gain[:, None]], dim=1)
    return Neighbours(index, there, geometry[chosen] * there[..., None])


def _compact(boxes: Tensor, sides: Tensor) -> Tensor:
    """Returns an order in which close boxes of like size follow one another, int64 [M]."""
    band = sides.double().log2().floor()
    x, y = ((boxes[:, :2].double() + boxes[:, 2:]) / 2).unbind(1)
    extent = (boxes.amax() - boxes.amin()).clamp(min=1e-12) if len(boxes) else 1.0
    strip = (y / (4 * band.exp2())).floor()
    return torch.argsort(band * 1e6 + strip * 8 + x / extent, stable=True)


def _relative(boxes: Tensor, pairs: Pairs) -> Tensor:
    """Returns float32 [P, 4], the other box in units of the box: shift of the centre, and log of the sides' ratio."""
    corners, sides = boxes[:, :2], (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-12)
    centres = corners + sides / 2
    shift = (centres[pairs.other] - centres[pairs.box]) / sides[pairs.box]
    return torch.cat([shift, (sides[pairs.other] / sides[pairs.box]).log()], dim=1)


def _runs(pairs: Pairs, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns where each box's pairs begin and end, int64 [M], and whether it has any; begins stay inside the list."""
    own = torch.arange(count, device=pairs.box.device)
    first, last = torch.searchsorted(pairs.box, own), torch.searchsorted(pairs.box, own, right=True)
    return first.clamp(max=max(len(pairs.box) - 1, 0)), last, last > first
