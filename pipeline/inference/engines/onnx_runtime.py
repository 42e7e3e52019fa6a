"""onnxruntime on a CPU, and what its engines on other devices share with it."""

import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.inference.engines.engine import Answers, EngineSetup, Size
from pipeline.inference.engines.traced import Traced, example, write_onnx

Provider = tuple[str, Mapping[str, Any]]


class OnnxRuntime:
    """The engine "onnxruntime", in float32."""

    pads = False

    def __init__(self, setup: EngineSetup) -> None:
        """Takes over the setup's network."""
        self._session = open_session(setup, [("CPUExecutionProvider", {})])

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None, alone: Size = None) -> Answers:
        """Returns the answers, see `Engine`."""
        return tuple(map(torch.from_numpy, self._session.run(None, {"pixels": pixels.contiguous().numpy()})))


def open_session(setup: EngineSetup, providers: Sequence[Provider]) -> Any:
    """Returns an onnxruntime session of a setup's network, which it takes over: "pixels" in, answers out, any size.

    ``providers`` are execution providers and their options, the preferred one first.
    """
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = setup.threads
    model = _as_onnx(Traced(setup.network, setup.normalisation))
    return runtime.InferenceSession(model, options, providers=[(name, dict(how)) for name, how in providers])


def _as_onnx(network: Traced) -> bytes:
    """Returns an ONNX model of which every size is free."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        answers = network(example())
        names = [f"answer{number}" for number in range(len(answers))]
        axes = {"pixels": {0: "batch", 1: "height", 2: "width"}}
        # Of an answer [B, A, C] the anchors, of a map [B, C, H, W] the sides.
        sides = {3: {0: "batch", 1: "anchors"}, 4: {0: "batch", 2: "rows", 3: "columns"}}
        axes |= {
            name: {axis: f"{name}_{side}" for axis, side in sides[answer.ndim].items()}
            for name, answer in zip(names, answers, strict=True)
        }
        write_onnx(network, example(), file, "pixels", names, axes)
        return file.read_bytes()
