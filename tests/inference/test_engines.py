"""Engines: every one gives what torch gives, at every size, and refuses in one line what it cannot do."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from jobs.benchmarks.forward import settled
from pipeline.data.canvas import ORIGINAL
from pipeline.engine.registry import Registry
from pipeline.inference.engines import ENGINES, EngineSpec, fastest, open_engine, require_engine
from pipeline.inference.engines.engine import EngineSetup
from pipeline.inference.engines.onnx_runtime import open_session
from pipeline.inference.engines.tensorrt import answers_on_device
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Normalisation
from tests.inference.networks import noise

SIZES = ((201, 253), (64, 64), (33, 17), (130, 301), (201, 253))
# Compiling a whole detector takes more than a minute on a CPU: that engine has a test of its own.
ON_CPU = [name for name, spec in ENGINES.items() if "cpu" in spec.devices and name not in ("torch", "compiled")]


class Tupled(nn.Module):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.layers(images),)


def two_layers() -> Tupled:
    """Two layers: a whole detector takes more than a minute to compile on a CPU."""
    torch.manual_seed(0)
    return Tupled(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, stride=2, padding=1)))


RULE, CPU = Normalisation((104.0, 117.0, 123.0)), torch.device("cpu")


def both(name: str, **how: object) -> tuple[Predictor, Predictor]:
    torch.manual_seed(0)
    detector = settled(DETECTORS.find(name).build(), side=256)
    return Predictor(detector), Predictor(detector, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ON_CPU)
@pytest.mark.parametrize("name", ["retinaface_mobilenet", "mogface_mobilenet"])
@pytest.mark.slow
def test_every_engine_gives_the_candidates_of_torch_at_every_size(engine: str, name: str) -> None:
    plain, other = both(name, engine=engine)
    for height, width in SIZES:
        image = noise(height, width, height)
        expected, found = plain.candidates(image, ORIGINAL), other.candidates(image, ORIGINAL)
        assert len(expected) == len(found) > 0
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
        scale = np.abs(expected.boxes).max()
        assert np.abs(np.sort(found.boxes, axis=0) - np.sort(expected.boxes, axis=0)).max() < 1e-4 * scale


@pytest.fixture
def known_vectors() -> Iterator[None]:
    """Takes the processor's word for which vectors there are: to try what a compiler makes of each takes 7 s."""
    import torch._inductor.config as compiler

    with compiler.patch({"cpp.vec_isa_ok": True}):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("known_vectors")
def test_what_torch_compiles_gives_the_same_at_every_size() -> None:
    layers = two_layers()
    plain, fast = (open_engine(name, layers, RULE, CPU, torch.float32) for name in ("torch", "compiled"))
    for height, width in SIZES:
        pixels = torch.from_numpy(noise(height, width, height))[None]
        with torch.inference_mode():
            torch.testing.assert_close(fast(pixels)[0], plain(pixels)[0], atol=1e-3, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("known_vectors")
def test_what_torch_compiles_keeps_images_of_a_padded_canvas_to_themselves() -> None:
    """As on a GPU: one compilation for all batches of a canvas, and no way back to uncompiled torch."""
    layers = two_layers()
    plain, fast = (open_engine(name, layers, RULE, CPU, torch.float32, True) for name in ("torch", "compiled"))
    torch._dynamo.utils.counters.clear()
    for sizes in ([(100, 128), (128, 60)], [(9, 9), (128, 128), (50, 70)]):
        pixels, extents = torch.from_numpy(np.stack([noise(128, 128, 128)] * len(sizes))), torch.tensor(sizes)
        with torch.inference_mode():
            torch.testing.assert_close(fast(pixels, extents)[0], plain(pixels, extents)[0], atol=1e-3, rtol=1e-5)
    assert not torch._dynamo.utils.counters["graph_break"]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_bfloat16_is_what_openvino_computes_with_when_it_is_asked() -> None:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if not {"avx512_bf16", "amx_bf16"} & set(flags.split()):
        pytest.skip("this chip computes in float32 whatever is asked")
    plain, other = both("retinaface_mobilenet", engine="openvino", dtype=torch.bfloat16)
    expected, found = (each.candidates(noise(200, 304, 200), ORIGINAL) for each in (plain, other))
    assert 1e-4 < np.abs(found.scores - expected.scores).max() < 0.05


def test_onnxruntime_answers_where_the_pixels_are() -> None:
    """As on a GPU with TensorRT, whose execution provider is all that differs."""
    layers = two_layers()
    plain = open_engine("torch", layers, RULE, CPU, torch.float32)
    setup = EngineSetup(layers, RULE, CPU, torch.float32, 1, False)
    session = open_session(setup, [("CPUExecutionProvider", {})])
    held = []
    for height, width in SIZES:
        pixels = torch.from_numpy(np.stack([noise(height, width, height)] * 2))
        with torch.inference_mode():
            held.append((answers_on_device(session, pixels), plain(pixels)))
    for found, expected in held:  # a later call takes nothing from an earlier answer
        torch.testing.assert_close(found[0], expected[0], atol=1e-3, rtol=1e-5)


@pytest.mark.skipif(ENGINES["tensorrt"].installed, reason="onnxruntime has TensorRT here")
def test_an_onnxruntime_without_tensorrt_is_told() -> None:
    with pytest.raises(ValueError, match="engine tensorrt needs an onnxruntime with TensorrtExecutionProvider"):
        require_engine("tensorrt", "float32", "cuda")


@pytest.mark.parametrize(
    ("name", "device", "precision", "said"),
    [
        ("caffe", "cpu", "float32", "no engine is called 'caffe'"),
        ("cuda_graph", "cpu", "float32", "engine cuda_graph runs on cuda, not on cpu"),
        ("openvino", "cuda", "float32", "engine openvino runs on cpu, not on cuda"),
        ("tensorrt", "cpu", "float32", "engine tensorrt runs on cuda, not on cpu"),
        ("tensorrt", "cuda", "bfloat16", "engine tensorrt computes in float32, not in bfloat16"),
        ("onnxruntime", "cpu", "bfloat16", "engine onnxruntime computes in float32, not in bfloat16"),
    ],
)
def test_what_an_engine_cannot_do_is_one_line(name: str, device: str, precision: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        require_engine(name, precision, device)


def test_an_engine_whose_package_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = EngineSpec("openvino", "OpenVino", ("no_such_package",), "openvino")
    registry = Registry("engine", {"gone": spec, "torch": ENGINES["torch"]})
    monkeypatch.setattr("pipeline.inference.engines.ENGINES", registry)
    monkeypatch.setattr("pipeline.inference.engines._BY_SPEED", {"cpu": ("gone", "torch")})
    with pytest.raises(ValueError, match=r'needs no_such_package, .*not installed: (uv )?pip install "wider8k\[openvi'):
        require_engine("gone", "float32", "cpu")
    assert fastest("cpu") == "torch"
