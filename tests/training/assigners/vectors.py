"""Reads the published vectors of matching, Ali-AMS and losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import Assignment

STRIDES = (4, 8, 16, 32, 64, 128)
SETS = {"s1": 1.0, "s0.68": 0.68, "pyr": 0.34}


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
