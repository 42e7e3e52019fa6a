"""Losses that bring each refined score to its true overlap: the regressions of CRFace's Table 1."""

from __future__ import annotations

from typing import Final, Literal

import torch
import torch.nn.functional as functional
from torch import Tensor

Regression = Literal["cross_entropy", "l1", "l2", "smooth_l1"]

EDGE: Final = 1e-3
"""A refined score nearer than this to 0 or 1 counts as this far from it in the cross entropy."""


def score_regression(kind: Regression, refined: Tensor, truths: Tensor, valid: Tensor) -> Tensor:
    """Returns the loss of each image, [B]: the mean over its boxes, 0 where it has none.

    "l1" |d|, "l2" d^2 and "smooth_l1" (beta 1: d^2 / 2 up to 1, |d| - 1/2 beyond) of d = refined - truth;
    "cross_entropy" with the truth as soft target, see `soft_cross_entropy`.

    Example: refined 0.9, truth 0.7: 0.2, 0.04, 0.02 and 0.7645.

    Args:
        kind: of the loss.
        refined: float [B, N], score plus residual, not clipped.
        truths: float [B, N] in 0..1.
        valid: int64 [B], rows that are boxes; the others have no effect.
    """
    real = torch.arange(refined.shape[1], device=refined.device) < valid[:, None]
    each = torch.where(real, _each(kind, refined, truths.to(refined)), 0.0)
    return each.sum(dim=1) / valid.clamp(min=1)


def soft_cross_entropy(refined: Tensor, truths: Tensor) -> Tensor:
    """Returns -t log p - (1 - t) log(1 - p) of every row, p being the refined score.

    A refined score is no probability: it may leave 0..1, where the logarithm ends. It is clipped to `EDGE` and
    1 - `EDGE`, and where the truth is on the inner side the loss continues as a straight line, so that a row outside
    returns; a plain clip would end its gradient for good. Beyond the edge on the truth's side there is no gradient.

    Args:
        refined: float [...].
        truths: float [...] in 0..1.
    """
    low, high = refined <= EDGE, refined >= 1 - EDGE
    edge = refined.detach().clamp(EDGE, 1 - EDGE)
    inside = torch.where(low | high, edge, refined)
    loss = -(truths * inside.log() + (1 - truths) * torch.log1p(-inside))
    slope = (edge - truths) / (edge * (1 - edge))
    pulled_back = (low & (slope < 0)) | (high & (slope > 0))
    return loss + torch.where(pulled_back, slope * (refined - edge), 0.0)


def _each(kind: Regression, refined: Tensor, truths: Tensor) -> Tensor:
    if kind == "cross_entropy":
        return soft_cross_entropy(refined, truths)
    if kind == "l1":
        return (refined - truths).abs()
    if kind == "l2":
        return (refined - truths) ** 2
    return functional.smooth_l1_loss(refined, truths, reduction="none", beta=1.0)
