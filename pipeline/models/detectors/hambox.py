"""HAMBox as CRFace re-implemented it: six levels, one anchor per cell, context block, no auxiliary head.

Liu et al., "HAMBox" (CVPR 2020); its online compensation of anchors is an assigner, not part of the network. CRFace
has it on ResNet-50, and on HRNet for its best rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pipeline.boxes.coder import BoxCoder
from pipeline.models.backbones.hrnet import HRNet
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.six_levels import SixLevelConfig, SixLevelDetector
from pipeline.models.low_pyramid import FlatPyramid, LowPyramid

_CODER: Final = BoxCoder(0.1, 0.2)
# Peaks at 768 x 512 and 1024 x 1024 beside libraries: 414 and 751 MB; deep heads need about twice as much per pixel.
_MEMORY = MemoryNeed(fixed=300 * 2**20, per_pixel=540)
_MEMORY_DEEP = MemoryNeed(fixed=800 * 2**20, per_pixel=1040)
# By the width of HRNet, MiB fixed and bytes per pixel. Peaks beside libraries at 768 x 512 and 1024 x 1024: W18 362 and
# 600 MB, W32 462 and 747, W48 766 and 923, and 1168 at 1536 x 1024.
_HRNET_MEMORY = {18: (250, 400), 32: (320, 460), 48: (650, 490)}
_HRNET_DEEP_PER_PIXEL = 500
_PYRAMIDS: dict[str, type[LowPyramid | FlatPyramid]] = {"low": LowPyramid, "v2p": FlatPyramid}


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
        return SixLevelDetector(backbone, LowPyramid(backbone.channels), self, coder=_CODER, memory=memory)


@dataclass(frozen=True, kw_only=True)
class HRNetConfig(SixLevelConfig):
    """HAMBox on HRNet.

    Attributes:
        width: of HRNet: 18, 32 or 48.
        pyramid: "low" treats the four branches as C2..C5 of a ResNet, which changes least; "v2p" is HRNet's own.
        pretrained: ImageNet weights for the backbone.
    """

    width: int = 48
    pyramid: Literal["low", "v2p"] = "low"
    pretrained: bool = False

    def build(self) -> SixLevelDetector:
        """Returns the detector; errors are those of `SixLevelDetector` and `HRNet`, and an unknown pyramid."""
        if self.pyramid not in _PYRAMIDS:
            raise ValueError(f"no pyramid {self.pyramid!r}; there are {', '.join(_PYRAMIDS)}")
        backbone = HRNet(self.width, pretrained=self.pretrained)
        fixed, per_pixel = _HRNET_MEMORY[self.width]
        memory = MemoryNeed(fixed=fixed * 2**20, per_pixel=per_pixel + _HRNET_DEEP_PER_PIXEL * self.deep_head)
        neck = _PYRAMIDS[self.pyramid](backbone.channels)
        return SixLevelDetector(backbone, neck, self, coder=_CODER, memory=memory)
