"""ResNet's block and its stack, as torchvision has them: names, arithmetic and random numbers.

Own lines, since the import of torchvision brings torch's compiler along: 1.6 s of every process with such a network.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

EXPANSION = 4  # of the channels inside a block, on its way out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution around which the input goes, with the stride on the second ("v1.5")."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        """Args: channels of the input; inside, a quarter of the output's; 2 where the map gets smaller."""
        super().__init__()
        # The way around is the first to draw its random numbers and the last in the order of names, as in torchvision.
        around: nn.Module | None = None
        if stride != 1 or channels != EXPANSION * width:
            around = nn.Sequential(
                nn.Conv2d(channels, EXPANSION * width, 1, stride, bias=False), nn.BatchNorm2d(EXPANSION * width)
            )
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, EXPANSION * width, 1, bias=False), nn.BatchNorm2d(EXPANSION * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = around

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, 4 * width, H / stride, W / stride] of [B, channels, H, W]."""
        inside = self.relu(self.bn1(self.conv1(x)))
        inside = self.relu(self.bn2(self.conv2(inside)))
        inside = self.bn3(self.conv3(inside))
        inside += x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(inside)
        return out


class Stack(nn.Module):
    """Stem and four layers of blocks, without the classifier."""

    def __init__(self, blocks: Sequence[int]) -> None:
        """Args: blocks of each of the four layers. Weights are random: He's initialisation, norms at 1 and 0."""
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        channels = 64
        for number, count in enumerate(blocks):
            width, layer = 64 * 2**number, list[nn.Module]()
            for place in range(count):
                layer.append(Bottleneck(channels, width, 2 if number and not place else 1))
                channels = EXPANSION * width
            self.add_module(f"layer{number + 1}", nn.Sequential(*layer))
        nn.Linear(channels, 1000)  # torchvision's classifier draws random numbers: those behind them stay the same
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
