"""On a GPU batches of any sizes give what each image gives alone, with one wait, by every engine, within its memory."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from jobs.benchmarks.forward import settled
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.records import ScoredBoxes
from pipeline.inference.batches import launch_within_memory
from pipeline.inference.engines import ENGINES
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from tests.gpu.test_inference import noise

pytestmark = pytest.mark.gpu

SIZES = ((500, 700), (683, 640), (33, 17), (700, 480), (640, 701))  # height, width


def detector_named(name: str) -> Detector:
    torch.manual_seed(0)
    return settled(DETECTORS.find(name).build())


def assert_close(found: object, expected: ScoredBoxes, score: float = 1e-3, pixels: float = 0.05) -> None:
    assert isinstance(found, ScoredBoxes) and len(found) == len(expected) > 0
    assert abs(found.scores - expected.scores).max() < score
    scale = max(1.0, abs(expected.boxes).max() / 1000)
    assert np.quantile(abs(np.sort(found.boxes, axis=0) - np.sort(expected.boxes, axis=0)), 0.999) < pixels * scale


def engines(device: torch.device) -> list[str]:
    return [name for name, spec in ENGINES.items() if device.type in spec.devices and spec.installed]


@pytest.mark.parametrize(
    "name", ["retinaface_mobilenet", "retinaface_resnet50", "hambox_resnet50", "hrnet_w18", "mogface"]
)
def test_a_batch_gives_what_each_image_gives_alone(name: str, gpu: torch.device) -> None:
    detector = detector_named(name)
    # Every anchor, so that no border of a choice is crossed by rounding.
    alone, together = (Predictor(detector, gpu, max_candidates=10**6, pads=pads) for pads in (False, True))
    images = [noise(*size, seed) for seed, size in enumerate(SIZES)]
    for image, found in zip(images, together.launch(images, ORIGINAL).wait(), strict=True):
        assert_close(found, alone.candidates(image, ORIGINAL))


@pytest.mark.parametrize("engine", ["torch", "compiled", "cuda_graph"])
def test_every_engine_gives_the_same_more_than_once(engine: str, gpu: torch.device) -> None:
    if engine not in engines(gpu) or (engine == "compiled" and gpu.type == "cpu"):
        pytest.skip(f"{engine} is not for {gpu}")
    detector = detector_named("retinaface_mobilenet")
    plain, other = (
        Predictor(detector, gpu, max_candidates=10**6),
        Predictor(detector, gpu, max_candidates=10**6, engine=engine, pads=True),
    )
    images = [noise(*size, seed) for seed, size in enumerate(SIZES)]
    expected = [plain.candidates(image, ORIGINAL) for image in images]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2], [1, 3]):
        found = other.launch([images[number] for number in order], ORIGINAL).wait()
        for number, each in zip(order, found, strict=True):
            assert_close(each, expected[number])


def test_tensorrt_gives_nearly_the_same(gpu: torch.device) -> None:
    """Nearly: it computes with TF32."""
    if "tensorrt" not in engines(gpu):
        pytest.skip("onnxruntime has no TensorRT here")
    detector = detector_named("retinaface_mobilenet")
    plain, other = (
        Predictor(detector, gpu, max_candidates=10**6),
        Predictor(detector, gpu, max_candidates=10**6, engine="tensorrt"),
    )
    for image in (noise(*size) for size in (*SIZES[:2], SIZES[0])):
        assert_close(other.candidates(image, ORIGINAL), plain.candidates(image, ORIGINAL), 0.02, 1.0)


def test_batches_that_are_launched_before_the_last_is_waited_for_do_not_meet(gpu: torch.device) -> None:
    for engine in [name for name in engines(gpu) if name in ("torch", "cuda_graph")]:
        predictor = Predictor(detector_named("retinaface_mobilenet"), gpu, engine=engine, pads=True)
        images = [noise(*size, seed) for seed, size in enumerate(SIZES)] * 4
        first = predictor.launch(images, Canvas(1500))
        second = predictor.launch(images[::-1], Canvas(1500))
        for one, other in zip(first.wait(), second.wait()[::-1], strict=True):
            assert isinstance(other, ScoredBoxes)
            assert_close(one, other, 1e-5, 1e-2)


@pytest.fixture
def no_waits(gpu: torch.device) -> Iterator[None]:
    yield
    if gpu.type == "cuda":
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("engine", ["torch", "cuda_graph"])
@pytest.mark.parametrize("name", ["retinaface_mobilenet", "mogface_mobilenet"])
def test_a_launch_never_waits_for_the_device(name: str, engine: str, gpu: torch.device, no_waits: None) -> None:
    if engine not in engines(gpu):
        pytest.skip(f"{engine} is not for {gpu}")
    predictor = Predictor(detector_named(name), gpu, engine=engine, pads=True)
    images = [noise(*size, seed) for seed, size in enumerate(SIZES)]
    expected = predictor.launch(images, Canvas(1024)).wait()  # what is made once for a size may wait
    if gpu.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    launched = predictor.launch(images, Canvas(1024))
    tiled = predictor.launch(images[:1], Canvas(1024), tile=2048) if engine == "torch" else None
    if gpu.type == "cuda":
        torch.cuda.set_sync_debug_mode("default")
    for one, other in zip(launched.wait(), expected, strict=True):
        assert isinstance(other, ScoredBoxes)
        assert_close(one, other, 1e-5, 1e-2)
    if tiled is not None:
        assert isinstance(expected[0], ScoredBoxes)
        assert_close(tiled.wait()[0], expected[0])


def test_too_little_memory_makes_smaller_batches_and_then_tiles(gpu: torch.device) -> None:
    if gpu.type == "cpu":
        pytest.skip("a CPU ends the process instead")
    predictor = Predictor(detector_named("retinaface_resnet50"), gpu, max_candidates=200, pads=True)
    images = [noise(1024, 1024, seed) for seed in range(4)]
    expected = [predictor.candidates(image, Canvas(2048)) for image in images]
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(gpu).total_memory
    held = torch.cuda.memory_allocated()
    try:
        for room, largest in ((1.5 * 2**30, "batch"), (0.6 * 2**30, "tile")):
            torch.cuda.set_per_process_memory_fraction((held + room) / total)
            with pytest.raises(torch.OutOfMemoryError):
                predictor.launch(images if largest == "batch" else images[:1], Canvas(2048)).wait()
            torch.cuda.empty_cache()
            for found, each in zip(launch_within_memory(predictor, images, Canvas(2048))(), expected, strict=True):
                assert_close(found, each)
            torch.cuda.empty_cache()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
