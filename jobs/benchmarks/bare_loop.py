"""The peer of the pipeline: the same network over images that lie decoded in memory, and nothing else.

Every process loads the network and decodes all images before the clock starts; then the processes take the next image
from a common counter until none is left. No file, no row, no shard and no Ray; enlarging to the canvas is part of the
model's work, as it is in the pipeline.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.canvas import parse_canvas
from pipeline.data.images import decode
from pipeline.engine.shards import peak_memory_mb

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Model:
    """What is run.

    Attributes:
        weights: checkpoint file.
        detector: entry of `DETECTORS`, or None where the checkpoint tells it.
        canvas: as in `Predict.canvas`.
        top: candidates kept per image.
    """

    weights: Path
    detector: str | None
    canvas: str
    top: int = 5000


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast some images went through.

    Attributes:
        images: how many.
        seconds: from the first process that began to the last that ended, start-up left out.
        peak_mb: largest resident memory of one process.
        cpu_seconds: of all processes together in that time.
    """

    images: int
    seconds: float
    peak_mb: int
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@dataclass
class _Share:
    """What one process holds, handed from its preparation to its loop."""

    predictor: Predictor
    images: list[NDArray[np.uint8]]
    model: Model
    start_together: Any
    next_image: Any


_share: _Share | None = None


def bare_loop(model: Model, files: Sequence[Path], processes: int, threads: int) -> Pace:
    """Returns the pace of the network alone.

    Args:
        model: to be run.
        files: images; every process holds all of them.
        processes: that work side by side.
        threads: of each.

    Raises:
        concurrent.futures.process.BrokenProcessPool: a process could not prepare itself.
    """
    spawn = multiprocessing.get_context("spawn")
    shared = (spawn.Barrier(processes), spawn.Value("q", 0))
    with ProcessPoolExecutor(processes, spawn, _prepare, (model, list(files), threads, *shared)) as pool:
        done = [each.result() for each in [pool.submit(_run) for _ in range(processes)]]
    begun, ended = min(each[0] for each in done), max(each[1] for each in done)
    return Pace(len(files), ended - begun, max(each[2] for each in done), sum(each[3] for each in done))


def _prepare(model: Model, files: list[Path], threads: int, start_together: Any, next_image: Any) -> None:
    global _share
    import cv2
    import torch

    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    predictor = Predictor(open_detector(model.weights, model.detector)[1], top=model.top)
    images = [decode(file.read_bytes()) for file in files]
    predictor.candidates(images[0], parse_canvas(model.canvas))  # the first pass allocates and plans
    _share = _Share(predictor, images, model, start_together, next_image)


def _run() -> tuple[float, float, int, float]:
    """Returns when this process began and ended (monotonic clock), its peak memory in MB, and its CPU seconds."""
    assert _share is not None
    canvas = parse_canvas(_share.model.canvas)
    _share.start_together.wait(PATIENCE_SECONDS)
    begun, spent = time.monotonic(), time.process_time()
    while True:
        with _share.next_image.get_lock():
            index = _share.next_image.value
            _share.next_image.value += 1
        if index >= len(_share.images):
            return begun, time.monotonic(), peak_memory_mb(), time.process_time() - spent
        _share.predictor.candidates(_share.images[index], canvas)
