"""Focal loss on one logit per anchor (Lin et al., ICCV 2017, equation 5)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.training.assigners.assignment import FACE, IGNORED


def wide(values: Tensor) -> Tensor:
    """Returns the values in float32 at least: losses of bfloat16 or float16 outputs are computed in float32."""
    return values if values.dtype == torch.float64 else values.float()


@dataclass(frozen=True, slots=True)
class FocalLoss:
    """-[alpha (1 - p)^gamma y ln(p + e) + (1 - alpha) p^gamma (1 - y) ln(1 - p + e)] of each anchor.

    Example: logit 0, FACE: 0.25 * 0.5^2 * ln 2 = 0.0433.

    Attributes:
        alpha: weight of faces.
        gamma: exponent.
        epsilon: e, inside the logarithms as in MogFace's code; it ends the gradient of an anchor that is wrong by more
            than 16 in the logit. 0 computes the logarithms exactly, whatever the logit.
    """

    alpha: float = 0.25
    gamma: float = 2.0
    epsilon: float = 1e-7

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """Returns the loss of every anchor, float32 (or float64) [B, A], 0 where it is ignored.

        Args:
            logits: float [B, A].
            label: int64 [B, A], 1, 0 or -1.

        Raises:
            ValueError: the shapes differ.
        """
        if logits.shape != label.shape:
            raise ValueError(f"logits have shape {tuple(logits.shape)}, labels {tuple(label.shape)}")
        logits, face = wide(logits), label == FACE
        # The probability of the wrong class as a sigmoid of its own: 1 - p loses digits where p is near 1.
        right = torch.where(face, logits, -logits)
        weight = torch.where(face, self.alpha, 1 - self.alpha).to(logits.dtype) * (label != IGNORED)
        logarithm = torch.log(torch.sigmoid(right) + self.epsilon) if self.epsilon else functional.logsigmoid(right)
        return -weight * torch.sigmoid(-right) ** self.gamma * logarithm
