import pytest
import torch

from pipeline.boxes.geometry import area, clip, pairwise_iou, to_centres, to_corners


def test_corners_and_centres_are_inverse() -> None:
    corners = torch.tensor([[1.0, 2, 5, 10], [-3, 0, 7, 1]])
    centres = to_centres(corners)
    assert centres.tolist() == [[3, 6, 4, 8], [2, 0.5, 10, 1]]
    assert torch.equal(to_corners(centres), corners)


def test_clip_cuts_to_the_picture_and_leaves_its_argument() -> None:
    boxes = torch.tensor([[-5.0, -1, 50, 8], [200, 3, 300, 4]])
    assert clip(boxes, 100, 7).tolist() == [[0, 0, 50, 7], [100, 3, 100, 4]]
    assert boxes[0, 0] == -5


@pytest.mark.parametrize(("pixel_inclusive", "expected"), [(False, 16.0), (True, 25.0)])
def test_area(pixel_inclusive: bool, expected: float) -> None:
    assert area(torch.tensor([0.0, 0, 4, 4]), pixel_inclusive=pixel_inclusive) == expected


@pytest.mark.parametrize(("pixel_inclusive", "expected"), [(False, 4 / (16 + 16 - 4)), (True, 9 / (25 + 25 - 9))])
def test_iou_of_two_squares(pixel_inclusive: bool, expected: float) -> None:
    overlap = pairwise_iou(
        torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[2.0, 2, 6, 6]]), pixel_inclusive=pixel_inclusive
    )
    assert overlap.item() == pytest.approx(expected)


def test_iou_shape_and_degenerate_boxes() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [10, 10, 10, 10], [3, 3, 1, 1]])
    overlap = pairwise_iou(boxes, boxes[:2])
    assert overlap.shape == (3, 2)
    assert overlap.tolist() == [[1, 0], [0, 0], [0, 0]]
    assert pairwise_iou(boxes[:0], boxes).shape == (0, 3)
