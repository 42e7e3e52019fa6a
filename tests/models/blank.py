"""Networks without random weights, for where their values come from a file or are not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

_FILLS = ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_", "xavier_uniform_", "trunc_normal_")


def _as_it_is(tensor: Tensor, *_: object, **__: object) -> Tensor:
    return tensor


@contextmanager
def blank_weights() -> Iterator[None]:
    """Leaves weights as memory has them: half of what building a large network takes is the random numbers."""
    with pytest.MonkeyPatch.context() as patch:
        for fill in _FILLS:
            patch.setattr(torch.nn.init, fill, _as_it_is)
        yield
