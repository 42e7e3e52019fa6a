"""Which device and engine a command or a script runs on, and a detector made ready there."""

from __future__ import annotations

import torch

from pipeline.inference.engines import ENGINES, fastest, require_engine
from pipeline.inference.memory import MachineTiles
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors.detector import Detector


def choose_device(name: str) -> str:
    """Returns "cpu" or "cuda".

    Args:
        name: one of these, or "auto": a GPU where there is one.

    Raises ValueError: another name, or there is no GPU.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device {name}: expected auto, cpu or cuda")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ValueError("device cuda: torch sees no CUDA device here; choose cpu or auto")
    return "cuda" if there and name != "cpu" else "cpu"


def choose_engine(name: str, device: str) -> str:
    """Returns the name of an installed engine.

    Args:
        name: entry of `ENGINES`, or "auto" for the fastest one that is installed.
        device: "cpu" or "cuda".

    Raises ValueError: there is no such engine, it is not for that device, or its packages are missing.
    """
    chosen = fastest(device) if name == "auto" else name
    require_engine(chosen, "float32", device)
    return chosen


def predictor_of_any_size(detector: Detector, device: str, engine: str) -> Predictor:
    """Returns the detector made ready for images of any size; on a CPU in tiles that fit into this machine.

    Its only process is this one: a lack of memory on a CPU would end it. The tiles give the boxes of the whole canvas,
    up to rounding.

    Args:
        detector: trained.
        device: of `choose_device`.
        engine: of `choose_engine`.
    """
    tiles = MachineTiles(detector, ENGINES.find(engine).memory) if device == "cpu" else None
    return Predictor(detector, device, engine=engine, tile=tiles)
