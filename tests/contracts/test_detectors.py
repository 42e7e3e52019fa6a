"""What every entry of DETECTORS must do; a new entry is picked up by itself."""

import pickle

import numpy as np
import pytest
import torch

from pipeline.data.canvas import Canvas
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors import DETECTORS, detector_spec
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import open_detector, save_bytes


@pytest.fixture(scope="module", params=list(DETECTORS))
def named(request: pytest.FixtureRequest) -> tuple[str, Detector]:
    torch.manual_seed(0)
    return request.param, DETECTORS[request.param].build().eval()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 17), (64, 96)])
def test_one_row_per_anchor_whatever_the_size(named: tuple[str, Detector], height: int, width: int) -> None:
    detector = named[1]
    with torch.inference_mode():
        raw = detector(torch.randn(2, 3, height, width) * 50)
        anchors = detector.anchors(height, width)
        boxes, landmarks = detector.decode(raw, anchors)
        scores = detector.scores(raw.logits)
    assert raw.boxes.shape == (2, len(anchors), 4) == boxes.shape
    assert scores.shape == (2, len(anchors))
    assert scores.dtype == boxes.dtype == torch.float32
    assert torch.isfinite(boxes).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert landmarks is None or landmarks.shape == (2, len(anchors), 5, 2)


def test_images_of_a_batch_do_not_touch_each_other(named: tuple[str, Detector]) -> None:
    detector = named[1]
    images = torch.randn(3, 3, 40, 56)
    with torch.inference_mode():
        together, alone = detector(images).logits[1], detector(images[1:2]).logits[0]
    assert torch.allclose(together, alone, atol=1e-4)


def test_zero_deltas_decode_to_the_anchors(named: tuple[str, Detector]) -> None:
    detector = named[1]
    with torch.inference_mode():
        raw = detector(torch.zeros(1, 3, 64, 96))
        anchors = detector.anchors(64, 96)
    boxes = detector.coder.decode(torch.zeros_like(raw.boxes[0]), anchors)
    assert torch.allclose(boxes, detector.grid.corners(64, 96))


def test_boxes_come_back_in_the_original_frame(named: tuple[str, Detector]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (31, 47, 3), dtype=np.uint8)
    found = Predictor(named[1], top=20).candidates(image, Canvas(141))
    assert len(found) == 20
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes.dtype == found.scores.dtype == np.float32
    # Untrained deltas are small, so that each box is about an anchor, 3 times smaller than on the canvas.
    canvas = named[1].grid.corners(93, 141).numpy() / 3
    nearest = np.abs(found.boxes[:, None] - canvas[None]).max(2).min(1)
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).max(1)
    assert (nearest < 0.5 * sides).all()


def test_halo_is_whole_cells_and_memory_is_measured(named: tuple[str, Detector]) -> None:
    detector = named[1]
    assert detector.receptive_halo % max(detector.strides) == 0 < detector.receptive_halo
    assert detector.memory.per_pixel >= 12  # the input alone
    assert list(detector.strides) == sorted(detector.strides)


def test_pickled_and_saved_copies_answer_alike(named: tuple[str, Detector]) -> None:
    name, detector = named
    images = torch.randn(1, 3, 33, 40)
    with torch.inference_mode():
        expected = detector(images).logits
        assert torch.equal(pickle.loads(pickle.dumps(detector))(images).logits, expected)
        found, loaded = open_detector(save_bytes(name, detector))
        assert found == name
        assert torch.equal(loaded(images).logits, expected)


def test_names_are_listed_where_one_is_wrong() -> None:
    with pytest.raises(ValueError, match="retinaface_mobilenet, retinaface_mobilenet_mb1, retinaface_resnet50"):
        detector_spec("retinaface")


def test_no_digest_belongs_to_two_detectors() -> None:
    digests = [digest for spec in DETECTORS.values() for digest in spec.digests]
    assert len(digests) == len(set(digests))
    assert all(len(digest) == 64 for digest in digests)
