"""Time of an image of a new size beside one of a known size: WIDER FACE has hundreds of sizes."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch

from jobs.benchmarks.forward import settled
from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting
from pipeline.data.canvas import Canvas
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors import DETECTORS

NAME = "retinaface_mobilenet"


def new_sizes(setting: Setting, figures: Figures) -> None:
    """Measures the first and second pass over several heights, with and without a common canvas."""
    torch.manual_seed(0)
    detector = settled(DETECTORS.find(NAME).build().to(setting.device)).cpu()
    heights = range(30, 36, 2) if setting.tiny else range(501, 549, 6)
    for label, pads in (("any height", False), ("padded", True)):
        predictor = Predictor(detector, setting.device, dtype=torch.bfloat16, pads=pads)
        _passes(setting, figures, predictor, f"bfloat16, {label}", heights)


def _passes(setting: Setting, figures: Figures, predictor: Predictor, label: str, heights: range) -> None:
    width = 64 if setting.tiny else 1024
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), np.uint8) for height in heights]
    for look in ("first", "second"):
        spent = [_seconds(predictor, image) for image in images]
        note = f"{len(images)} sizes, worst {max(spent):.3f} s"
        figures.add(f"{label}, {look} look", 1000 * median(spent), "ms", note)


def _seconds(predictor: Predictor, image: np.ndarray) -> float:  # type: ignore[type-arg]
    begun = time.perf_counter()
    predictor.candidates(image, Canvas(image.shape[1]))
    return time.perf_counter() - begun
