"""The detector of CRFace's best rows: HAMBox with its backbone changed to HRNet."""

from __future__ import annotations

from typing import Literal

from torch import nn

from pipeline.models.backbones.hrnet import HRNet
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.hambox import on_backbone
from pipeline.models.detectors.six_levels import Head, SixLevelDetector
from pipeline.models.low_pyramid import FlatPyramid, LowPyramid

# MiB fixed and bytes per pixel. Peaks beside libraries at 768 x 512 and 1024 x 1024: W18 362 and 600 MB, W32 462 and
# 747, W48 766 and 923, and 1168 at 1536 x 1024.
_MEMORY = {18: (250, 400), 32: (320, 460), 48: (650, 490)}
_DEEP_PER_PIXEL = 500


def hrnet(
    *,
    width: int = 48,
    pyramid: Literal["low", "v2p"] = "low",
    head: Head = "ssh",
    deep_head: bool = False,
    pyramid_anchor: bool = False,
    anchor_scale: float = 1.0,
    shared_heads: bool = False,
    pretrained: bool = False,
) -> SixLevelDetector:
    """Returns HAMBox on HRNet with random weights.

    Args:
        width: of HRNet: 18, 32 or 48.
        pyramid: "low" treats the four branches as C2..C5 of a ResNet, which changes least; "v2p" is HRNet's own.
        head: see `hambox`, like the rest.
        deep_head: see `hambox`.
        pyramid_anchor: see `hambox`.
        anchor_scale: see `hambox`.
        shared_heads: see `hambox`.
        pretrained: ImageNet weights for the backbone.

    Raises:
        ValueError: a switch has no such value.
        OSError: the ImageNet weights cannot be had.
    """
    makers: dict[str, type[LowPyramid | FlatPyramid]] = {"low": LowPyramid, "v2p": FlatPyramid}
    if pyramid not in makers:
        raise ValueError(f"no pyramid {pyramid!r}; there are {', '.join(makers)}")
    backbone = HRNet(width, pretrained=pretrained)
    neck: nn.Module = makers[pyramid](backbone.channels)
    fixed, per_pixel = _MEMORY[width]
    if deep_head:
        per_pixel += _DEEP_PER_PIXEL
    return on_backbone(
        backbone,
        neck,
        backbone.channels,
        head=head,
        deep_head=deep_head,
        pyramid_anchor=pyramid_anchor,
        anchor_scale=anchor_scale,
        shared_heads=shared_heads,
        memory=MemoryNeed(fixed=fixed * 2**20, per_pixel=per_pixel),
    )
