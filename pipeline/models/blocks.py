"""The bricks of every network here: convolution with norm and activation, plain or depthwise-separable."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Activation = Callable[[], nn.Module]


def rectifier(slope: float = 0.0) -> Activation:
    """Returns a maker of ReLU, or of LeakyReLU where the negative slope is not 0. Both work in place."""
    return (lambda: nn.LeakyReLU(slope, inplace=True)) if slope else (lambda: nn.ReLU(inplace=True))


class ConvUnit(nn.Module):
    """Convolution (without bias unless asked for), batch norm, activation.

    Stride-2 units pad by ``(kernel - 1) / 2``, so a side n becomes exactly ceil(n / 2), as the anchors assume.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        activation: Activation = nn.Identity,
    ) -> None:
        """Args: channels in and out, kernel side, stride, groups, bias, maker of the activation (default none)."""
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=bias
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, outputs, ceil(H / stride), ceil(W / stride)] of [B, inputs, H, W]."""
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out


class SeparableUnit(nn.Module):
    """A depthwise 3x3 unit followed by a pointwise 1x1 unit (MobileNet V1), both with norm and activation."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, activation: Activation) -> None:
        """Args: channels in and out, stride of the depthwise part, maker of both activations."""
        super().__init__()
        self.depthwise = ConvUnit(inputs, inputs, stride=stride, groups=inputs, activation=activation)
        self.pointwise = ConvUnit(inputs, outputs, 1, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, outputs, ceil(H / stride), ceil(W / stride)] of [B, inputs, H, W]."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out
