"""Intersection over union of boxes, for NumPy and torch alike; importing it costs no torch.

`torchvision.ops.box_iou` is another function: it divides 0 by 0, knows no inclusive pixels and no pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Boxes = TypeVar("Boxes", NDArray[Any], "Tensor")


def iou_matrix(boxes_M4: Boxes, boxes_N4: Boxes, *, pixel_inclusive: bool = False) -> Boxes:
    """Returns the IoU [M, N] of every box of one set with every box of another; arguments as for `iou_pairs`."""
    return iou_pairs(boxes_M4[:, None], boxes_N4[None], pixel_inclusive=pixel_inclusive)


def iou_pairs(boxes: Boxes, others: Boxes, *, pixel_inclusive: bool = False) -> Boxes:
    """Returns the IoU of boxes with others, one by one; 0 where nothing is shared.

    Example: (0, 0, 10, 10) and (0, 0, 10, 5) have 50 / 100; with ``pixel_inclusive`` 66 / 121.

    Args:
        boxes: [..., 4] xyxy in any unit; two arrays, computed in float64, or two float tensors.
        others: likewise; the leading axes broadcast.
        pixel_inclusive: a side is ``x2 - x1 + 1``, as the WIDER FACE protocol and RetinaFace's and MogFace's
            suppression count. Without it, the plain overlap of the COCO protocol.

    Returns:
        [...] in 0..1, float64 or the tensors' type.
    """
    xp, (ax1, ay1, ax2, ay2) = _columns(boxes)
    _, (bx1, by1, bx2, by2) = _columns(others)
    one = float(pixel_inclusive)
    shared = _common(xp, ax1, ax2, bx1, bx2, one)
    shared *= _common(xp, ay1, ay2, by1, by2, one)
    union = (ax2 - ax1 + one) * (ay2 - ay1 + one) + (bx2 - bx1 + one) * (by2 - by1 + one)
    union -= shared
    with np.errstate(divide="ignore", invalid="ignore"):
        iou: Boxes = xp.where(shared > 0, shared / union, 0)
    return iou


def _common(xp: Any, low: Any, high: Any, other_low: Any, other_high: Any, one: float) -> Any:
    """Returns the length that two sides share; in place, since a table of all pairs may not fit a core's cache."""
    side = xp.minimum(high, other_high)
    side -= xp.maximum(low, other_low)
    if one:
        side += one
    return side.clip(min=0)


def _columns(boxes: Any) -> tuple[Any, Any]:
    """Returns the library of an array and its four columns, each in one piece of memory."""
    if isinstance(boxes, np.ndarray):
        # As `np.moveaxis` would, whose checks take a sixth of the time of a small table.
        return np, np.ascontiguousarray(boxes.transpose(boxes.ndim - 1, *range(boxes.ndim - 1)), np.float64)
    import torch

    return torch, boxes.movedim(-1, 0).contiguous()
