"""One image through each detector: milliseconds and peak memory, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from jobs.benchmarks.prerequisites import in_new_process
from jobs.benchmarks.results import Measured, Section, cores
from pipeline.data.canvas import Tile, parse_canvas, tiles
from pipeline.engine.shards import peak_memory_mb

if TYPE_CHECKING:
    from pipeline.models.detectors.detector import Detector


@dataclass(frozen=True, slots=True)
class Passes:
    """Measurements of one detector at one canvas.

    Attributes:
        seconds: median of the timed passes.
        peak_mb: largest resident memory of the process, or of the accelerator where there is one.
        tiles: side of the tiles in pixels, None for the whole canvas at once.
        share: of the canvas's work that was timed; the seconds are those of all of it.
    """

    seconds: float
    peak_mb: int
    tiles: int | None
    share: float = 1.0


def forward_section(
    names: Sequence[str],
    canvases: Sequence[str],
    passes: int,
    budget_gb: float | None,
    device: str,
    sampled: int | None = None,
) -> Section:
    """Returns one line of time and one of memory per detector and canvas.

    Args:
        names: entries of `DETECTORS`; random weights, which cost what trained ones do.
        canvases: as in `Predict.canvas`, seen by an image of 1024 x 683 noise.
        passes: timed, after one that is not.
        budget_gb: memory of one process on a CPU; canvases that need more are cut into tiles.
        device: "cpu" or "cuda".
        sampled: of a canvas in tiles, only so many are timed, spread over it, and the time of all is estimated by their
            area; an 8K image takes the largest detector half an hour. Without a line of memory.
    """
    import torch

    where = f"{cores()} threads, float32" if device == "cpu" else f"{torch.cuda.get_device_name()}, bfloat16"
    rows, notes = [], [f"random weights, one image of 1024 x 683 pixels, median of {passes} passes, {where}"]
    for name in names:
        for canvas in canvases:
            try:
                # Memory that one detector took would count for the next.
                done = in_new_process(time_passes, name, canvas, passes, budget_gb, device, sampled)
            except ValueError as error:  # a budget too small for it: the others are still measured
                notes.append(f"{name} at {canvas} was not measured: {error}")
                continue
            label = f"forward, {name} at {canvas}"
            rows.append(Measured(f"{label}, ms", 1000 * done.seconds))
            if done.share == 1:
                rows.append(Measured(f"{label}, MB at the peak", done.peak_mb))
            if done.tiles:
                part = "" if done.share == 1 else f", estimated from {done.share:.1%} of them"
                notes.append(f"{name} at {canvas} in tiles of {done.tiles} px for {budget_gb:g} GB{part}")
    return Section("forward", rows, notes)


def time_passes(
    name: str, canvas: str, passes: int, budget_gb: float | None, device: str, sampled: int | None = None
) -> Passes:
    """Returns the measurements of a detector with random weights, in a fresh process. See `forward_section`."""
    import torch

    from pipeline.inference.memory import tile_for_budget
    from pipeline.inference.predictor import Predictor
    from pipeline.models.detectors import DETECTORS

    torch.manual_seed(0)
    torch.set_num_threads(cores())
    detector, size = DETECTORS.find(name).build(), parse_canvas(canvas)
    image = np.random.default_rng(0).integers(0, 256, (683, 1024, 3), np.uint8)
    tile, (width, height) = None, size.size(1024, 683)
    if budget_gb is not None and device == "cpu":
        tile = tile_for_budget(detector, int(budget_gb * 2**30), width=width, height=height)
    settled(detector)  # not before it is known to fit
    if sampled is not None and tile is not None:
        every = tiles(width, height, tile, detector.receptive_halo, max(detector.strides))
        return _some_tiles(detector, every, sampled, tile)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    predictor = Predictor(detector, device, tile=tile, dtype=dtype)
    spent = []
    for _ in range(1 + passes):
        begun = time.perf_counter()
        predictor.candidates(image, size)  # ends with arrays on the host, so an accelerator has done its work
        spent.append(time.perf_counter() - begun)
    peak = peak_memory_mb() if device == "cpu" else torch.cuda.max_memory_allocated() // 2**20
    return Passes(median(spent[1:]), peak, tile)


def _some_tiles(detector: Detector, every: Sequence[Tile], sampled: int, side: int) -> Passes:
    """Returns the time of all tiles, estimated by area from some of them as images of their own."""
    from pipeline.inference.predictor import Predictor

    predictor, original = Predictor(detector), parse_canvas("original")
    sizes = [(y1 - y0, x1 - x0) for x0, y0, x1, y1 in (each.window for each in every)]
    picked = [sizes[int(index)] for index in np.linspace(0, len(sizes) - 1, min(sampled, len(sizes)))]
    rng, spent = np.random.default_rng(0), 0.0
    predictor.candidates(np.zeros((256, 256, 3), np.uint8), original)
    for size in picked:
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        begun = time.perf_counter()
        predictor.candidates(image, original)
        spent += time.perf_counter() - begun
    share = sum(map(prod, picked)) / sum(map(prod, sizes))
    return Passes(spent / share, peak_memory_mb(), side, share)


def settled(detector: Detector, side: int = 384) -> Detector:
    """Returns the detector after its norms have seen a batch: otherwise HRNet's random outputs overflow.

    Args:
        detector: with random weights; changed in place.
        side: of the two images, pixels.
    """
    import torch

    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    # Large enough for some cells on the coarsest level: of two, a norm learns nearly no variance, and divides by it.
    pixels = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8, device=next(detector.parameters()).device)
    with torch.no_grad():
        detector.train()(detector.normalisation(pixels).permute(0, 3, 1, 2))
    return detector.eval()
