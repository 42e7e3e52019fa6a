"""The regression-aware loss against a loop over anchors."""

from __future__ import annotations

import pytest
import torch

from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.focal import FocalLoss
from pipeline.training.losses.hambox import HamBoxLoss, fit_of_faces

A = 40


def _case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Assignment, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    logits, deltas, targets = (torch.randn(2, A, *k, generator=g) for k in ((), (4,), (4,)))
    label = torch.randint(-1, 2, (2, A), generator=g)
    extra = (label == 1) & (torch.rand(2, A, generator=g) < 0.4)
    return logits, deltas, targets, Assignment(torch.zeros_like(label), label, extra), torch.rand(2, A, generator=g)


def test_equals_a_loop_over_anchors() -> None:
    logits, deltas, targets, assignment, fit = _case(1)
    focal, smooth = FocalLoss(), SmoothL1Loss()
    sums = {True: [0.0, 0.0, 0], False: [0.0, 0.0, 0]}
    for b in range(2):
        for a in range(A):
            label, extra = int(assignment.label[b, a]), bool(assignment.compensated[b, a])
            if label == -1 or (label == 0 and fit[b, a] >= 0.5):
                continue
            one = focal.each(logits[b, a, None], torch.tensor([label])).item()
            sums[extra][0] += one * (fit[b, a].item() if extra else 1)
            if label == 1:
                sums[extra][1] += smooth.each(deltas[b, a], targets[b, a], torch.tensor(True)).item()
                sums[extra][2] += 1
    got = HamBoxLoss()(logits, deltas, targets, assignment, fit)
    for value, place in ((got.face, 0), (got.box, 1)):
        wanted = sum(sums[extra][place] / sums[extra][2] for extra in (True, False))
        assert value.item() == pytest.approx(wanted, rel=1e-5)


def test_nothing_compensated_and_nothing_at_all() -> None:
    logits, deltas, targets, assignment, fit = _case(2)
    fit = fit * 0.4
    plain = Assignment(assignment.face, assignment.label, torch.zeros_like(assignment.compensated))
    got = HamBoxLoss()(logits, deltas, targets, plain, fit)
    assert got.face.item() == pytest.approx(FocalLoss()(logits, plain.label).item(), rel=1e-6)
    assert got.box.item() == pytest.approx(SmoothL1Loss()(deltas, targets, plain.label).item(), rel=1e-6)
    empty = Assignment(assignment.face, torch.zeros_like(assignment.label), plain.compensated)
    got = HamBoxLoss()(logits, deltas, targets, empty, fit)
    assert got.box.item() == 0
    assert got.face.item() == pytest.approx(FocalLoss().each(logits, empty.label).sum().item(), rel=1e-6)


def test_divisors_of_many_processes() -> None:
    logits, deltas, targets, assignment, fit = _case(3)
    counts = (torch.tensor(3.0), torch.tensor(11.0))
    got = HamBoxLoss()(logits, deltas, targets, assignment, fit, counts)
    own = (assignment.compensated.sum(), ((assignment.label == 1) & ~assignment.compensated).sum())
    again = HamBoxLoss()(logits, deltas, targets, assignment, fit, own)
    assert torch.equal(again.face, HamBoxLoss()(logits, deltas, targets, assignment, fit).face)
    assert not torch.equal(got.face, again.face)


def test_fit_is_the_overlap_with_the_own_face_and_has_no_gradient() -> None:
    faces = FaceBatch.of([torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]])])
    boxes = torch.tensor([[[0.0, 0.0, 10.0, 5.0], [20.0, 0.0, 30.0, 10.0], [0.0, 0.0, 10.0, 10.0]]], requires_grad=True)
    face, label = torch.tensor([[0, 1, 0]]), torch.tensor([[1, 1, 0]])
    fit = fit_of_faces(boxes, faces, Assignment(face, label, torch.tensor([[True, False, False]])))
    assert fit.tolist() == [[0.5, 1.0, 0.0]]
    assert not fit.requires_grad
