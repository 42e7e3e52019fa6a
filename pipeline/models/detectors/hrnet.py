"""The detector of CRFace's best rows: HAMBox with its backbone changed to HRNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.boxes.coder import BoxCoder
from pipeline.models.backbones.hrnet import HRNet
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.six_levels import SixLevelConfig, SixLevelDetector
from pipeline.models.low_pyramid import FlatPyramid, LowPyramid

# MiB fixed and bytes per pixel. Peaks beside libraries at 768 x 512 and 1024 x 1024: W18 362 and 600 MB, W32 462 and
# 747, W48 766 and 923, and 1168 at 1536 x 1024.
_MEMORY = {18: (250, 400), 32: (320, 460), 48: (650, 490)}
_DEEP_PER_PIXEL = 500
_PYRAMIDS: dict[str, type[LowPyramid | FlatPyramid]] = {"low": LowPyramid, "v2p": FlatPyramid}


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
        fixed, per_pixel = _MEMORY[self.width]
        memory = MemoryNeed(fixed=fixed * 2**20, per_pixel=per_pixel + _DEEP_PER_PIXEL * self.deep_head)
        neck = _PYRAMIDS[self.pyramid](backbone.channels)
        return SixLevelDetector(backbone, neck, self, coder=BoxCoder(0.1, 0.2), memory=memory)
