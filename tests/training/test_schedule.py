"""The shape of the learning rate, and which weights decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.training.schedule import learning_rate, optimizer, parameter_groups


def test_warm_up_then_cosine() -> None:
    rates = [learning_rate(s, 100, 0.01, 10) for s in range(100)]
    assert rates[0] == pytest.approx(0.001)
    assert rates[9] == pytest.approx(0.01)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-5
    assert sum(rates[10:]) == pytest.approx(0.005 * 90, rel=0.01)


def test_published_steps() -> None:
    rates = [learning_rate(s, 250, 1e-3, 0, "steps") for s in range(250)]
    assert rates[189] == pytest.approx(1e-3)
    assert rates[190] == pytest.approx(1e-4)
    assert rates[219] == pytest.approx(1e-4)
    assert rates[220] == pytest.approx(1e-5)


def test_refuses_a_step_outside() -> None:
    with pytest.raises(ValueError, match=r"step 5 .*0\.\.4"):
        learning_rate(5, 5, 1.0, 0)


def test_only_kernels_decay() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    model[2].weight.requires_grad_(False)
    kernels, others = parameter_groups(model, 0.1)
    assert kernels["weight_decay"] == 0.1
    assert others["weight_decay"] == 0.0
    assert [p.shape for p in kernels["params"]] == [model[0].weight.shape]  # type: ignore[union-attr]
    assert len(others["params"]) == 4  # type: ignore[arg-type]


def test_each_optimizer_by_name() -> None:
    model = nn.Conv2d(1, 1, 1)
    sgd, adamw = (optimizer(model, kind, 0.1, 0.0, 0.8) for kind in ("sgd", "adamw"))  # type: ignore[arg-type]
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.8
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["betas"][0] == 0.8
