"""Published vectors of matching, Ali-AMS and losses, and the released matching of faces that overlap no anchor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.boxes.iou import iou_matrix
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner, StaticAssignment
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.assigners.max_iou import MaxIou

STRIDES = (4, 8, 16, 32, 64, 128)
SETS = {"s1": 1.0, "s0.68": 0.68, "pyr": 0.34}
STANDARD = MaxIou(low_quality_iou=0.0, reassign_best=False)


@dataclass(frozen=True)
class OfficialMaxIou(Assigner):
    """The released matching: the best anchor of a face that overlaps none is the first one."""

    def prepare(self, anchors: Anchors, faces: FaceBatch) -> StaticAssignment:
        got = STANDARD(anchors, faces)
        for image, valid in enumerate(faces.valid):
            best = iou_matrix(faces.boxes[image], anchors.corners).argmax(dim=1)  # 0 in a row of zeros
            for face in torch.nonzero(valid & (best == 0)).flatten().tolist():
                got.face[image, 0], got.label[image, 0] = face, 1
        return StaticAssignment(Assignment(got.face, got.label, got.compensated))


OFFICIAL = OfficialMaxIou()


def mogface_anchors(scale: float = 1.0, side: int = 640) -> Anchors:
    grid = AnchorGrid(STRIDES, tuple((4 * stride * scale,) for stride in STRIDES))
    return Anchors.of(grid, side, side, pixel_inclusive=True)


def targets(anchors: Anchors, boxes: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """The code's encoding: centre of the corners, sides with one pixel more, no variances."""
    outer = boxes + torch.tensor([-0.5, -0.5, 0.5, 0.5])
    return BoxCoder(1.0, 1.0).encode(outer, anchors.centres[which])


def assert_learns(got: Assignment, image: int, anchor: NDArray[np.int32], face: NDArray[np.int16]) -> None:
    """Exactly these anchors are FACE, each with this face; all others are background."""
    np.testing.assert_array_equal(torch.nonzero(got.label[image]).flatten().numpy(), anchor)
    assert (got.label[image] >= 0).all()
    np.testing.assert_array_equal(got.face[image].numpy()[anchor], face)


def load(shared: Path, name: str) -> dict[str, NDArray]:
    return dict(np.load(shared / "reference" / "mogface" / f"{name}.npz"))
