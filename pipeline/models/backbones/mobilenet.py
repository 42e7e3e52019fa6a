"""MobileNet V1 without its classifier: three feature levels, as RetinaFace uses it, or four for a low-level pyramid."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.models.blocks import Activation, ConvUnit, SeparableUnit
from pipeline.models.chunked_inference import in_blocks

# Outputs and strides of the thirteen separable units at full width, cut where a feature level is taken.
_STAGES = (
    ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)),
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    ((1024, 2), (1024, 1)),
)
# Of the first stage, those up to stride 4, the stem among them.
_FINE_UNITS = 4
# Up to stride 4 a cell sees 9 pixels around its origin, up to stride 8 it sees 21; rounded up to the stride.
_FIRST_HALOS = {4: 12, 8: 24}


class MobileNetV1(nn.Module):
    """Image to feature levels at strides 8, 16 and 32, and at stride 4 where wanted; the weights are the same.

    Attributes:
        channels: of each level; (64, 128, 256) at width 0.25, with (32,) in front where the finest stride is 4.
        strides: of each level.
        reach: pixels on each side of a cell of the last level that the cell sees.
        blockwise: a large image goes through the first layers block by block, see `in_blocks`.
    """

    reach = 157
    blockwise = True

    def __init__(self, width: float = 0.25, *, activation: Activation, finest: int = 8) -> None:
        """Args: factor of every number of channels; maker of every rectifier; stride of the first level, 8 or 4.

        Raises ValueError where there is no such level.
        """
        super().__init__()
        if finest not in _FIRST_HALOS:
            raise ValueError(f"MobileNet's levels start at stride {' or '.join(map(str, _FIRST_HALOS))}, not {finest}")
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
        # The stem comes before the plan.
        taken = [plan[-1] for plan in (_STAGES[0][: _FINE_UNITS - 1], *_STAGES)]
        skipped = 0 if finest == 4 else 1
        self.channels = tuple(int(full * width) for full, _ in taken)[skipped:]
        self.strides = (4, 8, 16, 32)[skipped:]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns maps [B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])] of images [B, 3, H, W]."""
        first, *others = self._parts()
        stride = self.strides[0]
        if self.training or not self.blockwise:
            levels = [first(images)]
        else:
            levels = [in_blocks(first, images, stride=stride, halo=_FIRST_HALOS[stride])]
        for part in others:
            levels.append(part(levels[-1]))
        return levels

    def _parts(self) -> list[nn.Module]:
        """Returns what leads to each level from the one before."""
        first, *others = self.stages
        assert isinstance(first, nn.Sequential)
        return [*([first] if self.strides[0] == 8 else [first[:_FINE_UNITS], first[_FINE_UNITS:]]), *others]
