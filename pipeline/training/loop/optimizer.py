"""The optimizer, its parameter groups, and a step that the device itself can skip."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.recipes.base import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Returns a recipe's optimizer of all trainable parameters; its rate is to be set before each step.

    Kernels decay in a group of their own, unless biases and norm parameters (one axis) decay too, as in MogFace's code.
    "adam" has its authors' betas, "adamw" a second beta of 0.99, "sgd" momentum as in the published training of
    detectors. On a GPU all are fused: few kernels, and a step that the device itself can skip. On a CPU SGD is not,
    whose fused form rounds differently.
    """
    _leave_compiler_out()
    decaying: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": decaying, "weight_decay": recipe.weight_decay}]
    if not recipe.decay_biases:
        groups[0]["params"] = [p for p in decaying if p.ndim > 1]
        groups.append({"params": [p for p in decaying if p.ndim <= 1], "weight_decay": 0.0})
    rate, momentum = recipe.learning_rate, recipe.momentum
    if recipe.optimizer == "sgd":
        fused = next(model.parameters()).is_cuda or None
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=fused)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, betas=(momentum, 0.999), fused=True)
    return torch.optim.AdamW(groups, lr=rate, betas=(momentum, 0.99), fused=True)


def _leave_compiler_out() -> None:
    """Has the methods of torch's optimizers that the compiler must not trace do without importing it: 1.2 s.

    At its first call each imports the compiler to have itself left out, and keeps the result where this puts it. No
    compiled network calls them: only its forward pass is compiled.
    """
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        plain = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain


def step_if(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """Moves the weights, or leaves weights and optimizer state as they are, without a transfer from the device.

    Args:
        optimizer: from `make_optimizer`.
        finite: bool scalar: whether to.
    """
    if optimizer.param_groups[0]["fused"]:
        # The interface of torch's gradient scaler: kernels that get a 1 there do nothing.
        optimizer.grad_scale, optimizer.found_inf = None, (~finite).float()  # type: ignore[attr-defined]
        _step(optimizer)
    elif bool(finite):  # on a CPU, where nothing waits
        _step(optimizer)


def _step(optimizer: torch.optim.Optimizer) -> None:
    """Moves the weights: `step` without torch's wrappers, which import the compiler to say what it may trace."""
    with torch.no_grad():
        inspect.unwrap(type(optimizer).step)(optimizer)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads the state of an optimizer that was on any device; whether steps are fused stays as it is here."""
    fused = optimizer.param_groups[0]["fused"]
    groups = [{**group, "fused": fused} for group in state["param_groups"]]
    optimizer.load_state_dict({**state, "param_groups": groups})
