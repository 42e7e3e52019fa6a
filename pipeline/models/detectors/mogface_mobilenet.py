"""A MogFace for two cores: every part of it, narrow, on MobileNet; not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.blocks import rectifier
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.mogface import CODER
from pipeline.models.detectors.six_levels import Head, SixLevelConfig, SixLevelDetector
from pipeline.models.low_pyramid import LowPyramid


@dataclass(frozen=True, kw_only=True)
class MogFaceMobileNetConfig(SixLevelConfig):
    """The small MogFace.

    Attributes:
        width: channels of pyramid, context and heads, a multiple of 16; 256 in the large ones.
        backbone_width: multiplies MobileNet's channels.
        norms: batch norms in the pyramid, see `LowPyramid`; the large ones have none.
    """

    width: int = 64
    backbone_width: float = 0.25
    norms: bool = True
    hcam: Sequence[int] = (3, 5)
    head: Head = "plain"

    def build(self) -> SixLevelDetector:
        """Returns the detector; errors as `SixLevelDetector`, and a width that is no multiple of 16."""
        if self.width < 16 or self.width % 16:
            raise ValueError(f"width is {self.width}, expected a multiple of 16")
        backbone = MobileNetV1(self.backbone_width, activation=rectifier(), finest=4)
        pyramid = LowPyramid(backbone.channels, self.width, norms=self.norms)
        return SixLevelDetector(backbone, pyramid, self, coder=CODER, memory=self._memory(), width=self.width)

    def _memory(self) -> MemoryNeed:
        # Peaks beside libraries, in MB at 1536 x 1024: 209; without context 163, SSH 222, CPM 294, SSH and deep head
        # 434, width 128 348, backbone twice as wide 289. As it is, 64, 138 and 556 at 512 x 512, 1024 x 768 and
        # 2048 x 2048.
        share = self.width / 64
        behind = 60 + 30 * bool(self.hcam) + 40 * (self.head != "plain") + 70 * self.deep_head
        fixed = 50 + 70 * share**2 * self.deep_head
        return MemoryNeed(fixed=int(fixed * 2**20), per_pixel=int(200 * self.backbone_width + share * behind))
