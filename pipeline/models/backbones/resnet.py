"""ResNet without its classifier: named feature levels for a pyramid."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pipeline.models.backbones.bottleneck import Stack
from pipeline.models.chunked_inference import in_blocks

_BOTTLENECK_CHANNELS = {1: 256, 2: 512, 3: 1024, 4: 2048}
_STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}
# Pixels of surroundings that a cell sees at depth 152, the deepest. Layers 3 and 4 see too far for blocks to pay.
_HALOS = {1: 24, 2: 88}
# Bottlenecks per layer. MogFace's released code calls [3, 4, 36, 3] "152"; a true ResNet-152 has eight in its second.
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), "152-short": (3, 4, 36, 3)}

Depth = int | str


class ResNet(Stack):
    """Image to the outputs of some of ``layer1`` .. ``layer4``; parameter names as torchvision's.

    Attributes:
        channels: of each level taken, e.g. (512, 1024, 2048).
        strides: of each level taken, e.g. (8, 16, 32).
        reach: pixels on each side of a cell of the last level that the cell sees.
        blockwise: a large image goes through the first layers block by block, see `in_blocks`.
    """

    blockwise = True

    def __init__(self, depth: Depth = 50, *, layers: Sequence[int] = (2, 3, 4), pretrained: bool = False) -> None:
        """Args: an entry of `BLOCKS`; layers taken, rising, of 1 to 4; start from torchvision's ImageNet weights.

        Raises:
            ValueError: the depth or a layer does not exist.
            OSError: the ImageNet weights cannot be had.
        """
        if depth not in BLOCKS:
            raise ValueError(f"no ResNet of depth {depth}; there are {', '.join(map(str, BLOCKS))}")
        if not layers or list(layers) != sorted(set(layers)) or not set(layers) <= set(_STRIDES):
            raise ValueError(f"layers must be rising numbers of 1 to 4, got {list(layers)}")
        super().__init__(BLOCKS[depth])
        if pretrained:
            state = _imagenet(152 if depth == "152-short" else int(depth))
            # Names that a shortened network lacks are skipped, as the released code does.
            self.load_state_dict(state, strict=depth != "152-short")
        self.taken = tuple(layers)
        self.channels = tuple(_BOTTLENECK_CHANNELS[number] for number in layers)
        self.strides = tuple(_STRIDES[number] for number in layers)
        self.reach = _reach(BLOCKS[depth], layers[-1])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns one map [B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])] per level of [B, 3, H, W]."""
        first = self.taken[0]
        if self.training or not self.blockwise or first not in _HALOS:
            x = self._up_to(first, images)
        else:
            x = in_blocks(lambda part: self._up_to(first, part), images, stride=_STRIDES[first], halo=_HALOS[first])
        levels = [x]
        for number in range(first + 1, self.taken[-1] + 1):
            x = self.get_submodule(f"layer{number}")(x)
            if number in self.taken:
                levels.append(x)
        return levels

    def _up_to(self, number: int, images: Tensor) -> Tensor:
        """Returns the output of a layer, from the image on."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for earlier in range(1, number + 1):
            x = self.get_submodule(f"layer{earlier}")(x)
        return x


def _reach(blocks: Sequence[int], last: int) -> int:
    """Returns how many pixels the 3x3 convolutions up to a layer add up to, beside the stem's 3 and the pool's 2."""
    pixels, stride = 5, 4
    for number, count in enumerate(blocks[:last], start=1):
        pixels += stride  # the first block of a layer still works at the size before it
        stride = _STRIDES[number]
        pixels += (count - 1) * stride
    return pixels


def _imagenet(depth: int) -> dict[str, Tensor]:
    """Returns torchvision's ImageNet weights but for its classifier's, from its cache or the network."""
    from torchvision.models import get_model_weights

    weights = get_model_weights(f"resnet{depth}").IMAGENET1K_V1
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False)
    except OSError as error:
        raise OSError(
            f"ImageNet weights of ResNet-{depth} cannot be fetched ({error}): put {weights.url} into torch's cache "
            "($TORCH_HOME/hub/checkpoints), or build without pretrained"
        ) from error
    return {name: value for name, value in state.items() if not name.startswith("fc.")}
