"""All detectors by name, in one explicit table. Importing it costs nothing: torch is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING

from pipeline.engine.registry import Registry

if TYPE_CHECKING:
    from pipeline.models.detectors.detector import Detector


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """One entry of `DETECTORS`.

    Attributes:
        description: one line for a list of choices.
        build: makes it with random weights; keyword arguments are its switches, those of its factory function.
        digests: SHA-256 of published checkpoint files that hold weights of exactly this detector.
    """

    description: str
    build: Callable[..., Detector]
    digests: frozenset[str] = frozenset()


def _lazy(module: str, factory: str, **presets: object) -> Callable[..., Detector]:
    """Returns a maker that imports its module when called; switches given then go before the presets.

    It raises ValueError where there is no such switch.
    """

    def build(**model_args: object) -> Detector:
        function: Callable[..., Detector] = getattr(import_module(f"{__name__}.{module}"), factory)
        known = signature(function).parameters
        if unknown := sorted(model_args.keys() - known.keys()):
            raise ValueError(f"{factory} has no switch {', '.join(unknown)}; there are {', '.join(known)}")
        return function(**{**presets, **model_args})

    return build


DETECTORS = Registry(
    "detector",
    {
        "retinaface_mobilenet": DetectorSpec(
            "RetinaFace, MobileNet-0.25, anchors 16..512, LeakyReLU (biubug6/Pytorch_Retinaface)",
            _lazy("retinaface", "retinaface_mobilenet"),
            frozenset({"2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"}),
        ),
        "retinaface_mobilenet_mb1": DetectorSpec(
            "RetinaFace, MobileNet-0.25, anchors 10..256, ReLU (biubug6/Face-Detector-1MB-with-landmark)",
            _lazy("retinaface", "retinaface_mobilenet", sizes=((10, 20), (32, 64), (128, 256)), slope=0.0),
            frozenset({"ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1"}),
        ),
        "retinaface_resnet50": DetectorSpec(
            "RetinaFace, ResNet-50, anchors 16..512 (biubug6/Pytorch_Retinaface)",
            _lazy("retinaface", "retinaface_resnet50"),
        ),
        "hambox_resnet50": DetectorSpec(
            "HAMBox as in CRFace, ResNet-50, anchors 16..512, context block per level",
            _lazy("hambox", "hambox"),
        ),
        "hrnet_w18": DetectorSpec("HAMBox on HRNet-W18", _lazy("hrnet", "hrnet", width=18)),
        "hrnet_w32": DetectorSpec("HAMBox on HRNet-W32", _lazy("hrnet", "hrnet", width=32)),
        "hrnet_w48": DetectorSpec("HAMBox on HRNet-W48, CRFace's best", _lazy("hrnet", "hrnet", width=48)),
        "mogface_baseline": DetectorSpec(
            "MogFace's baseline, ResNet-50, anchors 16..512, one 3x3 head per level",
            _lazy("mogface", "mogface_baseline"),
        ),
        "mogface_hcam": DetectorSpec(
            "the baseline with hierarchical context, N = 3 and 5",
            _lazy("mogface", "mogface_baseline", hcam=(3, 5)),
        ),
        "mogface_mobilenet": DetectorSpec(
            "a MogFace for two cores: MobileNet-0.25, maps of 64 channels, hierarchical context, one head per level",
            _lazy("mogface_mobilenet", "mogface_mobilenet"),
        ),
        "mogface": DetectorSpec(
            "MogFace as the paper reads: ResNet-101, hierarchical context, SSH and deep head, pyramid anchor",
            _lazy("mogface", "mogface"),
        ),
        "mogface_e": DetectorSpec(
            "MogFace-E as the paper reads: MogFace on ResNet-152, trained with SSE",
            _lazy("mogface", "mogface", depth=152),
        ),
        "mogface_official": DetectorSpec(
            "MogFace as released: ResNet-101, anchors 11..348, no hierarchical context",
            _lazy("mogface", "mogface_official"),
        ),
        "mogface_e_official": DetectorSpec(
            "MogFace-E as released: blocks [3, 4, 36, 3], CPM head, anchors 11..348, no hierarchical context",
            _lazy("mogface", "mogface_official", depth="152-short", head="cpm"),
        ),
    },
)
