"""Several images at once: the answers of each alone, whatever the batch, and nothing lost where memory does not do."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from jobs.benchmarks.forward import settled
from pipeline.boxes.suppression import _by_key, top_candidates
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.records import ScoredBoxes
from pipeline.inference.batches import launch_within_memory, plan_batches
from pipeline.inference.fusion import Voting
from pipeline.inference.padded_canvas import padded_count, padded_sides
from pipeline.inference.predictor import Image, PendingBatch, Predictor, Sizing
from pipeline.inference.test_time import Mode, Pass, detect
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from tests.inference.networks import noise
from tests.training.waits import Waits

SIZES = ((120, 90), (64, 128), (33, 17), (128, 128), (300, 200))  # height, width


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    return settled(DETECTORS["retinaface_mobilenet"].build())


def assert_close(found: object, expected: ScoredBoxes) -> None:
    assert isinstance(found, ScoredBoxes) and len(found) == len(expected) > 0
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    near = np.abs(np.sort(found.boxes, axis=0) - np.sort(expected.boxes, axis=0)).max()
    assert near < 1e-4 * np.abs(expected.boxes).max()
    assert found.landmarks is not None and expected.landmarks is not None
    marks = np.sort(found.landmarks.reshape(-1)) - np.sort(expected.landmarks.reshape(-1))
    assert np.abs(marks).max() < 1e-4 * np.abs(expected.landmarks).max()


@pytest.mark.parametrize("canvas", [ORIGINAL, Canvas(150)])
@pytest.mark.parametrize("top", [40, 5000])
def test_a_batch_of_sizes_gives_what_each_image_gives_alone(detector: Detector, canvas: Canvas, top: int) -> None:
    alone, together = Predictor(detector, max_candidates=top), Predictor(detector, max_candidates=top, pads=True)
    images = [noise(*size, size[0]) for size in SIZES]
    found = together.launch(images, canvas).wait()
    for image, each in zip(images, found, strict=True):
        assert_close(each, alone.candidates(image, canvas))


def test_images_of_one_size_go_together_on_a_cpu_too_and_change_no_bit_of_one_another(detector: Detector) -> None:
    predictor, image = Predictor(detector), noise(90, 120, 90)
    first, second = predictor.launch([image, image[::-1].copy()], ORIGINAL).wait()
    again, _ = predictor.launch([image, image], ORIGINAL).wait()
    assert isinstance(first, ScoredBoxes) and isinstance(second, ScoredBoxes) and isinstance(again, ScoredBoxes)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    assert_close(first, predictor.candidates(image, ORIGINAL))
    with pytest.raises(ValueError, match=r"must have one size on the canvas, got \[\(90, 120\), \(90, 121\)\]"):
        predictor.launch([image, noise(90, 121, 90)], ORIGINAL)


def test_only_the_image_whose_numbers_are_broken_is_an_error(detector: Detector) -> None:
    predictor = Predictor(detector, pads=True)
    images = [noise(*size, size[0]) for size in SIZES[:3]]
    expected = predictor.launch(images, ORIGINAL).wait()
    engine = predictor._engine

    def broken(pixels: torch.Tensor, sizes: torch.Tensor | None, alone: None) -> tuple[torch.Tensor, ...]:
        answers = tuple(each.clone() for each in engine(pixels, sizes, alone))
        answers[1][1, 0, 0] = torch.nan
        return answers

    predictor._engine = broken  # type: ignore[assignment]
    found = predictor.launch(images, ORIGINAL).wait()
    assert isinstance(found[1], ValueError) and "NaN or infinity in its logits" in str(found[1])
    for number in (0, 2):
        one, other = found[number], expected[number]
        assert isinstance(one, ScoredBoxes) and isinstance(other, ScoredBoxes)
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_batches_hold_each_image_once_by_canvas_and_within_their_pixels(detector: Detector) -> None:
    predictor = Predictor(detector, pads=True)
    predictor.batch_pixels = 5 * 1024 * 768
    rng = np.random.default_rng(0)
    sizes = [(int(w), int(h)) for w, h in rng.integers(300, 1200, (200, 2))] + [(0, 0)] * 3
    canvas = Canvas(1024)
    batches = plan_batches(sizes, predictor, canvas)
    assert sorted(number for batch in batches for number in batch) == list(range(len(sizes)))
    for batch in batches:
        sides = [padded_sides(*canvas.size(*sizes[n])) if sizes[n][0] else (1, 1) for n in batch]
        width, height = (max(each) for each in zip(*sides, strict=True))
        assert len(batch) == 1 or len(batch) * width * height <= predictor.batch_pixels
    assert plan_batches(sizes, Predictor(detector), canvas) == [[number] for number in range(len(sizes))]


@pytest.mark.parametrize(
    ("size", "canvas"), [((1024, 683), (1024, 768)), ((7680, 5122), (7680, 5632)), ((1, 1), (256, 256))]
)
def test_a_padded_canvas_is_little_larger(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    assert padded_sides(*size) == canvas


def test_there_are_few_sizes_of_batches() -> None:
    assert [padded_count(images, 32) for images in (1, 2, 8, 9, 17, 32)] == [1, 8, 8, 16, 32, 32]
    assert [padded_count(images, 5) for images in (1, 2, 5)] == [1, 5, 5]
    assert padded_count(3, 1) == 3  # asked for all the same


class Small(Predictor):
    """A device for so many pixels at once."""

    capacity = 0
    tried: list[tuple[int, int | None]]

    def launch(self, images_bgr: Sequence[Image], canvas: Sizing, *, tile: int | None = None) -> PendingBatch:
        self.tried.append((len(images_bgr), tile))
        sides = [max(canvas.size(image.shape[1], image.shape[0])) for image in images_bgr]
        width, height = padded_sides(max(sides), max(sides))
        count = 1 if tile else padded_count(len(sides), self.room(width, height))
        if count * min(max(sides), tile or max(sides)) ** 2 > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().launch(images_bgr, canvas, tile=tile)


def test_what_does_not_fit_is_halved_then_cut_into_tiles_then_an_error_of_its_own(detector: Detector) -> None:
    predictor, images = Small(detector, pads=True), [noise(*size, size[0]) for size in (*SIZES[:3], (1700, 100))]
    smallest = predictor.smallest_tile
    expected = [Predictor(detector).candidates(image, ORIGINAL) for image in images]
    predictor.batch_pixels = 4 * 1792 * 1792
    predictor.capacity, predictor.tried = 850**2, []
    for found, each in zip(launch_within_memory(predictor, images, ORIGINAL)(), expected, strict=True):
        assert_close(found, each)
    assert predictor.tried == [(4, None), (2, None), (2, None), (1, None), (1, None), (1, 850)]
    predictor.capacity, predictor.tried = smallest**2 - 1, []
    *fine, hopeless = launch_within_memory(predictor, images, ORIGINAL)()
    for found, each in zip(fine, expected[:3], strict=True):
        assert_close(found, each)
    assert isinstance(hopeless, RuntimeError) and "OutOfMemoryError: CUDA out of memory" in str(hopeless)


def test_a_mode_of_several_passes_takes_tiles_too(detector: Detector) -> None:
    image, passes = noise(1700, 100, 1700), (Pass(ORIGINAL), Pass(ORIGINAL, mirrored=True))
    mode = Mode("plain and mirrored", lambda width, height: passes, Voting())
    expected = detect(Predictor(detector), image, mode)
    predictor = Small(detector)
    predictor.capacity, predictor.tried = 850**2, []
    assert_close(detect(predictor, image, mode), expected)
    assert predictor.tried == 2 * [(1, None), (1, 850)]
    predictor.capacity = predictor.smallest_tile**2 - 1
    with pytest.raises(RuntimeError, match="OutOfMemoryError: CUDA out of memory"):
        detect(predictor, image, mode)


def test_a_broken_device_is_no_lack_of_memory(detector: Detector) -> None:
    class Broken(Predictor):
        def launch(self, images_bgr: Sequence[Image], canvas: Sizing, *, tile: int | None = None) -> PendingBatch:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        launch_within_memory(Broken(detector), [noise(9, 9, 9)], ORIGINAL)


@pytest.mark.parametrize("name", ["retinaface_mobilenet", "mogface_mobilenet"])
def test_a_batch_is_launched_without_a_wait_for_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The selection of candidates on a CPU reads back; here it is that of a GPU."""
    torch.manual_seed(0)
    predictor = Predictor(settled(DETECTORS.find(name).build()), pads=True)
    monkeypatch.setattr("pipeline.inference.selection.top_candidates_of_each", _by_key)
    images = [noise(*size, size[0]) for size in SIZES]
    with Waits() as waits:
        launched = predictor.launch(images, ORIGINAL)
        predictor.launch(images[:1], ORIGINAL, tile=2**20)
    assert waits.found == []
    with Waits() as control:
        bool(torch.ones(1).sum() > 0)
    assert control.found == ["_local_scalar_dense"]
    assert all(isinstance(found, ScoredBoxes) for found in launched.wait())


@pytest.mark.parametrize("k", [1, 7, 50, 200])
def test_keys_give_the_order_of_scores_and_indices(k: int) -> None:
    rng = np.random.default_rng(k)
    scores = torch.from_numpy(rng.integers(0, 9, (4, 100)).astype(np.float32) / 8)
    scores[2, 50:] = -1  # beyond the image
    found = _by_key(scores, k)
    for row, chosen in zip(scores, found, strict=True):
        assert torch.equal(chosen, top_candidates(row, k))
