"""The small MogFace: every switch of the large one, narrow everywhere, and what its tiles need around them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.six_levels import SixLevelDetector
from pipeline.models.init import without_weights
from tests.models.reach import farthest_pixel, only_positive_weights


def meta(**model_args: object) -> SixLevelDetector:
    with without_weights():
        return DETECTORS["mogface_mobilenet"].build(**model_args)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", ["plain", "ssh", "cpm"])
@pytest.mark.parametrize("deep_head", [False, True])
@pytest.mark.parametrize("width", [16, 64])
def test_every_head_at_every_width(head: str, deep_head: bool, width: int) -> None:
    detector = meta(head=head, deep_head=deep_head, width=width, pyramid_anchor=True, shared_heads=deep_head)
    raw = detector.train()(torch.zeros(2, 3, 40, 50, device="meta"))
    anchors = detector.grid.count(40, 50)
    assert raw.boxes.shape == raw.first_shot.boxes.shape == (2, anchors, 4)
    assert raw.logits.shape == raw.progressive.shape == (2, anchors, 1)
    assert detector.whole_image_statistics is deep_head


def test_nothing_is_wider_than_the_width_asks() -> None:
    """The pyramid's C6 has twice the width; behind it nothing has more than the width."""
    detector = meta(width=32, pyramid_anchor=True)
    behind = (detector.pyramid, detector.heads, detector.hierarchical, detector.first_shot)
    channels = {conv.out_channels for part in behind for conv in part.modules() if isinstance(conv, nn.Conv2d)}
    assert channels == {64, 32, 16, 4, 1}
    assert meta(backbone_width=0.5).backbone.channels == (64, 128, 256, 512)


def test_switches_are_those_of_the_large_ones() -> None:
    plain = meta(hcam=(), anchor_scale=0.5)
    assert plain.hierarchical is None
    assert plain.decides == "main"
    assert plain.grid.sizes[0] == (8.0,)
    both = meta(hcam=(3,), decides="product", threshold=0.3)
    assert both.hierarchical.neighbourhoods == (3,)
    assert both.hierarchical.threshold == 0.3
    assert both.decides == "product"
    with pytest.raises(ValueError, match="width is 40, expected a multiple of 16"):
        meta(width=40)


@pytest.mark.parametrize("norms", [False, True])
def test_norms_of_the_pyramid_are_a_switch(norms: bool) -> None:
    names = meta(norms=norms).state_dict()
    assert ("pyramid.smooths.0.norm.running_var" in names) is norms
    assert ("pyramid.smooths.0.bias" in names) is not norms


@pytest.mark.parametrize(
    ("model_args", "height", "width", "measured"),
    [
        ({}, 512, 512, 64),
        ({}, 2048, 2048, 556),
        ({"hcam": ()}, 1024, 1536, 163),
        ({"width": 128}, 1024, 1536, 348),
        ({"backbone_width": 0.5}, 1024, 1536, 289),
        ({"head": "cpm"}, 1024, 1536, 294),
        ({"head": "ssh", "deep_head": True}, 1024, 1536, 434),
    ],
)
def test_memory_is_what_was_measured(model_args: dict[str, object], height: int, width: int, measured: int) -> None:
    """Peaks beside libraries in MB, of the copy for inference."""
    need = meta(**model_args).memory
    assert measured <= (need.fixed + need.per_pixel * height * width) / 2**20 < 1.4 * measured


def test_no_pixel_beyond_the_halo_reaches_it() -> None:
    """509 pixels on the coarsest level, so 512 is the least multiple of 128 that holds them."""
    detector = DETECTORS["mogface_mobilenet"].build(hcam=()).eval().double()
    only_positive_weights(detector)
    assert farthest_pixel(detector, torch.ones(1, 3, 1, 128 * 10, dtype=torch.float64, requires_grad=True)) == 509
    assert detector.receptive_halo == 512
