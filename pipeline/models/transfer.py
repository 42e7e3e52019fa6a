"""From the host to a device without one waiting for the other."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(values: Tensor, device: torch.device | str) -> Tensor:
    """Returns the values on a device; a GPU is handed pinned memory, which it fetches while the host goes on.

    The host gets the very same tensor; what is elsewhere already is moved as torch does it.
    """
    if torch.device(device).type == "cuda" and values.device.type == "cpu":
        # Without pinned memory the host waits until the device has finished its earlier work. The allocator does not
        # reuse such memory before it has been fetched.
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
