"""TensorRT on a GPU, by way of onnxruntime and the ONNX model that the engine of a CPU has. It was never measured."""

import tempfile
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from pipeline.inference.engines.engine import Answers, EngineSetup, Size
from pipeline.inference.engines.onnx_runtime import open_session

PROVIDER = "TensorrtExecutionProvider"


class TensorRt:
    """The engine "tensorrt", in float32 as TensorRT has it, with TF32.

    In bfloat16 it would choose kernels of fewer bits where it finds them faster: the arithmetic of a dump would be
    unknown. It widens the range of sizes of its engine itself, since a range given beforehand must name the inputs of
    the parts into which onnxruntime cuts the model.
    """

    pads = False

    def __init__(self, setup: EngineSetup) -> None:
        """Takes over the setup's network.

        Raises ValueError: TensorRT's libraries cannot be loaded; onnxruntime itself would go on without them.
        """
        # One folder per worker: two that build the same engine at once would write the same file.
        self._cache = tempfile.TemporaryDirectory(prefix="wider8k-tensorrt-")
        self._device = setup.device
        number = torch.cuda.current_device() if setup.device.index is None else setup.device.index
        how = {
            "device_id": number,
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": self._cache.name,
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": self._cache.name,
        }
        # Operations without a layer in TensorRT, as turning uint8 pixels into planes, run beside it on the device.
        beside = [("CUDAExecutionProvider", {"device_id": number}), ("CPUExecutionProvider", {})]
        self._session = open_session(setup, [(PROVIDER, how), *beside])
        if PROVIDER not in self._session.get_providers():
            raise ValueError("engine tensorrt: onnxruntime cannot load TensorRT's libraries, its log says which")

    def __call__(self, pixels: Tensor, sizes: Tensor | None = None, alone: Size = None) -> Answers:
        """Returns the answers, see `Engine`; waits for the device before and after, whose streams differ."""
        torch.cuda.current_stream(self._device).synchronize()
        return answers_on_device(self._session, pixels)


def answers_on_device(session: Any, pixels: Tensor) -> tuple[Tensor, ...]:
    """Returns what a session answers for uint8 [B, H, W, 3], where the pixels are and without a copy to the host."""
    given = import_module("onnxruntime").OrtValue.from_dlpack(pixels.contiguous())
    binding = session.io_binding()
    binding.bind_ortvalue_input("pixels", given)
    for answer in session.get_outputs():
        binding.bind_output(answer.name, pixels.device.type, pixels.device.index or 0)
    session.run_with_iobinding(binding)
    return tuple(map(from_dlpack, binding.get_outputs()))
