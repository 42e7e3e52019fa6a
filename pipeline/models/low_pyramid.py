"""Low-level feature pyramid (LFPN): two more levels on top, fusion only from the last backbone level downwards.

PyramidBox's pyramid as MogFace's released code has it. The levels above the backbone stay outside the top-down flow.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.models.blocks import ConvUnit, rectifier
from pipeline.models.resampling import Average, Enlarge


class ExtraLevel(nn.Module):
    """A level of half the size: a 1x1 unit that narrows, then a 3x3 unit of stride 2, both with bias, norm and ReLU."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        """Args: channels in, between the two units, and out."""
        super().__init__()
        self.narrow = ConvUnit(inputs, middle, 1, bias=True, activation=rectifier())
        self.shrink = ConvUnit(middle, outputs, stride=2, bias=True, activation=rectifier())

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, outputs, ceil(H / 2), ceil(W / 2)] of [B, inputs, H, W]."""
        out: Tensor = self.shrink(self.narrow(x))
        return out


class LowPyramid(nn.Module):
    """Four backbone levels C2..C5 to six maps P2..P7 of one width, as released without norm or activation at the end.

    P5, P6, P7 are 3x3 convolutions of C5, C6, C7. From P5 down: bilinear upsampling by two, cropped to the finer
    level's size, plus a 1x1 convolution of that level; P4..P2 are 3x3 convolutions of these sums, which themselves flow
    on unsmoothed. With norms, which MogFace has not, each convolution has a norm instead of its bias, and those that
    make the maps a ReLU: from random weights that learns faster, and at higher rates.
    """

    def __init__(self, inputs: Sequence[int], outputs: int = 256, *, norms: bool = False) -> None:
        """Args: channels of C2..C5; channels of every map out, even; norms, see the class.

        C6 has twice the channels out, C7 as many. Raises ValueError where there are not four levels.
        """
        super().__init__()
        if len(inputs) != 4:
            raise ValueError(f"the low-level pyramid needs four levels, got {len(inputs)}")
        self.c6 = ExtraLevel(inputs[-1], 2 * outputs, 2 * outputs)
        self.c7 = ExtraLevel(2 * outputs, outputs // 2, outputs)

        def conv(channels: int, kernel: int) -> nn.Module:
            if norms:
                return ConvUnit(channels, outputs, kernel, activation=nn.Identity if kernel == 1 else rectifier())
            return nn.Conv2d(channels, outputs, kernel, padding=kernel // 2)

        self.tops = nn.ModuleList(conv(channels, 3) for channels in (inputs[-1], 2 * outputs, outputs))
        self.laterals = nn.ModuleList(conv(channels, 1) for channels in inputs[:-1])
        self.doubled = Enlarge(2)
        self.smooths = nn.ModuleList(conv(outputs, 3) for _ in inputs[:-1])

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Returns six maps [B, outputs, H_i, W_i], finest first, of the four [B, inputs[i], H_i, W_i]."""
        c6 = self.c6(levels[-1])
        c7 = self.c7(c6)
        tops: list[Tensor] = [conv(x) for conv, x in zip(self.tops, (levels[-1], c6, c7), strict=True)]
        flow, fused = tops[0], []
        for number in range(len(levels) - 2, -1, -1):
            side: Tensor = self.laterals[number](levels[number])
            flow = side + self.doubled(flow, side.shape[-2], side.shape[-1])
            fused.append(self.smooths[number](flow))
        return [*fused[::-1], *tops]


class FlatPyramid(nn.Module):
    """HRNetV2p: all branches at the finest size, side by side, one 1x1 convolution; coarser levels by averaging.

    There is no top-down path: the backbone has fused already.
    """

    def __init__(self, inputs: Sequence[int], outputs: int = 256, *, levels: int = 6) -> None:
        """Args: channels of the branches, each half the size of the one before; channels out; number of maps out."""
        super().__init__()
        self.merge = nn.Conv2d(sum(inputs), outputs, 1)
        # By whole factors and cropped, so that a cell's position does not depend on the size of the image.
        self.enlarged = nn.ModuleList(Enlarge(2**k) for k in range(1, len(inputs)))
        self.averaged = nn.ModuleList(Average(2**k) for k in range(1, levels))
        self.smooths = nn.ModuleList(nn.Conv2d(outputs, outputs, 3, padding=1) for _ in range(levels))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Returns maps [B, outputs, H_i, W_i], each half of the one before, of branches [B, inputs[i], H_i, W_i]."""
        rows, columns = levels[0].shape[-2:]
        raised = [levels[0]] + [enlarge(x, rows, columns) for enlarge, x in zip(self.enlarged, levels[1:], strict=True)]
        base: Tensor = self.merge(torch.cat(raised, dim=1))
        maps = [base] + [average(base) for average in self.averaged]
        return [conv(x) for conv, x in zip(self.smooths, maps, strict=True)]
