import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.images import resize
from pipeline.data.records import ScoredBoxes
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor, enlarge_on_device
from pipeline.models.detectors.detector import Detector
from pipeline.models.detectors.retinaface import retinaface_mobilenet
from pipeline.models.weights import open_detector
from tests.inference.networks import lively_detector, noise

FILES = {"std": "retinaface_mobilenet0.25_Final.pth", "mb1": "facedetector1mb_mobilenet0.25_Final.pth"}


@pytest.fixture(scope="module")
def untrained() -> Detector:
    return lively_detector()


def test_the_untrained_network_is_lively(untrained: Detector) -> None:
    found = Predictor(untrained).candidates(noise(200, 200), ORIGINAL)
    assert found.scores.std() > 0.05 and len(np.unique(found.scores)) > 0.9 * len(found)


def assert_same(one: ScoredBoxes, other: ScoredBoxes, pixels: float) -> None:
    """Every row equal, apart from neighbours in the order whose scores are equal but for rounding."""
    assert len(one) == len(other)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    free = np.ones(len(other), bool)
    for box, score in zip(one.boxes, one.scores, strict=True):
        near = free & (np.abs(other.scores - score) < 1e-5) & (np.abs(other.boxes - box).max(1) < pixels)
        assert near.any(), f"no partner for {box} of score {score}"
        free[np.argmax(near)] = False


@pytest.mark.wider
@pytest.mark.parametrize("variant", list(FILES))
def test_published_detections_of_all_images(shared: Path, variant: str) -> None:
    predictor = Predictor(open_detector(shared / "data/weights" / FILES[variant])[1])
    files = sorted((shared / "reference/retinaface/images").glob("*.jpg"))
    assert len(files) == 6
    for file in files:
        expected = np.load(shared / f"reference/retinaface/detections/{variant}_{file.stem}.npz")
        found = detections(predictor.candidates(cv2.imread(str(file)), ORIGINAL))
        reference = ScoredBoxes(expected["boxes"], expected["scores"], expected["landmarks"])
        assert_same(found, reference, pixels=1e-3)
        order = np.lexsort(found.boxes.round(1).T), np.lexsort(reference.boxes.round(1).T)
        close = np.abs(found.landmarks[order[0]] - reference.landmarks[order[1]]).max((1, 2)) < 2e-3
        assert close.mean() > 0.98  # the rest: rounding put two boxes in another order


@pytest.mark.wider
def test_tiles_equal_the_whole_on_a_real_image(shared: Path) -> None:
    detector = open_detector(shared / "data/weights" / FILES["std"])[1]
    image = cv2.imread(str(shared / "reference/retinaface/images/22_Picnic_Picnic_22_313.jpg"))
    canvas = Canvas(1501)
    whole = Predictor(detector, max_candidates=2000).candidates(image, canvas)
    tiled = Predictor(detector, max_candidates=2000, tile=700).candidates(image, canvas)
    assert whole.scores[0] > 0.9
    assert_same(whole, tiled, pixels=1e-3)


@pytest.mark.parametrize(("height", "width"), [(701, 1013), (32, 1200), (900, 33)])
def test_tiles_equal_the_whole_on_noise_of_odd_size(untrained: Detector, height: int, width: int) -> None:
    image = noise(height, width)
    count = untrained.grid.count(height, width)
    whole = Predictor(untrained, max_candidates=count).candidates(image, ORIGINAL)
    tiled = Predictor(untrained, max_candidates=count, tile=576).candidates(image, ORIGINAL)
    assert len(tiled) == count  # every anchor in one core, also those centred beyond the edge
    np.testing.assert_allclose(np.sort(tiled.scores), np.sort(whole.scores), atol=1e-5)
    rows = [np.lexsort(found.boxes.round(1).T) for found in (whole, tiled)]
    agree = np.abs(whole.boxes[rows[0]] - tiled.boxes[rows[1]]).max(1) < 1e-3
    assert agree.mean() > 0.99  # rounding to tenths may put two boxes in another order
    best = Predictor(untrained, max_candidates=300, tile=576).candidates(image, ORIGINAL)
    np.testing.assert_array_equal(best.scores, tiled.scores[:300])


def test_too_small_a_halo_would_be_seen(untrained: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrained, "receptive_halo", 64)
    image = noise(256, 1013)
    whole = Predictor(untrained, max_candidates=10_000).candidates(image, ORIGINAL)
    tiled = Predictor(untrained, max_candidates=10_000, tile=256).candidates(image, ORIGINAL)
    assert np.abs(np.sort(whole.scores) - np.sort(tiled.scores)).max() > 1e-4


@pytest.mark.parametrize("tile", [None, 576])
def test_equal_scores_come_in_the_order_of_the_anchors(untrained: Detector, tile: int | None) -> None:
    detector = retinaface_mobilenet().eval()
    with torch.no_grad():
        for parameter in detector.heads.parameters():
            parameter.zero_()
    found = Predictor(detector, max_candidates=4000, tile=tile).candidates(noise(640, 800), ORIGINAL)
    assert (found.scores == 0.5).all()
    np.testing.assert_array_equal(found.boxes, detector.grid.corners(640, 800).numpy()[:4000])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 17), (5, 400)])
def test_odd_sizes(untrained: Detector, height: int, width: int) -> None:
    found = Predictor(untrained).candidates(noise(height, width), ORIGINAL)
    assert len(found) == min(5000, untrained.grid.count(height, width)) and (np.diff(found.scores) <= 0).all()
    assert found.landmarks.shape == (len(found), 5, 2)


def test_boxes_scale_back_with_the_canvas(untrained: Detector) -> None:
    image = noise(120, 170)
    direct = Predictor(untrained, max_candidates=50).candidates(resize(image, 340, 240), ORIGINAL)
    scaled = Predictor(untrained, max_candidates=50).candidates(image, Canvas(340))
    np.testing.assert_allclose(scaled.boxes * 2, direct.boxes, atol=1e-3)
    np.testing.assert_allclose(scaled.landmarks * 2, direct.landmarks, atol=1e-3)


def test_enlarging_on_the_device_equals_opencv_to_one_level() -> None:
    small = noise(37, 53)
    for width, height in [(530, 370), (401, 97), (53, 37)]:
        ours = enlarge_on_device(torch.from_numpy(small), width, height).numpy()
        assert ours.dtype == np.uint8 and np.abs(ours.astype(int) - resize(small, width, height)).max() <= 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_answers_that_are_not_finite_are_refused(untrained: Detector, value: float) -> None:
    broken = pickle.loads(pickle.dumps(untrained))
    with torch.no_grad():
        broken.heads.kinds[1].levels[0].bias.fill_(value)
    with pytest.raises(ValueError, match="NaN or infinity in its logits"):
        Predictor(broken).candidates(noise(40, 40), ORIGINAL)
    with torch.no_grad():
        broken.heads.kinds[1].levels[0].bias.zero_()
        broken.heads.kinds[0].levels[0].bias.fill_(1e6)
    with pytest.raises(ValueError, match="NaN or infinity in its boxes"):
        Predictor(broken).candidates(noise(40, 40), ORIGINAL)


def test_wrong_images_and_settings_are_refused(untrained: Detector) -> None:
    predictor = Predictor(untrained)
    for image in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="uint8"):
            predictor.candidates(image, ORIGINAL)
    with pytest.raises(ValueError, match="at least 544"):
        Predictor(untrained, tile=543)
    with pytest.raises(ValueError, match="max_candidates must be"):
        Predictor(untrained, max_candidates=0)


def test_views_and_pickled_predictors_work(untrained: Detector) -> None:
    image = noise(50, 60)
    predictor = Predictor(untrained, max_candidates=30)
    plain = predictor.candidates(np.ascontiguousarray(image[:, ::-1]), ORIGINAL)
    flipped = pickle.loads(pickle.dumps(predictor)).candidates(image[:, ::-1], ORIGINAL)
    np.testing.assert_array_equal(plain.boxes, flipped.boxes)
