"""Plain arithmetic on boxes held as tensors: conversion, clipping, overlap."""

from __future__ import annotations

import torch
from torch import Tensor


def to_corners(boxes: Tensor) -> Tensor:
    """Returns ``x1, y1, x2, y2`` of boxes given as centre and size.

    Args:
        boxes: float [..., 4] as ``cx, cy, w, h``, any unit.

    Returns:
        float [..., 4], same dtype and unit; ``x2 = x1 + w``.
    """
    centre, size = boxes[..., :2], boxes[..., 2:]
    low = centre - size / 2
    return torch.cat([low, low + size], dim=-1)


def to_centres(boxes: Tensor) -> Tensor:
    """Returns ``cx, cy, w, h`` of boxes given as corners.

    Args:
        boxes: float [..., 4] as ``x1, y1, x2, y2``, any unit.

    Returns:
        float [..., 4], same dtype and unit.
    """
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def clip(boxes: Tensor, width: float, height: float) -> Tensor:
    """Returns the boxes cut to the picture ``[0, width] x [0, height]``.

    Args:
        boxes: [..., 4] xyxy in pixels.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        [..., 4] xyxy, a new tensor; a box outside the picture becomes one of no area on its edge.
    """
    return torch.stack(
        [
            boxes[..., 0].clamp(0, width),
            boxes[..., 1].clamp(0, height),
            boxes[..., 2].clamp(0, width),
            boxes[..., 3].clamp(0, height),
        ],
        dim=-1,
    )


def area(boxes: Tensor, *, pixel_inclusive: bool = False) -> Tensor:
    """Returns the areas of boxes; never negative.

    Args:
        boxes: [..., 4] xyxy.
        pixel_inclusive: count corners as inclusive pixels, so that a side is ``x2 - x1 + 1``.

    Returns:
        [...], squared units of the boxes.
    """
    sides = (boxes[..., 2:] - boxes[..., :2] + float(pixel_inclusive)).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def pairwise_iou(boxes_M4: Tensor, boxes_N4: Tensor, *, pixel_inclusive: bool = False) -> Tensor:
    """Returns the overlap (intersection over union) of every box of one set with every box of another.

    Args:
        boxes_M4: float [M, 4] xyxy.
        boxes_N4: float [N, 4] xyxy in the same frame.
        pixel_inclusive: the inclusive-pixel convention of RetinaFace's suppression and the MogFace code: every width and
            height is one larger. Without it, the plain overlap that matching and the COCO protocol use.

    Returns:
        float [M, N] in 0..1; 0 where both boxes have no area.
    """
    low = torch.maximum(boxes_M4[:, None, :2], boxes_N4[None, :, :2])
    high = torch.minimum(boxes_M4[:, None, 2:], boxes_N4[None, :, 2:])
    shared = (high - low + float(pixel_inclusive)).clamp(min=0).prod(dim=-1)
    union = (
        area(boxes_M4, pixel_inclusive=pixel_inclusive)[:, None]
        + area(boxes_N4, pixel_inclusive=pixel_inclusive)[None, :]
        - shared
    )
    return torch.where(union > 0, shared / union, torch.zeros_like(union))
