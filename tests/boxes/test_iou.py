"""IoU against a loop over pairs, by hand, and the same bits in NumPy and torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from pipeline.boxes.iou import iou_matrix, iou_pairs


def boxes_of(seed: int, *shape: int) -> Tensor:
    """Corners of wide and high boxes, some inside out, in float64."""
    g = torch.Generator().manual_seed(seed)
    low = torch.rand(*shape, 2, generator=g, dtype=torch.float64) * 20
    size = torch.rand(*shape, 2, generator=g, dtype=torch.float64) * torch.tensor([24.0, 7.0]) - 2
    return torch.cat([low, low + size], dim=-1)


def shared(a: list[float], b: list[float], one: int) -> float:
    sides = [min(a[k + 2], b[k + 2]) - max(a[k], b[k]) + one for k in (0, 1)]
    return max(0.0, sides[0]) * max(0.0, sides[1])


@pytest.mark.parametrize("one", [0, 1])
def test_all_pairs_equal_a_loop_and_numpy_equals_torch(one: int) -> None:
    rows, columns = boxes_of(4, 30), boxes_of(5, 40)
    found = iou_matrix(rows, columns, pixel_inclusive=bool(one)).tolist()
    overlapping = 0
    for i, a in enumerate(rows.tolist()):
        for j, b in enumerate(columns.tolist()):
            own = [shared(each, each, one) for each in (a, b)]
            both = shared(a, b, one)
            overlapping += both > 0
            assert found[i][j] == pytest.approx(both / (sum(own) - both) if sum(own) > both else 0, abs=1e-12)
    assert overlapping > 50
    assert iou_matrix(rows.numpy(), columns.numpy(), pixel_inclusive=bool(one)).tolist() == found
    pairs = iou_pairs(rows, columns[:30], pixel_inclusive=bool(one)).tolist()
    assert pairs == [found[i][i] for i in range(30)]
    assert iou_pairs(rows.numpy(), columns[:30].numpy(), pixel_inclusive=bool(one)).tolist() == pairs


def test_float32_boxes_with_area_have_the_bits_of_torchvision() -> None:
    boxes = boxes_of(6, 200)
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(dim=1)].float()
    found = iou_matrix(boxes, boxes)
    assert found.dtype == torch.float32
    assert torch.equal(found, box_iou(boxes, boxes))


@pytest.mark.parametrize(("pixel_inclusive", "expected"), [(False, 4 / (16 + 16 - 4)), (True, 9 / (25 + 25 - 9))])
def test_two_squares(pixel_inclusive: bool, expected: float) -> None:
    one, other = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[2.0, 2, 6, 6]])
    assert iou_matrix(one, other, pixel_inclusive=pixel_inclusive).item() == pytest.approx(expected)


def test_inclusive_pixels_of_whole_numbers() -> None:
    boxes, faces = np.array([[0, 0, 9, 4]]), np.array([[0, 0, 9, 9], [9, 4, 20, 20], [10, 0, 12, 4]])
    assert iou_matrix(boxes, faces, pixel_inclusive=True).tolist() == [[0.5, 1 / (50 + 12 * 17 - 1), 0.0]]
    empty = np.array([[5, 5, 3, 9], [5, 5, 4, 4]])
    assert iou_matrix(np.array([[0, 0, 9, 9]]), empty, pixel_inclusive=True).tolist() == [[0.0, 0.0]]


def test_boxes_without_area_overlap_nothing_not_even_themselves() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [10, 10, 10, 10], [3, 3, 1, 1]])
    assert iou_matrix(boxes, boxes[:2]).tolist() == [[1, 0], [0, 0], [0, 0]]
    assert iou_matrix(boxes[:0], boxes).shape == (0, 3)
    flat, thin = [0.0, 0, 9, -1], [0.0, 0, -1, 9]  # inclusive pixels: no rows, no columns
    inclusive = np.array([flat, thin, [0, 0, 9, 9], [0, 10, 9, 12]])
    assert iou_matrix(inclusive, inclusive, pixel_inclusive=True).tolist() == np.diag([0.0, 0.0, 1.0, 1.0]).tolist()


def test_leading_axes_broadcast() -> None:
    one, many = boxes_of(7, 3, 1), boxes_of(8, 3, 5)
    found = iou_pairs(one, many)
    assert found.shape == (3, 5)
    assert torch.equal(found[1], iou_matrix(one[1], many[1])[0])


def test_arrays_need_no_torch() -> None:
    code = (
        "import sys, numpy; from pipeline.boxes.iou import iou_matrix; a = numpy.ones((1, 4)); iou_matrix(a, a);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
