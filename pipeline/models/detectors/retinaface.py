"""RetinaFace: backbone, three-level pyramid, SSH context and heads for classes, boxes and five landmarks.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", with the anchors and widths of the PyTorch
version whose checkpoints are public. Two MobileNet variants share every name and shape and differ in anchors and
activation; each is its own entry of `DETECTORS`.
"""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.boxes.anchors import AnchorGrid, Sizes
from pipeline.boxes.coder import BoxCoder
from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.backbones.resnet import ResNet
from pipeline.models.blocks import Activation, rectifier
from pipeline.models.context import SSH
from pipeline.models.detectors.detector import Detector, MemoryNeed, Normalisation, Raw
from pipeline.models.heads import DenseHeads
from pipeline.models.pyramid import FeaturePyramid

STANDARD_SIZES: Sizes = ((16, 32), (64, 128), (256, 512))
_MEAN_BGR = (104.0, 117.0, 123.0)
_VALUES = (4, 2, 10)  # numbers per anchor: box, classes, landmarks


class RetinaFace(Detector):
    """RetinaFace over any backbone that gives levels at growing strides.

    Input: BGR pixels minus (104, 117, 123), not divided. Two classes, face last; five landmarks.
    """

    def __init__(
        self,
        backbone: nn.Module,
        sizes: Sizes,
        *,
        width: int,
        activation: Activation,
        receptive_halo: int,
        memory: MemoryNeed,
    ) -> None:
        """Assembles the parts.

        Args:
            backbone: image to feature levels, finest first; has ``channels`` and ``strides``.
            sizes: sides of the anchors of each level, pixels.
            width: channels of pyramid and context.
            activation: makes every activation of pyramid and context.
            receptive_halo: see `Detector`.
            memory: likewise.
        """
        super().__init__()
        self.grid = AnchorGrid(tuple(backbone.strides), sizes)  # type: ignore[arg-type]
        channels = tuple(backbone.channels)  # type: ignore[arg-type]
        self.coder = BoxCoder(0.1, 0.2)
        self.normalisation = Normalisation(_MEAN_BGR)
        self.receptive_halo = receptive_halo
        self.memory = memory
        self.backbone = backbone
        self.pyramid = FeaturePyramid(channels, width, activation=activation)
        self.context = nn.ModuleList(SSH(width, width, activation=activation) for _ in channels)
        self.heads: nn.Module = DenseHeads(width, [len(level) for level in sizes], _VALUES)

    def forward(self, images: Tensor) -> Raw:
        """Returns boxes [B, A, 4], logits [B, A, 2] and landmarks [B, A, 10] of images float32 [B, 3, H, W]."""
        levels = self.pyramid(self.backbone(images))
        seen = [context(level) for context, level in zip(self.context, levels, strict=True)]
        boxes, logits, landmarks = self.heads(seen)
        return Raw(boxes, logits, landmarks)


def retinaface_mobilenet(*, sizes: Sizes = STANDARD_SIZES, slope: float = 0.1) -> RetinaFace:
    """Returns RetinaFace over MobileNet-0.25 with random weights: 426,608 parameters.

    Args:
        sizes: sides of the anchors of strides 8, 16 and 32, pixels.
        slope: negative slope of every activation but the last of SSH; 0 is ReLU.
    """
    return RetinaFace(
        MobileNetV1(0.25, activation=rectifier(slope)),
        sizes,
        width=64,
        activation=rectifier(slope),
        receptive_halo=256,
        # Peaks at 2048-pixel tiles, 4096 x 2732 and 7680 x 5122: 115, 409 and 1244 MB beside the canvas and anchors.
        memory=MemoryNeed(fixed=100 * 2**20, per_pixel=36),
    )


def retinaface_resnet50() -> RetinaFace:
    """Returns RetinaFace over ResNet-50 with random weights: 27,293,600 parameters."""
    return RetinaFace(
        ResNet(50, layers=(2, 3, 4)),
        STANDARD_SIZES,
        width=256,
        activation=rectifier(),
        receptive_halo=320,
        # Peaks at 2048 x 1366 and 4096 x 2732: 690 and 1580 MB beside the canvas and anchors.
        memory=MemoryNeed(fixed=400 * 2**20, per_pixel=120),
    )
