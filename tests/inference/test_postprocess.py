import numpy as np
import pytest

from pipeline.boxes.frame import MOGFACE, PLAIN, RETINAFACE
from pipeline.data.records import ScoredBoxes
from pipeline.inference.postprocess import detections


def apart(scores: list[float]) -> ScoredBoxes:
    boxes = np.array([[100 * i, 0, 100 * i + 20, 20] for i in range(len(scores))], np.float32).reshape(-1, 4)
    return ScoredBoxes(boxes, np.array(scores, np.float32))


def test_the_score_cut_is_strict() -> None:
    assert detections(apart([0.5, 0.03, 0.02, 0.01])).scores.tolist() == pytest.approx([0.5, 0.03])


def test_limits_before_and_after_suppression() -> None:
    found = apart([0.9, 0.8, 0.7, 0.6])
    found.boxes[1] = found.boxes[0] + 1
    assert detections(found).scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert detections(found, max_before_nms=2).scores.tolist() == pytest.approx([0.9])
    assert detections(found, max_detections=2).scores.tolist() == pytest.approx([0.9, 0.7])
    assert len(detections(found, max_before_nms=None, max_detections=None, iou=1.0)) == 4
    with pytest.raises(ValueError, match="max_detections=-1"):
        detections(found, max_detections=-1)


def test_widths_count_one_more() -> None:
    found = ScoredBoxes(
        np.array([[0, 0, 8, 8], [0, 4, 8, 12]], np.float32),
        np.array([0.9, 0.8], np.float32),
        np.ones((2, 5, 2), np.float32),
    )
    assert len(detections(found, iou=0.35)) == 1  # 45 / 117 inclusive, 32 / 96 without
    assert detections(found, iou=0.39).landmarks.shape == (2, 5, 2)


@pytest.mark.parametrize("scores", [[], [0.01, 0.005]])
def test_nothing_left(scores: list[float]) -> None:
    found = detections(apart(scores))
    assert found.boxes.shape == (0, 4) and found.scores.shape == (0,)


def test_an_equal_overlap_and_equal_scores_in_mogfaces_convention() -> None:
    # 7 x 1 and 7 x 1 pixels, four shared, ten together.
    pair = ScoredBoxes(np.array([[0, 0, 7, 1], [3, 0, 10, 1]], np.float32), np.array([0.9, 0.8], np.float32))
    assert len(detections(pair, iou=0.4, convention=PLAIN)) == 2
    assert len(detections(pair, iou=0.4, convention=MOGFACE)) == 1
    tied = apart([0.9, 0.8, 0.8, 0.8, 0.7])
    assert detections(tied, max_detections=2, convention=MOGFACE).scores.tolist() == pytest.approx([0.9, 0.8, 0.8, 0.8])
    assert len(detections(tied, max_detections=2)) == 2
    assert [len(detections(tied, max_detections=keep, convention=MOGFACE)) for keep in (5, 9)] == [5, 5]


def test_one_pair_by_three_conventions() -> None:
    """RetinaFace's sides are a pixel longer than they are: 55 / 187 of two boxes that share 40 of 160."""
    pair = ScoredBoxes(np.array([[0, 0, 10, 10], [6, 0, 16, 10]], np.float32), np.array([0.9, 0.8], np.float32))
    for iou, left in ((0.24, (1, 1, 1)), (0.26, (1, 2, 2)), (0.295, (2, 2, 2))):
        assert tuple(len(detections(pair, iou=iou, convention=each)) for each in (RETINAFACE, MOGFACE, PLAIN)) == left


def test_difference_10_the_paper_suppresses_from_an_overlap_of_six_tenths_and_the_code_from_three() -> None:
    boxes = np.array([[0, 0, 100, 100], [40, 0, 140, 100]], np.float32)  # 60 x 100 shared of 140 x 100
    both = ScoredBoxes(boxes, np.array([0.9, 0.8], np.float32))
    assert len(detections(both, iou=0.6, convention=MOGFACE)) == 2
    assert len(detections(both, iou=0.3, convention=MOGFACE)) == 1
