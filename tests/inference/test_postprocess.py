import numpy as np
import pytest

from pipeline.inference.candidates import Candidates
from pipeline.inference.postprocess import detections


def apart(scores: list[float]) -> Candidates:
    boxes = np.array([[100 * i, 0, 100 * i + 20, 20] for i in range(len(scores))], np.float32).reshape(-1, 4)
    return Candidates(boxes, np.array(scores, np.float32))


def test_the_score_cut_is_strict() -> None:
    assert detections(apart([0.5, 0.03, 0.02, 0.01])).scores.tolist() == pytest.approx([0.5, 0.03])


def test_limits_before_and_after_suppression() -> None:
    found = apart([0.9, 0.8, 0.7, 0.6])
    found.boxes[1] = found.boxes[0] + 1
    assert detections(found).scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert detections(found, pre_top=2).scores.tolist() == pytest.approx([0.9])
    assert detections(found, keep=2).scores.tolist() == pytest.approx([0.9, 0.7])
    assert len(detections(found, pre_top=None, keep=None, iou=1.0)) == 4
    with pytest.raises(ValueError, match="keep=-1"):
        detections(found, keep=-1)


def test_widths_count_one_more() -> None:
    found = Candidates(
        np.array([[0, 0, 8, 8], [0, 4, 8, 12]], np.float32),
        np.array([0.9, 0.8], np.float32),
        np.ones((2, 5, 2), np.float32),
    )
    assert len(detections(found, iou=0.35)) == 1  # 45 / 117 inclusive, 32 / 96 without
    assert detections(found, iou=0.39).landmarks.shape == (2, 5, 2)


@pytest.mark.parametrize("scores", [[], [0.01, 0.005]])
def test_nothing_left(scores: list[float]) -> None:
    found = detections(apart(scores))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)
