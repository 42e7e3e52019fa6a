"""MogFace: an S3FD-like baseline on ResNet, hierarchical context (HCAM), and the heads of its final models.

Liu et al., "MogFace: Towards a Deeper Appreciation on Face Detection" (CVPR 2022). Ali-AMS and SSE, its two other
parts, are matters of training. The defaults follow the paper; ``official`` arguments reproduce the released code, which
differs: no released configuration combines HCAM with the final heads.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from pipeline.boxes.coder import BoxCoder
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.six_levels import (
    CONTEXTS,
    STRIDES,
    Decides,
    Head,
    SixLevelDetector,
    imagenet_rgb,
    square_anchors,
)
from pipeline.models.face_heads import FaceHeads
from pipeline.models.first_shot_head import FirstShot
from pipeline.models.hierarchical_context import HierarchicalContext
from pipeline.models.low_pyramid import LowPyramid


def mogface(
    *,
    depth: Depth = 101,
    hcam: Sequence[int] = (3, 5),
    head: Head = "ssh",
    deep_head: bool = True,
    pyramid_anchor: bool = True,
    anchor_scale: float = 1.0,
    shared_heads: bool = True,
    decides: Decides | None = None,
    threshold: float = 0.1,
    repeat_first: bool = False,
    divide_twice: bool = False,
    pretrained: bool = False,
) -> SixLevelDetector:
    """Returns MogFace with random weights; every ablation of the paper is an argument.

    Args:
        depth: of the ResNet, see `ResNet`; "152-short" is what the released code calls 152.
        hcam: neighbourhoods N of HCAM in cells: (), (3,), (5,) or (3, 5) (Table 5).
        head: block in front of the predictions: "plain" for none, "ssh", or "cpm" as released for MogFace-E.
        deep_head: four convolutions with GroupNorm each for class and box.
        pyramid_anchor: auxiliary head for half-size anchors, for training only.
        anchor_scale: of the sides 16..512; 0.68 in the released final models.
        shared_heads: one set of head weights for all levels; the baseline has one per level.
        decides: see `SixLevelDetector`; by default "where_masked" with HCAM and "main" without. The paper implies that
            the progressive classifier decides; the released test uses "main" always.
        threshold: of HCAM's masks, see `HierarchicalContext`.
        repeat_first: the deep head applies its first convolution four times, as released.
        divide_twice: see `imagenet_rgb`; official checkpoints need it.
        pretrained: ImageNet weights for the backbone.

    Raises:
        ValueError: a switch has no such value, or they contradict each other.
        OSError: the ImageNet weights cannot be had.
    """
    backbone = ResNet(depth, layers=(1, 2, 3, 4), pretrained=pretrained)
    return on_backbone(
        backbone,
        backbone.channels,
        hcam=hcam,
        head=head,
        deep_head=deep_head,
        pyramid_anchor=pyramid_anchor,
        anchor_scale=anchor_scale,
        shared_heads=shared_heads,
        decides=decides,
        threshold=threshold,
        repeat_first=repeat_first,
        divide_twice=divide_twice,
        memory=_memory(head, deep_head, bool(hcam)),
    )


def mogface_baseline(
    *,
    depth: Depth = 50,
    hcam: Sequence[int] = (),
    head: Head = "plain",
    deep_head: bool = False,
    pyramid_anchor: bool = False,
    anchor_scale: float = 1.0,
    shared_heads: bool = False,
    decides: Decides | None = None,
    threshold: float = 0.1,
    divide_twice: bool = False,
    pretrained: bool = False,
) -> SixLevelDetector:
    """Returns the detector of the paper's ablations: one plain 3x3 convolution per level, class and box.

    Arguments and errors are those of `mogface`.
    """
    return mogface(
        depth=depth,
        hcam=hcam,
        head=head,
        deep_head=deep_head,
        pyramid_anchor=pyramid_anchor,
        anchor_scale=anchor_scale,
        shared_heads=shared_heads,
        decides=decides,
        threshold=threshold,
        divide_twice=divide_twice,
        pretrained=pretrained,
    )


def mogface_official(
    *, depth: Depth = 101, head: Head = "ssh", divide_twice: bool = True, pretrained: bool = False
) -> SixLevelDetector:
    """Returns the network of the released checkpoints: no HCAM, anchors times 0.68, one convolution per deep head.

    Args:
        depth: 101, or "152-short" for MogFace-E.
        head: "ssh", or "cpm" for MogFace-E.
        divide_twice: see `imagenet_rgb`.
        pretrained: ImageNet weights for the backbone.
    """
    return mogface(
        depth=depth,
        hcam=(),
        head=head,
        anchor_scale=0.68,
        repeat_first=True,
        divide_twice=divide_twice,
        pretrained=pretrained,
    )


def on_backbone(
    backbone: nn.Module,
    channels: Sequence[int],
    *,
    hcam: Sequence[int],
    head: Head,
    deep_head: bool,
    pyramid_anchor: bool,
    anchor_scale: float,
    shared_heads: bool,
    decides: Decides | None,
    threshold: float,
    memory: MemoryNeed,
    width: int = 256,
    norms: bool = False,
    repeat_first: bool = False,
    divide_twice: bool = False,
) -> SixLevelDetector:
    """Returns MogFace on any backbone with four levels of those channels.

    ``width`` is that of every map behind the backbone, ``norms`` are those of `LowPyramid`; the other arguments and
    the errors are those of `mogface`.
    """
    if head not in CONTEXTS:
        raise ValueError(f"no head {head!r}; there are {', '.join(CONTEXTS)}")
    anchors = [1] * len(STRIDES)
    return SixLevelDetector(
        backbone,
        LowPyramid(channels, width, norms=norms),
        FaceHeads(anchors, width, context=CONTEXTS[head], deep=deep_head, repeat=repeat_first, shared=shared_heads),
        grid=square_anchors(anchor_scale),
        coder=BoxCoder(1, 1, pixel_inclusive=True),
        normalisation=imagenet_rgb(divide_twice=divide_twice),
        memory=memory,
        hierarchical=HierarchicalContext(channels, width, neighbourhoods=hcam, threshold=threshold) if hcam else None,
        decides=decides or ("where_masked" if hcam else "main"),
        first_shot=FirstShot(channels, width) if pyramid_anchor else None,
    )


def _memory(head: Head, deep_head: bool, hcam: bool) -> MemoryNeed:
    # Peaks beside libraries: baseline 469 and 790 MB at 1024 x 768 and 1536 x 1024, with HCAM 562 and 973; SSH and deep
    # head 701 and 1185 at 384 x 384 and 1024 x 768; CPM and deep head 884 and 1371 at 1024 x 768 and 1536 x 1024.
    # Small images need what building the network needs.
    per_pixel = 440 if head == "plain" else 540
    if deep_head:
        per_pixel += 500 if head == "ssh" else 150  # its maps have 512 channels behind SSH, else 256
    if hcam:
        per_pixel += 120
    return MemoryNeed(fixed=(650 if deep_head else 300) * 2**20, per_pixel=per_pixel)
