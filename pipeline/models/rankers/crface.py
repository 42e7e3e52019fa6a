"""CRFace's ranker as printed: the image's pyramid and the box branch's maps, pooled to one correction per rank.

Vesdapunt & Wang, "CRFace: Confidence Ranker for Model-Agnostic Face Detection Refinement", section 3. What the paper
leaves open is read by the sizes it prints: 128 MB with ResNet-50, 8 MB with MobileNet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.blocks import Activation, rectifier
from pipeline.models.pyramid import FeaturePyramid
from pipeline.models.rankers.box_branch import BoxBranch, Kernel
from pipeline.models.rankers.ranker import PIXELS, ROWS, Pixels, Ranker

Sampling = Literal["nearest", "average"]


class Confidence(nn.Module):
    """The confidence module of one level: 3x3 convolution, ReLU, mean over the map, one number per row of the table."""

    def __init__(self, width: int, num_candidates: int) -> None:
        """Args: channels in and within; N. The last layer starts at zero, so that c' = c at first."""
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.answer = nn.Linear(width, num_candidates)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, level: Tensor) -> Tensor:
        """Returns [B, num_candidates] of [B, width, H, W]."""
        out: Tensor = self.answer(functional.relu(self.conv(level)).mean(dim=(2, 3)))
        return out


@dataclass(frozen=True, kw_only=True)
class CRFaceConfig:
    """The switches of both of CRFace's rankers.

    Attributes:
        kernel: rows and numbers that a layer of the box branch sees, (3, 5) or (5, 3).
        sampling: how its maps are resized along N: "nearest" as printed, "average" so that every row counts.
        pixels: how the image is normalised, see `PIXELS`.
        num_candidates: N.
        sees_image: False: the maps of the image are zero, so that the boxes alone decide (a remark of section 3.3).
        adds_score: False: an answer is the refined score itself and no correction of the detector's (section 3.4).
        scale: ours, not the paper's: the residual is multiplied by a number that starts here and is learnt as its
            logarithm. Without it a single step of Adam moves the residuals of neighbours 100 times as far apart as
            their scores are, long before there is anything that it could have learnt; None is as printed.
    """

    kernel: Kernel = (3, 5)
    sampling: Sampling = "nearest"
    pixels: Pixels = "imagenet"
    num_candidates: int = ROWS
    sees_image: bool = True
    adds_score: bool = True
    scale: float | None = None

    def body(self, backbone: Callable[[], nn.Module], channels: Sequence[int]) -> nn.Module:
        """Returns what sees the image: a backbone, or none of the same channels."""
        return backbone() if self.sees_image else NoImage(channels)


class NoImage(nn.Module):
    """In place of a backbone: maps of zeros at strides 8, 16 and 32."""

    def __init__(self, channels: Sequence[int]) -> None:
        """Args: channels of the maps, finest first."""
        super().__init__()
        self.channels = tuple(channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns [B, C_i, H_i, W_i] of [B, 3, H, W], sides rounded up."""
        batch, _, height, width = images.shape
        sizes = ((-(-height // stride), -(-width // stride)) for stride in (8, 16, 32))
        return [images.new_zeros(batch, each, *size) for each, size in zip(self.channels, sizes, strict=True)]


class CRFace(Ranker):
    """CRFace over any backbone that gives three levels, at strides 8, 16 and 32.

    It cannot read a box: every map is averaged over all positions before the last layer, so that a row of the table is
    one of thousands of parts of a mean, and an output belongs to a row's position and to the image. Exchanging two rows
    reverses the difference of a box scorer's outputs, and changes that of these by a few thousandths of it. Only some
    rows are read, see `row_selection`. So it is printed.
    """

    def __init__(
        self, backbone: nn.Module, config: CRFaceConfig, *, width: int, activation: Activation, box_width: int = 64
    ) -> None:
        """Assembles the parts.

        Args:
            backbone: image to three feature levels, finest first; has ``channels``.
            config: switches.
            width: channels of pyramid and confidence module.
            activation: makes every activation of the pyramid.
            box_width: channels of the box branch.

        Raises:
            ValueError: there is no such kernel, sampling or way to normalise pixels, or the scale is not above 0.
        """
        super().__init__()
        scale, channels = config.scale, tuple(backbone.channels)  # type: ignore[arg-type]
        if config.sampling not in ("nearest", "average"):
            raise ValueError(f"sampling must be nearest or average, got {config.sampling!r}")
        if scale is not None and not 0 < scale < math.inf:
            raise ValueError(f"scale must be above 0, got {scale}; leave it out for the network as printed")
        self.normalisation = PIXELS.find(config.pixels)
        self.num_candidates = config.num_candidates
        self.sampling = config.sampling
        self.adds_score = config.adds_score
        self.backbone = backbone
        self.boxes = BoxBranch(box_width, kernel=config.kernel)
        self.pyramid = FeaturePyramid([each + box_width for each in channels], width, activation=activation)
        self.confidence = nn.ModuleList(Confidence(width, config.num_candidates) for _ in channels)
        self.log_scale = None if scale is None else nn.Parameter(torch.tensor(math.log(scale)))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Returns the levels of the body, see `Ranker`."""
        levels: list[Tensor] = self.backbone(images)
        return levels

    def residual(self, maps: Sequence[Tensor], sides: tuple[int, int], tables: Tensor, valid: Tensor) -> Tensor:
        """Returns the residual float32 [B, N], see `Ranker`; 0 for all rows of a ranker that has not learnt yet.

        Without `adds_score` what is left of the score is the answer alone.
        """
        real = self.real(tables, valid)
        resized = self.boxes.nearest if self.sampling == "nearest" else self.boxes.average
        boxes = resized(tables, [level.shape[2:] for level in maps], checkpointed=self.checkpointed)
        joined = [torch.cat([level, each], dim=1) for level, each in zip(maps, boxes, strict=True)]
        answers = [module(level) for module, level in zip(self.confidence, self.pyramid(joined), strict=True)]
        answer = torch.stack(answers).float().mean(dim=0) * real
        answer = answer if self.log_scale is None else answer * self.log_scale.exp()
        return answer if self.adds_score else answer - tables[..., 4] * real


@dataclass(frozen=True, kw_only=True)
class CRFaceResNet(CRFaceConfig):
    """The paper's ranker: 31,775,192 parameters.

    Attributes:
        depth: of the ResNet.
        pretrained: start it from ImageNet's weights.
    """

    depth: Depth = 50
    pretrained: bool = False

    def build(self) -> CRFace:
        """Returns the ranker with random weights; errors as `CRFace`, and ImageNet's weights without an image."""
        if self.pretrained and not self.sees_image:
            raise ValueError("pretrained: expected false where sees_image is false, found true: there is no body")
        body = self.body(lambda: ResNet(self.depth, layers=(2, 3, 4), pretrained=self.pretrained), (512, 1024, 2048))
        return CRFace(body, self, width=256, activation=rectifier())


@dataclass(frozen=True, kw_only=True)
class CRFaceMobileNet(CRFaceConfig):
    """The paper's small ranker: 1.91 million parameters.

    Its pixels are those of RetinaFace, whose body it may start from, rather than ImageNet's.

    Attributes:
        slope: negative slope of the activations of body and pyramid; RetinaFace's body has 0.1.
    """

    pixels: Pixels = "retinaface"
    slope: float = 0.1

    def build(self) -> CRFace:
        """Returns the ranker with random weights; errors as `CRFace`."""
        activation = rectifier(self.slope)
        body = self.body(lambda: MobileNetV1(0.25, activation=activation), (64, 128, 256))
        return CRFace(body, self, width=64, activation=activation)
