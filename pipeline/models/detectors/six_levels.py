"""The single-stage detector that MogFace, HAMBox and HRNet share: six levels, one square anchor per cell, one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.models.context import ContextPrediction, DilatedSSH
from pipeline.models.detectors.detector import Detector, MemoryNeed, Normalisation, Raw
from pipeline.models.detectors.spec import Decides
from pipeline.models.face_heads import FaceHeads, FirstShot
from pipeline.models.hierarchical_context import HierarchicalContext
from pipeline.models.init import init_focal_prior, init_normal

STRIDES = (4, 8, 16, 32, 64, 128)
CONTEXTS = {"plain": None, "ssh": DilatedSSH, "cpm": ContextPrediction}
# A context block on P7 sees 5 cells of 128 pixels to each side, HRNet 1391 pixels: in theory 1205 to 2400 in all.
# In practice a pixel farther than this moves no score by 1e-4 (3e-6 measured; see the contract test of tiles).
PRACTICAL_HALO = 768

Head = Literal["plain", "ssh", "cpm"]


def square_anchors(scale: float = 1.0) -> AnchorGrid:
    """Returns one square of 4 strides times a scale per cell: 16, 32, .., 512 pixels on strides 4 to 128."""
    return AnchorGrid(STRIDES, tuple((4 * stride * scale,) for stride in STRIDES))


def imagenet_rgb(*, divide_twice: bool = False) -> Normalisation:
    """Returns the ImageNet normalisation, red first: ``(pixel / 255 - mean) / std``.

    Args:
        divide_twice: divide by 255 once more, as MogFace's released code does: inputs are then within about 0.01.
    """
    extra = 255.0 if divide_twice else 1.0
    mean, deviation = (0.406, 0.456, 0.485), (0.225, 0.224, 0.229)
    blue, green, red = (1 / (255 * value * extra) for value in deviation)
    return Normalisation((mean[0] * 255, mean[1] * 255, mean[2] * 255), (blue, green, red), rgb=True)


@dataclass(frozen=True, kw_only=True)
class SixLevelConfig:
    """The switches that all detectors of this family share; every ablation of MogFace's paper is one.

    Attributes:
        hcam: neighbourhoods N of HCAM in cells: (), (3,), (5,) or (3, 5) (MogFace, Table 5).
        head: block in front of the predictions: "plain" for none, "ssh", or "cpm" as released for MogFace-E.
        deep_head: four convolutions with GroupNorm each for class and box.
        pyramid_anchor: auxiliary head for half-size anchors, for training only: `FirstShot`.
        anchor_scale: of the sides 16..512; 0.68 in MogFace's released final models.
        shared_heads: one set of head weights for all levels.
        decides: whose score counts in use, see `SixLevelDetector.decide_by`; by default "where_masked" with HCAM and
            "main" without. MogFace's paper implies that the progressive classifier decides; the released test uses
            "main" always.
        threshold: of HCAM's masks, see `HierarchicalContext`.
    """

    hcam: Sequence[int] = ()
    head: Head = "ssh"
    deep_head: bool = False
    pyramid_anchor: bool = False
    anchor_scale: float = 1.0
    shared_heads: bool = False
    decides: Decides | None = None
    threshold: float = 0.1


class SixLevelDetector(Detector):
    """Backbone, pyramid, heads, and where wanted hierarchical context and an auxiliary head.

    Input: RGB as `imagenet_rgb` makes it. In training, and where ``all_heads`` is set, the answer holds the main
    logits, the progressive ones and those of the auxiliary head; else only what decides, in ``logits``.
    """

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: nn.Module,
        config: SixLevelConfig,
        *,
        coder: BoxCoder,
        memory: MemoryNeed,
        width: int = 256,
        repeat_first: bool = False,
        divide_twice: bool = False,
    ) -> None:
        """Assembles the parts and samples the first weights of all but the backbone.

        Args:
            backbone: image to C2..C5; has ``channels`` and ``reach``.
            pyramid: these to P2..P7.
            config: switches.
            coder: see `Detector`.
            memory: likewise.
            width: channels of every map behind the backbone.
            repeat_first: see `DeepTower`.
            divide_twice: see `imagenet_rgb`.

        Raises:
            ValueError: a switch has no such value, or they contradict each other.
        """
        super().__init__()
        if config.head not in CONTEXTS:
            raise ValueError(f"no head {config.head!r}; there are {', '.join(CONTEXTS)}")
        context, channels = CONTEXTS[config.head], tuple(backbone.channels)  # type: ignore[arg-type]
        anchors, deep, shared = [1] * len(STRIDES), config.deep_head, config.shared_heads
        self.grid, self.coder, self.memory = square_anchors(config.anchor_scale), coder, memory
        self.normalisation = imagenet_rgb(divide_twice=divide_twice)
        self.backbone, self.pyramid = backbone, pyramid
        self.heads = FaceHeads(anchors, width, context=context, deep=deep, repeat=repeat_first, shared=shared)
        self.hierarchical = None
        if config.hcam:
            self.hierarchical = HierarchicalContext(
                channels, width, neighbourhoods=config.hcam, threshold=config.threshold
            )
        self.first_shot = FirstShot(channels, width) if config.pyramid_anchor else None
        self.decide_by(config.decides or ("where_masked" if config.hcam else "main"))
        self.whole_image_statistics = deep
        self.receptive_halo = _halo(int(backbone.reach), self.heads.reach)  # type: ignore[arg-type]
        self._init_weights()

    def decide_by(self, decides: Decides) -> None:
        """Sets the score that counts in evaluation; a matter of use, not of training.

        "where_masked" does not keep the order across its border: with an unsure progressive classifier a main score of
        0.1006 becomes 0.01 while one of 0.0998 stays. "product" does: of equal progressive scores the higher main one
        stays higher.

        Args:
            decides: "main"; "progressive"; "where_masked", the progressive one where the main one is confident and the
                main one elsewhere; or their "product".

        Raises:
            ValueError: a progressive score is to decide and there is none.
        """
        if decides != "main" and self.hierarchical is None:
            raise ValueError(f"decides={decides!r} needs hierarchical context (hcam): there is only a main score")
        self.decides = decides

    def forward(self, images: Tensor) -> Raw:
        """Returns boxes [B, A, 4] and logits [B, A, 1], see the class, of images float32 [B, 3, H, W]."""
        features = self.backbone(images)
        levels = self.pyramid(features)
        boxes, logits = self.heads(levels)
        everything = self.training or self.all_heads
        progressive = None
        if self.hierarchical is not None and (everything or self.decides != "main"):
            progressive = self.hierarchical(features, levels, logits)
        if not everything:
            return Raw(boxes, logits if progressive is None else self._decided(logits, progressive))
        first = None if self.first_shot is None else Raw(*self.first_shot(features, levels))
        return Raw(boxes, logits, progressive=progressive, first_shot=first)

    def _decided(self, main: Tensor, progressive: Tensor) -> Tensor:
        """Returns the logits that count, [B, A, 1]."""
        assert self.hierarchical is not None
        if self.decides == "progressive":
            return progressive
        if self.decides == "where_masked":
            return torch.where(self.hierarchical.confident(main), progressive, main)
        both = functional.logsigmoid(main.float()) + functional.logsigmoid(progressive.float())
        # The logit of a product of probabilities; the clamp keeps a certain face finite.
        both = both.clamp(max=-1e-7)
        return (both - torch.log(-torch.expm1(both))).to(main.dtype)

    def _init_weights(self) -> None:
        init_normal(self.pyramid)
        init_normal(self.heads)
        init_focal_prior(self.heads.predict.kinds[1])  # type: ignore[index, arg-type]
        if self.hierarchical is not None:
            # Its context convolutions keep the framework's own start.
            init_normal(self.hierarchical.classifier)
            init_focal_prior(self.hierarchical.classifier)
        if self.first_shot is not None:
            init_normal(self.first_shot)
            init_focal_prior(self.first_shot.heads.kinds[1])  # type: ignore[index, arg-type]


def _halo(backbone_reach: int, head_reach: int) -> int:
    """Returns pixels, a multiple of 128: exact where `PRACTICAL_HALO` allows it, else that."""
    coarse = STRIDES[-1]
    # C6 and C7 see one cell of the level below on each side, P7 and the heads their own cells.
    exact = backbone_reach + 32 + 64 + coarse * (1 + head_reach)
    return min(-(-exact // coarse) * coarse, PRACTICAL_HALO)
