"""Timing of a device: synchronised medians, its busy share here and in all processes, out-of-memory as a figure."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch

from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting

_QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]


def median_seconds(setting: Setting, work: Callable[[], Any], passes: int = 25) -> float:
    """Returns the median of several passes after two, the device waited for each time; at most four seconds of them."""
    spent: list[float] = []
    for number in range(2 if setting.tiny else passes):
        wait(setting.device)
        begun = time.perf_counter()
        work()
        wait(setting.device)
        spent.append(time.perf_counter() - begun)
        if sum(spent) > 4 and number > 1:
            break
    return median(spent[min(2, len(spent) - 1) :])


def busy(work: Callable[[], Any]) -> float:
    """Returns the share of the time in which the device runs a kernel or a copy, from the profiler's trace."""
    from torch.profiler import ProfilerActivity, profile

    work()
    torch.cuda.synchronize()
    # Of the device only: tracing the host's calls slows launches down so much that the trace shows mostly itself.
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        begun = time.perf_counter()
        for _ in range(2):
            work()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - begun
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in trace.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    total, reached = 0.0, float("-inf")
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total / 1e6 / seconds


@contextlib.contextmanager
def catch_out_of_memory(figures: Figures, label: str) -> Iterator[None]:
    """Turns out-of-memory into a figure; the rest is still measured."""
    try:
        yield
    except torch.OutOfMemoryError:
        figures.add(label, "out of memory")


def wait(device: str) -> None:
    """Waits until a device has nothing left to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def empty(device: str) -> None:
    """Frees the memory of earlier measurements and resets the peak."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


class DeviceWatch:
    """Reads the share of time with a kernel on the first GPU five times a second, as a context; nothing without one.

    The driver's number is of its own last interval (a sixth of a second to one second): a batch that keeps the device
    at work between two launches counts whole. It is the only one that sees every process.
    """

    def __init__(self) -> None:
        """Reads nothing yet."""
        self.readings: list[tuple[float, float]] = []  # (seconds since the epoch, %)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> DeviceWatch:
        """Starts reading."""
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(_QUERY, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._read, args=(self._process,), name="gpu watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops reading."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def busy(self, begun: float, ended: float) -> float | None:
        """Returns the average between two times (seconds since the epoch), %; None where nothing was read."""
        seen = [share for at, share in self.readings if begun <= at <= ended]
        return sum(seen) / len(seen) if seen else None

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with contextlib.suppress(ValueError):  # "[N/A]" where the driver does not know
                self.readings.append((time.time(), float(line)))
