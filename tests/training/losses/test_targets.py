"""Targets decode back to the faces they were made from; faces that cannot be learned leave no trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.max_iou import MaxIou
from pipeline.training.data.batch import Faces
from pipeline.training.losses.targets import encode_targets, matching_frame
from tests.training.assigners import vectors

GRID = AnchorGrid((8, 16, 32), ((16, 32), (64, 128), (256, 512)))


def _faces(boxes: list[list[float]], marked: list[bool]) -> Faces:
    b = torch.tensor(boxes).reshape(-1, 4)
    points = b[:, None, :2] + torch.rand(len(b), 5, 2, generator=torch.Generator().manual_seed(2)) * 20
    points[~torch.tensor(marked, dtype=torch.bool)] = float("nan")
    return Faces(b, points, torch.tensor(marked, dtype=torch.bool))


def test_decode_gives_the_faces_back() -> None:
    anchors = Anchors.of(GRID, 160, 192)
    faces = [
        _faces([[10.0, 12.0, 41.0, 50.0], [90.0, 20.0, 150.0, 96.0]], [True, False]),
        _faces([], []),
        _faces([[60.0, 60.0, 76.0, 79.0]], [True]),
    ]
    targets = encode_targets(anchors, faces, ASSIGNERS["max_iou"].build(), BoxCoder())
    assert targets.label.shape == (3, len(anchors))
    assert not targets.label[1].any()
    for image in (0, 2):
        found = set()
        for a in torch.nonzero(targets.label[image] == 1).squeeze(1).tolist():
            box = BoxCoder().decode(targets.boxes[image, a], anchors.centres[a])
            which = int((faces[image].boxes - box).abs().sum(dim=1).argmin())
            torch.testing.assert_close(box, faces[image].boxes[which], rtol=0, atol=1e-3)
            assert targets.marked[image, a] == faces[image].marked[which]
            if faces[image].marked[which]:
                points = BoxCoder().decode_landmarks(targets.landmarks[image, a], anchors.centres[a])
                torch.testing.assert_close(points, faces[image].landmarks[which], rtol=0, atol=1e-3)
            found.add(which)
        assert found == set(range(len(faces[image].boxes)))


@pytest.mark.parametrize(
    "dead", [[50.0, 50.0, 50.0, 60.0], [50.0, 50.0, 48.0, 48.0], [0.0, 0.0, 0.0, 0.0], [4.0, 4.0, 4.0, 4.0]]
)
def test_targets_stay_finite_beside_faces_without_area(dead: list[float]) -> None:
    for boxes in ([dead], [dead, [2.0, 2.0, 20.0, 21.0]], [[2.0, 2.0, 20.0, 21.0], dead]):
        faces = _faces(boxes, [False] * len(boxes))
        targets = encode_targets(Anchors.of(GRID, 64, 64), [faces], ASSIGNERS["max_iou"].build(), BoxCoder())
        assert torch.isfinite(targets.boxes).all()
        assert torch.isfinite(targets.landmarks).all()
        assert bool((targets.label == 1).any()) == (len(boxes) == 2)


def test_inclusive_coders_match_one_pixel_less_and_decode_to_the_same_face() -> None:
    """MogFace: an anchor of 16 pixels has an area of 15 x 15. A face of 9.8 x 16 pixels has IoU 0.59 with it, not 0.61."""
    anchors, coder = Anchors.of(GRID, 64, 64, pixel_inclusive=True), BoxCoder(1, 1, pixel_inclusive=True)
    at = anchors.centres[18 * 2]  # row 2, column 2 of the first level, its smaller size
    assert at.tolist() == [20.0, 20.0, 16.0, 16.0]
    # Inclusive centres are half a pixel left of continuous ones.
    box = [12.5, 12.5, 22.3, 28.5]
    faces = _faces([box], [False])
    torch.testing.assert_close(matching_frame(faces.boxes, coder), torch.tensor([[12.5, 12.5, 21.3, 27.5]]))
    assert matching_frame(faces.boxes, BoxCoder()) is faces.boxes
    overlap = 8.8 * 15 / (15 * 15)
    for threshold, found in ((overlap - 1e-4, True), (overlap + 1e-4, False)):
        targets = encode_targets(anchors, [faces], MaxIou(threshold, low_quality_iou=None, reassign_best=False), coder)
        assert bool(targets.label[0, 36]) is found
        if found:
            torch.testing.assert_close(coder.decode(targets.boxes[0, 36], at), faces.boxes[0])


@pytest.mark.wider
@pytest.mark.parametrize("case", range(6))
def test_targets_of_the_released_code(shared: Path, case: int) -> None:
    z = vectors.load(shared, "matching")
    anchors, coder = vectors.mogface_anchors(), BoxCoder(1, 1, pixel_inclusive=True)
    outer = torch.from_numpy(z[f"c{case}_gt"][:, :4]) + torch.tensor([0.0, 0.0, 1.0, 1.0])
    faces = Faces(outer, torch.full((len(outer), 5, 2), float("nan")), torch.zeros(len(outer), dtype=torch.bool))
    targets = encode_targets(anchors, [faces], vectors.OFFICIAL, coder)
    where = torch.nonzero(targets.label[0]).flatten()
    np.testing.assert_array_equal(where, z[f"c{case}_s1_pos_idx"])
    np.testing.assert_allclose(targets.boxes[0, where], z[f"c{case}_s1_pos_targets"], atol=1e-5)
