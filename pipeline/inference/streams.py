"""Copies to and from a device beside its work; on a CPU every method passes its argument on."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


class Streams:
    """One stream for copies to the device, its current one for the work, and one for copies to the host.

    All calls come from one thread at a time.
    """

    def __init__(self, device: torch.device) -> None:
        """Args: cpu or a CUDA device."""
        self._device, self._cuda = device, device.type == "cuda"
        if self._cuda:
            self._up, self._down = torch.cuda.Stream(device), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def to_device(self, values: Tensor) -> Tensor:
        """Returns the tensor on the device, see `all_to_device`."""
        return self.all_to_device([values])[0]

    def all_to_device(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Returns the tensors on the device, ready for the work that is launched from now on.

        The host does not wait where a tensor is pinned, and copies it into pinned memory where it is not.
        """
        if not self._cuda:
            return list(values)
        work = torch.cuda.current_stream(self._device)
        pinned = [each if each.is_pinned() else each.pin_memory() for each in values]
        with torch.cuda.stream(self._up):
            there = [each.to(self._device, non_blocking=True) for each in pinned]
        work.wait_stream(self._up)
        for each in there:
            each.record_stream(work)
        return there

    def to_host(self, values: Tensor) -> tuple[Tensor, Callable[[], None]]:
        """Returns a tensor on the host, and a function that waits until it is filled."""
        if not self._cuda:
            return values, lambda: None
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        self._down.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._down):
            host.copy_(values, non_blocking=True)
        values.record_stream(self._down)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record(self._down)
        return host, copied.synchronize

    def on_device(self) -> AbstractContextManager[None]:
        """Returns a context in which allocations and launches are on this device."""
        return torch.cuda.device(self._device) if self._cuda else nullcontext()
