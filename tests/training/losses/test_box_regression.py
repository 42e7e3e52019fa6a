"""Smooth L1 against the released code's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.training.losses.box_regression import SmoothL1Loss


@pytest.mark.wider
@pytest.mark.parametrize("case", range(4))
def test_published_vectors(shared: Path, case: int) -> None:
    z = np.load(shared / "reference" / "mogface" / "losses.npz")
    deltas = torch.from_numpy(z[f"c{case}_loc"]).requires_grad_()
    targets = torch.from_numpy(z[f"c{case}_targets"])
    loss = SmoothL1Loss()(deltas, targets[..., :4], targets[..., 4].long())
    assert loss.item() == pytest.approx(z[f"c{case}_smooth_l1"].item(), rel=1e-5)
    assert 2 * loss.item() == pytest.approx(z[f"c{case}_crit_loc_x2"].item(), rel=1e-5)
    total = z[f"c{case}_crit_cls"].item() + 2 * loss.item()
    assert total == pytest.approx(z[f"c{case}_crit_total"].item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, deltas)
    np.testing.assert_allclose(gradient, z[f"c{case}_smooth_l1_grad_loc"], rtol=1e-5, atol=1e-8)


def test_worked_example() -> None:
    deltas, label = torch.tensor([[[0.1, 0.0, 0.0, 1.0]]]), torch.tensor([[1]])
    got = SmoothL1Loss()(deltas, torch.zeros(1, 1, 4), label).item()
    assert got == pytest.approx(0.5 * 0.3**2 + 1 - 0.5 / 9, rel=1e-6)
    assert SmoothL1Loss(beta=1.0)(deltas, torch.zeros(1, 1, 4), label).item() == pytest.approx(0.005 + 0.5, rel=1e-6)
    assert SmoothL1Loss()(deltas, torch.zeros(1, 1, 4), label, torch.tensor(4.0)).item() == pytest.approx(got / 4)


def test_what_is_not_learned_may_be_anything() -> None:
    deltas = torch.ones(2, 3, 4, dtype=torch.bfloat16, requires_grad=True)
    targets = torch.full((2, 3, 4), float("nan"))
    targets[0, 1] = 0.0
    label = torch.tensor([[0, 1, -1], [0, 0, 0]])
    loss = SmoothL1Loss()(deltas, targets, label)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(4 * (1 - 0.5 / 9) / 2, rel=1e-6)  # one face, two images
    loss.backward()
    assert deltas.grad is not None
    assert (deltas.grad != 0).all(dim=2).tolist() == [[False, True, False], [False] * 3]
    assert torch.isfinite(deltas.grad).all()
