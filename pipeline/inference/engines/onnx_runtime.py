"""onnxruntime on a CPU."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from pipeline.inference.engines.engine import Job
from pipeline.inference.engines.traced import Traced, example, tracing
from pipeline.inference.onnx_file import write_onnx


class OnnxRuntime:
    """The engine "onnxruntime", in float32."""

    pads = False

    def __init__(self, job: Job) -> None:
        """Takes over the job's network."""
        runtime = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = job.threads
        model = _as_onnx(Traced(job.network, job.normalisation))
        self._session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(
        self, pixels: Tensor, sizes: Tensor | None = None, alone: tuple[int, int] | None = None
    ) -> tuple[Tensor, ...]:
        """Returns the answers, see `Engine`."""
        return tuple(map(torch.from_numpy, self._session.run(None, {"pixels": pixels.contiguous().numpy()})))


def _as_onnx(network: Traced) -> bytes:
    """Returns an ONNX model of which every size is free."""
    with tracing(), tempfile.TemporaryDirectory() as folder:
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
