"""Engines: what runs a detector's network on a device. A new one is a file and an entry of `ENGINES`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from pipeline.engine.install_command import install_command
from pipeline.engine.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn

    from pipeline.inference.engines.engine import Engine
    from pipeline.models.detectors.detector import Normalisation

BOTH: Final = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """One entry of `ENGINES`.

    ``memory`` is that of a pixel's maps on a CPU, as a multiple of what torch takes in float32 (`Detector.memory`): the
    most that was measured, with MobileNet at 8K in a worker that saw several heights; ResNet-50 took 1.03 times.
    """

    module: str  # of this package, imported when the engine is opened
    kind: str  # its class, called with an `EngineSetup`
    packages: tuple[str, ...] = ()  # needed beside the plain install
    extra: str | None = None  # of the project, which installs them
    provider: str | None = None  # needed in onnxruntime
    devices: tuple[str, ...] = ("cpu", "cuda")  # kinds of device it runs on
    precisions: tuple[str, ...] = BOTH  # numbers it computes with
    memory: float = 1

    @property
    def missing(self) -> tuple[str, ...]:
        """What it needs and is not installed."""
        packages = tuple(name for name in self.packages if find_spec(name) is None)
        if packages or self.provider is None:
            return packages
        listed = import_module("onnxruntime").get_available_providers()
        return () if self.provider in listed else (f"an onnxruntime with {self.provider}",)

    @property
    def installed(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


ENGINES = Registry(
    "engine",
    {
        "torch": EngineSpec("eager", "Eager"),
        "compiled": EngineSpec("compiled", "Compiled"),
        "cuda_graph": EngineSpec("graphed", "Graphed", devices=("cuda",)),
        "openvino": EngineSpec("openvino", "OpenVino", ("openvino",), "openvino", devices=("cpu",), memory=2.4),
        "onnxruntime": EngineSpec(
            "onnx_runtime",
            "OnnxRuntime",
            ("onnx", "onnxruntime"),
            "onnx",
            devices=("cpu",),
            precisions=("float32",),
            memory=2.3,
        ),
        "tensorrt": EngineSpec(
            "tensorrt",
            "TensorRt",
            ("onnx", "onnxruntime"),
            provider="TensorrtExecutionProvider",
            devices=("cuda",),
            precisions=("float32",),
        ),
    },
)

_BY_SPEED: Final = {"cpu": ("openvino", "onnxruntime", "torch"), "cuda": ("torch",)}


def require_engine(name: str, precision: str, device: str | None = None) -> EngineSpec:
    """Returns the entry of `ENGINES`.

    Args:
        name: of the engine.
        precision: "float32" or "bfloat16".
        device: "cpu" or "cuda", that of this process; None in planning, where packages are not checked either.

    Raises ValueError: there is no such engine, its packages are missing, or it is not for that device or these numbers.
    """
    spec = ENGINES.find(name)
    if precision not in spec.precisions:
        raise ValueError(f"engine {name} computes in {' or '.join(spec.precisions)}, not in {precision}")
    if device is None:
        return spec
    if device not in spec.devices:
        raise ValueError(f"engine {name} runs on {' or '.join(spec.devices)}, not on {device}")
    if spec.missing:
        missing = ", ".join(spec.missing)
        how = install_command(f"wider8k[{spec.extra}]") if spec.extra else f"install {missing}"
        raise ValueError(f"engine {name} needs {missing}, which is not installed: {how}")
    return spec


def open_engine(
    name: str,
    network: nn.Module,
    normalisation: Normalisation,
    device: torch.device,
    dtype: torch.dtype,
    pads: bool | None = None,
) -> Engine:
    """Returns an engine ready to run, on a CPU with as many threads as torch has.

    Args:
        name: entry of `ENGINES`.
        network: normalised images to a tuple of tensors; it stays as it is.
        normalisation: of the images.
        device: of the engine.
        dtype: float32 or bfloat16, of its arithmetic.
        pads: whether images of different sizes share a canvas; None: on a GPU, where it gains something.

    Raises ValueError: as `require_engine`.
    """
    import torch

    from pipeline.inference.engines.engine import EngineSetup
    from pipeline.models.fuse import for_inference

    spec = require_engine(name, str(dtype).removeprefix("torch."), device.type)
    together = device.type == "cuda" if pads is None else pads
    threads = torch.get_num_threads()
    setup = EngineSetup(for_inference(network).float().cpu(), normalisation, device, dtype, threads, together)
    engine: Engine = getattr(import_module(f"{__name__}.{spec.module}"), spec.kind)(setup)
    return engine


def fastest(device: str) -> str:
    """Returns the engine that is fastest of those that are installed, for a few images on "cpu" or "cuda"."""
    return next(name for name in _BY_SPEED[device] if ENGINES[name].installed)
