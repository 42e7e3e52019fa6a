"""The pairs found through lattices are those of the whole table."""

from __future__ import annotations

import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.iou import iou_matrix
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.candidate_pairs import centre_prior, overlapping
from pipeline.training.assigners.faces import FaceBatch

ANCHORS = Anchors.of(AnchorGrid((4, 8, 32), ((10.88,), (16, 20), (64,))), 70, 101)


def _faces(seed: int) -> FaceBatch:
    g = torch.Generator().manual_seed(seed)
    low = torch.rand(9, 2, generator=g) * 140 - 20
    boxes = torch.cat([low, low + torch.rand(9, 2, generator=g) ** 2 * 90], dim=1)
    boxes[3, 2:] = boxes[3, :2]
    return FaceBatch.of([boxes[:5], boxes[5:]])


@pytest.mark.parametrize("at_least", [0.0, 0.1, 0.35])
@pytest.mark.parametrize("best_too", [False, True])
def test_nothing_that_is_wanted_is_missing(at_least: float, best_too: bool) -> None:
    for seed in range(20):
        rows = _faces(seed).rows()
        pairs = overlapping(ANCHORS, rows, at_least, best_too=best_too)
        table = iou_matrix(rows.boxes, ANCHORS.corners)
        torch.testing.assert_close(pairs.iou, table[pairs.row, pairs.anchor], rtol=1e-6, atol=0)
        assert (pairs.iou > 0).all()
        assert torch.equal(pairs.index, rows.image[pairs.row] * len(ANCHORS) + pairs.anchor)
        wanted = (table > 0) & (table >= at_least)
        if best_too:
            wanted |= (table > 0) & (table == table.amax(dim=1, keepdim=True))
        found = torch.zeros_like(wanted)
        found[pairs.row, pairs.anchor] = True
        assert not (wanted & ~found).any()
        assert len(pairs.row) == found.sum()
        key = pairs.row * len(ANCHORS) + pairs.anchor
        assert (key.diff() > 0).all()


def test_few_pairs_are_looked_at() -> None:
    """1,000 faces and 34,125 anchors make 34 million; a chunk would not even be needed."""
    grid = AnchorGrid((4, 8, 16, 32, 64, 128), ((16,), (32,), (64,), (128,), (256,), (512,)))
    anchors = Anchors.of(grid, 640, 640)
    g = torch.Generator().manual_seed(1)
    low = torch.rand(1000, 2, generator=g) * 600
    rows = FaceBatch.of([torch.cat([low, low + 6 + torch.rand(1000, 2, generator=g) ** 3 * 500], dim=1)]).rows()
    assert len(overlapping(anchors, rows, 0.35, best_too=True).row) < 40_000


@pytest.mark.parametrize("strides", [1.0, 2.5])
def test_centres_near_and_inside(strides: float) -> None:
    stride = torch.tensor([4, 8, 32]).repeat_interleave(torch.tensor([26 * 18, 13 * 9 * 2, 4 * 3]))
    centres = ANCHORS.centres[:, :2]
    for seed in range(20):
        rows = _faces(seed).rows()
        pairs = centre_prior(ANCHORS, rows, strides)
        box = rows.boxes[:, None]
        wanted = ((centres > box[..., :2]) & (centres < box[..., 2:])).all(dim=-1)
        wanted &= (centres - (box[..., :2] + box[..., 2:]) / 2).abs().amax(dim=-1) < strides * stride
        row, anchor = torch.nonzero(wanted, as_tuple=True)
        assert torch.equal(pairs.row, row)
        assert torch.equal(pairs.anchor, anchor)


def test_pairs_at_the_threshold_are_wanted() -> None:
    """16 x 12 of 16 x 16: an overlap of 0.75 to the bit."""
    anchors = Anchors.of(AnchorGrid((16,), ((16,),)), 16, 32)
    rows = FaceBatch.of([torch.tensor([[0.0, 0.0, 16.0, 12.0]])]).rows()
    assert overlapping(anchors, rows, 0.75, best_too=False).anchor.tolist() == [0]
