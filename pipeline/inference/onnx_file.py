"""A network as an ONNX file of which every size is free; shared by the export and the engine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

OPSET: Final = 17
Axes = Mapping[str, Mapping[int, str]]


def write_onnx(network: nn.Module, example: Tensor, file: Path, given: str, outputs: Sequence[str], axes: Axes) -> None:
    """Writes a network from one tensor (``given``, traced on an example of odd sides) to a tuple of tensors.

    ``axes`` has the free sizes of input and outputs. Call it where the network runs in one go, with gradients on.
    """
    # The tracing exporter keeps every size a value of the graph. The newer one gives the same numbers, but takes 20 s
    # instead of 0.6 s for MobileNet and only promises sizes above 16 pixels.
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
