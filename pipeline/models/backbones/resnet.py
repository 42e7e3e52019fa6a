"""torchvision's ResNet without its classifier: named feature levels for a pyramid."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pipeline.models.blockwise import in_blocks

_BOTTLENECK_CHANNELS = {1: 256, 2: 512, 3: 1024, 4: 2048}
_STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}
# Pixels of surroundings that a cell sees at depth 152, the deepest. Layers 3 and 4 see too far for blocks to pay.
_HALOS = {1: 24, 2: 88}


class ResNet(nn.Module):
    """Image to the outputs of some of ``layer1`` .. ``layer4``; parameter names as torchvision's.

    Attributes:
        channels: of each level taken, e.g. (512, 1024, 2048).
        strides: of each level taken, e.g. (8, 16, 32).
    """

    def __init__(self, depth: int = 50, *, layers: Sequence[int] = (2, 3, 4)) -> None:
        """Args: depth 50, 101 or 152; layers taken, rising, of 1 to 4. Nothing is downloaded, nothing frozen.

        Raises:
            ValueError: the depth or a layer does not exist.
        """
        from torchvision.models import resnet

        super().__init__()
        makers = {50: resnet.resnet50, 101: resnet.resnet101, 152: resnet.resnet152}
        if depth not in makers:
            raise ValueError(f"no ResNet of depth {depth}; there are {sorted(makers)}")
        if not layers or list(layers) != sorted(set(layers)) or not set(layers) <= set(_STRIDES):
            raise ValueError(f"layers must be rising numbers of 1 to 4, got {list(layers)}")
        whole = makers[depth](weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = whole.conv1, whole.bn1, whole.relu, whole.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = whole.layer1, whole.layer2, whole.layer3, whole.layer4
        self.taken = tuple(layers)
        self.channels = tuple(_BOTTLENECK_CHANNELS[number] for number in layers)
        self.strides = tuple(_STRIDES[number] for number in layers)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns one map [B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])] per level of [B, 3, H, W]."""
        first = self.taken[0]
        if self.training or first not in _HALOS:
            x = self._up_to(first, images)
        else:
            x = in_blocks(lambda part: self._up_to(first, part), images, stride=_STRIDES[first], halo=_HALOS[first])
        levels = [x]
        for number in range(first + 1, self.taken[-1] + 1):
            x = self._layer(number)(x)
            if number in self.taken:
                levels.append(x)
        return levels

    def _layer(self, number: int) -> nn.Module:
        layers: tuple[nn.Module, ...] = (self.layer1, self.layer2, self.layer3, self.layer4)
        return layers[number - 1]

    def _up_to(self, number: int, images: Tensor) -> Tensor:
        """Returns the output of a layer, from the image on."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for earlier in range(1, number + 1):
            x = self._layer(earlier)(x)
        return x
