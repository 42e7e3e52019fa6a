"""A MogFace for two cores: every part of it, narrow, on MobileNet; not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.blocks import rectifier
from pipeline.models.detectors.detector import MemoryNeed
from pipeline.models.detectors.mogface import on_backbone
from pipeline.models.detectors.six_levels import Decides, Head, SixLevelDetector


def mogface_mobilenet(
    *,
    width: int = 64,
    backbone_width: float = 0.25,
    norms: bool = True,
    hcam: Sequence[int] = (3, 5),
    head: Head = "plain",
    deep_head: bool = False,
    pyramid_anchor: bool = False,
    anchor_scale: float = 1.0,
    shared_heads: bool = False,
    decides: Decides | None = None,
    threshold: float = 0.1,
) -> SixLevelDetector:
    """Returns the small MogFace with random weights.

    Args:
        width: channels of pyramid, context and heads, a multiple of 16; 256 in the large ones.
        backbone_width: multiplies MobileNet's channels.
        norms: batch norms in the pyramid, see `LowPyramid`; the large ones have none.
        hcam: see `mogface`, like the rest.
        head: see `mogface`.
        deep_head: see `mogface`.
        pyramid_anchor: see `mogface`.
        anchor_scale: see `mogface`.
        shared_heads: see `mogface`.
        decides: see `mogface`.
        threshold: see `mogface`.

    Raises:
        ValueError: a switch has no such value, or they contradict each other.
    """
    if width < 16 or width % 16:
        raise ValueError(f"width is {width}, expected a multiple of 16")
    backbone = MobileNetV1(backbone_width, activation=rectifier(), finest=4)
    return on_backbone(
        backbone,
        backbone.channels,
        width=width,
        norms=norms,
        hcam=hcam,
        head=head,
        deep_head=deep_head,
        pyramid_anchor=pyramid_anchor,
        anchor_scale=anchor_scale,
        shared_heads=shared_heads,
        decides=decides,
        threshold=threshold,
        memory=_memory(width / 64, backbone_width, head, deep_head, bool(hcam)),
    )


def _memory(share: float, backbone_width: float, head: Head, deep_head: bool, hcam: bool) -> MemoryNeed:
    # Peaks beside libraries, in MB at 1536 x 1024: 209; without context 163, SSH 222, CPM 294, SSH and deep head 434,
    # width 128 348, backbone twice as wide 289. As it is, 64, 138 and 556 at 512 x 512, 1024 x 768 and 2048 x 2048.
    behind = 60 + 30 * hcam + 40 * (head != "plain") + 70 * deep_head
    fixed = 50 + 70 * share**2 * deep_head
    return MemoryNeed(fixed=int(fixed * 2**20), per_pixel=int(200 * backbone_width + share * behind))
