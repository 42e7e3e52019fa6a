"""Context modules: widen what one cell of a feature level sees before the heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.blocks import Activation, ConvUnit, rectifier


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


class DilatedSSH(nn.Module):
    """MogFace's context block: branches of 1, 2 + 1 and 2 + 2 + 1 cells' reach, two thirds of them by dilation.

    Convolutions with bias, a ReLU after each, no norm: twice the channels in the end, a half, a quarter and a quarter.
    """

    reach = 5  # cells that a cell sees on each side

    def __init__(self, inputs: int = 256) -> None:
        """Args: channels in, a multiple of 2."""
        super().__init__()
        half = inputs // 2
        self.outputs = inputs + 2 * half
        self.near = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.trunk = nn.Conv2d(inputs, half, 3, padding=2, dilation=2)
        self.middle = nn.Conv2d(half, half, 3, padding=1)
        self.far_inner = nn.Conv2d(half, half, 3, padding=2, dilation=2)
        self.far = nn.Conv2d(half, half, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, 2 * inputs, H, W], never negative, of [B, inputs, H, W]."""
        trunk = functional.relu(self.trunk(x))
        far = self.far(functional.relu(self.far_inner(trunk)))
        return functional.relu(torch.cat([self.near(x), self.middle(trunk), far], dim=1), inplace=True)


class ContextPrediction(nn.Module):
    """Context-sensitive prediction module (CPM; PyramidBox, DSFD): a residual bottleneck, then SSH on 512 channels."""

    reach = 4

    def __init__(self, inputs: int = 256) -> None:
        """Args: channels in, a multiple of 4; as many come out."""
        super().__init__()
        wide, half, quarter = 2 * inputs, inputs // 2, inputs // 4
        self.outputs = half + 2 * quarter
        self.shortcut = ConvUnit(inputs, wide, 1, bias=True)
        self.squeeze = ConvUnit(inputs, half, 1, bias=True, activation=rectifier())
        self.mix = ConvUnit(half, half, bias=True, activation=rectifier())
        self.expand = ConvUnit(half, wide, 1, bias=True)
        self.near = nn.Conv2d(wide, half, 3, padding=1)
        self.trunk = nn.Conv2d(wide, quarter, 3, padding=1)
        self.middle = nn.Conv2d(quarter, quarter, 3, padding=1)
        self.far_inner = nn.Conv2d(quarter, quarter, 3, padding=1)
        self.far = nn.Conv2d(quarter, quarter, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, inputs, H, W], never negative, of [B, inputs, H, W]."""
        wide = functional.relu(self.shortcut(x) + self.expand(self.mix(self.squeeze(x))))
        trunk = functional.relu(self.trunk(wide))
        far = self.far(functional.relu(self.far_inner(trunk)))
        return functional.relu(torch.cat([self.near(wide), self.middle(trunk), far], dim=1), inplace=True)
