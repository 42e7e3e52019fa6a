"""All rankers by name, in one explicit table. Importing it costs nothing: torch is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.engine.registry import Registry
from pipeline.models.lazy import Lazy

if TYPE_CHECKING:
    from pipeline.models.rankers.ranker import Ranker


@dataclass(frozen=True, slots=True)
class RankerSpec:
    """One entry of `RANKERS`.

    Attributes:
        description: one line for a list of choices.
        build: makes it with random weights and a residual of 0; keyword arguments are its switches, those of its
            factory function.
    """

    description: str
    build: Callable[..., Ranker]


_CRFACE, _ROI = f"{__name__}.crface", f"{__name__}.roi"

RANKERS = Registry(
    "ranker",
    {
        "crface": RankerSpec(
            "CRFace as printed: ResNet-50, box branch, one correction per rank", Lazy(_CRFACE, "CRFaceResNet")
        ),
        "crface_mobilenet": RankerSpec(
            "CRFace's small ranker: MobileNet-0.25, everything 64 wide", Lazy(_CRFACE, "CRFaceMobileNet")
        ),
        "roi": RankerSpec(
            "ours: reads every box (RoIAlign) and its neighbours; ResNet-50 as in RetinaFace",
            Lazy(_ROI, "RoIResNet"),
        ),
        "roi_mobilenet": RankerSpec(
            "ours on MobileNet-0.25, which may start from RetinaFace's weights",
            Lazy(_ROI, "RoIMobileNet"),
        ),
    },
)
