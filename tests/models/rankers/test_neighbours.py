from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pipeline.boxes.iou import iou_matrix
from pipeline.models.rankers.neighbours import STATISTICS, best_neighbours, overlapping, statistics


def crowd(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Boxes of many sizes, in heaps, in parts of an image, with falling scores."""
    generator = torch.Generator().manual_seed(seed)
    heaps = torch.rand(max(count // 12, 1), 2, generator=generator)
    sizes = 0.01 * 40 ** torch.rand(len(heaps), 1, generator=generator)
    heap = torch.randint(len(heaps), (count,), generator=generator)
    side = sizes[heap] * (1 + 0.3 * torch.randn(count, 2, generator=generator)).clamp(min=0.3)
    centre = heaps[heap] + 0.15 * sizes[heap] * torch.randn(count, 2, generator=generator)
    scores = torch.rand(count, generator=generator).sort(descending=True).values
    return torch.cat([centre - side / 2, centre + side / 2], dim=1), scores


@pytest.mark.parametrize("count", [0, 1, 2, 300, 1000])
@pytest.mark.parametrize("least", [0.1, 0.4, 0.8])
def test_all_pairs_of_the_full_matrix_are_found(count: int, least: float) -> None:
    boxes, _ = crowd(count)
    pairs = overlapping(boxes, least)
    overlap = iou_matrix(boxes, boxes).fill_diagonal_(0)
    expected = torch.nonzero(overlap > least)
    # Rounding may decide otherwise for a pair at the very threshold.
    sure = torch.nonzero((overlap > least + 1e-6).int() - (overlap > max(least - 1e-6, 0)).int())
    assert len(sure) == 0, "choose another seed"
    assert torch.equal(torch.stack([pairs.box, pairs.other], dim=1), expected)
    torch.testing.assert_close(pairs.iou, overlap[pairs.box, pairs.other])
    assert count < 300 or len(expected) > 10


def test_boxes_of_no_area_overlap_nothing() -> None:
    boxes = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0.9]])
    pairs = overlapping(boxes)
    assert torch.stack([pairs.box, pairs.other]).tolist() == [[0, 4], [4, 0]]


def test_what_neighbours_say_by_hand() -> None:
    """A box, one that overlaps it by 0.8 and one by 0.5; the first two overlap by more than 0.7."""
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 8, 10], [0, 0, 5, 10], [50, 50, 60, 60.0]])
    scores = torch.tensor([0.9, 0.6, 0.4, 0.1])
    said = statistics(boxes, scores, overlapping(boxes))
    assert said.shape == (4, STATISTICS)
    logs = [math.log1p(each) / 2 for each in (2, 0.9 + 0.4, 1, 1, 0.9, 1)]
    best, above, best_iou, most = 0.9, 0.3, 0.8, 0.8
    shares = [(0.8 + 0.625) / 2, 0.5]
    # The mean of all three, by score: centres x at 5, 4 and 2.5, widths 10, 8 and 5, in units of the second box.
    x = (0.9 * (5 - 4) / 8 + 0.4 * (2.5 - 4) / 8) / 1.9
    width = (0.9 * math.log(10 / 8) + 0.4 * math.log(5 / 8)) / 1.9
    mean = [4 * x, 0.0, 4 * width, 0.0, 4 * math.hypot(x, width)]
    expected = torch.tensor([*logs, best, above, best_iou, most, *shares, *mean])
    torch.testing.assert_close(said[1], expected)
    assert not said[3].any()


def test_the_best_neighbours_are_those_of_the_highest_scores() -> None:
    boxes, scores = crowd(200)
    pairs, most = overlapping(boxes), 5
    near = best_neighbours(boxes, scores, pairs, most)
    overlap = iou_matrix(boxes, boxes).fill_diagonal_(0)
    for box in range(200):
        others = torch.nonzero(overlap[box] > 0.4).squeeze(1)[:most]
        assert near.index[box, near.there[box]].tolist() == others.tolist()
        torch.testing.assert_close(near.geometry[box, : len(others), 4], overlap[box, others])
        torch.testing.assert_close(near.geometry[box, : len(others), 5], scores[others] - scores[box])
        assert (near.index[box, len(others) :] == box).all()
        assert not near.geometry[box, len(others) :].any()
    assert near.there.any()
    assert not near.there.all()


def test_a_neighbours_position_is_in_units_of_the_box() -> None:
    boxes = torch.tensor([[0, 0, 10, 20], [1, 2, 11, 18.0]])
    near = best_neighbours(boxes, torch.tensor([0.5, 0.25]), overlapping(boxes), 1)
    expected = [0.1, 0.0, 0.0, math.log(0.8), 144 / (200 + 160 - 144), -0.25]
    torch.testing.assert_close(near.geometry[0, 0], torch.tensor(expected))
    assert near.index.tolist() == [[1], [0]]


@pytest.mark.parametrize("count", [0, 1])
def test_a_box_alone_has_no_neighbours(count: int) -> None:
    boxes, scores = crowd(count)
    pairs = overlapping(boxes)
    assert not statistics(boxes, scores, pairs).any()
    near = best_neighbours(boxes, scores, pairs, 3)
    assert near.index.shape == near.there.shape == (count, 3)
    assert not near.there.any()


def test_stretching_one_axis_changes_nothing() -> None:
    boxes, scores = crowd(300)
    wide = boxes * torch.tensor([2, 1, 2, 1.0])
    one, other = (statistics(each, scores, overlapping(each)) for each in (boxes, wide))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("share", "least"), [(0.5, 0.5), (0.25, 0.25), (0.75, 0.75)])
def test_an_overlap_of_exactly_the_threshold_is_none(share: float, least: float) -> None:
    boxes = torch.tensor([[0, 0, 1, 1], [0, 0, 1, share]])
    assert len(overlapping(boxes, least).box) == 0
    assert len(overlapping(boxes, least - 0.001).box) == 2


@pytest.mark.parametrize(("share", "neighbours", "close"), [(0.39, 0, 0), (0.41, 1, 0), (0.69, 1, 0), (0.71, 1, 1)])
def test_which_boxes_compete_and_which_are_close(share: float, neighbours: int, close: int) -> None:
    boxes, scores = torch.tensor([[0, 0, 10, 10], [0, 0, 10 * share, 10]]), torch.tensor([0.8, 0.5])
    said = statistics(boxes, scores, overlapping(boxes))
    assert said[0, 0].item() == pytest.approx(math.log1p(neighbours) / 2)
    assert said[1, 3:6].tolist() == pytest.approx([math.log1p(each * close) / 2 for each in (1, 0.8, 1)])


def test_scores_of_zero_weigh_a_little() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 8, 10.0]])
    said = statistics(boxes, torch.zeros(2), overlapping(boxes))
    assert torch.isfinite(said).all()
    # Weights of 1e-4 each: the mean is halfway to the other box, 0.1 of the own width away.
    assert said[0, 12].item() == pytest.approx(4 * -0.1 / 2, abs=1e-6)
