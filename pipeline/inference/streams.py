"""Copies to and from a device beside its work; on a CPU nothing of it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Streams:
    """One stream that sends what the next batch needs, one that works, one that brings answers back.

    All calls come from one thread at a time.
    """

    def __init__(self, device: torch.device) -> None:
        """Args: cpu or a CUDA device, on whose current stream the work is."""
        self._device = device
        self._send = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._bring = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def sent(self, values: Tensor) -> Tensor:
        """Returns the tensor on the device, ready for the work that is launched from now on.

        The host does not wait where the tensor is pinned, and copies it into pinned memory where it is not.
        """
        if self._send is None:
            return values
        work = torch.cuda.current_stream(self._device)
        pinned = values if values.is_pinned() else values.pin_memory()
        with torch.cuda.stream(self._send):
            there = pinned.to(self._device, non_blocking=True)
        work.wait_stream(self._send)
        there.record_stream(work)
        return there

    def brought(self, values: Tensor) -> Tensor:
        """Returns a tensor on the host that is filled once `arrival` says so."""
        if self._bring is None:
            return values
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        self._bring.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._bring):
            host.copy_(values, non_blocking=True)
        values.record_stream(self._bring)
        return host

    def arrival(self) -> Callable[[], None]:
        """Returns a function that waits until what was brought last is there."""
        if self._bring is None:
            return _nothing
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(self._bring)
        return event.synchronize

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Within it, allocations and launches are on this device."""
        if self._device.type != "cuda":
            yield
            return
        with torch.cuda.device(self._device):
            yield


def _nothing() -> None:
    return None
