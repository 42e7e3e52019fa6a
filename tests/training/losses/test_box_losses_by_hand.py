"""Smooth L1, HAMBox's and the multibox loss on a few numbers, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from pipeline.models.detectors.detector import Raw
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.focal import FocalLoss
from pipeline.training.losses.hambox import HamBoxLoss, fit_of_faces
from pipeline.training.losses.multibox import MultiboxLoss
from pipeline.training.losses.targets import Targets


def smooth(x: float, beta: float) -> float:
    return 0.5 * x * x / beta if abs(x) < beta else abs(x) - 0.5 * beta


@pytest.mark.parametrize("beta", [1 / 9, 1.0, 0.5])
def test_smooth_l1_of_each_anchor(beta: float) -> None:
    gaps = [[0.05, -0.1, 0.3, -2.0], [1.0, 0.0, -0.4, 0.11], [5.0, 5.0, 5.0, 5.0]]
    deltas = torch.tensor([gaps], dtype=torch.float64)
    targets = torch.full_like(deltas, 0.25)
    found = SmoothL1Loss(beta).each(deltas + 0.25, targets, torch.tensor([[True, True, False]]))
    assert found.dtype == torch.float64
    assert found[0].tolist() == pytest.approx([sum(smooth(x, beta) for x in row) for row in gaps[:2]] + [0.0])
    assert SmoothL1Loss().beta == 1 / 9


def test_smooth_l1_is_divided_by_faces_and_only_they_count() -> None:
    deltas = torch.ones(1, 4, 4, dtype=torch.float64)
    label = torch.tensor([[1, 1, 0, -1]])
    assert SmoothL1Loss(1.0)(deltas, torch.zeros_like(deltas), label).item() == pytest.approx(2 * 4 * 0.5 / 2)


def hambox(label: list[int], extra: list[bool], fit: list[float], **settings: object) -> tuple[float, float]:
    logits = torch.tensor([[0.5, -1.0, 2.0, -0.3]])
    labels = torch.tensor([label])
    assignment = Assignment(torch.zeros_like(labels), labels, torch.tensor([extra]))
    deltas = torch.arange(16.0).reshape(1, 4, 4) / 8
    found = HamBoxLoss(**settings)(logits, deltas, torch.zeros(1, 4, 4), assignment, torch.tensor([fit]))  # type: ignore[arg-type]
    return found.face.item(), found.box.item()


def term(anchor: int, label: int) -> float:
    return FocalLoss().each(torch.tensor([[0.5, -1.0, 2.0, -0.3][anchor]]), torch.tensor([label])[0][None]).item()


def box(anchor: int) -> float:
    return sum(smooth((4 * anchor + k) / 8, 1 / 9) for k in range(4))


def test_hambox_weighs_what_was_compensated_by_its_fit() -> None:
    face, boxes = hambox([1, 1, 0, 0], [True, False, False, False], [0.8, 0.9, 0.1, 0.2])
    assert face == pytest.approx(0.8 * term(0, 1) + term(1, 1) + term(2, 0) + term(3, 0), rel=1e-5)
    assert boxes == pytest.approx(box(0) + box(1), rel=1e-5)


def test_hambox_counts_each_kind_by_itself() -> None:
    face, boxes = hambox([1, 1, 1, 0], [True, True, False, False], [0.8, 0.5, 0.9, 0.2])
    assert face == pytest.approx((0.8 * term(0, 1) + 0.5 * term(1, 1)) / 2 + term(2, 1) + term(3, 0), rel=1e-5)
    assert boxes == pytest.approx((box(0) + box(1)) / 2 + box(2), rel=1e-5)
    face, boxes = hambox([1, 1, 1, 0], [False] * 3 + [False], [0.0] * 4)
    assert face == pytest.approx((term(0, 1) + term(1, 1) + term(2, 1) + term(3, 0)) / 3, rel=1e-5)
    assert boxes == pytest.approx((box(0) + box(1) + box(2)) / 3, rel=1e-5)


def test_hambox_leaves_out_background_that_fits_and_faces_never() -> None:
    just = [0.5, 0.5, 0.5, 0.4999]
    face, _ = hambox([1, -1, 0, 0], [False] * 4, just)
    assert face == pytest.approx(term(0, 1) + term(3, 0), rel=1e-5)
    face, _ = hambox([1, -1, 0, 0], [False] * 4, just, ignored=0.6)
    assert face == pytest.approx(term(0, 1) + term(2, 0) + term(3, 0), rel=1e-5)


def test_hambox_has_no_gradient_through_the_fit() -> None:
    fit = torch.full((1, 2), 0.7, requires_grad=True)
    logits = torch.zeros(1, 2, requires_grad=True)
    label = torch.tensor([[1, 0]])
    assignment = Assignment(torch.zeros_like(label), label, torch.tensor([[True, False]]))
    deltas = torch.zeros(1, 2, 4)
    HamBoxLoss()(logits, deltas, deltas, assignment, fit).face.backward()
    assert fit.grad is None
    assert logits.grad is not None


def multibox(label: list[list[int]], logits: list[list[float]], **settings: float) -> float:
    """The class term; each logit is that of face, against 0."""
    faces = torch.tensor(logits, dtype=torch.float64)
    labels = torch.tensor(label)
    raw = Raw(torch.zeros(*labels.shape, 4), torch.stack([torch.zeros_like(faces), faces], dim=2), None)
    targets = Targets(boxes=torch.zeros(*labels.shape, 4), landmarks=torch.zeros(*labels.shape, 10), label=labels,
                      marked=torch.zeros_like(labels, dtype=torch.bool))  # fmt: skip
    return MultiboxLoss(**settings)(raw, targets).face.item()  # type: ignore[arg-type]


def entropy(logit: float, label: int) -> float:
    return math.log(1 + math.exp(-logit if label else logit))


def test_multibox_mines_the_hardest_of_each_image_by_itself() -> None:
    logits = [[1.0, 3.0, -2.0, 0.5, 2.0], [4.0, 5.0, 6.0, 7.0, 8.0]]
    label = [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    # Two for the one face of the first image; the second has none, however wrong it is.
    wanted = entropy(1.0, 1) + entropy(3.0, 0) + entropy(2.0, 0)
    assert multibox(label, logits, negatives=2) == pytest.approx(wanted)
    label[1][4] = 1
    wanted += entropy(8.0, 1) + entropy(7.0, 0) + entropy(6.0, 0)
    assert multibox(label, logits, negatives=2) == pytest.approx(wanted / 2)


def test_multibox_takes_at_most_all_but_one_and_no_ignored_one() -> None:
    assert multibox([[1, 1, 0]], [[1.0, 2.0, 3.0]], negatives=5) == pytest.approx(
        (entropy(1.0, 1) + entropy(2.0, 1) + entropy(3.0, 0)) / 2
    )
    assert multibox([[1, -1, 0, 0]], [[1.0, 9.0, 3.0, -3.0]], negatives=1) == pytest.approx(
        entropy(1.0, 1) + entropy(3.0, 0)
    )


def test_multibox_as_published() -> None:
    loss = MultiboxLoss()
    assert (loss.negatives, loss.box_weight, loss.face_weight, loss.landmark_weight) == (7, 2.0, 1.0, 1.0)


def test_a_fit_is_float32_whatever_the_boxes_are() -> None:
    faces = FaceBatch.of([torch.tensor([[0.0, 0.0, 10.0, 10.0]])])
    assignment = Assignment(torch.zeros(1, 1).long(), torch.ones(1, 1).long(), torch.ones(1, 1).bool())
    for kind in (torch.bfloat16, torch.float64):
        fit = fit_of_faces(torch.tensor([[[0.0, 0.0, 10.0, 3.0]]], dtype=kind), faces, assignment)
        assert fit.dtype == torch.float32
        assert fit.item() == pytest.approx(0.3)


def test_multibox_divides_landmarks_by_the_faces_that_have_some() -> None:
    label = torch.tensor([[1, 1, 1, 0]])
    marked = torch.tensor([[False, True, False, False]])
    points = torch.full((1, 4, 10), 0.5)
    targets = Targets(boxes=torch.zeros(1, 4, 4), landmarks=torch.zeros(1, 4, 10), label=label, marked=marked)
    raw = Raw(torch.full((1, 4, 4), 2.0), torch.zeros(1, 4, 2), points)
    found = MultiboxLoss()(raw, targets)
    assert found.landmarks.item() == pytest.approx(10 * smooth(0.5, 1.0))
    assert found.box.item() == pytest.approx(4 * smooth(2.0, 1.0))
    assert found.face.item() == pytest.approx(4 * math.log(2) / 3)
