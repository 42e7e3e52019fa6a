"""RoI features: one vector per box, from the pyramid level that suits its size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.rankers.roi_align import roi_align

# Boxes up to the first side, in pixels, are sampled on the finest level: RetinaFace finds faces of 16 and 32 pixels
# there, of 64 and 128 on the second and of 256 and 512 on the third. The borders are halfway between.
_BORDERS = (45.25, 181.0)


class RoIFeatures(nn.Module):
    """RoIAlign with some surroundings of the box, on thinned maps, and a linear layer: [M, outputs]."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        strides: Sequence[int],
        *,
        thin: int = 32,
        cells: int = 5,
        margin: float = 0.25,
    ) -> None:
        """Args: channels of maps and vector; pixels per cell of three maps, finest first; channels to sample.

        A box with ``margin`` (in its sides) on each side is sampled at ``cells`` points a side.
        Raises ValueError where there are not as many levels as sizes.
        """
        super().__init__()
        if len(strides) != len(_BORDERS) + 1:
            raise ValueError(f"expected {len(_BORDERS) + 1} levels, got strides {list(strides)}")
        self.thinner = nn.Conv2d(channels, thin, 1)
        self.vector = nn.Linear(thin * cells * cells, outputs)
        self.norm = nn.LayerNorm(outputs)
        self.strides = tuple(strides)
        self.cells = cells
        self.margin = margin

    def forward(self, levels: Sequence[Tensor], images: Tensor, boxes: Tensor) -> Tensor:
        """Returns one vector per box, [M, outputs].

        Args:
            levels: maps [B, channels, H_i, W_i], finest first.
            images: int64 [M], which image a box is of.
            boxes: float32 [M, 4] xyxy in pixels of the images, not clipped.
        """
        around = _enlarged(boxes, self.margin)
        regions = torch.cat([images[:, None].to(boxes.dtype), around], dim=1)
        size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1).sqrt()
        number = torch.bucketize(size, torch.tensor(_BORDERS, device=size.device))
        parts, places = [], []
        for each, (level, stride) in enumerate(zip(levels, self.strides, strict=True)):
            chosen = torch.nonzero(number == each).squeeze(1)
            # Its backward pass costs more than all else together, and maps that learn nothing need none.
            last = torch.is_grad_enabled() and not level.requires_grad
            # In float32 whatever the maps are: bfloat16 resolves positions in a large image to several pixels only.
            maps = _with_ones(level) if last else self.thinner(level)
            part = roi_align(maps.float().contiguous(), regions[chosen], self.cells, 1 / stride)
            parts.append((self._thinned(part) if last else part).flatten(1))
            places.append(chosen)
        # Back into the order of the boxes.
        seen = torch.cat(parts).index_select(0, torch.argsort(torch.cat(places)))
        out: Tensor = self.norm(self.vector(seen.to(self.vector.weight.dtype)))
        return out

    def _thinned(self, part: Tensor) -> Tensor:
        """Returns what sampling the thinned maps would have given, of samples of the maps with a channel of ones.

        Both are linear; only the bias needs to know how much of a sample is inside the map: the channel of ones.
        """
        assert self.thinner.bias is not None
        thinned = functional.conv2d(part[:, :-1], self.thinner.weight).float()
        return thinned + part[:, -1:] * self.thinner.bias[:, None, None]


def _with_ones(level: Tensor) -> Tensor:
    return torch.cat([level, torch.ones_like(level[:, :1])], dim=1)


def _enlarged(boxes: Tensor, margin: float) -> Tensor:
    sides = boxes[:, 2:] - boxes[:, :2]
    return torch.cat([boxes[:, :2] - margin * sides, boxes[:, 2:] + margin * sides], dim=1)
