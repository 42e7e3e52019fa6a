"""MobileNet V1 without its classifier, as RetinaFace uses it: three feature levels."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.models.blocks import Activation, ConvUnit, SeparableUnit
from pipeline.models.blockwise import in_blocks

# Outputs and strides of the thirteen separable units at full width, cut where a feature level is taken.
_STAGES = (
    ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)),
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    ((1024, 2), (1024, 1)),
)
# The first stage sees 21 pixels around a cell's origin; rounded up to its stride.
_FIRST_HALO = 24


class MobileNetV1(nn.Module):
    """Image to three feature levels at strides 8, 16 and 32.

    Attributes:
        channels: of each level; (64, 128, 256) at width 0.25.
        strides: of each level.
    """

    strides: tuple[int, ...] = (8, 16, 32)

    def __init__(self, width: float = 0.25, *, activation: Activation) -> None:
        """Args: width multiplies every number of channels; activation makes every rectifier."""
        super().__init__()
        channels = int(32 * width)
        self.stages = nn.ModuleList()
        for number, plan in enumerate(_STAGES):
            units: list[nn.Module] = []
            if number == 0:
                units.append(ConvUnit(3, channels, stride=2, activation=activation))
            for full, stride in plan:
                units.append(SeparableUnit(channels, int(full * width), stride=stride, activation=activation))
                channels = int(full * width)
            self.stages.append(nn.Sequential(*units))
        self.channels = tuple(int(plan[-1][0] * width) for plan in _STAGES)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns three maps [B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])] of images [B, 3, H, W]."""
        levels = []
        x = images
        for number, stage in enumerate(self.stages):
            first_in_blocks = number == 0 and not self.training
            x = in_blocks(stage, x, stride=self.strides[0], halo=_FIRST_HALO) if first_in_blocks else stage(x)
            levels.append(x)
        return levels
