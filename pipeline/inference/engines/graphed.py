"""A CUDA graph per size of batch: hundreds of launches become one, which is what small images need."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.inference.engines.eager import Eager
from pipeline.inference.engines.engine import Answers, EngineSetup, Size

_KEPT = 32
"""Graphs at a time, the least recently used goes first. They share their memory: they never run at once."""


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    pixels: Tensor
    sizes: Tensor | None
    answers: tuple[Tensor, ...]


class Graphed:
    """The engine "cuda_graph": the same kernels as "torch", launched together."""

    def __init__(self, setup: EngineSetup) -> None:
        """Takes over the setup's network; the device is a CUDA one."""
        self._device = setup.device
        self.pads = setup.pads
        self._network = Eager(setup)
        self._captured: OrderedDict[tuple[int | bool, ...], _Captured] = OrderedDict()
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None, alone: Size = None) -> Answers:
        """Returns the answers, see `Engine`; they are overwritten by the next call.

        Raises torch.OutOfMemoryError: too many pixels for the device; all graphs are given up then, to make room.
        """
        key = (*pixels.shape[:3], sizes is None)
        try:
            known = self._captured.pop(key, None) or self._capture(pixels, sizes)
        except torch.OutOfMemoryError:
            self._captured.clear()
            self._pool = torch.cuda.graph_pool_handle()
            raise
        self._captured[key] = known
        while len(self._captured) > _KEPT:
            self._captured.popitem(last=False)
        known.pixels.copy_(pixels, non_blocking=True)
        if known.sizes is not None and sizes is not None:
            known.sizes.copy_(sizes, non_blocking=True)
        known.graph.replay()
        return known.answers

    def _capture(self, pixels: Tensor, sizes: Tensor | None) -> _Captured:
        held = pixels.clone()
        extents = None if sizes is None else sizes.clone()
        side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):  # kernels are chosen and memory is taken before the capture
            for _ in range(2):
                self._network(held, extents)
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Of this thread: meanwhile others pin the memory of the next images.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            answers = self._network(held, extents)
        return _Captured(graph, held, extents, answers)
