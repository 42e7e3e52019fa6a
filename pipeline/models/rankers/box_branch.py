"""The box branch: nine convolutions over the table itself, read as an image of N rows and five columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.rankers.ranker import recomputed
from pipeline.models.rankers.row_selection import Indices, row_plan
from pipeline.models.transfer import to_device

Kernel = tuple[int, int]

GROUPS, LAYERS_OF_GROUP = 3, 3  # a map is taken "every 3 layers"
KERNELS: tuple[Kernel, ...] = ((3, 5), (5, 3))


class BoxBranch(nn.Module):
    """CRFace's BPN: [B, N, 5] to three maps of 64 channels, padded so that N x 5 stays; 493,056 parameters.

    The paper says "3x5 with padding 1x2" and "5x3"; only 3 along N and 5 along the five numbers fits both the size and
    "covers the 5 numbers". Every layer but the first adds its input: h + leaky(conv(h)).
    """

    def __init__(self, width: int = 64, *, kernel: Kernel = (3, 5), slope: float = 0.01) -> None:
        """Args: channels; rows and numbers that a layer sees, one of `KERNELS`; negative slope of the rectifiers.

        Raises ValueError where there is no such kernel.
        """
        super().__init__()
        if tuple(kernel) not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(map(str, KERNELS))}, got {kernel}")
        rows, numbers = kernel
        padding = (rows // 2, numbers // 2)
        inputs = [1, *[width] * (GROUPS * LAYERS_OF_GROUP - 1)]
        self.convs = nn.ModuleList(nn.Conv2d(each, width, (rows, numbers), padding=padding) for each in inputs)
        self.slope = slope
        self.reach = LAYERS_OF_GROUP * (rows // 2)

    def nearest(self, tables: Tensor, sizes: Sequence[Sequence[int]], *, checkpointed: bool = False) -> list[Tensor]:
        """Returns the maps resized by nearest rows and columns, of which only what is read is computed.

        Args:
            tables: float32 [B, N, 5].
            sizes: height and width of each level, for the maps after layers 3, 6 and 9.
            checkpointed: compute again in the backward pass instead of keeping activations.

        Returns:
            [B, 64, H_i, W_i] each: row r is floor(r * N / H_i), column c is number floor(c * 5 / W_i).
        """
        plan = row_plan(tables.shape[1], tuple(height for height, _ in sizes), self.reach)
        h, maps = tables[:, None], []
        for group, (_, width) in enumerate(sizes):
            h = recomputed(checkpointed, self._group, group, _rows(h, plan.taken[group]))
            maps.append(_spread(_rows(h, plan.reads[group]), width))
        return maps

    def average(self, tables: Tensor, sizes: Sequence[Sequence[int]], *, checkpointed: bool = False) -> list[Tensor]:
        """Returns the maps with rows averaged instead of picked; arguments and shapes as those of `nearest`.

        Output row r is the mean of rows floor(r * N / H) to ceil((r + 1) * N / H); the whole map is computed.
        """
        maps = self.whole(tables, checkpointed=checkpointed)
        # A product with a matrix of shares: pooling's own gradient is not deterministic on a GPU.
        shares = [to_device(_shares(tables.shape[1], height), tables.device).to(tables) for height, _ in sizes]
        means = [torch.einsum("hn,bcnk->bchk", share.to(h.dtype), h) for share, h in zip(shares, maps, strict=True)]
        return [_spread(mean, width) for mean, (_, width) in zip(means, sizes, strict=True)]

    def whole(self, tables: Tensor, *, checkpointed: bool = False) -> list[Tensor]:
        """Returns the maps after layers 3, 6 and 9, each [B, 64, N, 5], of tables [B, N, 5]."""
        h, maps = tables[:, None], []
        for group in range(GROUPS):
            h = recomputed(checkpointed, self._group, group, h)
            maps.append(h)
        return maps

    def _group(self, group: int, h: Tensor) -> Tensor:
        first = group * LAYERS_OF_GROUP
        for conv in list(self.convs)[first : first + LAYERS_OF_GROUP]:
            seen = functional.leaky_relu(conv(h), self.slope)
            h = seen if conv is self.convs[0] else h + seen
        return h


def _rows(h: Tensor, rows: Indices) -> Tensor:
    """Returns [B, C, R, 5], the chosen rows of [B, C, N, 5]."""
    return h.index_select(2, to_device(torch.from_numpy(rows), h.device))


def _spread(h: Tensor, width: int) -> Tensor:
    """Returns [B, C, H, width] of [B, C, H, 5], each column a nearest one."""
    # Number n fills the columns from ceil(n * W / 5) on: runs, so that the gradient is a sum along each.
    numbers = h.shape[3]
    ends = [-(-number * width // numbers) for number in range(numbers + 1)]
    parts = [h[..., n : n + 1].expand(-1, -1, -1, end - start) for n, (start, end) in enumerate(pairwise(ends))]
    return torch.cat(parts, dim=3)


def _shares(count: int, height: int) -> Tensor:
    """Returns float32 [height, count], what each row of a table counts in each mean; every line adds up to 1."""
    rows = torch.arange(count)
    starts = torch.arange(height) * count // height
    ends = -(-(torch.arange(1, height + 1) * count) // height)
    inside = ((rows >= starts[:, None]) & (rows < ends[:, None])).float()
    return inside / inside.sum(dim=1, keepdim=True)
