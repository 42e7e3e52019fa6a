"""How a ranker's image is normalised: a body that was trained elsewhere wants the pixels it was trained with."""

from __future__ import annotations

from typing import Literal

from pipeline.engine.registry import Registry
from pipeline.models.detectors.detector import Normalisation
from pipeline.models.detectors.six_levels import imagenet_rgb

Pixels = Literal["imagenet", "retinaface"]

PIXELS = Registry(
    "way to normalise pixels",
    {
        "imagenet": imagenet_rgb(),
        "retinaface": Normalisation((104.0, 117.0, 123.0)),  # not divided
    },
)
