"""All rankers by name, in one explicit table. Importing it costs nothing: torch is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING

from pipeline.engine.registry import Registry

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


def _lazy(module: str, factory: str) -> Callable[..., Ranker]:
    """Returns a maker that imports its module when called; it raises ValueError where there is no such switch."""

    def build(**model_args: object) -> Ranker:
        function: Callable[..., Ranker] = getattr(import_module(f"{__name__}.{module}"), factory)
        known = signature(function).parameters
        if unknown := sorted(model_args.keys() - known.keys()):
            raise ValueError(f"{factory} has no switch {', '.join(unknown)}; there are {', '.join(known)}")
        return function(**model_args)

    return build


RANKERS = Registry(
    "ranker",
    {
        "crface": RankerSpec(
            "CRFace as printed: ResNet-50, box branch, one correction per rank", _lazy("crface", "crface")
        ),
        "crface_mobilenet": RankerSpec(
            "CRFace's small ranker: MobileNet-0.25, everything 64 wide", _lazy("crface", "crface_mobilenet")
        ),
        "roi": RankerSpec(
            "ours: looks at every box (RoIAlign) and its neighbours; ResNet-50 as in RetinaFace", _lazy("roi", "roi")
        ),
        "roi_mobilenet": RankerSpec(
            "ours on MobileNet-0.25, which may start from RetinaFace's weights", _lazy("roi", "roi_mobilenet")
        ),
    },
)
