"""torch as it is, and what the other torch engines are made of."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.optimise import for_inference
from pipeline.models.padding import Padding


class PixelNetwork(nn.Module):
    """A detector from pixels on: normalised, and where images are smaller than the canvas kept to themselves."""

    def __init__(self, detector: Detector, device: torch.device, dtype: torch.dtype, *, pads: bool) -> None:
        """Takes a copy of the detector, folded for inference; ``pads`` makes it one for padded canvases."""
        super().__init__()
        self.detector = for_inference(detector).to(device=device, dtype=dtype)
        self.dtype = dtype
        self._padding = Padding(self.detector) if pads else None

    def forward(self, pixels: Tensor, sizes: Tensor | None = None) -> Raw:
        """Returns the raw answers, see `Engine`."""
        images = self.detector.normalisation(pixels).permute(0, 3, 1, 2).to(self.dtype)
        if self._padding is not None:
            self._padding.lay(sizes, pixels.shape[1], pixels.shape[2])
            images = self._padding.image.masked(images)
        return cast(Raw, self.detector(images))


class Eager:
    """The engine "torch"; on a CPU the one whose bytes all others are compared with."""

    def __init__(self, detector: Detector, device: torch.device, dtype: torch.dtype, threads: int) -> None:
        """Args: trained detector, which stays as it is; where it runs; numbers it computes with; threads, as set."""
        self.device = device
        self.pads = device.type == "cuda"
        self.network = PixelNetwork(detector, device, dtype, pads=self.pads)

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None) -> Raw:
        """Returns the raw answers, see `Engine`."""
        return cast(Raw, self.network(pixels, sizes))
