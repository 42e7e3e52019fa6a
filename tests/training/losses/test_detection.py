"""Objectives combine the single losses, and reduce their divisors over processes first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pipeline.models.detectors.detector import Raw
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.losses.box_regression import SmoothL1Loss
from pipeline.training.losses.context import discrepancy_label
from pipeline.training.losses.detection import SigmoidObjective
from pipeline.training.losses.focal import FocalLoss
from pipeline.training.losses.hambox import HamBoxLoss
from pipeline.training.losses.multibox import MultiboxLoss
from pipeline.training.losses.targets import Targets
from tests.training.losses.reduction import reduced
from tests.training.losses.test_hambox import counts_of

B, A = 3, 50


def targets_of(seed: int, share: float = 0.1) -> Targets:
    g = torch.Generator().manual_seed(seed)
    label = (torch.rand(B, A, generator=g) < share).long()
    label[torch.rand(B, A, generator=g) < 0.1] = -1
    extra = (label == 1) & (torch.rand(B, A, generator=g) < 0.5)
    marked = (label == 1) & (torch.rand(B, A, generator=g) < 0.5)
    boxes, points = torch.randn(B, A, 4, generator=g), torch.randn(B, A, 10, generator=g)
    assignment = Assignment(torch.zeros_like(label), label, extra)
    return Targets(boxes, points, label, marked, assignment, torch.rand(B, A, generator=g) * (label == 1))


def raw_of(seed: int, columns: int = 1) -> Raw:
    g = torch.Generator().manual_seed(seed)
    boxes, logits = torch.randn(B, A, 4, generator=g), torch.randn(B, A, columns, generator=g)
    if columns == 2:
        return Raw(boxes, logits, torch.randn(B, A, 10, generator=g))
    first = Raw(torch.randn(B, A, 4, generator=g), torch.randn(B, A, 1, generator=g))
    return Raw(boxes, logits, None, torch.randn(B, A, 1, generator=g), first)


class Reduction:
    """Records the counts to be summed, and multiplies them, as that many equal processes would."""

    def __init__(self, processes: float = 1) -> None:
        self.processes, self.counts = processes, [torch.empty(0)][:0]

    def __call__(self, counts: Tensor) -> Tensor:
        self.counts.append(counts)
        return counts * self.processes


def test_the_counts_of_the_multibox_loss_are_summed_over_processes() -> None:
    raw, targets, reduction = raw_of(1, 2), targets_of(2), Reduction()
    _, total = MultiboxLoss()(raw, targets, normalise=reduction)
    (counts,) = reduction.counts
    assert counts.tolist() == [(targets.label == 1).sum(), targets.marked.sum()]
    assert counts[0] > counts[1] > 1
    _, third = MultiboxLoss()(raw, targets, normalise=Reduction(3))
    assert third.item() == pytest.approx(total.item() / 3, rel=1e-6)


def test_sigmoid_puts_the_published_losses_together() -> None:
    raw, targets, first, reduction = raw_of(1), targets_of(2), targets_of(3), Reduction()
    assert raw.progressive is not None and raw.first_shot is not None
    objective = SigmoidObjective(context_weight=0.7, first_shot_weight=0.3, threshold=0.4)
    terms, total = objective(raw, targets, first, reduction)
    focal, smooth_l1 = FocalLoss(), SmoothL1Loss()
    hard = discrepancy_label(raw.logits[..., 0], targets.label, 0.4)
    wanted = {
        "face": reduced(focal(raw.logits[..., 0], targets.label), targets.label),
        "box": reduced(smooth_l1(raw.boxes, targets.boxes, targets.label == 1), targets.label),
        "context": reduced(focal(raw.progressive[..., 0], hard), hard),
        "first_face": reduced(focal(raw.first_shot.logits[..., 0], first.label), first.label),
        "first_box": reduced(smooth_l1(raw.first_shot.boxes, first.boxes, first.label == 1), first.label),
    }
    assert {name: term.item() for name, term in terms.items()} == {name: term.item() for name, term in wanted.items()}
    weights = {"face": 1.0, "box": 2.0, "context": 0.7, "first_face": 0.3, "first_box": 0.6}
    assert total.item() == pytest.approx(sum(weights[name] * term.item() for name, term in wanted.items()), rel=1e-6)
    assert targets.assignment is not None
    (counts,) = reduction.counts
    labels = [targets.label, hard, first.label]
    assert counts.tolist() == [B, targets.assignment.compensated.sum(), *[(label == 1).sum() for label in labels]]
    _, half = objective(raw, targets, first, Reduction(2))
    assert half.item() == pytest.approx(total.item() / 2, rel=1e-6)


def test_heads_that_are_not_there_have_no_terms() -> None:
    raw = replace(raw_of(1), progressive=None, first_shot=None)
    reduction = Reduction()
    terms, total = SigmoidObjective()(raw, targets_of(2), normalise=reduction)
    assert set(terms) == {"face", "box"}
    assert total.item() == pytest.approx((terms["face"] + 2 * terms["box"]).item(), rel=1e-6)
    assert len(reduction.counts[0]) == 3


def test_without_faces_images_divide() -> None:
    raw, targets = replace(raw_of(1), progressive=None, first_shot=None), targets_of(2, share=0.0)
    terms, _ = SigmoidObjective()(raw, targets)
    each = FocalLoss()(raw.logits[..., 0], targets.label)
    assert terms["face"].item() == pytest.approx(each.sum().item() / B, rel=1e-6)
    assert terms["box"].item() == 0


def test_regression_aware_is_the_loss_of_hambox() -> None:
    raw, targets = replace(raw_of(1), progressive=None, first_shot=None), targets_of(2, share=0.3)
    assert targets.assignment is not None and targets.fit is not None
    objective = SigmoidObjective(regression_aware=True)
    assert objective.needs_fit and not SigmoidObjective().needs_fit
    terms, _ = objective(raw, targets)
    divisors = counts_of(targets.assignment)
    face, box = HamBoxLoss()(raw.logits[..., 0], raw.boxes, targets.boxes, targets.assignment, targets.fit, divisors)
    assert terms["face"].item() == pytest.approx(face.item(), rel=1e-6)
    assert terms["box"].item() == pytest.approx(box.item(), rel=1e-6)


def test_answers_and_targets_that_do_not_fit_are_refused() -> None:
    raw, targets = raw_of(1), targets_of(2)
    with pytest.raises(ValueError, match=r"logits have shape \(3, 50, 2\), the targets expect \(3, 50, 1\)"):
        SigmoidObjective()(replace(raw, logits=raw.logits.repeat(1, 1, 2)), targets)
    with pytest.raises(ValueError, match="come together or not at all"):
        SigmoidObjective()(raw, targets)
    with pytest.raises(ValueError, match="fit=True"):
        SigmoidObjective(regression_aware=True)(replace(raw, first_shot=None), replace(targets, fit=None))
