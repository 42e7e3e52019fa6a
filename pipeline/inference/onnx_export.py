"""A detector's network as an ONNX file: any batch, height and width; anchors, decoding and suppression stay outside.

Needs the extra `onnx`. The file is run by onnxruntime and compared with torch before it gets its name.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from pipeline.engine.local_files import give_name
from pipeline.inference.engines.traced import write_onnx
from pipeline.models.detectors.detector import Detector, RawAnswers
from pipeline.models.network_copy import copy_network

OUTPUTS: Final = ("boxes", "logits", "landmarks")
TOLERANCE: Final = 1e-3  # largest difference allowed
# (batch, height, width), none of them the traced one: odd sides, and an image smaller than the coarsest stride.
CHECKED: Final = ((1, 201, 253), (2, 33, 17), (3, 128, 320))
_TRACED: Final = (2, 161, 225)


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported network: ``images`` float32 [B, 3, H, W], normalised by its metadata, to the fields of `Raw`.

    Differences from torch are relative to the output's largest value where that is above one.
    """

    file: Path  # the ONNX file
    outputs: tuple[str, ...]  # names of its outputs
    differences: dict[tuple[int, int, int], float]  # (batch, height, width) -> largest one


def export_onnx(
    detector: Detector, file: Path, *, name: str = "", checked: Sequence[tuple[int, int, int]] = CHECKED
) -> Exported:
    """Returns the exported network, after onnxruntime gave the same answers as torch.

    Args:
        detector: trained; left as it is.
        file: to be written; an older one is replaced only by one that passed.
        name: of the detector, for the file's metadata, beside its normalisation.
        checked: (batch, height, width) of the inputs to compare on.

    Raises ValueError: the extra `onnx` is not installed, or the answers differ; nothing is written then.
    """
    onnx, _ = _required("onnx"), _required("onnxruntime")
    network = RawAnswers(copy_network(detector).float().cpu()).eval().requires_grad_(False)
    part = file.with_name(file.name + ".part")
    try:
        outputs = _trace(network, part)
        _describe(onnx, part, name, detector)
        session = _opened(part) if checked else None
        differences = {shape: _difference(network, session, shape) for shape in checked}
        worst = max(differences.values(), default=0.0)
        if not worst <= TOLERANCE:
            raise ValueError(
                f"onnxruntime and torch differ by {worst:.2g}, allowed are {TOLERANCE:g}: the exported network is wrong"
            )
        give_name(str(part), str(file))
    finally:
        part.unlink(missing_ok=True)
    return Exported(file, outputs, differences)


def _trace(network: RawAnswers, file: Path) -> tuple[str, ...]:
    images = torch.zeros(_TRACED[0], 3, *_TRACED[1:])
    outputs = OUTPUTS[: len(network(images[:1, :, :1, :1]))]
    axes = {"images": {0: "batch", 2: "height", 3: "width"}, **{o: {0: "batch", 1: "anchors"} for o in outputs}}
    write_onnx(network, images, file, "images", outputs, axes)
    return outputs


def _describe(onnx: Any, file: Path, name: str, detector: Detector) -> None:
    """Adds the detector's name, normalisation and strides to the file, and checks that it is valid."""
    facts = {
        "detector": name,
        "normalisation": json.dumps(asdict(detector.normalisation)),
        "strides": json.dumps(detector.strides),
    }
    model = onnx.ModelProto()
    onnx.helper.set_model_props(model, facts)
    with file.open("ab") as end:  # what follows a message is read as more of it: its weights need not be read for that
        end.write(model.SerializeToString())
    onnx.checker.check_model(str(file))


def _difference(network: RawAnswers, session: Any, shape: tuple[int, int, int]) -> float:
    batch, height, width = shape
    pixels = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), dtype=np.uint8)
    images = network.detector.normalisation(torch.from_numpy(pixels)).permute(0, 3, 1, 2).contiguous()
    with torch.inference_mode():
        expected = [each.numpy() for each in network(images)]
    found = session.run(None, {"images": images.numpy()})
    pairs = list(zip(expected, found, strict=True))
    if any(a.shape != b.shape for a, b in pairs):
        return math.inf  # a size is fixed in the graph
    return max(float(np.abs(a - b).max()) / max(1.0, float(np.abs(a).max())) for a, b in pairs)


def _opened(file: Path) -> Any:
    runtime = _required("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _required(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise ValueError(f"{module} is not installed: install wider8k with its extra, wider8k[onnx]") from None
