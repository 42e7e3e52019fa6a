"""One image, and many in batches: the same faces in the same order, whatever goes together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jobs.benchmarks.forward import settled
from pipeline.data.canvas import Canvas
from pipeline.data.records import ScoredBoxes
from pipeline.inference import face_finder, memory
from pipeline.inference.device import predictor_of_any_size
from pipeline.inference.face_finder import FaceFinder
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Image, Predictor
from pipeline.inference.rerank import Reranker
from pipeline.inference.test_time import MODES, detect
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.models.rankers import RANKERS
from tests.inference.networks import noise
from tests.inference.test_batches import assert_close

SIZES = ((120, 90), (64, 128), (33, 17), (128, 128), (300, 200), (64, 128), (120, 90))  # height, width


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    return settled(DETECTORS["retinaface_mobilenet"].build())


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return [noise(*size, seed) for seed, size in enumerate(SIZES)]


def test_one_image_is_candidates_and_suppression(detector: Detector, images: list[Image]) -> None:
    found = FaceFinder(Predictor(detector), "150", 0.3)(images[0])
    expected = detections(Predictor(detector).candidates(images[0], Canvas(150)), score=0.3)
    assert len(expected) > 0
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_mode_and_a_ranker(detector: Detector, images: list[Image]) -> None:
    predictor = Predictor(detector)
    found = FaceFinder(predictor, score=0.1, mode="mogface_single")(images[1])
    mode = MODES.find("mogface_single")
    expected = detections(detect(predictor, images[1], mode), score=0.1, convention=mode.convention)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    torch.manual_seed(1)
    reranker = Reranker(RANKERS["roi_mobilenet"].build())
    ranked = FaceFinder(predictor, score=0.1, reranker=reranker)(images[1])
    expected = detections(reranker(images[1], predictor.candidates(images[1], Canvas(None))), score=0.1)
    np.testing.assert_array_equal(ranked.scores, expected.scores)
    for wrong, words in (
        (
            {"mode": "crface_multi", "canvas": "8k"},
            "mode crface_multi has sizes of its own: expected no canvas, found 8k",
        ),
        ({"mode": "crface_multi", "reranker": reranker}, "expected no mode, found crface_multi"),
        ({"mode": "best"}, "'best'"),
        ({"canvas": "9k"}, "unknown canvas '9k'"),
    ):
        with pytest.raises(ValueError, match=words):
            FaceFinder(predictor, **wrong)


@pytest.mark.parametrize("window", [1, 3, 64])
@pytest.mark.parametrize("pixels", [40_000, 10**9])
def test_a_stream_in_batches_gives_what_each_image_gives_alone(
    detector: Detector, images: list[Image], window: int, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_finder, "WINDOW_IMAGES", window)
    monkeypatch.setattr(face_finder, "WINDOW_PIXELS", pixels)
    alone, together = FaceFinder(Predictor(detector)), FaceFinder(Predictor(detector, pads=True))
    together.predictor.batch_pixels = 3 * 128 * 128
    found = list(together.each(enumerate(images)))
    assert [key for key, _, _ in found] == list(range(len(images)))
    for (_, image, each), original in zip(found, images, strict=True):
        assert image is original
        assert isinstance(each, ScoredBoxes)
        assert_close(each, alone(image))


def test_several_go_together_in_a_stream(
    detector: Detector, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    finder, sizes = FaceFinder(Predictor(detector, pads=True)), list[int]()
    finder.predictor.batch_pixels = 10**7
    launch = Predictor.launch

    def counted(self: Predictor, batch: list[Image], canvas: Canvas, **options: int) -> object:
        sizes.append(len(batch))
        return launch(self, batch, canvas, **options)

    monkeypatch.setattr(Predictor, "launch", counted)
    assert len(list(finder.each(enumerate(images)))) == len(images)
    assert sum(sizes) == len(images)
    assert max(sizes) > 1


def test_on_a_cpu_an_image_is_done_before_the_next_one_is_asked_for(detector: Detector, images: list[Image]) -> None:
    asked: list[int] = []

    def reader() -> object:
        for number, image in enumerate(images):
            asked.append(number)
            yield number, image

    for number, _, _ in FaceFinder(Predictor(detector)).each(reader()):
        assert asked == list(range(number + 1))


@pytest.mark.parametrize("pads", [True, False])
def test_an_error_is_that_of_its_image(detector: Detector, images: list[Image], pads: bool) -> None:
    finder = FaceFinder(Predictor(detector, pads=pads))
    grey = np.zeros((64, 64, 1), np.uint8)
    found = [each for _, _, each in finder.each(enumerate([images[0], grey, images[4]]))]
    assert isinstance(found[1], ValueError)
    assert "image must be uint8 [H, W, 3]" in str(found[1])
    assert isinstance(found[0], ScoredBoxes) and isinstance(found[2], ScoredBoxes)


@pytest.mark.parametrize("pads", [True, False])
def test_a_broken_device_is_said_by_each_image(
    detector: Detector, images: list[Image], pads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    finder = FaceFinder(Predictor(detector, pads=pads))
    monkeypatch.setattr(Predictor, "launch", broken)
    found = [str(each) for _, _, each in finder.each(enumerate(images))]
    assert found == ["CUDA error: an illegal memory access was encountered"] * len(images)


def test_tiles_where_a_whole_image_is_too_much_for_the_machine(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = noise(1500, 1900, 3)
    whole = FaceFinder(Predictor(detector))(image)
    room = memory.peak_bytes(detector, 1900, 1500, 1300)
    monkeypatch.setattr(memory, "memory_limit", lambda: room)
    assert memory.MachineTiles(detector).side((1900, 1500), (1900, 1500)) == 1280
    assert_close(FaceFinder(predictor_of_any_size(detector, "cpu", "torch"))(image), whole)


@pytest.mark.parametrize("mode", ["single", "mogface_single", "crface_multi"])
def test_what_can_never_fit_is_an_error_in_every_mode_and_not_the_end_of_the_process(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: memory.PROCESS_BYTES)
    finder = FaceFinder(predictor_of_any_size(detector, "cpu", "torch"), mode=mode)
    with pytest.raises(ValueError, match=r"^a canvas of \d+ x \d+ pixels needs .* choose a smaller one$"):
        finder(noise(90, 120, 3))
