"""The focal loss and the context loss anchor by anchor, from the formulas and without any file of vectors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pipeline.training.losses.context import ContextLoss, discrepancy_label
from pipeline.training.losses.focal import FocalLoss, positives_of, wide

LOGITS = torch.tensor([[-3.0, -0.7, 0.4, 2.5, 1.1, -1.9], [0.2, -2.2, 3.1, -0.1, 0.9, -4.0]], dtype=torch.float64)
LABEL = torch.tensor([[1, 0, 1, 0, -1, -1], [1, 1, 0, 0, 0, 1]])


def by_hand(logit: float, label: int, alpha: float = 0.25, gamma: float = 2.0, epsilon: float = 1e-7) -> float:
    p = 1 / (1 + math.exp(-logit))
    if label == 1:
        return -alpha * (1 - p) ** gamma * math.log(p + epsilon)
    return -(1 - alpha) * p**gamma * math.log(1 - p + epsilon) if label == 0 else 0.0


def table(logits: Tensor, label: Tensor, **settings: float) -> list[list[float]]:
    pairs = zip(logits.tolist(), label.tolist(), strict=True)
    return [[by_hand(*pair, **settings) for pair in zip(*rows, strict=True)] for rows in pairs]


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.4}, {"gamma": 1.5}, {"epsilon": 0.01}, {"epsilon": 0.0}])
def test_each_anchor(settings: dict[str, float]) -> None:
    each = FocalLoss(**settings).each(LOGITS, LABEL)
    for row, wanted in zip(each.tolist(), table(LOGITS, LABEL, **settings), strict=True):
        assert row == pytest.approx(wanted, rel=1e-6)


def test_what_the_sum_is_divided_by() -> None:
    total = sum(map(sum, table(LOGITS, LABEL)))
    assert FocalLoss()(LOGITS, LABEL).item() == pytest.approx(total / 5)
    assert FocalLoss(divide_by="valid")(LOGITS, LABEL).item() == pytest.approx(total / 10)
    none = torch.full((2, 6), -1)
    assert FocalLoss(divide_by="valid")(LOGITS, none).item() == 0
    # One anchor that counts: divided by one, and by the two images.
    none[1, 2] = 0
    one = by_hand(3.1, 0)
    assert FocalLoss(divide_by="valid")(LOGITS, none).item() == pytest.approx(one)
    assert FocalLoss()(LOGITS, none).item() == pytest.approx(one / 2)
    assert positives_of(none).dtype == torch.float32


def test_wide_is_float32_at_least() -> None:
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    assert [wide(torch.zeros(1, dtype=kind)).dtype for kind in kinds] == [torch.float32] * 3 + [torch.float64]


def test_a_label_is_kept_where_the_main_classifier_says_face() -> None:
    logits = torch.logit(torch.tensor([[0.9, 0.3, 0.05, 0.02, 0.11, 0.14]], dtype=torch.float64))
    label = torch.tensor([[1, 0, 0, 1, 1, -1]])
    assert discrepancy_label(logits, label).tolist() == [[1, 0, -1, -1, 1, -1]]
    assert discrepancy_label(logits, label, 0.5).tolist() == [[1, -1, -1, -1, -1, -1]]
    assert discrepancy_label(logits, label, 0.01).tolist() == label.tolist()


def test_the_context_loss_is_both_terms() -> None:
    further = LOGITS.flip(0)
    hard = discrepancy_label(LOGITS, LABEL)
    sums = [sum(map(sum, table(*pair))) for pair in ((LOGITS, LABEL), (further, hard))]
    faces = [5, max(2, int((hard == 1).sum()))]
    assert faces[0] != faces[1]
    main, progressive = (one / count for one, count in zip(sums, faces, strict=True))
    found = ContextLoss()(LOGITS, further, LABEL)
    assert [each.item() for each in found] == pytest.approx([main, progressive, main + progressive])
    found = ContextLoss(gamma=0.5)(LOGITS, further, LABEL)
    assert [each.item() for each in found] == pytest.approx([main, progressive, main + 0.5 * progressive])
    found = ContextLoss()(LOGITS, further, LABEL, (torch.tensor(4.0), torch.tensor(8.0)))
    assert [each.item() for each in found] == pytest.approx([sums[0] / 4, sums[1] / 8, sums[0] / 4 + sums[1] / 8])


def test_settings_of_the_context_loss_reach_its_terms() -> None:
    further, focal = LOGITS.flip(0), FocalLoss(alpha=0.4)
    found = ContextLoss(threshold=0.5, focal=focal)(LOGITS, further, LABEL)
    hard = discrepancy_label(LOGITS, LABEL, 0.5)
    assert found.main.item() == pytest.approx(focal(LOGITS, LABEL).item())
    assert found.progressive.item() == pytest.approx(focal(further, hard).item())
    assert (ContextLoss().gamma, ContextLoss().threshold) == (1.0, 0.1)


def test_both_classifiers_learn_and_the_choice_does_not() -> None:
    logits, further = LOGITS.clone().requires_grad_(), LOGITS.flip(0).clone().requires_grad_()
    total = ContextLoss()(logits, further, LABEL).total
    (one,) = torch.autograd.grad(total, logits, retain_graph=True)
    (alone,) = torch.autograd.grad(FocalLoss()(logits, LABEL), logits)
    assert torch.allclose(one, alone)
    (two,) = torch.autograd.grad(total, further)
    assert ((two != 0) == (discrepancy_label(LOGITS, LABEL) >= 0)).all()
    assert not discrepancy_label(logits, LABEL).requires_grad
