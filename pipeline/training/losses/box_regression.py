"""Smooth L1 on box deltas (Girshick, 2015; sigma 3 in the MogFace code)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.training.assigners.assignment import FACE
from pipeline.training.losses.focal import positives_of, wide


@dataclass(frozen=True, slots=True)
class SmoothL1Loss:
    """0.5 x^2 / beta for |x| < beta, else |x| - 0.5 beta; summed over the 4 deltas of the FACE anchors, and divided.

    Example: beta 1/9 (which others call sigma 3), deltas off by (0.1, 0, 0, 1): 0.045 + 0.944 = 0.989.

    Attributes:
        beta: where the parabola ends.
    """

    beta: float = 1 / 9

    def each(self, deltas: Tensor, targets: Tensor, chosen: Tensor) -> Tensor:
        """Returns the loss of every anchor, float32 (or float64) [B, A], 0 where bool [B, A] `chosen` is False.

        Args:
            deltas: float [B, A, 4], predicted.
            targets: float [B, A, 4]; anything, NaN too, where not chosen.
            chosen: bool [B, A].
        """
        # Masked before the loss: the gradient of a NaN is NaN even behind a mask.
        wanted = torch.where(chosen[..., None], wide(targets), 0.0)
        given = torch.where(chosen[..., None], wide(deltas), 0.0)
        return functional.smooth_l1_loss(given, wanted, reduction="none", beta=self.beta).sum(dim=-1)

    def __call__(self, deltas: Tensor, targets: Tensor, label: Tensor, normaliser: Tensor | None = None) -> Tensor:
        """Returns the loss of a batch, a scalar.

        Args:
            deltas: float [B, A, 4], predicted.
            targets: float [B, A, 4].
            label: int64 [B, A]; only FACE counts.
            normaliser: scalar that the sum is divided by; `positives_of(label)` if None.
        """
        divisor = positives_of(label) if normaliser is None else normaliser
        return self.each(deltas, targets, label == FACE).sum() / divisor
