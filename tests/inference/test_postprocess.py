from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
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


def test_an_equal_overlap_and_equal_scores_in_mogfaces_convention() -> None:
    # Inclusive pixels: 7 x 1 and 7 x 1, four shared, ten together.
    pair = Candidates(np.array([[0, 0, 6, 0], [3, 0, 9, 0]], np.float32), np.array([0.9, 0.8], np.float32))
    assert len(detections(pair, iou=0.4)) == 2
    assert len(detections(pair, iou=0.4, inclusive=True)) == 1
    tied = apart([0.9, 0.8, 0.8, 0.8, 0.7])
    assert detections(tied, keep=2, ties=True).scores.tolist() == pytest.approx([0.9, 0.8, 0.8, 0.8])
    assert len(detections(tied, keep=2)) == 2
    assert len(detections(tied, keep=5, ties=True)) == len(detections(tied, keep=9, ties=True)) == 5


@pytest.mark.wider
@pytest.mark.parametrize("case", range(3))
def test_mogface_vectors(shared: Path, case: int) -> None:
    vectors = np.load(shared / "reference/mogface/boxes.npz")
    (height, width), shrink = vectors[f"post{case}_input_hw"].tolist(), float(vectors[f"post{case}_shrink"])
    iou, pre_top, score, keep = vectors[f"post{case}_params"].tolist()
    grid = AnchorGrid((4, 8, 16, 32, 64, 128), ((16,), (32,), (64,), (128,), (256,), (512,)))
    # Without variances the first two deltas shift the centre by sides of the anchor; a last pixel counts.
    centres = BoxCoder(1, 1).decode(torch.from_numpy(vectors[f"post{case}_loc"]), grid.centres(height, width, "cpu"))
    corners = (centres + torch.tensor([0.5, 0.5, -0.5, -0.5])).numpy()
    low, sides = corners[:, :2] / shrink, (corners[:, 2:] - corners[:, :2] + 1) / shrink
    scores = vectors[f"post{case}_scores"]
    order = np.argsort(-scores, kind="stable")
    found = detections(
        Candidates(np.concatenate([low, low + sides - 1], 1).astype(np.float32)[order], scores[order]),
        score=score,
        iou=iou,
        pre_top=int(pre_top),
        keep=int(keep),
        inclusive=True,
        ties=True,
    )
    expected = vectors[f"post{case}_dets"]
    assert len(found) == len(expected)
    rows = np.concatenate([found.boxes, found.scores[:, None]], 1)
    one, other = (each[np.lexsort(each.round(2).T)] for each in (rows, expected))
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_difference_10_the_paper_suppresses_from_an_overlap_of_six_tenths_and_the_code_from_three() -> None:
    boxes = np.array([[0, 0, 99, 99], [40, 0, 139, 99]], np.float32)  # overlap with +1: 60 x 100 of 140 x 100
    both = Candidates(boxes, np.array([0.9, 0.8], np.float32))
    assert len(detections(both, iou=0.6, inclusive=True)) == 2
    assert len(detections(both, iou=0.3, inclusive=True)) == 1
