"""The loss of the hierarchical context-aware module (HCAM, MogFace section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.training.assigners.assignment import IGNORED
from pipeline.training.losses.focal import FocalLoss, wide


class ContextLosses(NamedTuple):
    """The terms of a batch, each a scalar; `total` is main + gamma * progressive."""

    main: Tensor
    progressive: Tensor
    total: Tensor


@torch.no_grad()
def discrepancy_label(logits: Tensor, label: Tensor, threshold: float = 0.1) -> Tensor:
    """Returns y_hc, int64 [B, A], what the progressive classifier learns: only where the main one is confident.

    Example: main scores (0.9, 0.3, 0.05, 0.02) with labels (1, 0, 0, 1) give (1, 0, -1, -1): the second is a false
    alarm to be unlearned with context, the last a face that the main classifier has yet to find.

    Args:
        logits: float [B, A], of the main classifier in the same forward pass.
        label: int64 [B, A], 1, 0 or -1.
        threshold: score that must be exceeded; 0.1 in training.
    """
    return torch.where(torch.sigmoid(wide(logits)) > threshold, label, IGNORED)


@dataclass(frozen=True, slots=True)
class ContextLoss:
    """Focal loss of the main classifier plus gamma times that of the progressive one on `discrepancy_label`.

    Each is divided by its own number of faces: max(B, number of 1 in its labels).

    Attributes:
        gamma: weight of the progressive term.
        threshold: of `discrepancy_label`.
        focal: both terms' loss.
    """

    gamma: float = 1.0
    threshold: float = 0.1
    focal: FocalLoss = field(default_factory=FocalLoss)

    def __call__(
        self,
        logits: Tensor,
        progressive: Tensor,
        label: Tensor,
        normalisers: tuple[Tensor, Tensor] | None = None,
    ) -> ContextLosses:
        """Returns the losses of a batch.

        Args:
            logits: float [B, A], main classifier.
            progressive: float [B, A], progressive classifier.
            label: int64 [B, A], 1, 0 or -1.
            normalisers: divisors of the two terms, where they are summed over processes.

        Raises:
            ValueError: where the shapes differ.
        """
        hard = discrepancy_label(logits, label, self.threshold)
        first, second = normalisers or (None, None)
        main = self.focal(logits, label, first)
        further = self.focal(progressive, hard, second)
        return ContextLosses(main, further, main + self.gamma * further)
