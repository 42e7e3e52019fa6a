import math

import pytest
import torch

from pipeline.boxes.coder import BoxCoder

ANCHORS = torch.tensor([[50.0, 40, 16, 16], [8, 8, 32, 64]])


def test_decode_by_hand() -> None:
    deltas = torch.tensor([[1.0, -2, math.log(2) / 0.2, 0], [0, 0, 0, 0]])
    boxes = BoxCoder().decode(deltas, ANCHORS)
    # centre (50 + 0.1 * 16, 40 - 0.2 * 16), sides 32 and 16
    assert boxes[0].tolist() == pytest.approx([51.6 - 16, 36.8 - 8, 51.6 + 16, 36.8 + 8], abs=1e-5)
    assert boxes[1].tolist() == [-8, -24, 24, 40]


@pytest.mark.parametrize("coder", [BoxCoder(), BoxCoder(1, 1)])
def test_encode_is_the_inverse(coder: BoxCoder) -> None:
    boxes = torch.tensor([[40.0, 30, 70, 55], [-4, 2, 9, 80]])
    assert torch.allclose(coder.decode(coder.encode(boxes, ANCHORS), ANCHORS), boxes, atol=1e-4)
    points = torch.rand(2, 5, 2) * 100
    assert torch.allclose(coder.decode_landmarks(coder.encode_landmarks(points, ANCHORS), ANCHORS), points, atol=1e-4)


def test_variances_scale_the_deltas() -> None:
    boxes = torch.tensor([[40.0, 30, 70, 55], [-4, 2, 9, 80]])
    plain, scaled = BoxCoder(1, 1).encode(boxes, ANCHORS), BoxCoder(0.1, 0.2).encode(boxes, ANCHORS)
    assert torch.allclose(scaled, plain / torch.tensor([0.1, 0.1, 0.2, 0.2]))


def test_landmarks_by_hand_and_batched() -> None:
    deltas = torch.zeros(3, 2, 10)
    deltas[:, 1, 2:4] = torch.tensor([1.0, -1])
    points = BoxCoder().decode_landmarks(deltas, ANCHORS)
    assert points.shape == (3, 2, 5, 2)
    assert points[2, 1, 1].tolist() == pytest.approx([8 + 3.2, 8 - 6.4])
    assert points[2, 0, 4].tolist() == [50, 40]
