"""Smooth L1 on box deltas (Girshick, Fast R-CNN, 2015, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.training.losses.focal import wide


@dataclass(frozen=True, slots=True)
class SmoothL1Loss:
    """0.5 x^2 / beta for |x| < beta, else |x| - 0.5 beta; summed over the 4 deltas of an anchor.

    Example: beta 1/9 (sigma 3 in MogFace's code), deltas off by (0.1, 0, 0, 1): 0.045 + 0.944 = 0.989.

    Attributes:
        beta: where the parabola ends.
    """

    beta: float = 1 / 9

    def __call__(self, deltas: Tensor, targets: Tensor, chosen: Tensor) -> Tensor:
        """Returns the loss of every anchor, float32 (or float64) [B, A], 0 where it is not chosen.

        Args:
            deltas: float [B, A, 4], predicted.
            targets: float [B, A, 4]; anything, NaN too, where not chosen.
            chosen: bool [B, A].
        """
        # Masked before the loss: the gradient of a NaN is NaN even behind a mask.
        wanted = torch.where(chosen[..., None], wide(targets), 0.0)
        given = torch.where(chosen[..., None], wide(deltas), 0.0)
        return functional.smooth_l1_loss(given, wanted, reduction="none", beta=self.beta).sum(dim=-1)
