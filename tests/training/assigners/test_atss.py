"""One face by hand. The slow reference is in tests/contracts."""

from __future__ import annotations

import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.atss import Atss
from pipeline.training.assigners.faces import FaceBatch

ANCHORS = Anchors.of(AnchorGrid((16,), ((16.0,),)), 16, 80)


def _label(faces: list[list[float]], k: int) -> list[int]:
    return Atss(k)(ANCHORS, FaceBatch.of([torch.tensor(faces)])).label[0].tolist()


def test_threshold_is_mean_plus_deviation() -> None:
    """IoUs 0.5, 0.5, 0, 0, 0: mean 0.2, deviation 0.274: both reach 0.474. With k = 2 both are the mean."""
    assert _label([[0.0, 0.0, 32.0, 16.0]], 5) == [1, 1, 0, 0, 0]
    assert _label([[0.0, 0.0, 32.0, 16.0]], 2) == [1, 1, 0, 0, 0]
    # IoUs 0.75 and 0.19 of the two: mean 0.47, deviation 0.40.
    assert _label([[4.0, 0.0, 20.0, 15.0]], 2) == [0, 0, 0, 0, 0]


def test_centres_must_lie_inside() -> None:
    """The face's best anchor is 1, whose centre is on the face's side."""
    assert _label([[24.0, 0.0, 40.0, 16.0]], 5) == [0, 0, 0, 0, 0]
    assert _label([[23.0, 0.0, 38.0, 16.0]], 5) == [0, 1, 0, 0, 0]
