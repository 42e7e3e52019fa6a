"""Focal loss against the released code's numbers, anchor by anchor from the formula, and at large logits."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.training.losses.focal import FocalLoss, wide
from tests.training.losses.reduction import reduced

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


@pytest.mark.wider
@pytest.mark.parametrize("case", range(4))
def test_published_vectors(shared: Path, case: int) -> None:
    z = dict(np.load(shared / "reference" / "mogface" / "losses.npz"))
    logits = torch.from_numpy(z[f"c{case}_conf_logits"])[..., 0].requires_grad_()
    label = torch.from_numpy(z[f"c{case}_targets"])[..., 4].long()
    each = FocalLoss()(logits, label)
    loss = reduced(each, label)
    assert loss.item() == pytest.approx(z[f"c{case}_focal"].item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
    wanted = z[f"c{case}_focal_grad_conf"][..., 0]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())
    valid = each.sum().item() / int((label >= 0).sum())
    assert valid == pytest.approx(z[f"c{case}_focal_norm_valid"].item(), rel=1e-5)
    whole = label.clamp(min=0)
    assert reduced(FocalLoss()(logits, whole), whole).item() == pytest.approx(z[f"c{case}_crit_cls"].item(), rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.4}, {"gamma": 1.5}, {"epsilon": 0.01}, {"epsilon": 0.0}])
def test_each_anchor(settings: dict[str, float]) -> None:
    each = FocalLoss(**settings)(LOGITS, LABEL)
    for row, wanted in zip(each.tolist(), table(LOGITS, LABEL, **settings), strict=True):
        assert row == pytest.approx(wanted, rel=1e-6)


def test_worked_example() -> None:
    each = FocalLoss()(torch.zeros(1, 3), torch.tensor([[1, 0, -1]]))
    assert each[0].tolist() == pytest.approx([0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2), 0], rel=1e-6)
    assert FocalLoss() == FocalLoss(0.25, 2.0, 1e-7)


@pytest.mark.parametrize("epsilon", [1e-7, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_any_logit(epsilon: float, dtype: torch.dtype) -> None:
    logits = torch.tensor([[-3e4, -90.0, -17.0, 0.0, 17.0, 90.0, 3e4]], dtype=dtype, requires_grad=True)
    for label in (0, 1):
        loss = FocalLoss(epsilon=epsilon)(logits, torch.full((1, 7), label)).mean()
        assert loss.dtype == torch.float32
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()
    # Without epsilon a face that is very wrong keeps its gradient; with it, as released, it loses it.
    assert abs(gradient[0, 1].item()) == pytest.approx(0.25 / 7 if epsilon == 0 else 0, rel=1e-2)


def test_autocast_changes_nothing() -> None:
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(2)).bfloat16()
    label = torch.randint(-1, 2, (2, 50), generator=torch.Generator().manual_seed(3))
    plain = FocalLoss()(logits, label)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(FocalLoss()(logits, label), plain)
    double = FocalLoss()(logits.double(), label)
    assert double.dtype == torch.float64
    torch.testing.assert_close(plain.double(), double, rtol=1e-5, atol=1e-9)


def test_wide_is_float32_at_least() -> None:
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    assert [wide(torch.zeros(1, dtype=kind)).dtype for kind in kinds] == [torch.float32] * 3 + [torch.float64]


def test_ignored_anchors_get_no_gradient() -> None:
    logits = torch.randn(1, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    FocalLoss()(logits, torch.tensor([[1, -1, 0, -1]])).sum().backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[True, False, True, False]]


def test_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4, 1\).*\(1, 4\)"):
        FocalLoss()(torch.zeros(1, 4, 1), torch.zeros(1, 4, dtype=torch.int64))


@pytest.mark.parametrize(("logit", "label", "weight"), [(-40.0, 1, 0.25), (40.0, 0, 0.75)])
def test_the_loss_of_an_anchor_that_is_quite_wrong_ends_at_epsilon(logit: float, label: int, weight: float) -> None:
    each = [
        FocalLoss(epsilon=epsilon)(torch.tensor([[logit]]), torch.tensor([[label]])).item()
        for epsilon in (1e-7, 1e-3, 0.0)
    ]
    assert each == pytest.approx([weight * -math.log(1e-7), weight * -math.log(1e-3), weight * 40], rel=1e-5)


def test_the_exponent_makes_easy_anchors_weigh_less() -> None:
    """A face of probability 0.9: (1 - 0.9)^gamma of the cross entropy."""
    logits, label = torch.tensor([[math.log(9)]], dtype=torch.float64), torch.tensor([[1]])
    for gamma in (0.0, 1.0, 2.0, 3.0):
        got = FocalLoss(gamma=gamma, epsilon=0.0)(logits, label).item()
        assert got == pytest.approx(0.25 * 0.1**gamma * -math.log(0.9), rel=1e-9)
