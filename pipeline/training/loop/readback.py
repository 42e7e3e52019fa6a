"""From the device to the host without one waiting for the other: the only way in which a step's numbers come back."""

from __future__ import annotations

import torch
from torch import Tensor


class Readback:
    """Numbers on their way from the device to the host."""

    def __init__(self, values: Tensor) -> None:
        """Asks for the values as they are once all that was asked for before is done, and returns at once.

        Args:
            values: float or integer [K], without gradient.
        """
        self._host = values
        self._ready: torch.cuda.Event | None = None
        if values.device.type == "cuda":
            self._host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._host.copy_(values, non_blocking=True)
            self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._ready.record()

    def numbers(self) -> list[float]:
        """Returns the K numbers; waits until they are there."""
        if self._ready is not None:
            self._ready.synchronize()
        numbers: list[float] = self._host.tolist()
        return numbers
