import numpy as np
import pytest

from pipeline.boxes.frame import MOGFACE, PLAIN, RETINAFACE, Frame
from pipeline.data.records import ScoredBoxes
from pipeline.inference.fusion import Suppression, Voting, fuse, pool


def found(*rows: tuple[float, float, float], marks: bool = True) -> ScoredBoxes:
    """Boxes of 20 pixels at (x, y) with a score, landmarks at x and y."""
    table = np.array(rows, np.float32).reshape(-1, 3)
    corner = table[:, :2]
    points = np.repeat(corner[:, None], 5, axis=1) if marks else None
    return ScoredBoxes(np.concatenate([corner, corner + 20], 1), table[:, 2], points)


ONE = found((0, 0, 0.75), (100, 0, 0.5))
OTHER = found((4, 0, 0.25), (200, 0, 0.5))


def test_pooled_rows_fall_in_score_and_the_first_set_wins_ties() -> None:
    for sets, second in (((ONE, OTHER), 100), ((OTHER, ONE), 200)):
        pooled = pool(sets)
        assert pooled.scores.tolist() == [0.75, 0.5, 0.5, 0.25] and pooled.boxes[1, 0] == second
        np.testing.assert_array_equal(pooled.landmarks[:, 3], pooled.boxes[:, :2])


def test_sets_of_both_frames_are_pooled_in_that_of_the_first() -> None:
    for one, other in ((ONE, OTHER.to(Frame.INCLUSIVE)), (ONE.to(Frame.INCLUSIVE), OTHER)):
        pooled = pool([one, other])
        assert pooled.frame is one.frame
        np.testing.assert_array_equal(pooled.corners(Frame.CONTINUOUS), pool([ONE, OTHER]).boxes)
        for rule in (Voting(), Suppression(), Voting(convention=MOGFACE)):
            fused, plain = fuse([one, other], rule), fuse([ONE, OTHER], rule)
            assert fused.frame is one.frame
            np.testing.assert_allclose(fused.corners(Frame.CONTINUOUS), plain.boxes, atol=1e-5)


def test_voting_averages_boxes_and_landmarks() -> None:
    fused = fuse([ONE, OTHER], Voting())
    assert fused.boxes.dtype == fused.scores.dtype == fused.landmarks.dtype == np.float32
    assert fused.boxes[:, 0].tolist() == [1, 100, 200] and fused.scores.tolist() == [0.75, 0.5, 0.5]
    assert fused.landmarks.shape == (3, 5, 2) and (fused.landmarks[0] == [1, 0]).all()


def test_every_parameter_of_voting_reaches_it() -> None:
    assert len(fuse([ONE, OTHER], Voting(iou=0.8))) == 4 and len(fuse([ONE, OTHER], Voting(cap=2))) == 2
    assert fuse([ONE, OTHER], Voting(singles="drop")).boxes[:, 0].tolist() == [1, 200]
    near = found((0, 0, 0.5), (0.4, 0, 0.5))
    assert fuse([near], Voting()).boxes[0, 0] == pytest.approx(0.2)
    assert fuse([near], Voting(convention=MOGFACE)).boxes[0, 0] == 0
    exact = found((0, 0, 0.5), (10, 0, 0.5))  # shared 11 x 21 of 31 x 21 inclusive, 10 x 20 of 30 x 20 without
    assert [len(fuse([exact], Voting(iou=0.34, convention=each))) for each in (RETINAFACE, PLAIN)] == [1, 2]


def test_suppression_keeps_the_best() -> None:
    assert fuse([ONE, OTHER], Suppression()).boxes[:, 0].tolist() == [0, 100, 200]
    assert len(fuse([ONE, OTHER], Suppression(cap=1))) == 1
    exact = found((0, 0, 0.5), (10, 0, 0.5))
    assert [len(fuse([exact], Suppression(1 / 3, convention=each))) for each in (PLAIN, MOGFACE)] == [2, 1]
    assert len(fuse([exact], Suppression(0.34))) == 1


def test_landmarks_stay_only_where_all_have_them() -> None:
    assert fuse([ONE, found((4, 0, 0.25), marks=False)], Voting()).landmarks is None
    assert fuse([ONE, found(marks=False)], Voting()).landmarks.shape == (2, 5, 2)
    nothing = fuse([found(), found(marks=False)], Voting())
    assert nothing.boxes.shape == (0, 4) and len(fuse([found()], Suppression())) == 0
    with pytest.raises(ValueError, match="no set of detections to pool"):
        fuse([], Voting())
