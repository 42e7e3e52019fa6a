"""One image through each detector: milliseconds and peak memory, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from jobs.benchmarks.measured import Measured, Section, cores
from pipeline.data.canvas import parse_canvas
from pipeline.engine.shards import peak_memory_mb

if TYPE_CHECKING:
    from pipeline.models.detectors.detector import Detector


@dataclass(frozen=True, slots=True)
class Passes:
    """What one detector did at one canvas.

    Attributes:
        seconds: median of the timed passes.
        peak_mb: largest resident memory of the process, or of the accelerator where there is one.
        tiles: side of the tiles in pixels, None for the whole canvas at once.
    """

    seconds: float
    peak_mb: int
    tiles: int | None


def forward_section(
    names: Sequence[str], canvases: Sequence[str], passes: int, budget_gb: float | None, device: str, command: str
) -> Section:
    """Returns one line of time and one of memory per detector and canvas.

    Args:
        names: entries of `DETECTORS`; random weights, which cost what trained ones do.
        canvases: as in `Predict.canvas`, seen by an image of 1024 x 683 noise.
        passes: timed, after one that is not.
        budget_gb: memory of one process on a CPU; canvases that need more are cut into tiles.
        device: "cpu" or "cuda".
        command: for the table.
    """
    rows, notes = [], [f"random weights, one image of 1024 x 683 pixels, median of {passes} passes, {_where(device)}"]
    for name in names:
        for canvas in canvases:
            # A process of its own: memory that one detector took would count for the next.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                done = pool.submit(time_passes, name, canvas, passes, budget_gb, device).result()
            label = f"forward, {name} at {canvas}"
            rows.append(Measured(f"{label}, ms", 1000 * done.seconds, None, None, command))
            rows.append(Measured(f"{label}, MB at the peak", done.peak_mb, None, None, command))
            if done.tiles:
                notes.append(f"{name} at {canvas} in tiles of {done.tiles} px for {budget_gb:g} GB")
    return Section("forward", rows, notes)


def time_passes(name: str, canvas: str, passes: int, budget_gb: float | None, device: str) -> Passes:
    """Returns what a detector of random weights did; to be called in a fresh process."""
    import torch

    from pipeline.inference.memory import tile_for_budget
    from pipeline.inference.predictor import Predictor
    from pipeline.models.detectors import detector_spec

    torch.manual_seed(0)
    torch.set_num_threads(cores())
    detector, size = _settled(detector_spec(name).build()), parse_canvas(canvas)
    image = np.random.default_rng(0).integers(0, 256, (683, 1024, 3), np.uint8)
    tile = None
    if budget_gb is not None and device == "cpu":
        width, height = size.size(1024, 683)
        tile = tile_for_budget(detector, int(budget_gb * 2**30), width=width, height=height)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    predictor = Predictor(detector, device, tile=tile, dtype=dtype)
    spent = []
    for _ in range(1 + passes):
        begun = time.perf_counter()
        predictor.candidates(image, size)  # ends with arrays on the host, so an accelerator has done its work
        spent.append(time.perf_counter() - begun)
    peak = peak_memory_mb() if device == "cpu" else torch.cuda.max_memory_allocated() // 2**20
    return Passes(median(spent[1:]), peak, tile)


def _settled(detector: Detector) -> Detector:
    """Returns the detector after its norms have seen a batch: without, HRNet's random answers overflow."""
    import torch

    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    pixels = torch.randint(0, 256, (2, 128, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        detector.train()(detector.normalisation(pixels).permute(0, 3, 1, 2))
    return detector.eval()


def _where(device: str) -> str:
    if device == "cpu":
        return f"{cores()} threads, float32"
    import torch

    return f"{torch.cuda.get_device_name()}, bfloat16"
