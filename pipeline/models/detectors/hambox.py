"""HAMBox as CRFace re-implemented it: six levels on ResNet-50, one anchor per cell, context block, no auxiliary head.

Liu et al., "HAMBox" (CVPR 2020); its online compensation of anchors is an assigner, not part of the network.
"""

from __future__ import annotations

from torch import nn

from pipeline.boxes.coder import BoxCoder
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.six_levels import (
    CONTEXTS,
    STRIDES,
    Head,
    SixLevelDetector,
    imagenet_rgb,
    square_anchors,
)
from pipeline.models.face_heads import FaceHeads
from pipeline.models.first_shot_head import FirstShot
from pipeline.models.low_pyramid import LowPyramid

# Peaks at 768 x 512 and 1024 x 1024 beside libraries: 414 and 751 MB; deep heads need about twice as much per pixel.
_MEMORY = MemoryNeed(fixed=300 * 2**20, per_pixel=540)
_MEMORY_DEEP = MemoryNeed(fixed=800 * 2**20, per_pixel=1040)


def hambox(
    *,
    depth: Depth = 50,
    head: Head = "ssh",
    deep_head: bool = False,
    pyramid_anchor: bool = False,
    anchor_scale: float = 1.0,
    shared_heads: bool = False,
    pretrained: bool = False,
) -> SixLevelDetector:
    """Returns HAMBox on ResNet with random weights.

    Args:
        depth: of the ResNet.
        head: block in front of the predictions: "plain", "ssh" or "cpm".
        deep_head: four convolutions with GroupNorm each for class and box; CRFace leaves it out.
        pyramid_anchor: auxiliary head for half-size anchors, for training only; CRFace leaves it out.
        anchor_scale: of the sides 16..512. CRFace speaks of a largest anchor of 512; HAMBox is said to have 0.68.
        shared_heads: one set of head weights for all levels.
        pretrained: ImageNet weights for the backbone.

    Raises:
        ValueError: a switch has no such value.
        OSError: the ImageNet weights cannot be had.
    """
    backbone = ResNet(depth, layers=(1, 2, 3, 4), pretrained=pretrained)
    return on_backbone(
        backbone,
        LowPyramid(backbone.channels),
        backbone.channels,
        head=head,
        deep_head=deep_head,
        pyramid_anchor=pyramid_anchor,
        anchor_scale=anchor_scale,
        shared_heads=shared_heads,
    )


def on_backbone(
    backbone: nn.Module,
    pyramid: nn.Module,
    channels: tuple[int, ...],
    *,
    head: Head,
    deep_head: bool,
    pyramid_anchor: bool,
    anchor_scale: float,
    shared_heads: bool,
    memory: MemoryNeed | None = None,
) -> SixLevelDetector:
    """Returns HAMBox on any backbone with four levels of those channels under any six-level pyramid of width 256.

    The other arguments and the errors are those of `hambox`.
    """
    if head not in CONTEXTS:
        raise ValueError(f"no head {head!r}; there are {', '.join(CONTEXTS)}")
    return SixLevelDetector(
        backbone,
        pyramid,
        FaceHeads([1] * len(STRIDES), context=CONTEXTS[head], deep=deep_head, shared=shared_heads),
        grid=square_anchors(anchor_scale),
        coder=BoxCoder(0.1, 0.2),
        normalisation=imagenet_rgb(),
        memory=memory or (_MEMORY_DEEP if deep_head else _MEMORY),
        first_shot=FirstShot(channels) if pyramid_anchor else None,
    )
