"""Boxes as corners, and as centre and size. Not `torchvision.ops.box_convert`, whose second corner has other bits."""

from __future__ import annotations

import torch
from torch import Tensor


def to_corners(boxes: Tensor) -> Tensor:
    """Returns float [..., 4] ``x1, y1, x2, y2`` of boxes [..., 4] ``cx, cy, w, h``; ``x2 = x1 + w``."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    low = centre - size / 2
    return torch.cat([low, low + size], dim=-1)


def to_centres(boxes: Tensor) -> Tensor:
    """Returns float [..., 4] ``cx, cy, w, h`` of boxes [..., 4] ``x1, y1, x2, y2``."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)
