"""Labels of the progressive classifier of the hierarchical context-aware module (HCAM, MogFace section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.training.assigners.assignment import IGNORED
from pipeline.training.losses.focal import wide


@torch.no_grad()
def discrepancy_label(logits: Tensor, label: Tensor, threshold: float = 0.1) -> Tensor:
    """Returns y_hc, int64 [B, A], the label where the main classifier's score exceeds a threshold, else IGNORED.

    Example: main scores (0.9, 0.3, 0.05, 0.02) with labels (1, 0, 0, 1) give (1, 0, -1, -1): the second is a false
    alarm to be unlearned with context, the last a face that the main classifier does not find yet.

    Args:
        logits: float [B, A], of the main classifier in the same forward pass.
        label: int64 [B, A], 1, 0 or -1.
        threshold: score that must be exceeded; 0.1 in training.
    """
    return torch.where(torch.sigmoid(wide(logits)) > threshold, label, IGNORED)
