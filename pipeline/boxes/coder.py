"""Between what a network answers (deltas) and boxes or landmarks in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_HALF_PIXEL = 0.5


@dataclass(frozen=True, slots=True)
class BoxCoder:
    """Deltas relative to an anchor: a shift in units of its side, and the logarithm of a ratio of sides.

    SSD's coding, used by RetinaFace with variances 0.1 and 0.2. MogFace has none, which is 1 and 1, and inclusive
    pixels, x2 = x1 + width - 1: its centre of a box is half a pixel left of and above the middle of the same box here.

    Attributes:
        centre_variance: divides shifts.
        size_variance: divides logarithms of sizes.
        pixel_inclusive: the network is trained on inclusive corners; boxes here are continuous all the same.
    """

    centre_variance: float = 0.1
    size_variance: float = 0.2
    pixel_inclusive: bool = False

    def decode(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Returns boxes, float [..., 4] xyxy in pixels, not clipped, of deltas [..., 4] ``tx, ty, tw, th``.

        ``anchors`` are ``cx, cy, w, h`` in pixels, broadcastable to the deltas.
        """
        centre = anchors[..., :2] + deltas[..., :2] * self.centre_variance * anchors[..., 2:]
        if self.pixel_inclusive:
            centre = centre + _HALF_PIXEL
        size = anchors[..., 2:] * torch.exp(deltas[..., 2:] * self.size_variance)
        # Not `torchvision.ops.box_convert`, whose second corner has other bits.
        corner = centre - size / 2
        return torch.cat([corner, corner + size], dim=-1)

    def encode(self, boxes: Tensor, anchors: Tensor) -> Tensor:
        """Returns the deltas [..., 4] that `decode` turns into boxes [..., 4]; infinite without width or height."""
        centre, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
        if self.pixel_inclusive:
            centre = centre - _HALF_PIXEL
        shift = (centre - anchors[..., :2]) / (self.centre_variance * anchors[..., 2:])
        ratio = torch.log(size / anchors[..., 2:]) / self.size_variance
        return torch.cat([shift, ratio], dim=-1)

    def decode_landmarks(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Returns points [..., P, 2] in pixels of deltas [..., 2 * P], x and y of each point in turn."""
        shifts = deltas.reshape(*deltas.shape[:-1], -1, 2)
        return anchors[..., None, :2] + shifts * self.centre_variance * anchors[..., None, 2:]

    def encode_landmarks(self, points: Tensor, anchors: Tensor) -> Tensor:
        """Returns the deltas [..., 2 * P] that `decode_landmarks` turns into points [..., P, 2]."""
        shifts = (points - anchors[..., None, :2]) / (self.centre_variance * anchors[..., None, 2:])
        return shifts.flatten(-2)
