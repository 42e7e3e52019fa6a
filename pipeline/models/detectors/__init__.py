"""All detectors by name, in one explicit table. Importing it costs nothing: torch is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.models.detectors.detector import Detector


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """One entry of `DETECTORS`.

    Attributes:
        description: one line for a list of choices.
        build: makes it with random weights.
        digests: SHA-256 of published checkpoint files that hold weights of exactly this detector.
    """

    description: str
    build: Callable[[], Detector]
    digests: frozenset[str] = frozenset()


def _retinaface_mobilenet() -> Detector:
    from pipeline.models.detectors import retinaface

    return retinaface.retinaface_mobilenet()


def _retinaface_mobilenet_mb1() -> Detector:
    from pipeline.models.detectors import retinaface

    return retinaface.retinaface_mobilenet(sizes=retinaface.ONE_MEGABYTE_SIZES, slope=0.0)


def _retinaface_resnet50() -> Detector:
    from pipeline.models.detectors import retinaface

    return retinaface.retinaface_resnet50()


DETECTORS: Mapping[str, DetectorSpec] = MappingProxyType(
    {
        "retinaface_mobilenet": DetectorSpec(
            "RetinaFace, MobileNet-0.25, anchors 16..512, LeakyReLU (biubug6/Pytorch_Retinaface)",
            _retinaface_mobilenet,
            frozenset({"2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"}),
        ),
        "retinaface_mobilenet_mb1": DetectorSpec(
            "RetinaFace, MobileNet-0.25, anchors 10..256, ReLU (biubug6/Face-Detector-1MB-with-landmark)",
            _retinaface_mobilenet_mb1,
            frozenset({"ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1"}),
        ),
        "retinaface_resnet50": DetectorSpec(
            "RetinaFace, ResNet-50, anchors 16..512 (biubug6/Pytorch_Retinaface)",
            _retinaface_resnet50,
        ),
    }
)


def detector_spec(name: str) -> DetectorSpec:
    """Returns the entry of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in DETECTORS:
        raise ValueError(f"no detector {name!r}; there are {', '.join(sorted(DETECTORS))}")
    return DETECTORS[name]
