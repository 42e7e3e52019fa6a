"""The parts of a GPU day in order of worth, and how many seconds each may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from jobs.gpu.figures import Figures

DETECTORS = ("retinaface_mobilenet", "retinaface_resnet50", "hambox_resnet50", "hrnet_w48", "mogface")
RANKERS = ("crface", "crface_mobilenet", "roi", "roi_mobilenet")


@dataclass(frozen=True, slots=True)
class Setting:
    """Common arguments of the parts.

    Attributes:
        device: "cuda" or "cpu".
        tiny: sizes that two cores finish in seconds; figures of such a run mean nothing.
        shared: folder of real data, or None for drawn images.
        folder: of the day, for large outputs.
    """

    device: str
    tiny: bool
    shared: Path | None
    folder: Path


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of `PARTS`.

    Attributes:
        seconds: time limit; figures measured before it stay.
        module: of this package, imported when the part runs.
        function: in it; takes a `Setting`, `Figures` and `about`.
        tiny: whether it is run at tiny sizes; False where another part differs in a name only.
    """

    seconds: int
    module: str
    function: str
    about: tuple[str, ...] = ()
    tiny: bool = True

    def run(self, setting: Setting, figures: Figures) -> None:
        """Runs it in this process."""
        getattr(import_module(f"jobs.gpu.{self.module}"), self.function)(setting, figures, *self.about)


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "right": Part(210, "right", "right"),
        "dump-retinaface_mobilenet": Part(110, "dumping", "dump", ("retinaface_mobilenet",)),
        "real": Part(90, "right", "real"),
        "pipeline-1024": Part(120, "pipeline", "pipeline", ("1024", "cuda_graph", "retinaface_mobilenet")),
        "pipeline-8k": Part(90, "pipeline", "pipeline", ("8k", "torch", "retinaface_resnet50"), tiny=False),
        **{f"dump-{name}": Part(90, "dumping", "dump", (name,), tiny=False) for name in DETECTORS[1:]},
        **{f"rank-{name}": Part(25, "ranking", "rank", (name,), name == "crface_mobilenet") for name in RANKERS},
        "train-mogface_baseline": Part(130, "training", "train", ("mogface_baseline",)),
        "train-crface": Part(200, "training", "train", ("crface",)),
        "train-hrnet_w48": Part(110, "training", "train", ("hrnet_w48",), tiny=False),
        "train-mogface": Part(110, "training", "train", ("mogface",), tiny=False),
        "learn-mogface_baseline": Part(240, "learning", "learn", ("mogface_baseline",)),
        "learn-roi": Part(300, "learning", "learn", ("roi",)),
    }
)
