"""Timing of a device: synchronised medians, its busy share, and out-of-memory as a figure."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch

from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting


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
