"""A network from pixels to a tuple of arrays, as exporters and converters want it: every size stays free."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from pipeline.models.detectors.detector import Normalisation


class Traced(nn.Module):
    """uint8 [B, H, W, 3] to the network's answers; the normalisation is part of it."""

    def __init__(self, network: nn.Module, rule: Normalisation) -> None:
        """Takes over the network."""
        super().__init__()
        self.network = network
        scale = rule.scale if isinstance(rule.scale, tuple) else (rule.scale,) * 3
        order = slice(None, None, -1) if rule.rgb else slice(None)
        self._rgb = rule.rgb
        self._mean = torch.tensor(rule.mean_bgr[order]).reshape(1, 3, 1, 1)
        self._scale = torch.tensor(scale[order]).reshape(1, 3, 1, 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Returns the answers."""
        planes = pixels.permute(0, 3, 1, 2).float()
        planes = planes.flip(1) if self._rgb else planes
        return cast(tuple[Tensor, ...], self.network((planes - self._mean) * self._scale))


def example() -> Tensor:
    """Returns pixels to trace with, of odd sides."""
    return torch.zeros(2, 161, 225, 3, dtype=torch.uint8)


@contextmanager
def tracing() -> Iterator[None]:
    """Within it a network can be traced: it runs in one go, where a loop over blocks would fix the traced size."""
    # Networks are cut into blocks on a CPU where gradients are off, and only there.
    with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
