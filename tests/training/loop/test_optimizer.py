"""Which weights decay, and what moves them."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from pipeline.training.loop.optimizer import make_optimizer
from pipeline.training.recipes.detector import DetectorRecipe


def test_only_kernels_decay() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    model[2].weight.requires_grad_(False)
    kernels, others = make_optimizer(model, DetectorRecipe(weight_decay=0.1)).param_groups
    assert kernels["weight_decay"] == 0.1
    assert others["weight_decay"] == 0.0
    assert [p.shape for p in kernels["params"]] == [model[0].weight.shape]
    assert len(others["params"]) == 4


def test_each_optimizer_by_name() -> None:
    model = nn.Conv2d(1, 1, 1)
    recipes = [DetectorRecipe(optimizer=kind, momentum=0.8) for kind in ("sgd", "adamw", "adam")]  # type: ignore[arg-type]
    sgd, adamw, adam = (make_optimizer(model, recipe) for recipe in recipes)
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.8
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["betas"] == (0.8, 0.99)
    assert type(adam) is torch.optim.Adam
    assert adam.param_groups[0]["betas"] == (0.8, 0.999)
    assert len(make_optimizer(model, DetectorRecipe(decay_biases=True)).param_groups) == 1


def test_everything_decays_in_the_released_code() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    (group,) = make_optimizer(model, DetectorRecipe(weight_decay=0.1, decay_biases=True)).param_groups
    assert group["weight_decay"] == 0.1
    assert len(group["params"]) == 4


def test_a_training_does_not_import_torchs_compiler() -> None:
    """It takes 1.2 s, and torch's optimizers and its setting of determinism import it."""
    code = """
import sys, torch
from pipeline.training.loop.determinism import deterministic
from pipeline.training.loop.optimizer import load_optimizer, make_optimizer, step_if
from pipeline.training.recipes.detector import DetectorRecipe

for name in ("sgd", "adam", "adamw"):
    network = torch.nn.Linear(2, 1)
    before = network.weight.clone()
    with deterministic():
        assert torch.are_deterministic_algorithms_enabled()
        optimizer = make_optimizer(network, DetectorRecipe(optimizer=name))
        network(torch.ones(3, 2)).sum().backward()
        step_if(optimizer, torch.tensor(True))
        load_optimizer(optimizer, optimizer.state_dict())
        optimizer.zero_grad()
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.equal(network.weight, before)
print({"torch._dynamo", "torch._inductor"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
