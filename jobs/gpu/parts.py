"""The parts of a GPU day in order of worth, and how many seconds each may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from jobs.gpu.figures import Figures

DETECTORS = ("retinaface_mobilenet", "retinaface_resnet50", "hambox_resnet50", "hrnet_w48", "mogface")
RANKERS = ("crface", "crface_mobilenet", "roi", "roi_mobilenet")


@dataclass(frozen=True, slots=True)
class Setting:
    """What every part is given.

    Attributes:
        device: "cuda" or "cpu".
        tiny: run everything at sizes that two cores finish in seconds; no figure of such a run means anything.
        shared: folder of real data, or None for drawn images.
        folder: of the day; parts write what is large below it.
    """

    device: str
    tiny: bool
    shared: Path | None
    folder: Path


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of `PARTS`.

    Attributes:
        seconds: it may take; then it is ended, and what it has measured stays.
        run: the part; imports what it needs.
    """

    seconds: int
    run: Callable[[Setting, Figures], None]


def _right(setting: Setting, figures: Figures) -> None:
    from jobs.gpu.right import right

    right(setting, figures)


def _real(setting: Setting, figures: Figures) -> None:
    from jobs.gpu.real import real

    real(setting, figures)


def _pipeline(canvas: str) -> Callable[[Setting, Figures], None]:
    def run(setting: Setting, figures: Figures) -> None:
        from jobs.gpu.pipeline import pipeline

        pipeline(setting, figures, canvas)

    return run


def _dump(name: str) -> Callable[[Setting, Figures], None]:
    def run(setting: Setting, figures: Figures) -> None:
        from jobs.gpu.networks import dump

        dump(setting, figures, name)

    return run


def _rank(name: str) -> Callable[[Setting, Figures], None]:
    def run(setting: Setting, figures: Figures) -> None:
        from jobs.gpu.networks import rank

        rank(setting, figures, name)

    return run


def _train(name: str) -> Callable[[Setting, Figures], None]:
    def run(setting: Setting, figures: Figures) -> None:
        from jobs.gpu.training import train

        train(setting, figures, name)

    return run


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "right": Part(150, _right),
        "dump-retinaface_mobilenet": Part(40, _dump("retinaface_mobilenet")),
        "real": Part(90, _real),
        "pipeline-1024": Part(60, _pipeline("1024")),
        "pipeline-8k": Part(60, _pipeline("8k")),
        **{f"dump-{name}": Part(50, _dump(name)) for name in DETECTORS[1:]},
        **{f"rank-{name}": Part(25, _rank(name)) for name in RANKERS},
        "train-mogface_baseline": Part(75, _train("mogface_baseline")),
        "train-crface": Part(90, _train("crface")),
        "train-hrnet_w48": Part(75, _train("hrnet_w48")),
        "train-mogface": Part(75, _train("mogface")),
    }
)
