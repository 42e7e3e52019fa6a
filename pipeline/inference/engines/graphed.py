"""A CUDA graph per size of batch: hundreds of launches become one, which is what small images need."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from pipeline.inference.engines.eager import PixelNetwork
from pipeline.models.detectors.detector import Detector, Raw

_KEPT = 16
"""Graphs at a time, the least recently used goes first: each holds the memory of its maps."""


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    pixels: Tensor
    sizes: Tensor
    raw: Raw


class Graphed:
    """The engine "cuda_graph": the same kernels as "torch", launched together."""

    pads = True

    def __init__(self, detector: Detector, device: torch.device, dtype: torch.dtype, threads: int) -> None:
        """Args: as of `Eager`; the device is a CUDA one."""
        self.device = device
        self._network = PixelNetwork(detector, device, dtype, pads=True)
        self._captured: OrderedDict[tuple[int, ...], _Captured] = OrderedDict()

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None) -> Raw:
        """Returns the raw answers, see `Engine`; they are overwritten by the next call of the same size."""
        batch, height, width = pixels.shape[:3]
        if sizes is None:
            sizes = torch.tensor([[height, width]], dtype=torch.int32).expand(batch, 2)
        key = (batch, height, width)
        known = self._captured.pop(key, None) or self._capture(pixels, sizes)
        self._captured[key] = known
        while len(self._captured) > _KEPT:
            self._captured.popitem(last=False)
        known.pixels.copy_(pixels, non_blocking=True)
        known.sizes.copy_(sizes, non_blocking=True)
        known.graph.replay()
        return known.raw

    def _capture(self, pixels: Tensor, sizes: Tensor) -> _Captured:
        held, extents = pixels.clone(), torch.empty(sizes.shape, dtype=torch.int32, device=self.device)
        extents.copy_(sizes)
        side = torch.cuda.Stream(self.device)
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):  # kernels are chosen and memory is taken before the capture
            for _ in range(2):
                self._network(held, extents)
        torch.cuda.current_stream(self.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            raw = cast(Raw, self._network(held, extents))
        return _Captured(graph, held, extents, raw)
