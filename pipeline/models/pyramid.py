"""Feature pyramid: what the coarse levels know is added to the fine ones, top down (FPN, as RetinaFace has it)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.blocks import Activation, ConvUnit


class FeaturePyramid(nn.Module):
    """Lateral 1x1 units to a common width; from the top, nearest upsampling, sum, and a 3x3 unit that merges."""

    def __init__(self, inputs: Sequence[int], outputs: int, *, activation: Activation) -> None:
        """Args: channels of each level, finest first; channels out; maker of every activation."""
        super().__init__()
        self.laterals = nn.ModuleList(ConvUnit(channels, outputs, 1, activation=activation) for channels in inputs)
        # One fewer: the topmost level has nothing above it to be merged with.
        self.merges = nn.ModuleList(ConvUnit(outputs, outputs, activation=activation) for _ in inputs[1:])

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Returns maps [B, outputs, H_i, W_i], finest first, of maps [B, inputs[i], H_i, W_i], finest first."""
        above: Tensor = self.laterals[-1](levels[-1])
        merged = [above]
        for number in range(len(levels) - 2, -1, -1):
            side: Tensor = self.laterals[number](levels[number])
            # To the exact size: a level of odd side is not twice the one above it.
            raised = functional.interpolate(above, size=side.shape[-2:], mode="nearest")
            above = self.merges[number](raised.add_(side) if not raised.requires_grad else raised + side)
            merged.append(above)
        return merged[::-1]
