"""MogFace with every head it can have, on four convolutions and maps of 24 channels."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.boxes.coder import BoxCoder
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.six_levels import SixLevelConfig, SixLevelDetector
from pipeline.models.low_pyramid import LowPyramid

WIDTH = 24


class FourStrides(nn.Module):
    """As small a backbone as has four levels."""

    channels, reach = (8, 12, 16, 24), 64

    def __init__(self) -> None:
        super().__init__()
        counts = (3, *self.channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 4 if place == 0 else 2, stride=4 if place == 0 else 2)
            for place, (before, after) in enumerate(pairwise(counts))
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        levels = [images]
        for conv in self.convs:
            levels.append(conv(levels[-1]).relu())
        return levels[1:]


def small_mogface(seed: int) -> SixLevelDetector:
    """Returns it with the random weights that belong to the seed; "auto" gives it Ali-AMS."""
    torch.manual_seed(seed)
    backbone = FourStrides()
    config = SixLevelConfig(hcam=(3, 5), head="plain", pyramid_anchor=True, decides="main")
    detector = SixLevelDetector(
        backbone,
        LowPyramid(backbone.channels, WIDTH),
        config,
        coder=BoxCoder(1, 1, pixel_inclusive=True),
        memory=MemoryNeed(0, 0),
        width=WIDTH,
    )
    detector.spec = DETECTORS["mogface"]
    return detector
