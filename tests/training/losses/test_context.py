"""HCAM's labels and loss against the released code's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.training.losses.context import ContextLoss, discrepancy_label
from pipeline.training.losses.focal import FocalLoss


@pytest.mark.wider
@pytest.mark.parametrize("case", range(4))
def test_published_vectors(shared: Path, case: int) -> None:
    z = np.load(shared / "reference" / "mogface" / "losses.npz")
    main = torch.from_numpy(z[f"c{case}_conf_logits"])[..., 0].requires_grad_()
    second = torch.from_numpy(z[f"c{case}_hcam_conf1_logits"])[..., 0].requires_grad_()
    label = torch.from_numpy(z[f"c{case}_targets"])[..., 4].long().clamp(min=0)
    threshold = z[f"c{case}_hcam_fp_th"].item()
    hard = discrepancy_label(main, label, threshold)
    np.testing.assert_array_equal(hard, z[f"c{case}_hcam_label"][..., 0])
    losses = ContextLoss(gamma=3.0, threshold=threshold)(main, second, label)
    assert losses.progressive.item() == pytest.approx(z[f"c{case}_hcam_loss"].item(), rel=1e-5)
    assert losses.main.item() == pytest.approx(z[f"c{case}_crit_cls"].item(), rel=1e-5)
    assert losses.total.item() == pytest.approx((losses.main + 3 * losses.progressive).item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(losses.progressive, second, retain_graph=True)
    wanted = z[f"c{case}_hcam_grad_conf1"][..., 0]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())
    assert torch.autograd.grad(losses.progressive, main, allow_unused=True)[0] is None


def test_worked_example() -> None:
    scores = torch.tensor([[0.9, 0.3, 0.05, 0.02, 0.9]])
    label = torch.tensor([[1, 0, 0, 1, -1]])
    assert discrepancy_label(torch.logit(scores), label).tolist() == [[1, 0, -1, -1, -1]]
    assert discrepancy_label(torch.logit(scores), label, 0.5).tolist() == [[1, -1, -1, -1, -1]]


def test_a_score_equal_to_the_threshold_is_not_confident() -> None:
    """Sigmoid of 0 is 0.5 to the bit, of -ln 3 a quarter."""
    label = torch.tensor([[1, 0, 1, 0]])
    at_half = torch.tensor([[0.0, 0.0, 1e-6, 1e-6]])
    assert discrepancy_label(at_half, label, 0.5).tolist() == [[-1, -1, 1, 0]]
    quarter = torch.logit(torch.tensor([[0.25]], dtype=torch.float64))
    assert torch.sigmoid(quarter).item() == 0.25
    assert discrepancy_label(quarter, label[:, :1], 0.25).item() == -1
    assert discrepancy_label(quarter + 1e-9, label[:, :1], 0.25).item() == 1


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_decides_as_exactly_as_its_logits_allow(kind: torch.dtype) -> None:
    """Every logit near the threshold that the type can hold; a sigmoid in half precision would move some across."""
    logits = torch.linspace(-4, 4, 40_001).to(kind).unique()[None]
    label = torch.ones(logits.shape, dtype=torch.int64)
    for threshold in (0.1, 0.12, 0.3, 0.5, 0.7, 0.9):
        exact = torch.sigmoid(logits.double()) > threshold
        assert torch.equal(discrepancy_label(logits, label, threshold) == 1, exact), threshold


def test_divisors_of_many_processes() -> None:
    g = torch.Generator().manual_seed(4)
    main, second = torch.randn(2, 9, generator=g), torch.randn(2, 9, generator=g)
    label = torch.randint(0, 2, (2, 9), generator=g)
    got = ContextLoss()(main, second, label, (torch.tensor(7.0), torch.tensor(5.0)))
    assert got.main.item() == pytest.approx(FocalLoss().each(main, label).sum().item() / 7)
    hard = FocalLoss().each(second, discrepancy_label(main, label)).sum().item()
    assert got.progressive.item() == pytest.approx(hard / 5)
