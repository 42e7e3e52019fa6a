"""Matching against a slow reference that goes through faces and anchors one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.max_iou import assign_by_max_iou

Boxes = NDArray[np.float32]


def _iou(a: Boxes, b: Boxes) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(w * h / (both - w * h))


def _slow(anchors: Boxes, faces: Boxes, positive: float, forced: float) -> tuple[list[int], list[int]]:
    """The rules as one would explain them, with lists."""
    alive = [f for f in range(len(faces)) if faces[f][2] > faces[f][0] and faces[f][3] > faces[f][1]]
    table = {f: [_iou(faces[f], a) for a in anchors] for f in alive}
    if not any(max(table[f]) >= forced for f in alive):
        return [0] * len(anchors), [0] * len(anchors)
    face, label = [], []
    for a in range(len(anchors)):
        best = max(alive, key=lambda f: table[f][a])
        face.append(best)
        label.append(int(table[best][a] >= positive))
    for f in alive:
        a = table[f].index(max(table[f]))
        face[a] = f
        if max(table[f]) >= forced:
            label[a] = 1
    return face, label


# Whole numbers: their overlaps come out the same in float32 and in the slow reference, ties included.
_corner = st.integers(0, 40)
_side = st.integers(0, 24)
_box = st.tuples(_corner, _corner, _side, _side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
_solid = st.tuples(_corner, _corner, st.integers(1, 24)).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[2]))


@settings(max_examples=300, deadline=None)
@given(
    anchors=st.lists(_solid, min_size=1, max_size=12),
    faces=st.lists(_box, max_size=6),
    positive=st.sampled_from([0.35, 0.5]),
    forced=st.sampled_from([0.2, 0.0]),
)
def test_equals_slow_reference(
    anchors: list[tuple[int, ...]], faces: list[tuple[int, ...]], positive: float, forced: float
) -> None:
    a = np.asarray(anchors, np.float32).reshape(-1, 4)
    f = np.asarray(faces, np.float32).reshape(-1, 4)
    got = assign_by_max_iou(torch.from_numpy(a), torch.from_numpy(f), positive, forced)
    face, label = _slow(a, f, positive, forced)
    assert got.label.tolist() == label
    learned = [i for i, one in enumerate(label) if one]
    assert [got.face.tolist()[i] for i in learned] == [face[i] for i in learned]


def test_worked_example_of_the_quirk() -> None:
    """Face B, hopeless, takes anchor 0 from face A, by which the anchor became a face."""
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]])
    faces = torch.tensor([[0.0, 0.0, 10.0, 6.0], [9.0, 0.0, 11.0, 10.0]])
    got = assign_by_max_iou(anchors, faces)
    assert got.label.tolist() == [1, 0]
    assert got.face.tolist()[0] == 1


def test_forced_match_under_the_threshold() -> None:
    anchors = torch.tensor([[0.0, 0.0, 16.0, 16.0], [50.0, 50.0, 66.0, 66.0]])
    got = assign_by_max_iou(anchors, torch.tensor([[0.0, 0.0, 8.0, 8.0]]))  # IoU 0.25
    assert got.label.tolist() == [1, 0]
    assert assign_by_max_iou(anchors, torch.tensor([[0.0, 0.0, 7.0, 7.0]])).label.tolist() == [0, 0]  # 0.19


def test_duplicates_go_to_the_last() -> None:
    box = [0.0, 0.0, 16.0, 16.0]
    got = assign_by_max_iou(torch.tensor([box]), torch.tensor([box, box, box]))
    assert (got.face.tolist(), got.label.tolist()) == ([2], [1])


@pytest.mark.parametrize("faces", [[], [[5.0, 5.0, 5.0, 9.0]], [[9.0, 9.0, 5.0, 5.0]]])
def test_nothing_to_learn(faces: list[list[float]]) -> None:
    anchors = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    got = assign_by_max_iou(anchors, torch.tensor(faces).reshape(-1, 4))
    assert got.label.tolist() == [0]


def test_dead_faces_keep_the_numbering_of_the_others() -> None:
    anchors = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    got = assign_by_max_iou(anchors, torch.tensor([[4.0, 4.0, 4.0, 4.0], [0.0, 0.0, 16.0, 16.0]]))
    assert (got.face.tolist(), got.label.tolist()) == ([1], [1])


@pytest.mark.parametrize("name", list(ASSIGNERS))
def test_every_assigner_keeps_the_contract(name: str) -> None:
    anchors = torch.rand(30, 2, generator=torch.Generator().manual_seed(1)).repeat(1, 2) * 100
    anchors[:, 2:] += 20
    for faces in (anchors[:5] + 2.0, torch.zeros(0, 4)):
        got = ASSIGNERS[name](anchors, faces)
        assert got.face.shape == got.label.shape == (30,)
        assert set(got.label.tolist()) <= {-1, 0, 1}
        learned = got.face[got.label == 1]
        assert ((learned >= 0) & (learned < max(1, len(faces)))).all()
        assert len(learned) >= len(faces) // 5


def test_assignment_refuses_vectors_that_disagree() -> None:
    with pytest.raises(ValueError, match=r"\(3,\)"):
        Assignment(face=torch.zeros(3, dtype=torch.int64), label=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="int64"):
        Assignment(face=torch.zeros(2), label=torch.zeros(2, dtype=torch.int64))
