"""The reduction of a batch's losses in one process, as `SigmoidObjective` computes it."""

from __future__ import annotations

from torch import Tensor


def reduced(each: Tensor, label: Tensor) -> Tensor:
    """Returns the sum over anchors [B, A] divided by max(B, number of faces)."""
    return each.sum() / (label == 1).sum().clamp(min=len(label)).float()
