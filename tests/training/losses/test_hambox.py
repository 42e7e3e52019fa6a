"""The regression-aware loss against a loop over anchors and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.focal import FocalLoss
from pipeline.training.losses.hambox import HamBoxLoss, fit_of_faces
from tests.training.losses.reduction import reduced
from tests.training.losses.test_box_regression import smooth

A = 40
LOGITS = [0.5, -1.0, 2.0, -0.3]


def counts_of(assignment: Assignment) -> tuple[Tensor, Tensor]:
    """The normalisers of one process."""
    extra = assignment.compensated.sum()
    return extra.clamp(min=1), ((assignment.label == 1).sum() - extra).clamp(min=1)


def _case(seed: int) -> tuple[Tensor, Tensor, Tensor, Assignment, Tensor]:
    g = torch.Generator().manual_seed(seed)
    logits, deltas, targets = (torch.randn(2, A, *k, generator=g) for k in ((), (4,), (4,)))
    label = torch.randint(-1, 2, (2, A), generator=g)
    extra = (label == 1) & (torch.rand(2, A, generator=g) < 0.4)
    return logits, deltas, targets, Assignment(torch.zeros_like(label), label, extra), torch.rand(2, A, generator=g)


def _loss(
    logits: Tensor, deltas: Tensor, targets: Tensor, assignment: Assignment, fit: Tensor
) -> tuple[Tensor, Tensor]:
    return HamBoxLoss()(logits, deltas, targets, assignment, fit, counts_of(assignment))


def test_equals_a_loop_over_anchors() -> None:
    logits, deltas, targets, assignment, fit = _case(1)
    focal, smooth_l1 = FocalLoss(), SmoothL1Loss()
    sums = {True: [0.0, 0.0, 0], False: [0.0, 0.0, 0]}
    for b in range(2):
        for a in range(A):
            label, extra = int(assignment.label[b, a]), bool(assignment.compensated[b, a])
            if label == -1 or (label == 0 and fit[b, a] >= 0.5):
                continue
            one = focal(logits[b, a, None], torch.tensor([label])).item()
            sums[extra][0] += one * (fit[b, a].item() if extra else 1)
            if label == 1:
                sums[extra][1] += smooth_l1(deltas[b, a], targets[b, a], torch.tensor(True)).item()
                sums[extra][2] += 1
    got = _loss(logits, deltas, targets, assignment, fit)
    for term, value in enumerate(got):
        wanted = sum(sums[extra][term] / sums[extra][2] for extra in (True, False))
        assert value.item() == pytest.approx(wanted, rel=1e-5)


def test_nothing_compensated_and_nothing_at_all() -> None:
    logits, deltas, targets, assignment, fit = _case(2)
    fit, label = fit * 0.4, assignment.label
    plain = Assignment(assignment.face, label, torch.zeros_like(assignment.compensated))
    face, box = _loss(logits, deltas, targets, plain, fit)
    assert face.item() == pytest.approx(reduced(FocalLoss()(logits, label), label).item(), rel=1e-6)
    assert box.item() == pytest.approx(reduced(SmoothL1Loss()(deltas, targets, label == 1), label).item(), rel=1e-6)
    empty = Assignment(assignment.face, torch.zeros_like(label), plain.compensated)
    face, box = _loss(logits, deltas, targets, empty, fit)
    assert box.item() == 0
    assert face.item() == pytest.approx(FocalLoss()(logits, empty.label).sum().item(), rel=1e-6)


def _by_hand(label: list[int], extra: list[bool], fit: list[float], **settings: float) -> tuple[float, float]:
    labels = torch.tensor([label])
    assignment = Assignment(torch.zeros_like(labels), labels, torch.tensor([extra]))
    deltas, fits = torch.arange(16.0).reshape(1, 4, 4) / 8, torch.tensor([fit])
    loss = HamBoxLoss(**settings)  # type: ignore[arg-type]
    face, box = loss(torch.tensor([LOGITS]), deltas, torch.zeros(1, 4, 4), assignment, fits, counts_of(assignment))
    return face.item(), box.item()


def term(anchor: int, label: int) -> float:
    return FocalLoss()(torch.tensor([LOGITS[anchor]]), torch.tensor([label])).item()


def box(anchor: int) -> float:
    return sum(smooth((4 * anchor + k) / 8, 1 / 9) for k in range(4))


def test_compensated_anchors_are_weighted_by_their_fit() -> None:
    face, boxes = _by_hand([1, 1, 0, 0], [True, False, False, False], [0.8, 0.9, 0.1, 0.2])
    assert face == pytest.approx(0.8 * term(0, 1) + term(1, 1) + term(2, 0) + term(3, 0), rel=1e-5)
    assert boxes == pytest.approx(box(0) + box(1), rel=1e-5)


def test_each_kind_is_divided_by_its_own_number() -> None:
    face, boxes = _by_hand([1, 1, 1, 0], [True, True, False, False], [0.8, 0.5, 0.9, 0.2])
    assert face == pytest.approx((0.8 * term(0, 1) + 0.5 * term(1, 1)) / 2 + term(2, 1) + term(3, 0), rel=1e-5)
    assert boxes == pytest.approx((box(0) + box(1)) / 2 + box(2), rel=1e-5)
    face, boxes = _by_hand([1, 1, 1, 0], [False] * 4, [0.0] * 4)
    assert face == pytest.approx((term(0, 1) + term(1, 1) + term(2, 1) + term(3, 0)) / 3, rel=1e-5)
    assert boxes == pytest.approx((box(0) + box(1) + box(2)) / 3, rel=1e-5)


def test_background_that_fits_is_left_out_and_faces_never() -> None:
    just = [0.5, 0.5, 0.5, 0.4999]
    face, _ = _by_hand([1, -1, 0, 0], [False] * 4, just)
    assert face == pytest.approx(term(0, 1) + term(3, 0), rel=1e-5)
    face, _ = _by_hand([1, -1, 0, 0], [False] * 4, just, ignore_iou=0.6)
    assert face == pytest.approx(term(0, 1) + term(2, 0) + term(3, 0), rel=1e-5)


def test_no_gradient_through_the_fit() -> None:
    fit, logits = torch.full((1, 2), 0.7, requires_grad=True), torch.zeros(1, 2, requires_grad=True)
    label = torch.tensor([[1, 0]])
    assignment = Assignment(torch.zeros_like(label), label, torch.tensor([[True, False]]))
    _loss(logits, torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), assignment, fit)[0].backward()
    assert fit.grad is None
    assert logits.grad is not None


def test_divisors_of_many_processes() -> None:
    case = _case(3)
    (got, _), (own, _) = HamBoxLoss()(*case, (torch.tensor(3.0), torch.tensor(11.0))), _loss(*case)
    extra = torch.where(case[3].compensated, case[4] * FocalLoss()(case[0], case[3].label), 0.0).sum()
    rest = (own - extra / counts_of(case[3])[0]) * counts_of(case[3])[1]
    assert got.item() == pytest.approx((extra / 3 + rest / 11).item(), rel=1e-5)


def test_fit_is_the_overlap_with_the_own_face_and_has_no_gradient() -> None:
    faces = FaceBatch.of([torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]])])
    boxes = torch.tensor([[[0.0, 0.0, 10.0, 5.0], [20.0, 0.0, 30.0, 10.0], [0.0, 0.0, 10.0, 10.0]]], requires_grad=True)
    face, label = torch.tensor([[0, 1, 0]]), torch.tensor([[1, 1, 0]])
    fit = fit_of_faces(boxes, faces, Assignment(face, label, torch.tensor([[True, False, False]])))
    assert fit.tolist() == [[0.5, 1.0, 0.0]]
    assert not fit.requires_grad


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_a_fit_is_float32_whatever_the_boxes_are(kind: torch.dtype) -> None:
    faces = FaceBatch.of([torch.tensor([[0.0, 0.0, 10.0, 10.0]])])
    assignment = Assignment(torch.zeros(1, 1).long(), torch.ones(1, 1).long(), torch.ones(1, 1).bool())
    fit = fit_of_faces(torch.tensor([[[0.0, 0.0, 10.0, 3.0]]], dtype=kind), faces, assignment)
    assert fit.dtype == torch.float32
    assert fit.item() == pytest.approx(0.3)
