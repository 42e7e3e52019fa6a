"""Tracing of networks for exporters and converters: every size stays free."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor, nn

from pipeline.models.detectors.detector import Normalisation

OPSET: Final = 17
Axes = Mapping[str, Mapping[int, str]]


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


def write_onnx(network: nn.Module, example: Tensor, file: Path, given: str, outputs: Sequence[str], axes: Axes) -> None:
    """Writes a network from one tensor (``given``, traced on an example of odd sides) to a tuple of tensors.

    ``axes`` has the free sizes of input and outputs.
    """
    # The tracing exporter keeps every size a value of the graph. The newer one gives the same numbers, but takes 20 s
    # instead of 0.6 s for MobileNet and only promises sizes above 16 pixels.
    with tracing():
        torch.onnx.export(
            network,
            (example,),
            str(file),
            dynamo=False,
            opset_version=OPSET,
            input_names=[given],
            output_names=list(outputs),
            dynamic_axes={name: dict(free) for name, free in axes.items()},
        )
