import math
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("coder", [BoxCoder(), BoxCoder(1, 1), BoxCoder(1, 1, pixel_inclusive=True)])
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


# A box [x0, x1] of inclusive pixels is [x0, x1 + 1] in the continuous frame of this package.
PIXEL = np.array([0, 0, 1, 1], np.float32)


@pytest.mark.wider
@pytest.mark.parametrize("case", ["dec0", "dec1"])
def test_inclusive_coding_equals_the_published_one(shared: Path, case: str) -> None:
    z = np.load(shared / "reference/mogface/boxes.npz")
    anchors = torch.from_numpy(z[f"{case}_anchor_xyxy"] + PIXEL)
    coder = BoxCoder(1, 1, pixel_inclusive=True)
    centres = torch.cat([(anchors[:, :2] + anchors[:, 2:] - 1) / 2, anchors[:, 2:] - anchors[:, :2]], dim=1)
    assert np.abs(centres.numpy() - z[f"{case}_anchor_cxcywh"]).max() < 1e-4
    boxes = coder.decode(torch.from_numpy(z[f"{case}_loc"]), centres)
    # float32 on both sides; boxes are hundreds of pixels wide.
    np.testing.assert_allclose(boxes.numpy() - PIXEL, z[f"{case}_boxes"], rtol=1e-6, atol=1e-4)
    deltas = coder.encode(torch.from_numpy(z[f"{case}_gt"][:, :4].astype(np.float32) + PIXEL), centres)
    np.testing.assert_allclose(deltas.numpy(), z[f"{case}_encoded"][:, :4], rtol=1e-5, atol=1e-5)


@pytest.mark.wider
def test_inclusive_targets_equal_the_published_matching(shared: Path) -> None:
    from pipeline.models.detectors.six_levels import square_anchors

    z = np.load(shared / "reference/mogface/matching.npz")
    scales = {"s1": 1.0, "s0.68": 0.68, "pyr": 0.34}
    compared = 0
    for key in [key for key in z.files if key.endswith("_pos_idx")]:
        case, name = key.removesuffix("_pos_idx").split("_")
        anchors = square_anchors(scales[name]).centres(640, 640)[z[key]]
        faces = z[f"{case}_gt"].reshape(-1, 5)[:, :4][z[f"{case}_{name}_pos_gt"]]
        boxes = torch.from_numpy(faces.astype(np.float32) + PIXEL)
        expected = z[f"{case}_{name}_pos_targets"]
        found = BoxCoder(1, 1, pixel_inclusive=True).encode(boxes, anchors).numpy()
        finite = np.isfinite(expected).all(1)
        np.testing.assert_allclose(found[finite], expected[finite], rtol=1e-5, atol=2e-5)
        compared += int(finite.sum())
    assert compared > 300


def test_inclusive_boxes_lie_half_a_pixel_further() -> None:
    deltas = torch.tensor([[0.1, -0.2, 0.3, 0.0], [0, 0, 0, 0]])
    plain, shifted = (BoxCoder(1, 1, pixel_inclusive=flag).decode(deltas, ANCHORS) for flag in (False, True))
    assert torch.allclose(shifted, plain + 0.5)
