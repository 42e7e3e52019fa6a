import numpy as np
import pytest

from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections
from tests.counted_text import Counted, counted


def _detections(image_id: str, *scores: float) -> Detections:
    boxes = np.arange(4 * len(scores), dtype=np.float32).reshape(-1, 4)
    return Detections(image_id, 10, 10, boxes, np.array(scores, np.float32))


def _set() -> PredictionSet:
    return PredictionSet.of([_detections("e/a", 0.9, 0.5), _detections("e/b"), _detections("e/c", 0.7)])


def test_of_widens_without_rounding() -> None:
    flat = _set()
    assert flat.offsets.tolist() == [0, 2, 2, 3] and flat.boxes.dtype == flat.scores.dtype == np.float64
    assert flat.scores.tolist() == [float(np.float32(value)) for value in (0.9, 0.5, 0.7)]
    assert flat.image_rows().tolist() == [0, 0, 2] and PredictionSet.of([]).boxes.shape == (0, 4)


def test_select_reorders_leaves_out_and_gives_unknown_images_nothing() -> None:
    chosen = _set().select(["e/c", "e/x", "e/a"])
    assert chosen.image_ids == ("e/c", "e/x", "e/a") and chosen.offsets.tolist() == [0, 1, 1, 3]
    assert chosen.boxes[:, 0].tolist() == [0, 0, 4]
    assert chosen.scores.tolist() == _set().scores[[2, 0, 1]].tolist()
    same = _set()
    assert same.select(same.image_ids) is same


def test_falling_sorts_within_images_and_keeps_ties() -> None:
    flat = PredictionSet(
        ("a", "b"), np.array([0, 3, 5]), np.arange(20.0).reshape(5, 4), np.array([0.1, 0.5, 0.5, 1, 2])
    )
    ordered = flat.falling()
    assert ordered.scores.tolist() == [0.5, 0.5, 0.1, 2, 1]
    assert ordered.boxes[:, 0].tolist() == [4, 8, 0, 16, 12] and ordered.falling() is ordered


def test_lengths_that_disagree_and_images_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="offsets"):
        PredictionSet(("a",), np.array([0]), np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(ValueError, match="2 scores"):
        PredictionSet(("a",), np.array([0, 2]), np.zeros((1, 4)), np.zeros(2))
    with pytest.raises(ValueError, match="image a appears more than once"):
        PredictionSet(("a", "a"), np.array([0, 0, 0]), np.zeros((0, 4)), np.zeros(0))


def test_the_image_that_comes_twice_is_found_in_one_pass() -> None:
    names = counted([f"e/{number}" for number in range(1000)])
    with pytest.raises(ValueError, match="image e/999 appears more than once"):
        PredictionSet(
            (*names, "e/999"), np.zeros(1002, np.int64), np.zeros((0, 4), np.float64), np.zeros(0, np.float64)
        )
    assert Counted.looks < 20 * len(names)
