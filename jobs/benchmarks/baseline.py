"""The peer of a pipeline node: the same network over images in memory. No file, no row, no shard and no Ray.

Every process prepares itself before the clock starts; then the processes take images from a common counter.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.engine.shards import peak_memory_mb

PATIENCE_SECONDS = 300.0

Work = Callable[[int], object]
"""The measured work on image 0 .. images - 1."""
Make = Callable[[], Work]
"""Called once in every process; picklable. It does what is not measured: reading files, decoding images."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Speed of some images.

    Attributes:
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


def bare_loop(make: Make, images: int, processes: int, threads: int) -> Pace:
    """Returns the pace of the work alone, of `make`'s result in each of some processes.

    Raises:
        concurrent.futures.process.BrokenProcessPool: a process could not prepare itself.
    """
    spawn = multiprocessing.get_context("spawn")
    shared = (spawn.Barrier(processes), spawn.Value("q", 0))
    with ProcessPoolExecutor(processes, spawn, _prepare, (make, images, threads, *shared)) as pool:
        done = [each.result() for each in [pool.submit(_run_prepared) for _ in range(processes)]]
    begun, ended = min(each[0] for each in done), max(each[1] for each in done)
    return Pace(images, ended - begun, max(each[2] for each in done), sum(each[3] for each in done))


_loop: Callable[[], tuple[float, float, int, float]] | None = None


def _prepare(make: Make, images: int, threads: int, start_together: Any, next_image: Any) -> None:
    global _loop
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    work = make()
    work(0)  # the first pass allocates and plans
    _loop = partial(_run, work, images, start_together, next_image)


def _run_prepared() -> tuple[float, float, int, float]:
    assert _loop is not None
    return _loop()


def _run(work: Work, images: int, start_together: Any, next_image: Any) -> tuple[float, float, int, float]:
    """Returns when this process began and ended (monotonic clock), its peak memory in MB, and its CPU seconds."""
    start_together.wait(PATIENCE_SECONDS)
    begun, spent = time.monotonic(), time.process_time()
    while True:
        with next_image.get_lock():
            index = next_image.value
            next_image.value += 1
        if index >= images:
            return begun, time.monotonic(), peak_memory_mb(), time.process_time() - spent
        work(index)
