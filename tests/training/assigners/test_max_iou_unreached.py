"""Faces that overlap no anchor: passed over, or given anchor 0 as the released code does."""

from __future__ import annotations

import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.assigners.max_iou import MaxIou

ROW = Anchors.of(AnchorGrid((16,), ((16,),)), 16, 64)  # four anchors side by side
FACES = [[16.0, 0.0, 32.0, 16.0], [40.0, 8.0, 40.0, 8.0], [900.0, 0.0, 916.0, 16.0]]  # on anchor 1, a point, outside


def match(**settings: object) -> tuple[list[list[int]], list[list[int]]]:
    """Faces and labels of three images: with all faces, with the last one alone, and with none."""
    batch = FaceBatch.of([torch.tensor(FACES), torch.tensor(FACES[2:]), torch.zeros(0, 4)])
    got = MaxIou(**settings)(ROW, batch)  # type: ignore[arg-type]
    return got.face.tolist(), got.label.tolist()


def test_are_passed_over() -> None:
    for hand_over in (True, False):
        face, label = match(forced=0.0, hand_over=hand_over)
        assert label == [[0, 1, 0, 0], [0] * 4, [0] * 4]
        assert face[0][1] == 0


def test_or_take_anchor_0_of_their_image_the_last_one_of_several() -> None:
    face, label = match(forced=0.0, hand_over=False, unreached="first_anchor")
    assert label == [[1, 1, 0, 0], [1, 0, 0, 0], [0] * 4]
    assert (face[0][:2], face[1][0]) == ([2, 0], 0)


def test_not_where_a_face_must_reach_an_overlap() -> None:
    _, label = match(forced=0.2, hand_over=False, unreached="first_anchor")
    assert label == [[0, 1, 0, 0], [0] * 4, [0] * 4]
    _, label = match(forced=None, unreached="first_anchor")
    assert label == [[0, 1, 0, 0], [0] * 4, [0] * 4]


def test_the_second_stage_takes_only_overlaps_above_its_threshold() -> None:
    faces = [torch.tensor([[0.0, 0.0, 32.0, 16.0], [40.0, 0.0, 48.0, 6.0]])]  # the second: 48 of 256 with anchor 2
    for compensation, wanted in ((0.1875, [1, 1, 0, 0]), (0.1874, [1, 1, 1, 0])):
        got = MaxIou(forced=None, compensation=compensation)(ROW, FaceBatch.of(faces))
        assert got.label[0].tolist() == wanted


def test_the_first_face_too_is_handed_its_best_anchor() -> None:
    # Anchor 0 is the only one of the first face (0.25), and the second best of the other one (0.44 against 0.53).
    faces = [torch.tensor([[0.0, 0.0, 8.0, 8.0], [2.0, 0.0, 32.0, 16.0]])]
    got = MaxIou()(ROW, FaceBatch.of(faces))
    assert got.label[0].tolist() == [1, 1, 0, 0]
    assert got.face[0, :2].tolist() == [0, 1]
    assert MaxIou(forced=None)(ROW, FaceBatch.of(faces)).face[0, :2].tolist() == [1, 1]
