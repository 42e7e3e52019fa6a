"""CRFace's ranker as printed: the image's pyramid and the box branch's maps, pooled to one correction per rank.

Vesdapunt & Wang, "CRFace: Confidence Ranker for Model-Agnostic Face Detection Refinement", section 3. What the paper
leaves open is read by the sizes it prints: 128 MB with ResNet-50, 8 MB with MobileNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.blocks import Activation, rectifier
from pipeline.models.detectors.detector import Normalisation
from pipeline.models.pyramid import FeaturePyramid
from pipeline.models.rankers.box_branch import BoxBranch, Kernel
from pipeline.models.rankers.pixels import Pixels, pixels_named
from pipeline.models.rankers.ranker import ROWS, Ranker

Sampling = Literal["nearest", "average"]


class Confidence(nn.Module):
    """The confidence module of one level: 3x3 convolution, ReLU, mean over the map, one number per row of the table."""

    def __init__(self, width: int, rows: int) -> None:
        """Args: channels in and within; N. The last layer starts at zero, so that c' = c at first."""
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.answer = nn.Linear(width, rows)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, level: Tensor) -> Tensor:
        """Returns [B, rows] of [B, width, H, W]."""
        out: Tensor = self.answer(functional.relu(self.conv(level)).mean(dim=(2, 3)))
        return out


class CRFace(Ranker):
    """CRFace over any backbone that gives three levels, at strides 8, 16 and 32.

    Everything but the place in the table is averaged away before the last layer: it corrects ranks, and of the rows it
    reads `row_plan.coverage` only.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: Sequence[int],
        *,
        width: int,
        activation: Activation,
        normalisation: Normalisation,
        rows: int = ROWS,
        kernel: Kernel = (3, 5),
        sampling: Sampling = "nearest",
        box_width: int = 64,
    ) -> None:
        """Assembles the parts.

        Args:
            backbone: image to feature levels, finest first.
            channels: of each level.
            width: channels of pyramid and confidence module.
            activation: makes every activation of the pyramid.
            normalisation: of the image.
            rows: N.
            kernel: of the box branch, see `BoxBranch`.
            sampling: how its maps are resized along N: "nearest" as printed, "average" so that every row counts.
            box_width: channels of the box branch.

        Raises:
            ValueError: there is no such kernel or sampling.
        """
        super().__init__()
        if sampling not in ("nearest", "average"):
            raise ValueError(f"sampling must be nearest or average, got {sampling!r}")
        self.normalisation = normalisation
        self.rows = rows
        self.sampling = sampling
        self.backbone = backbone
        self.boxes = BoxBranch(box_width, kernel=kernel)
        self.pyramid = FeaturePyramid([each + box_width for each in channels], width, activation=activation)
        self.confidence = nn.ModuleList(Confidence(width, rows) for _ in channels)

    def forward(self, images: Tensor, tables: Tensor, valid: Tensor) -> Tensor:
        """Returns the residual float32 [B, N], see `Ranker`; 0 for all rows of a ranker that has not learnt yet."""
        real = self.real(tables, valid)
        levels = self.backbone(images)
        resized = self.boxes.nearest if self.sampling == "nearest" else self.boxes.average
        maps = resized(tables, [level.shape[2:] for level in levels], checkpointed=self.checkpointed)
        joined = [torch.cat([level, each], dim=1) for level, each in zip(levels, maps, strict=True)]
        answers = [module(level) for module, level in zip(self.confidence, self.pyramid(joined), strict=True)]
        return torch.stack(answers).float().mean(dim=0) * real


def crface(
    *,
    kernel: Kernel = (3, 5),
    sampling: Sampling = "nearest",
    pixels: Pixels = "imagenet",
    rows: int = ROWS,
    depth: Depth = 50,
    pretrained: bool = False,
) -> CRFace:
    """Returns the paper's ranker with random weights: 31,775,192 parameters.

    Args:
        kernel: rows and numbers that a layer of the box branch sees, (3, 5) or (5, 3).
        sampling: "nearest" or "average", see `CRFace`.
        pixels: how the image is normalised, see `PIXELS`.
        rows: N.
        depth: of the ResNet.
        pretrained: start it from ImageNet's weights.
    """
    backbone = ResNet(depth, layers=(2, 3, 4), pretrained=pretrained)
    return CRFace(
        backbone,
        backbone.channels,
        width=256,
        activation=rectifier(),
        normalisation=pixels_named(pixels),
        rows=rows,
        kernel=kernel,
        sampling=sampling,
    )


def crface_mobilenet(
    *,
    kernel: Kernel = (3, 5),
    sampling: Sampling = "nearest",
    pixels: Pixels = "retinaface",
    rows: int = ROWS,
    slope: float = 0.1,
) -> CRFace:
    """Returns the paper's small ranker with random weights: 1.91 million parameters.

    Args:
        kernel: as for `crface`.
        sampling: likewise.
        pixels: likewise; those of RetinaFace, whose body it may start from, rather than ImageNet's.
        rows: N.
        slope: negative slope of the activations of body and pyramid; RetinaFace's body has 0.1.
    """
    backbone = MobileNetV1(0.25, activation=rectifier(slope))
    return CRFace(
        backbone,
        backbone.channels,
        width=64,
        activation=rectifier(slope),
        normalisation=pixels_named(pixels),
        rows=rows,
        kernel=kernel,
        sampling=sampling,
    )
