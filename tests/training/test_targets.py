"""Targets decode back to the faces they were made from; faces that cannot be learned leave no trace."""

from __future__ import annotations

import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.anchor_set import Anchors
from pipeline.training.example import Faces
from pipeline.training.targets import encode_targets

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
    targets = encode_targets(anchors, faces, ASSIGNERS["max_iou"], BoxCoder())
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
        targets = encode_targets(Anchors.of(GRID, 64, 64), [faces], ASSIGNERS["max_iou"], BoxCoder())
        assert torch.isfinite(targets.boxes).all()
        assert torch.isfinite(targets.landmarks).all()
        assert bool((targets.label == 1).any()) == (len(boxes) == 2)
