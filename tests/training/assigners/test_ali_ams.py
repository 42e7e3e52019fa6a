"""Ali-AMS against the released code's numbers, and the decisions that the paper leaves open one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.training.assigners.ali_ams import AliAms, official_pool
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import FACE, Assignment
from pipeline.training.assigners.faces import FaceBatch, Predicted
from pipeline.training.assigners.max_iou import MaxIou
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.focal import FocalLoss
from tests.training.assigners.vectors import OFFICIAL, assert_learns, load, mogface_anchors, targets
from tests.training.losses.reduction import reduced


def _case(z: dict[str, np.ndarray], case: int) -> tuple[FaceBatch, Predicted]:
    logits = torch.from_numpy(z[f"c{case}_conf_logits"])[..., 0]
    faces = [torch.from_numpy(z[f"c{case}_b{b}_gt"][:, :4]) for b in range(len(logits))]
    return FaceBatch.of(faces), Predicted(logits, torch.zeros(*logits.shape, 4))


def _losses(anchors: Anchors, faces: FaceBatch, got: Assignment, logits: torch.Tensor) -> list[float]:
    wanted = torch.zeros(*got.label.shape, 4)
    image, anchor = torch.nonzero(got.label == FACE, as_tuple=True)
    wanted[image, anchor] = targets(anchors, faces.boxes[image, got.face[image, anchor]], anchor)
    face = reduced(FocalLoss()(logits, got.label), got.label).item()
    box = 2 * reduced(SmoothL1Loss()(torch.zeros_like(wanted), wanted, got.label == FACE), got.label).item()
    return [face, box, face + box]


@pytest.mark.wider
@pytest.mark.parametrize("case", range(4))
def test_released_code(shared: Path, case: int) -> None:
    z = load(shared, "ali_ams")
    anchors, (faces, predicted) = mogface_anchors(), _case(z, case)
    before = OFFICIAL(anchors, faces)
    after = AliAms(OFFICIAL, "official")(anchors, faces, predicted)
    own = AliAms(OFFICIAL, "own_level")(anchors, faces, predicted)
    for b in range(len(predicted.logits)):
        p = f"c{case}_b{b}_"
        boxes = torch.from_numpy(z[f"{p}gt"][:, :4])
        assert_learns(before, b, z[f"{p}before_pos_idx"], z[f"{p}before_pos_gt"])
        for got, name in ((after, "added"), (own, "ownlevel_added")):
            added = torch.nonzero(got.compensated[b]).flatten().numpy()
            np.testing.assert_array_equal(added, z[f"{p}{name}_idx"])
            np.testing.assert_array_equal(got.face[b].numpy()[added], z[f"{p}{name}_gt"])
            kept = (got.label[b] == before.label[b]) & (got.face[b] == before.face[b])
            assert kept[~got.compensated[b]].all()
        for name in ("before", "added"):
            which = torch.from_numpy(z[f"{p}{'before_pos' if name == 'before' else name}_idx"]).long()
            face = after.face[b][which]
            np.testing.assert_allclose(targets(anchors, boxes[face], which), z[f"{p}{name}_targets"], atol=1e-5)
        _compare_counts(anchors, before, b, z[f"{p}level_gt_count_T"])
    logits = predicted.logits
    np.testing.assert_allclose(_losses(anchors, faces, before, logits), z[f"c{case}_losses_before"], rtol=1e-5)
    np.testing.assert_allclose(_losses(anchors, faces, after, logits), z[f"c{case}_losses_after"], rtol=1e-5)


def _compare_counts(anchors: Anchors, before: Assignment, image: int, table: np.ndarray) -> None:
    anchor = torch.nonzero(before.label[image]).flatten()
    level = torch.searchsorted(torch.tensor(anchors.level_ends), anchor, right=True) + 2
    pairs, counts = np.unique(np.stack([level, before.face[image][anchor]]), axis=1, return_counts=True)
    rows = [(lv, f, n, counts[pairs[0] == lv].max()) for lv, f, n in zip(*pairs.tolist(), counts, strict=True)]
    np.testing.assert_array_equal(np.asarray(rows, int).reshape(-1, 4), table)


def _added(
    faces: list[list[float]],
    likely: list[int],
    grid: AnchorGrid,
    height: int,
    positive: float,
    variant: str = "paper",
    slope: float = -0.01,
) -> list[tuple[int, int]]:
    """(anchor, face) of the compensated anchors on an image 128 wide; the anchors of `likely` score highest."""
    anchors = Anchors.of(grid, height, 128)
    logits = torch.arange(len(anchors)).float()[None] * slope
    for rank, anchor in enumerate(likely):
        logits[0, anchor] = 10.0 - rank
    assigner = AliAms(MaxIou(positive, low_quality_iou=0.0, reassign_best=False), variant)
    got = assigner(anchors, FaceBatch.of([torch.tensor(faces)]), Predicted(logits, torch.zeros(1, len(anchors), 4)))
    return [(k, int(got.face[0, k])) for k in torch.nonzero(got.compensated[0]).flatten().tolist()]


ROW = AnchorGrid((16,), ((16.0,),))  # on 128 x 16 eight anchors side by side
TWO = AnchorGrid((16, 32), ((16.0,), (32.0,)))
WIDE = [0.0, 0.0, 64.0, 16.0]  # IoU 0.25 with anchors 0 to 3
AT_6, AT_4 = [96.0, 0.0, 112.0, 16.0], [64.0, 0.0, 80.0, 16.0]
TWO_ROWS = [[0.0, 0.0, 32.0, 32.0], [64.0, 0.0, 128.0, 14.0]]
COARSE = AnchorGrid((16, 128), ((16.0,), (900.0,)))  # the last level is skipped by "own_level" and "official"


def test_difference_3_candidates_by_overlap_are_the_papers_only() -> None:
    """On two rows B's four nearest are 5, 6, 13, 14; by overlap 4 (its own), 5, 6, 7."""
    assert [k for k, _ in _added(TWO_ROWS, [7, 5, 13], ROW, 32, 0.245)] == [5, 7, 13]
    assert 7 not in [k for k, _ in _added(TWO_ROWS, [7, 5, 13], ROW, 32, 0.245, "official")]


def test_choice_1_candidates_are_of_the_faces_own_level() -> None:
    """On the coarse level B has 1 anchor of 2: it gets 10, its neighbour there, whatever finer ones score."""
    added = _added([WIDE, AT_6], [4, 5, 7], TWO, 16, 0.2)
    assert added == [(4, 1), (5, 1), (7, 1), (10, 1)]


def test_choice_2_a_candidate_of_both_lists_counts_once() -> None:
    assert [k for k, _ in _added(TWO_ROWS, [5, 7, 6], ROW, 32, 0.245)] == [5, 6, 7]


def test_choice_3_positive_anchors_are_replaced_not_dropped() -> None:
    """B's four nearest are 4 to 7, of which 6 is its own: three others; the code drops 6 from its best three."""
    assert _added([WIDE, AT_6], [6, 5, 7, 4], ROW, 16, 0.2) == [(4, 1), (5, 1), (7, 1)]
    assert _added([WIDE, AT_6], [6, 5, 7, 4], COARSE, 16, 0.2, "own_level") == [(5, 1), (7, 1)]


def test_choice_4_anchors_are_counted_level_by_level() -> None:
    """B has 1 anchor on each level, A 4 and 2: B gets 3 and 1."""
    added = [k for k, _ in _added([WIDE, AT_6], [8, 9, 10, 11], TWO, 16, 0.2)]
    assert (sum(k < 8 for k in added), sum(k >= 8 for k in added)) == (3, 1)


def test_choice_5_faces_choose_in_order_of_their_index() -> None:
    """Both want 5; C has no other candidate that is free."""
    assert _added([WIDE, AT_6, AT_4], [], ROW, 16, 0.2) == [(5, 1), (7, 1)]
    assert _added([WIDE, AT_4, AT_6], [], ROW, 16, 0.2) == [(5, 1), (7, 2)]


def test_choice_6_ties_go_to_the_lower_anchor() -> None:
    """B's two nearest are its own 6 and, of 5 and 7 at the same distance, 5, however 7 scores."""
    assert _added([[0.0, 0.0, 32.0, 16.0], AT_6], [7], ROW, 16, 0.2) == [(5, 1)]


@pytest.mark.parametrize("variant", ["own_level", "official"])
def test_equal_logits_go_to_the_lower_anchor_as_released(variant: str) -> None:
    """B's four nearest are 4 to 7; its three best are 4, 5 and its own 6, which is dropped. By score it is 7, 6, 5."""
    assert _added([WIDE, AT_6], [], COARSE, 16, 0.2, variant, slope=0) == [(4, 1), (5, 1)]
    assert _added([WIDE, AT_6], [], COARSE, 16, 0.2, variant, slope=0.01) == [(5, 1), (7, 1)]
    # C at 4 has the candidates 2 to 5: its best are 2, 3 and 4, all taken, or 5, 4 and 3; then 5 is C's, whose
    # coordinates precede B's, whatever their order.
    for faces in ([WIDE, AT_4, AT_6], [WIDE, AT_6, AT_4]):
        at_4, at_6 = faces.index(AT_4), faces.index(AT_6)
        assert _added(faces, [], COARSE, 16, 0.2, variant, slope=0) == [(5, at_6)]
        assert _added(faces, [], COARSE, 16, 0.2, variant, slope=0.01) == [(5, at_4), (7, at_6)]


def test_equal_logits_go_to_the_lower_anchor_as_printed() -> None:
    """B wants three of 5, 6, 7, 13 and 14."""
    assert [k for k, _ in _added(TWO_ROWS, [], ROW, 32, 0.245, slope=0)] == [5, 6, 7]
    assert [k for k, _ in _added(TWO_ROWS, [], ROW, 32, 0.245, slope=0.01)] == [7, 13, 14]


def test_the_coarsest_level_is_compensated_by_the_paper_only() -> None:
    faces = [WIDE, AT_6]
    assert _added(faces, [], ROW, 16, 0.2)
    assert not _added(faces, [], ROW, 16, 0.2, "official")


@pytest.mark.parametrize(
    ("ordinal", "start", "end"), [(0, 0, 25600), (1, 6400, 32000), (2, 8000, 33600), (3, 8400, 34000), (4, 8500, 34100)]
)
def test_index_ranges_of_the_released_code_at_640(ordinal: int, start: int, end: int) -> None:
    anchors = mogface_anchors()
    box = torch.tensor([[100.0, 90.0, 163.0, 161.0], [610.0, 600.0, 660.0, 690.0]])
    got = official_pool(anchors, box, torch.full((2,), ordinal), 12)
    gap = anchors.centres[:, :2] - ((box[:, :2] + box[:, 2:]) / 2)[:, None]
    wanted = torch.sort((gap * gap).sum(dim=2)[:, start:end], dim=1, stable=True).indices[:, :12] + start
    assert torch.equal(got, wanted)
