"""All detectors by name, in one explicit table. Importing it costs nothing: torch is imported when one is built."""

from __future__ import annotations

from functools import partial

from pipeline.engine.registry import Registry
from pipeline.models.detectors.spec import DetectorSpec
from pipeline.models.lazy import Lazy
from pipeline.models.published_names import MOGFACE, RETINAFACE

_RETINAFACE, _HAMBOX, _MOGFACE = (f"{__name__}.{file}" for file in ("retinaface", "hambox", "mogface"))
_BASELINE = {
    "depth": 50,
    "hcam": (),
    "head": "plain",
    "deep_head": False,
    "pyramid_anchor": False,
    "shared_heads": False,
}
_RELEASED = {"hcam": (), "anchor_scale": 0.68, "repeat_first": True, "divide_twice": True}
_retinaface = partial(DetectorSpec, published_names=RETINAFACE)
_hambox = partial(DetectorSpec, assigner="hambox", objective="sigmoid")
_mogface = partial(DetectorSpec, objective="sigmoid", published_names=MOGFACE)

DETECTORS = Registry(
    "detector",
    {
        "retinaface_mobilenet": _retinaface(
            "RetinaFace, MobileNet-0.25, anchors 16..512, LeakyReLU (biubug6/Pytorch_Retinaface)",
            Lazy(_RETINAFACE, "retinaface_mobilenet"),
            content_hashes=frozenset({"2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"}),
        ),
        "retinaface_mobilenet_mb1": _retinaface(
            "RetinaFace, MobileNet-0.25, anchors 10..256, ReLU (biubug6/Face-Detector-1MB-with-landmark)",
            Lazy(_RETINAFACE, "retinaface_mobilenet", {"sizes": ((10, 20), (32, 64), (128, 256)), "slope": 0.0}),
            content_hashes=frozenset({"ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1"}),
        ),
        "retinaface_resnet50": _retinaface(
            "RetinaFace, ResNet-50, anchors 16..512 (biubug6/Pytorch_Retinaface)",
            Lazy(_RETINAFACE, "retinaface_resnet50"),
        ),
        "hambox_resnet50": _hambox(
            "HAMBox as in CRFace, ResNet-50, anchors 16..512, context block per level",
            Lazy(_HAMBOX, "HamBoxConfig"),
        ),
        "hrnet_w18": _hambox("HAMBox on HRNet-W18", Lazy(_HAMBOX, "HRNetConfig", {"width": 18})),
        "hrnet_w32": _hambox("HAMBox on HRNet-W32", Lazy(_HAMBOX, "HRNetConfig", {"width": 32})),
        "hrnet_w48": _hambox("HAMBox on HRNet-W48, CRFace's best", Lazy(_HAMBOX, "HRNetConfig", {"width": 48})),
        "mogface_baseline": _mogface(
            "MogFace's baseline, ResNet-50, anchors 16..512, one 3x3 head per level",
            Lazy(_MOGFACE, "MogFaceConfig", _BASELINE),
            "mogface",
        ),
        "mogface_hcam": _mogface(
            "the baseline with hierarchical context, N = 3 and 5",
            Lazy(_MOGFACE, "MogFaceConfig", {**_BASELINE, "hcam": (3, 5)}),
            "mogface",
        ),
        "mogface_mobilenet": _mogface(
            "a MogFace for two cores: MobileNet-0.25, maps of 64 channels, hierarchical context, one head per level",
            Lazy(_MOGFACE, "MogFaceMobileNetConfig"),
            "mogface",
        ),
        "mogface": _mogface(
            "MogFace as the paper reads: ResNet-101, hierarchical context, SSH and deep head, pyramid anchor",
            Lazy(_MOGFACE, "MogFaceConfig"),
            "ali_ams",
        ),
        "mogface_e": _mogface(
            "MogFace-E as the paper reads: MogFace on ResNet-152, trained with SSE",
            Lazy(_MOGFACE, "MogFaceConfig", {"depth": 152}),
            "ali_ams",
        ),
        "mogface_official": _mogface(
            "MogFace as released: ResNet-101, anchors 11..348, no hierarchical context",
            Lazy(_MOGFACE, "MogFaceConfig", _RELEASED),
            "mogface",
        ),
        "mogface_e_official": _mogface(
            "MogFace-E as released: blocks [3, 4, 36, 3], CPM head, anchors 11..348, no hierarchical context",
            Lazy(_MOGFACE, "MogFaceConfig", {**_RELEASED, "depth": "152-short", "head": "cpm"}),
            "mogface",
        ),
    },
)
