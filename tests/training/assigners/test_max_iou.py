"""Matching against published vectors; worked examples of the rules. The slow reference is in tests/contracts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.candidate_pairs import overlapping
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.assigners.grouped_sort import best_of_group
from pipeline.training.assigners.max_iou import MaxIou
from tests.training.assigners.vectors import OFFICIAL, SETS, STANDARD, assert_learns, load, mogface_anchors, targets

CASES = [(0, "s1"), (1, "s1"), (1, "s0.68"), (2, "s1"), (3, "s1"), (4, "s1"), (4, "s0.68"), (4, "pyr"), (5, "s1")]
ROW = Anchors.of(AnchorGrid((16,), ((16,),)), 16, 64)  # four anchors side by side
# Face A has anchors 0 and 1, face B none: its IoU with anchor 2 is 48 of 256.
FEW = [[0.0, 0.0, 32.0, 16.0], [40.0, 0.0, 48.0, 6.0]]


def _match(assigner: MaxIou, faces: list[list[float]], anchors: Anchors = ROW) -> tuple[list[int], list[int]]:
    got = assigner(anchors, FaceBatch.of([torch.tensor(faces).reshape(-1, 4)]))
    return got.face[0].tolist(), got.label[0].tolist()


@pytest.mark.wider
@pytest.mark.parametrize(("case", "kind"), CASES)
def test_mogface_vectors(shared: Path, case: int, kind: str) -> None:
    z, anchors = load(shared, "matching"), mogface_anchors(SETS[kind])
    p = f"c{case}_{kind}_"
    boxes = torch.from_numpy(z[f"c{case}_gt"][:, :4])
    batch = FaceBatch.of([boxes])
    got = OFFICIAL(anchors, batch)
    assert_learns(got, 0, z[f"{p}pos_idx"], z[f"{p}pos_gt"])
    which = torch.from_numpy(z[f"{p}pos_idx"]).long()
    wanted = targets(anchors, boxes[got.face[0, which]], which)
    np.testing.assert_allclose(wanted.numpy().reshape(-1, 4), z[f"{p}pos_targets"], rtol=1e-5, atol=1e-5)
    pairs = overlapping(anchors, batch.rows(), 0.0, best_too=False)
    highest = torch.zeros(len(anchors)).scatter_reduce_(0, pairs.anchor, pairs.iou, "amax")
    np.testing.assert_allclose(highest[which], z[f"{p}pos_iou"], rtol=1e-6, atol=1e-7)


@pytest.mark.wider
def test_mogface_targets_of_every_anchor(shared: Path) -> None:
    """Background anchors included, which the vectors match to their best face, the first on ties."""
    z, anchors = load(shared, "matching"), mogface_anchors()
    boxes = torch.from_numpy(z["c1_gt"][:, :4])
    batch = FaceBatch.of([boxes])
    pairs = overlapping(anchors, batch.rows(), 0.0, best_too=False)
    face = best_of_group(pairs.anchor, pairs.iou, pairs.row, len(anchors)).clamp(min=0)
    got = OFFICIAL(anchors, batch)
    face = torch.where(got.label[0] == 1, got.face[0], face)
    np.testing.assert_array_equal(face, z["c1_s1_all_gt"])
    wanted = targets(anchors, boxes[face], torch.arange(len(anchors)))
    np.testing.assert_allclose(wanted, z["c1_s1_all_targets_f32"][:, :4], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(got.label[0], z["c1_s1_all_targets_f32"][:, 4])


@pytest.mark.wider
def test_faces_without_area_go_to_anchor_0_in_the_released_code_only(shared: Path) -> None:
    anchors, boxes = mogface_anchors(), torch.from_numpy(load(shared, "matching")["c5_gt"][:, :4])
    flat = torch.nonzero((boxes[:, 2:] == boxes[:, :2]).any(dim=1)).flatten().tolist()
    official, ours = OFFICIAL(anchors, FaceBatch.of([boxes])), STANDARD(anchors, FaceBatch.of([boxes]))
    assert flat
    assert (official.label[0, 0].item(), official.face[0, 0].item()) == (1, flat[-1])
    assert ours.label[0, 0] == 0
    assert not set(flat) & set(ours.face[ours.label == 1].tolist())
    assert torch.equal(ours.label[0, 1:], official.label[0, 1:])


@pytest.mark.parametrize("reassign_best", [True, False])
def test_faces_that_overlap_no_anchor_are_skipped(reassign_best: bool) -> None:
    """On anchor 1, a point, outside; three images: with all faces, with the last one alone, and with none."""
    faces = torch.tensor([[16.0, 0.0, 32.0, 16.0], [40.0, 8.0, 40.0, 8.0], [900.0, 0.0, 916.0, 16.0]])
    got = MaxIou(low_quality_iou=0.0, reassign_best=reassign_best)(
        ROW, FaceBatch.of([faces, faces[2:], torch.zeros(0, 4)])
    )
    assert got.label.tolist() == [[0, 1, 0, 0], [0] * 4, [0] * 4]
    assert got.face[0, 1] == 0


def test_worked_example_of_the_quirk() -> None:
    """Face B takes anchor 0 from face A, through which it is FACE; in MogFace by force."""
    faces = [[0.0, 0.0, 16.0, 10.0], [15.0, 0.0, 17.0, 16.0]]
    assert _match(MaxIou(), faces) == ([1, 0, 0, 0], [1, 0, 0, 0])
    assert _match(MaxIou(reassign_best=False), faces) == ([0, 0, 0, 0], [1, 0, 0, 0])
    assert _match(STANDARD, faces) == ([1, 0, 0, 0], [1, 0, 0, 0])


def test_the_first_face_too_is_handed_its_best_anchor() -> None:
    # Anchor 0 is the only one of the first face (0.25), and the second best of the other one (0.44 against 0.53).
    faces = [[0.0, 0.0, 8.0, 8.0], [2.0, 0.0, 32.0, 16.0]]
    face, label = _match(MaxIou(), faces)
    assert (face[:2], label) == ([0, 1], [1, 1, 0, 0])
    assert _match(MaxIou(low_quality_iou=None), faces)[0][:2] == [1, 1]


def test_low_quality_match_under_the_threshold() -> None:
    assert _match(MaxIou(), [[0, 0, 8, 8]])[1] == [1, 0, 0, 0]  # IoU 0.25
    assert _match(MaxIou(), [[0, 0, 7, 7]])[1] == [0, 0, 0, 0]  # 0.19
    assert _match(STANDARD, [[0, 0, 7, 7]])[1] == [1, 0, 0, 0]
    assert _match(MaxIou(low_quality_iou=None), [[0, 0, 8, 8]])[1] == [0, 0, 0, 0]


def test_ties() -> None:
    """Equal faces: the first keeps what it overlaps, the last one the best anchor. Equal anchors: the first."""
    box = [0.0, 0.0, 32.0, 16.0]  # IoU 0.5 with anchors 0 and 1
    assert _match(STANDARD, [box, box, box]) == ([2, 0, 0, 0], [1, 1, 0, 0])
    assert _match(STANDARD, [[4.0, 0.0, 28.0, 4.0]]) == ([0, 0, 0, 0], [1, 0, 0, 0])


def test_threshold_is_inclusive() -> None:
    assert _match(MaxIou(positive=0.5, low_quality_iou=None), [[0.0, 0.0, 16.0, 8.0]])[1] == [1, 0, 0, 0]
    assert _match(MaxIou(positive=0.5001, low_quality_iou=None), [[0.0, 0.0, 16.0, 8.0]])[1] == [0, 0, 0, 0]


@pytest.mark.parametrize("positive", [0.25, 0.35, 0.5, 0.6])
def test_an_overlap_equal_to_the_threshold_in_float32_is_a_match(positive: float) -> None:
    """35 of 100: the float32 quotient of two whole numbers is the float32 threshold."""
    anchors = Anchors.of(AnchorGrid((16,), ((10,),)), 16, 32)  # squares of 10 pixels about (8, 8) and (24, 8)
    face = [3.0, 3.0, 13.0, 3.0 + 10 * positive]
    pairs = overlapping(anchors, FaceBatch.of([torch.tensor([face])]).rows(), positive, best_too=False)
    assert pairs.iou.tolist() == [torch.tensor(positive).item()]
    for step, label in ((0.0, 1), (1e-6, 0), (-1e-6, 1)):
        assert _match(MaxIou(positive=positive + step, low_quality_iou=None), [face], anchors)[1] == [label, 0]


def test_a_low_quality_match_at_its_threshold_counts() -> None:
    face = [0.0, 0.0, 8.0, 8.0]  # IoU 0.25 with anchor 0
    for lowest, label in ((0.25, 1), (0.2501, 0)):
        assert _match(MaxIou(low_quality_iou=lowest), [face])[1] == [label, 0, 0, 0]
        assert _match(MaxIou(low_quality_iou=lowest, reassign_best=False), [face])[1] == [label, 0, 0, 0]


def test_the_second_stage_takes_only_overlaps_above_its_threshold() -> None:
    for bound, label in ((0.1875, 0), (0.1874, 1)):
        assert _match(MaxIou(low_quality_iou=None, compensation=bound), FEW)[1] == [1, 1, label, 0]


def test_second_stage_of_s3fd() -> None:
    """The mean is 1, so B takes its best anchor of IoU > 0.1, though it is below 0.35."""
    assert _match(MaxIou(low_quality_iou=None), FEW)[1] == [1, 1, 0, 0]
    s3fd = MaxIou(low_quality_iou=None, compensation=0.1)
    assert _match(s3fd, FEW) == ([0, 0, 1, 0], [1, 1, 1, 0])
    assert _match(MaxIou(low_quality_iou=None, compensation=0.2), FEW)[1] == [1, 1, 0, 0]
    got = s3fd(ROW, FaceBatch.of([torch.tensor(FEW)]))
    assert got.compensated[0].tolist() == [False, False, True, False]


def test_dead_faces_keep_the_numbering_of_the_others() -> None:
    face, label = _match(MaxIou(), [[4, 4, 4, 4], [16, 0, 32, 16]])
    assert (face[1], label) == (1, [0, 1, 0, 0])


def test_assignment_refuses_tensors_that_disagree() -> None:
    whole, no = torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        Assignment(whole, whole[:, :2], no)
    with pytest.raises(ValueError, match="int64"):
        Assignment(whole.float(), whole, no)
