"""MogFace: an S3FD-like baseline on ResNet, hierarchical context (HCAM), the heads of its final models; a small one.

Liu et al., "MogFace: Towards a Deeper Appreciation on Face Detection" (CVPR 2022). Ali-AMS and SSE, its two other
parts, are matters of training. The defaults follow the paper. The released code differs: no released configuration
combines HCAM with the final heads; `DETECTORS` has presets for both, and for the baseline of the ablations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.boxes.coder import BoxCoder
from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.blocks import rectifier
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.six_levels import Head, SixLevelConfig, SixLevelDetector
from pipeline.models.low_pyramid import LowPyramid

_CODER: Final = BoxCoder(1, 1, pixel_inclusive=True)


@dataclass(frozen=True, kw_only=True)
class MogFaceConfig(SixLevelConfig):
    """MogFace on ResNet.

    Attributes:
        depth: of the ResNet, see `ResNet`; "152-short" is what the released code calls 152.
        repeat_first: the deep head applies its first convolution four times, as released.
        divide_twice: see `imagenet_rgb`; official checkpoints need it.
        pretrained: ImageNet weights for the backbone.
    """

    depth: Depth = 101
    hcam: Sequence[int] = (3, 5)
    deep_head: bool = True
    pyramid_anchor: bool = True
    shared_heads: bool = True
    repeat_first: bool = False
    divide_twice: bool = False
    pretrained: bool = False

    def build(self) -> SixLevelDetector:
        """Returns the detector; errors are those of `SixLevelDetector` and `ResNet`."""
        backbone = ResNet(self.depth, layers=(1, 2, 3, 4), pretrained=self.pretrained)
        return SixLevelDetector(
            backbone,
            LowPyramid(backbone.channels),
            self,
            coder=_CODER,
            memory=self._memory(),
            repeat_first=self.repeat_first,
            divide_twice=self.divide_twice,
        )

    def _memory(self) -> MemoryNeed:
        # Peaks beside libraries: baseline 469 and 790 MB at 1024 x 768 and 1536 x 1024, with HCAM 562 and 973; SSH and
        # deep head 701 and 1185 at 384 x 384 and 1024 x 768; CPM and deep head 884 and 1371 at 1024 x 768 and
        # 1536 x 1024. Small images need what building the network needs.
        per_pixel = 440 if self.head == "plain" else 540
        if self.deep_head:
            per_pixel += 500 if self.head == "ssh" else 150  # its maps have 512 channels behind SSH, else 256
        if self.hcam:
            per_pixel += 120
        return MemoryNeed(fixed=(650 if self.deep_head else 300) * 2**20, per_pixel=per_pixel)


@dataclass(frozen=True, kw_only=True)
class MogFaceMobileNetConfig(SixLevelConfig):
    """A MogFace for two cores: every part of it, narrow, on MobileNet; not in the paper.

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
        return SixLevelDetector(backbone, pyramid, self, coder=_CODER, memory=self._memory(), width=self.width)

    def _memory(self) -> MemoryNeed:
        # Peaks beside libraries, in MB at 1536 x 1024: 209; without context 163, SSH 222, CPM 294, SSH and deep head
        # 434, width 128 348, backbone twice as wide 289. As it is, 64, 138 and 556 at 512 x 512, 1024 x 768 and
        # 2048 x 2048.
        share = self.width / 64
        behind = 60 + 30 * bool(self.hcam) + 40 * (self.head != "plain") + 70 * self.deep_head
        fixed = 50 + 70 * share**2 * self.deep_head
        return MemoryNeed(fixed=int(fixed * 2**20), per_pixel=int(200 * self.backbone_width + share * behind))
