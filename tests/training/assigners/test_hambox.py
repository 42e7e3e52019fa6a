"""The worked example, step by step. The slow reference is in tests/contracts."""

from __future__ import annotations

import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.training.assigners import hambox
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.faces import FaceBatch, Predicted
from pipeline.training.assigners.hambox import HamBox

ANCHORS = Anchors.of(AnchorGrid((16,), ((16.0,),)), 16, 80)
FACE = [0.0, 0.0, 16.0, 16.0]


def _labels(assigner: HamBox, faces: list[list[float]], fits: list[float]) -> tuple[list[int], list[int]]:
    """Every anchor predicts the first face, cut to the given overlap."""
    boxes = torch.tensor([[0.0, 0.0, 16.0, 16.0 * fit] for fit in fits])[None]
    got = assigner(ANCHORS, FaceBatch.of([torch.tensor(faces)]), Predicted(torch.zeros(1, 5), boxes))
    return got.label[0].tolist(), got.face[0].tolist()


def test_worked_example() -> None:
    fits = [1.0, 0.9, 0.85, 0.7, 0.4]
    assert _labels(HamBox(), [FACE], fits)[0] == [1, 1, 1, -1, 0]
    assert _labels(HamBox(min_matches=2), [FACE], fits)[0] == [1, 1, -1, -1, 0]
    assert _labels(HamBox(compensation_iou=0.6, min_matches=9), [FACE], fits)[0] == [1, 1, 1, 1, 0]
    assert _labels(HamBox(ignore_iou=0.75), [FACE], fits)[0] == [1, 1, 1, 0, 0]


def test_a_fit_equal_to_a_threshold_reaches_it() -> None:
    """16 x 12 and 16 x 8 of 16 x 16 are three quarters and a half to the bit."""
    assert _labels(HamBox(compensation_iou=0.75), [FACE], [1.0, 0.75, 0.5, 0.49, 0.1])[0] == [1, 1, -1, 0, 0]
    assert _labels(HamBox(compensation_iou=0.7501, ignore_iou=0.5001), [FACE], [1.0, 0.75, 0.5, 0.49, 0.1])[0] == [
        1,
        -1,
        0,
        0,
        0,
    ]
    assert _labels(HamBox(compensation_iou=0.5, ignore_iou=0.75), [FACE], [1.0, 0.75, 0.5, 0.75, 0.1])[0] == [
        1,
        1,
        0,
        1,
        0,
    ]


def test_low_quality_matches_are_an_option() -> None:
    small = [0.0, 0.0, 8.0, 8.0]  # IoU 0.25 with anchor 0
    assert _labels(HamBox(), [small], [0.1] * 5)[0] == [1, 0, 0, 0, 0]
    assert _labels(HamBox(low_quality_matches=False), [small], [0.1] * 5)[0] == [0, 0, 0, 0, 0]


def test_an_anchor_that_two_faces_want_goes_to_the_better_fit() -> None:
    other = [0.0, 0.0, 16.0, 14.0]  # shares anchor 0 by force
    label, face = _labels(HamBox(), [FACE, other], [0.1, 1.0, 0.875, 0.1, 0.1])
    assert label == [1, 1, 1, 0, 0]
    assert face[1:3] == [0, 1]


def test_equal_fits_go_to_the_lower_anchor() -> None:
    assert _labels(HamBox(), [FACE], [0.1, 0.875, 0.875, 0.875, 0.1])[0] == [1, 1, 1, -1, 0]
    assert _labels(HamBox(min_matches=2), [FACE], [0.1, 0.875, 0.875, 0.9375, 0.1])[0] == [1, -1, -1, 1, 0]


def test_faces_in_blocks_get_what_they_get_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    anchors = Anchors.of(AnchorGrid((16,), ((24.0,),)), 128, 128)
    g = torch.Generator().manual_seed(1)
    low = torch.rand(2, 20, 2, generator=g) * 100
    faces = FaceBatch(
        torch.cat([low, low + 8 + 24 * torch.rand(2, 20, 2, generator=g)], 2), torch.rand(2, 20, generator=g) > 0.2
    )
    which = torch.randint(0, 20, (2, len(anchors)), generator=g)
    predicted = Predicted(
        torch.zeros(2, len(anchors)),
        faces.boxes.gather(1, which[..., None].expand(-1, -1, 4)) + torch.rand(2, len(anchors), 4, generator=g) * 4,
    )
    whole = HamBox()(anchors, faces, predicted)
    assert whole.compensated.any() and (whole.label == -1).any()
    monkeypatch.setattr(hambox, "CHUNK", 3 * len(anchors))
    blocks = HamBox()(anchors, faces, predicted)
    assert all(torch.equal(getattr(whole, name), getattr(blocks, name)) for name in ("face", "label", "compensated"))
