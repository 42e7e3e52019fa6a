"""RoIAlign with torchvision's kernels: on a CPU without its Python, elsewhere as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pipeline.boxes.kernels import kernel

_POINTS = 1  # in a cell, along each side
_ALIGNED = True  # a cell of the map is sampled at its middle


def roi_align(maps_BCHW: Tensor, regions_M5: Tensor, cells: int, scale: float) -> Tensor:
    """Returns the maps at the middle of each cell of each region, float32 [M, C, cells, cells].

    Args:
        maps_BCHW: float32, contiguous.
        regions_M5: float32 number of the image in the batch, then xyxy in pixels of the image.
        cells: along each side of a region.
        scale: from pixels of the image to those of the maps.
    """
    # A GPU has an algorithm of its own where results are to be repeatable, and torch's compiler rules of its own.
    if maps_BCHW.device.type == "cpu" and not torch.compiler.is_compiling() and kernel("roi_align") is not None:
        found: Tensor = _RoIAlign.apply(maps_BCHW, regions_M5, cells, scale)
        return found
    from torchvision.ops import roi_align as whole

    sampled: Tensor = whole(maps_BCHW, regions_M5, cells, scale, _POINTS, aligned=_ALIGNED)
    return sampled


class _RoIAlign(Function):
    """The kernels with the gradient that torchvision's Python registers: of the maps, not of the regions."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, regions: Tensor, cells: int, scale: float) -> Tensor:
        ctx.save_for_backward(regions)
        ctx.cells, ctx.scale, ctx.shape = cells, scale, maps.shape
        sampled: Tensor = kernel("roi_align")(maps, regions, scale, cells, cells, _POINTS, _ALIGNED)
        return sampled

    @staticmethod
    @once_differentiable  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (regions,) = ctx.saved_tensors
        back = torch.ops.torchvision._roi_align_backward
        return back(gradient, regions, ctx.scale, ctx.cells, ctx.cells, *ctx.shape, _POINTS, _ALIGNED), None, None, None
