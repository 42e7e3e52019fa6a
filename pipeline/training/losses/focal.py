"""Focal loss on one logit per anchor (Lin et al., ICCV 2017), normalised as the MogFace code does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.training.assigners.assignment import BACKGROUND, FACE, IGNORED


def positives_of(label: Tensor) -> Tensor:
    """Returns the usual divisor of a batch's losses, max(B, number of FACE anchors), a float32 scalar.

    Over several processes the sum of `(label == FACE).sum()` and of B is to be taken before the maximum, or the result
    differs from that of one large batch; the losses take the outcome as `normaliser`.

    Args:
        label: int64 [B, A].
    """
    return (label == FACE).sum().clamp(min=len(label)).float()


def wide(values: Tensor) -> Tensor:
    """Returns the values in float32 at least: losses of bfloat16 or float16 outputs are computed in float32."""
    return values if values.dtype == torch.float64 else values.float()


@dataclass(frozen=True, slots=True)
class FocalLoss:
    """-[alpha (1 - p)^gamma y ln(p + e) + (1 - alpha) p^gamma (1 - y) ln(1 - p + e)], summed and divided.

    Example: one anchor in one image, logit 0, FACE: 0.25 * 0.5^2 * ln 2 = 0.0433.

    Attributes:
        alpha: weight of faces.
        gamma: exponent.
        epsilon: e, inside the logarithms as in the released code; it ends the gradient of an anchor that is wrong
            by more than 16 in the logit. 0 computes the logarithms exactly, whatever the logit.
        divide_by: what the sum is divided by if the caller gives no normaliser: "positives", see `positives_of`, or
            "valid", the number of anchors that are not ignored (at least 1).
    """

    alpha: float = 0.25
    gamma: float = 2.0
    epsilon: float = 1e-7
    divide_by: Literal["positives", "valid"] = "positives"

    def each(self, logits: Tensor, label: Tensor) -> Tensor:
        """Returns the loss of every anchor, float32 (or float64) [B, A], 0 where it is ignored.

        Args:
            logits: float [B, A].
            label: int64 [B, A], 1, 0 or -1.

        Raises:
            ValueError: where the two differ in shape.
        """
        if logits.shape != label.shape:
            raise ValueError(f"logits have shape {tuple(logits.shape)}, labels {tuple(label.shape)}")
        logits, face = wide(logits), label == FACE
        # The probability of the wrong answer as a sigmoid of its own: 1 - p loses digits where p is near 1.
        right = torch.where(face, logits, -logits)
        weight = torch.where(face, self.alpha, 1 - self.alpha).to(logits.dtype) * (label != IGNORED)
        logarithm = torch.log(torch.sigmoid(right) + self.epsilon) if self.epsilon else functional.logsigmoid(right)
        return -weight * torch.sigmoid(-right) ** self.gamma * logarithm

    def __call__(self, logits: Tensor, label: Tensor, normaliser: Tensor | None = None) -> Tensor:
        """Returns the loss of a batch, a scalar.

        Args:
            logits: float [B, A].
            label: int64 [B, A], 1, 0 or -1.
            normaliser: scalar that the sum is divided by, instead of `divide_by`.

        Raises:
            ValueError: where logits and labels differ in shape.
        """
        if normaliser is None:
            valid = (label == FACE) | (label == BACKGROUND)
            normaliser = positives_of(label) if self.divide_by == "positives" else valid.sum().clamp(min=1)
        return self.each(logits, label).sum() / normaliser
