"""What transport must give in plain cases. The slow reference is in tests/contracts."""

from __future__ import annotations

import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.faces import FaceBatch, Predicted
from pipeline.training.assigners.ota import Ota

ANCHORS = Anchors.of(AnchorGrid((16,), ((16.0,),)), 16, 96)
FACE = [0.0, 0.0, 80.0, 16.0]


def _label(faces: list[list[float]], fits: list[float], logits: list[float] | None = None) -> list[int]:
    boxes = torch.tensor([[0.0, 0.0, 80.0 * fit, 16.0] for fit in fits])[None]
    predicted = Predicted(torch.tensor([logits or [0.0] * 6]), boxes)
    return Ota()(ANCHORS, FaceBatch.of([torch.tensor(faces).reshape(-1, 4)]), predicted).label[0].tolist()


def test_worked_example_supplies_two_units() -> None:
    assert _label([FACE], [0.9, 0.8, 0.4, 0.1, 0.1, 0.9]) == [1, 1, 0, 0, 0, 0]


def test_the_class_score_counts_too() -> None:
    assert _label([FACE], [0.3] * 6, [0, 0, 0, 4.0, 0, 9.0]) == [0, 0, 0, 1, 0, 0]


def test_a_face_between_the_centres_gets_nothing() -> None:
    assert _label([[9.0, 0.0, 15.0, 16.0]], [0.5] * 6) == [0] * 6
    assert _label([], [0.5] * 6) == [0] * 6
