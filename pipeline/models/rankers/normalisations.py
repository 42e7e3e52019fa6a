"""How a ranker's image is normalised: a body that was trained elsewhere wants the pixels it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from pipeline.models.detectors.detector import Normalisation
from pipeline.models.detectors.six_levels import imagenet_rgb

Pixels = Literal["imagenet", "retinaface"]

PIXELS: Final[Mapping[str, Normalisation]] = MappingProxyType(
    {
        "imagenet": imagenet_rgb(),
        "retinaface": Normalisation((104.0, 117.0, 123.0)),  # not divided
    }
)


def pixels_named(name: str) -> Normalisation:
    """Returns the entry of `PIXELS`.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in PIXELS:
        raise ValueError(f"no pixels {name!r}; there are {', '.join(PIXELS)}")
    return PIXELS[name]
