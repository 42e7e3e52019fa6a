"""HAMBox as CRFace re-implemented it: six levels on ResNet-50, one anchor per cell, context block, no auxiliary head.

Liu et al., "HAMBox" (CVPR 2020); its online compensation of anchors is an assigner, not part of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.boxes.coder import BoxCoder
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.six_levels import SixLevelConfig, SixLevelDetector
from pipeline.models.low_pyramid import LowPyramid

# Peaks at 768 x 512 and 1024 x 1024 beside libraries: 414 and 751 MB; deep heads need about twice as much per pixel.
_MEMORY = MemoryNeed(fixed=300 * 2**20, per_pixel=540)
_MEMORY_DEEP = MemoryNeed(fixed=800 * 2**20, per_pixel=1040)


@dataclass(frozen=True, kw_only=True)
class HamBoxConfig(SixLevelConfig):
    """HAMBox on ResNet.

    CRFace leaves out the deep head and the auxiliary one, and has a largest anchor of 512; HAMBox has
    ``anchor_scale`` 0.68.

    Attributes:
        depth: of the ResNet.
        pretrained: ImageNet weights for the backbone.
    """

    depth: Depth = 50
    pretrained: bool = False

    def build(self) -> SixLevelDetector:
        """Returns the detector; errors are those of `SixLevelDetector` and `ResNet`."""
        backbone = ResNet(self.depth, layers=(1, 2, 3, 4), pretrained=self.pretrained)
        memory = _MEMORY_DEEP if self.deep_head else _MEMORY
        return SixLevelDetector(backbone, LowPyramid(backbone.channels), self, coder=BoxCoder(0.1, 0.2), memory=memory)
