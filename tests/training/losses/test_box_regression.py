"""Smooth L1 against the released code's numbers and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.training.losses.box_regression import SmoothL1Loss
from tests.training.losses.reduction import reduced


def smooth(x: float, beta: float) -> float:
    return 0.5 * x * x / beta if abs(x) < beta else abs(x) - 0.5 * beta


@pytest.mark.wider
@pytest.mark.parametrize("case", range(4))
def test_published_vectors(shared: Path, case: int) -> None:
    z = np.load(shared / "reference" / "mogface" / "losses.npz")
    deltas = torch.from_numpy(z[f"c{case}_loc"]).requires_grad_()
    targets, label = torch.from_numpy(z[f"c{case}_targets"])[..., :4], torch.from_numpy(z[f"c{case}_targets"])[..., 4]
    loss = reduced(SmoothL1Loss()(deltas, targets, label == 1), label)
    assert loss.item() == pytest.approx(z[f"c{case}_smooth_l1"].item(), rel=1e-5)
    assert 2 * loss.item() == pytest.approx(z[f"c{case}_crit_loc_x2"].item(), rel=1e-5)
    total = z[f"c{case}_crit_cls"].item() + 2 * loss.item()
    assert total == pytest.approx(z[f"c{case}_crit_total"].item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, deltas)
    np.testing.assert_allclose(gradient, z[f"c{case}_smooth_l1_grad_loc"], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("beta", [1 / 9, 1.0, 0.5])
def test_each_anchor(beta: float) -> None:
    gaps = [[0.05, -0.1, 0.3, -2.0], [1.0, 0.0, -0.4, 0.11], [5.0, 5.0, 5.0, 5.0]]
    deltas = torch.tensor([gaps], dtype=torch.float64)
    targets = torch.full_like(deltas, 0.25)
    found = SmoothL1Loss(beta)(deltas + 0.25, targets, torch.tensor([[True, True, False]]))
    assert found.dtype == torch.float64
    assert found[0].tolist() == pytest.approx([sum(smooth(x, beta) for x in row) for row in gaps[:2]] + [0.0])


def test_worked_example() -> None:
    deltas, chosen = torch.tensor([[[0.1, 0.0, 0.0, 1.0]]]), torch.tensor([[True]])
    got = SmoothL1Loss()(deltas, torch.zeros(1, 1, 4), chosen).item()
    assert got == pytest.approx(0.5 * 0.3**2 + 1 - 0.5 / 9, rel=1e-6)
    assert SmoothL1Loss(beta=1.0)(deltas, torch.zeros(1, 1, 4), chosen).item() == pytest.approx(0.005 + 0.5, rel=1e-6)
    assert SmoothL1Loss().beta == 1 / 9


def test_what_is_not_learned_may_be_anything() -> None:
    deltas = torch.ones(2, 3, 4, dtype=torch.bfloat16, requires_grad=True)
    targets = torch.full((2, 3, 4), float("nan"))
    targets[0, 1] = 0.0
    loss = SmoothL1Loss()(deltas, targets, torch.tensor([[False, True, False], [False] * 3])).sum()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(4 * (1 - 0.5 / 9), rel=1e-6)
    loss.backward()
    assert deltas.grad is not None
    assert (deltas.grad != 0).all(dim=2).tolist() == [[False, True, False], [False] * 3]
    assert torch.isfinite(deltas.grad).all()
