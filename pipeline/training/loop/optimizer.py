"""The optimizer, its parameter groups, and a step that the device itself can skip."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.recipes.base import Recipe


def parameter_groups(
    model: nn.Module, weight_decay: float, decay_biases: bool = False
) -> list[dict[str, list[Tensor] | float]]:
    """Returns the optimizer's groups of all trainable parameters.

    Args:
        model: what is trained.
        weight_decay: of the first group.
        decay_biases: one group with everything, as in MogFace's code; else two, kernels with weight decay, biases and
            norm parameters (one axis) without.
    """
    trainable: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    if decay_biases:
        return [{"params": trainable, "weight_decay": weight_decay}]
    kernels, others = [p for p in trainable if p.ndim > 1], [p for p in trainable if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Returns a recipe's optimizer; its rate is to be set before each step.

    "adam" has its authors' betas, "adamw" a second beta of 0.99, "sgd" momentum as in the published training of
    detectors. On a GPU all are fused: few kernels, and a step that the device itself can skip. On a CPU SGD is not,
    whose fused form rounds differently.
    """
    groups = parameter_groups(model, recipe.weight_decay, recipe.decay_biases)
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
