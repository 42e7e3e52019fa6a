import pytest
import torch

from pipeline.boxes.geometry import to_centres, to_corners
from tests.boxes.test_iou import boxes_of


def test_corners_and_centres_are_inverse() -> None:
    corners = torch.tensor([[1.0, 2, 5, 10], [-3, 0, 7, 1]])
    centres = to_centres(corners)
    assert centres.tolist() == [[3, 6, 4, 8], [2, 0.5, 10, 1]]
    assert torch.equal(to_corners(centres), corners)


def test_a_batch_is_converted_box_by_box() -> None:
    boxes = boxes_of(1, 3, 5)
    centres = to_centres(boxes)
    for (x1, y1, x2, y2), (cx, cy, w, h) in zip(
        boxes.reshape(-1, 4).tolist(), centres.reshape(-1, 4).tolist(), strict=True
    ):
        assert (cx, cy, w, h) == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
    torch.testing.assert_close(to_corners(centres), boxes)
    assert to_corners(torch.tensor([10.0, 20, 4, 6])).tolist() == [8, 17, 12, 23]
