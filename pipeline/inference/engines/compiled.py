"""torch.compile: one kernel where eager torch has several, after some seconds of compiling at the first passes."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.inference.engines.eager import PixelNetwork
from pipeline.models.detectors.detector import Detector, Raw


class Compiled:
    """The engine "compiled": one compilation for all sizes."""

    def __init__(self, detector: Detector, device: torch.device, dtype: torch.dtype, threads: int) -> None:
        """Args: as of `Eager`."""
        self.device = device
        self.pads = device.type == "cuda"
        network = PixelNetwork(detector, device, dtype, pads=self.pads)
        self._network = torch.compile(_as_tuple(network), dynamic=True)

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None) -> Raw:
        """Returns the raw answers, see `Engine`."""
        # Gradients off by `no_grad`: what is made in inference mode has its own compilation, and more guards.
        return Raw(*self._network(pixels, sizes))


def _as_tuple(network: PixelNetwork) -> torch.nn.Module:
    class Answers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Tensor, sizes: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
            raw = self.network(pixels, sizes)
            return raw.boxes, raw.logits, raw.landmarks

    return Answers()
