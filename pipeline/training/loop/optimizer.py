"""The optimizer, its parameter groups, and a step that the device itself can skip."""

from __future__ import annotations

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


def step_if(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """Moves the weights, or leaves weights and optimizer state as they are, without a transfer from the device.

    Args:
        optimizer: from `make_optimizer`.
        finite: bool scalar: whether to.
    """
    if optimizer.param_groups[0]["fused"]:
        # The interface of torch's gradient scaler: kernels that get a 1 there do nothing.
        optimizer.grad_scale, optimizer.found_inf = None, (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif bool(finite):  # on a CPU, where nothing waits
        optimizer.step()


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads the state of an optimizer that was on any device; whether steps are fused stays as it is here."""
    fused = optimizer.param_groups[0]["fused"]
    groups = [{**group, "fused": fused} for group in state["param_groups"]]
    optimizer.load_state_dict({**state, "param_groups": groups})
