"""Context modules: widen what one cell of a feature level sees before the heads judge it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.blocks import Activation, ConvUnit


class SSH(nn.Module):
    """Three branches that see 3x3, 5x5 and 7x7 cells, as stacked 3x3 units; half, a quarter and a quarter of channels.

    The last rectifier is a plain ReLU even where the units have a negative slope. (SSH; RetinaFace section 3.)
    """

    def __init__(self, inputs: int, outputs: int, *, activation: Activation) -> None:
        """Args: channels in; channels out, a multiple of 4; maker of the activations inside branches."""
        super().__init__()
        if outputs % 4:
            raise ValueError(f"SSH divides its channels by four, got {outputs}")
        half, quarter = outputs // 2, outputs // 4
        self.near = ConvUnit(inputs, half)
        self.trunk = ConvUnit(inputs, quarter, activation=activation)
        self.middle = ConvUnit(quarter, quarter)
        self.far_inner = ConvUnit(quarter, quarter, activation=activation)
        self.far = ConvUnit(quarter, quarter)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, outputs, H, W], never negative, of [B, inputs, H, W]."""
        trunk = self.trunk(x)
        branches = [self.near(x), self.middle(trunk), self.far(self.far_inner(trunk))]
        return functional.relu(torch.cat(branches, dim=1), inplace=True)
