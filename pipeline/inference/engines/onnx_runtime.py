"""onnxruntime: on a CPU its own kernels; on a GPU CUDA's, or TensorRT's where that is installed."""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from pipeline.inference.engines.traced import OUTPUTS, Traced, example, tracing
from pipeline.models.detectors.detector import Detector, Raw

_OPSET = 17


class OnnxRuntime:
    """The engine "onnxruntime", in float32."""

    pads = False
    providers: tuple[Any, ...] = ("CUDAExecutionProvider", "CPUExecutionProvider")

    def __init__(self, detector: Detector, device: torch.device, dtype: torch.dtype, threads: int) -> None:
        """Args: as of `Eager`."""
        runtime = import_module("onnxruntime")
        self.device = device
        self._detector = detector
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        chosen = self.providers if device.type == "cuda" else ("CPUExecutionProvider",)
        self._session = runtime.InferenceSession(as_onnx(detector), options, providers=list(chosen))
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None) -> Raw:
        """Returns the raw answers, see `Engine`."""
        batch, height, width = pixels.shape[:3]
        seen = pixels.contiguous()
        anchors = self._detector.grid.count(height, width)
        values = {"boxes": 4, "logits": self._channels(), "landmarks": 10}
        answers = [torch.empty(batch, anchors, values[name], device=self.device) for name in self._names]
        binding, place = self._session.io_binding(), (self.device.type, self.device.index or 0)
        binding.bind_input("pixels", *place, "uint8", tuple(seen.shape), seen.data_ptr())
        for name, answer in zip(self._names, answers, strict=True):
            binding.bind_output(name, *place, "float32", tuple(answer.shape), answer.data_ptr())
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()  # the session has a stream of its own
        self._session.run_with_iobinding(binding)
        return Raw(*answers)

    def _channels(self) -> int:
        """Returns how many logits an anchor has."""
        shape = next(each.shape for each in self._session.get_outputs() if each.name == "logits")
        return int(shape[-1])


class TensorRt(OnnxRuntime):
    """The engine "tensorrt": the same file through NVIDIA's compiler, one plan per size, kept by the session."""

    providers = (("TensorrtExecutionProvider", {}), "CUDAExecutionProvider", "CPUExecutionProvider")


def as_onnx(detector: Detector) -> bytes:
    """Returns the network from pixels on as an ONNX model, every size free."""
    network, written = Traced(detector), io.BytesIO()
    with tracing():
        names = list(OUTPUTS[: len(network(example()))])
        axes = {"pixels": {0: "batch", 1: "height", 2: "width"}, **{n: {0: "batch", 1: "anchors"} for n in names}}
        torch.onnx.export(
            network,
            (example(),),
            written,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=names,
            dynamic_axes=axes,
        )
    return written.getvalue()
