"""Box arithmetic against loops over single numbers, on boxes of every shape and in batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.boxes.geometry import area, clip, pairwise_iou, to_centres, to_corners


def boxes_of(seed: int, *shape: int) -> Tensor:
    """Corners of wide and high boxes, some inside out, in float64."""
    g = torch.Generator().manual_seed(seed)
    low = torch.rand(*shape, 2, generator=g, dtype=torch.float64) * 20
    size = torch.rand(*shape, 2, generator=g, dtype=torch.float64) * torch.tensor([24.0, 7.0]) - 2
    return torch.cat([low, low + size], dim=-1)


def shared(a: list[float], b: list[float], one: int) -> float:
    sides = [min(a[k + 2], b[k + 2]) - max(a[k], b[k]) + one for k in (0, 1)]
    return max(0.0, sides[0]) * max(0.0, sides[1])


def test_a_batch_is_converted_box_by_box() -> None:
    boxes = boxes_of(1, 3, 5)
    centres = to_centres(boxes)
    for (x1, y1, x2, y2), (cx, cy, w, h) in zip(
        boxes.reshape(-1, 4).tolist(), centres.reshape(-1, 4).tolist(), strict=True
    ):
        assert (cx, cy, w, h) == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
    torch.testing.assert_close(to_corners(centres), boxes)
    assert to_corners(torch.tensor([10.0, 20, 4, 6])).tolist() == [8, 17, 12, 23]


def test_a_batch_is_cut_side_by_side() -> None:
    boxes = boxes_of(2, 3, 5) - 8
    cut = clip(boxes, 9, 5)
    for (x1, y1, x2, y2), found in zip(boxes.reshape(-1, 4).tolist(), cut.reshape(-1, 4).tolist(), strict=True):
        limits = ((x1, 9), (y1, 5), (x2, 9), (y2, 5))
        assert found == [min(max(value, 0), most) for value, most in limits]
    assert clip(torch.tensor([-9.0, -7, -3, -1]), 9, 5).tolist() == [0, 0, 0, 0]
    assert clip(torch.tensor([0.25, 0.5, 0.75, 0.9]), 9, 5).tolist() == pytest.approx([0.25, 0.5, 0.75, 0.9])


@pytest.mark.parametrize("one", [0, 1])
def test_areas_of_a_batch(one: int) -> None:
    boxes = boxes_of(3, 3, 5)
    wanted = [max(0, x2 - x1 + one) * max(0, y2 - y1 + one) for x1, y1, x2, y2 in boxes.reshape(-1, 4).tolist()]
    assert area(boxes, pixel_inclusive=bool(one)).reshape(-1).tolist() == pytest.approx(wanted)
    assert area(torch.tensor([2.0, 3, 12, 7])) == 40


@pytest.mark.parametrize("one", [0, 1])
def test_overlaps_of_all_pairs(one: int) -> None:
    rows, columns = boxes_of(4, 30), boxes_of(5, 40)
    found = pairwise_iou(rows, columns, pixel_inclusive=bool(one)).tolist()
    overlapping = 0
    for i, a in enumerate(rows.tolist()):
        for j, b in enumerate(columns.tolist()):
            own = [shared(each, each, one) for each in (a, b)]
            both = shared(a, b, one)
            overlapping += both > 0
            assert found[i][j] == pytest.approx(both / (sum(own) - both) if sum(own) > both else 0, abs=1e-12)
    assert overlapping > 50


def test_the_plain_overlap_is_the_usual_one() -> None:
    boxes = torch.tensor([[0.0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5]])
    assert pairwise_iou(boxes, boxes).tolist() == [[1, pytest.approx(1 / 3)], [pytest.approx(1 / 3), 1]]
