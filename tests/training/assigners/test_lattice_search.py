"""The few cells that are searched hold the k best of the whole level, ties included."""

from __future__ import annotations

import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.iou import iou_matrix
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.lattice_search import most_overlapping, nearest

ANCHORS = Anchors.of(AnchorGrid((4, 8, 32), ((16,), (16, 20), (64,))), 70, 101)


def _boxes(seed: int) -> torch.Tensor:
    """Whole numbers, so that ties are many; some reach far outside."""
    g = torch.Generator().manual_seed(seed)
    low = torch.randint(-60, 130, (12, 2), generator=g).float()
    return torch.cat([low, low + torch.randint(1, 70, (12, 2), generator=g)], dim=1)


@pytest.mark.parametrize("k", [1, 2, 9, 30, 500])
def test_equals_the_whole_level(k: int) -> None:
    starts = (0, *ANCHORS.level_ends)
    for seed in range(8):
        boxes = _boxes(seed)
        for level in range(3):
            corners = ANCHORS.corners[starts[level] : starts[level + 1]]
            gap = (corners[:, :2] + corners[:, 2:]) / 2 - ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
            wanted = torch.sort((gap * gap).sum(dim=2), dim=1, stable=True)
            assert torch.equal(nearest(ANCHORS, level, boxes, k), wanted.indices[:, :k] + starts[level])

            table = torch.sort(iou_matrix(boxes, corners), dim=1, descending=True, stable=True)
            anchor, iou = most_overlapping(ANCHORS, level, boxes, k)
            assert torch.equal(iou, table.values[:, :k])
            touching = iou > 0
            assert torch.equal(anchor[touching], table.indices[:, :k][touching] + starts[level])
