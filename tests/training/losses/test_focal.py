"""Focal loss against the released code's numbers, and where numbers get large."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.training.losses.focal import FocalLoss, positives_of


def _inputs(z: dict[str, np.ndarray], case: int) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.from_numpy(z[f"c{case}_conf_logits"])[..., 0].requires_grad_()
    return logits, torch.from_numpy(z[f"c{case}_targets"])[..., 4].long()


@pytest.mark.wider
@pytest.mark.parametrize("case", range(4))
def test_published_vectors(shared: Path, case: int) -> None:
    z = dict(np.load(shared / "reference" / "mogface" / "losses.npz"))
    logits, label = _inputs(z, case)
    loss = FocalLoss()(logits, label)
    assert loss.item() == pytest.approx(z[f"c{case}_focal"].item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, logits)
    wanted = z[f"c{case}_focal_grad_conf"][..., 0]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())
    valid = FocalLoss(divide_by="valid")(logits, label).item()
    assert valid == pytest.approx(z[f"c{case}_focal_norm_valid"].item(), rel=1e-5)
    assert FocalLoss()(logits, label.clamp(min=0)).item() == pytest.approx(z[f"c{case}_crit_cls"].item(), rel=1e-5)


def test_worked_example() -> None:
    logits, label = torch.zeros(1, 3), torch.tensor([[1, 0, -1]])
    each = FocalLoss().each(logits, label)
    assert each[0].tolist() == pytest.approx([0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2), 0], rel=1e-6)


def test_divided_by_images_where_faces_are_few() -> None:
    label = torch.tensor([[1, 0, -1], [0, 0, 0]])
    assert positives_of(label).item() == 2
    assert positives_of(torch.ones(2, 3, dtype=torch.int64)).item() == 6
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    total = FocalLoss().each(logits, label).sum().item()
    assert FocalLoss()(logits, label).item() == pytest.approx(total / 2)
    assert FocalLoss()(logits, label, torch.tensor(10.0)).item() == pytest.approx(total / 10)
    assert FocalLoss(divide_by="valid")(logits, label).item() == pytest.approx(total / 5)


@pytest.mark.parametrize("epsilon", [1e-7, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_any_logit(epsilon: float, dtype: torch.dtype) -> None:
    logits = torch.tensor([[-3e4, -90.0, -17.0, 0.0, 17.0, 90.0, 3e4]], dtype=dtype, requires_grad=True)
    for label in (0, 1):
        loss = FocalLoss(epsilon=epsilon)(logits, torch.full((1, 7), label))
        assert loss.dtype == torch.float32
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()
    # Without epsilon a face that is very wrong keeps its gradient; with it, as released, it loses it.
    (gradient,) = torch.autograd.grad(FocalLoss(epsilon=epsilon)(logits, torch.ones(1, 7).long()), logits)
    assert abs(gradient[0, 1].item()) == pytest.approx(0.25 / 7 if epsilon == 0 else 0, rel=1e-2)


def test_autocast_changes_nothing() -> None:
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(2)).bfloat16()
    label = torch.randint(-1, 2, (2, 50), generator=torch.Generator().manual_seed(3))
    plain = FocalLoss()(logits, label)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(FocalLoss()(logits, label), plain)
    double = FocalLoss()(logits.double(), label)
    assert double.dtype == torch.float64
    assert plain.item() == pytest.approx(double.item(), rel=1e-5)


def test_ignored_anchors_get_no_gradient() -> None:
    logits = torch.randn(1, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    FocalLoss()(logits, torch.tensor([[1, -1, 0, -1]])).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[True, False, True, False]]


def test_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4, 1\).*\(1, 4\)"):
        FocalLoss()(torch.zeros(1, 4, 1), torch.zeros(1, 4, dtype=torch.int64))


@pytest.mark.parametrize(("logit", "label", "weight"), [(-40.0, 1, 0.25), (40.0, 0, 0.75)])
def test_the_loss_of_an_anchor_that_is_quite_wrong_ends_at_epsilon(logit: float, label: int, weight: float) -> None:
    each = [
        FocalLoss(epsilon=epsilon).each(torch.tensor([[logit]]), torch.tensor([[label]])).item()
        for epsilon in (1e-7, 1e-3, 0.0)
    ]
    assert each == pytest.approx([weight * -math.log(1e-7), weight * -math.log(1e-3), weight * 40], rel=1e-5)
    assert FocalLoss() == FocalLoss(0.25, 2.0, 1e-7, "positives")


def test_the_exponent_makes_easy_anchors_weigh_less() -> None:
    """A face of probability 0.9: (1 - 0.9)^gamma of the cross entropy."""
    logits, label = torch.tensor([[math.log(9)]], dtype=torch.float64), torch.tensor([[1]])
    for gamma in (0.0, 1.0, 2.0, 3.0):
        got = FocalLoss(gamma=gamma, epsilon=0.0).each(logits, label).item()
        assert got == pytest.approx(0.25 * 0.1**gamma * -math.log(0.9), rel=1e-9)


def test_divided_by_the_anchors_that_count() -> None:
    """Faces and background, not what is ignored; where all is ignored there is nothing to divide."""
    logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(4))
    label = torch.tensor([[1, 1, 1, 0], [1, 0, -1, -1]])
    loss = FocalLoss(divide_by="valid")
    assert loss(logits, label).item() == pytest.approx(loss.each(logits, label).sum().item() / 6)
    assert loss(logits, torch.full((2, 4), -1)).item() == 0
