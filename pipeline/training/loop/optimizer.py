"""The optimiser and its groups: which weights move how."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn


def parameter_groups(
    model: nn.Module, weight_decay: float, decay_biases: bool = False
) -> list[dict[str, list[Tensor] | float]]:
    """Returns the optimiser's groups of all trainable parameters.

    Args:
        model: what is trained.
        weight_decay: of the first group.
        decay_biases: one group with everything, as in MogFace's code; else two, kernels with weight decay, biases and
            norm parameters (one axis) without.
    """
    if decay_biases:
        return [{"params": [p for p in model.parameters() if p.requires_grad], "weight_decay": weight_decay}]
    kernels: list[Tensor] = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others: list[Tensor] = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def optimizer(
    model: nn.Module,
    kind: Literal["adam", "adamw", "sgd"],
    peak: float,
    weight_decay: float,
    momentum: float,
    decay_biases: bool = False,
) -> torch.optim.Optimizer:
    """Returns the optimiser over `parameter_groups`; its rate is to be set before each step, which `step_if` does.

    On a GPU all are fused: few kernels, and a step that the device itself can leave out. On a CPU SGD is not, whose
    fused form rounds otherwise.

    Args:
        model: what is trained.
        kind: "adam" as its authors set it, "adamw" with a second beta of 0.99, or "sgd" with momentum as in the
            published training of detectors.
        peak: learning rate.
        weight_decay: see `parameter_groups`.
        momentum: of SGD, and the first beta of Adam and AdamW.
        decay_biases: see `parameter_groups`.
    """
    groups = parameter_groups(model, weight_decay, decay_biases)
    if kind == "sgd":
        fused = next(model.parameters()).is_cuda or None
        return torch.optim.SGD(groups, lr=peak, momentum=momentum, fused=fused)
    if kind == "adam":
        return torch.optim.Adam(groups, lr=peak, betas=(momentum, 0.999), fused=True)
    return torch.optim.AdamW(groups, lr=peak, betas=(momentum, 0.99), fused=True)


def step_if(descent: torch.optim.Optimizer, finite: Tensor) -> None:
    """Moves the weights, or leaves them and what is known of their gradients as they are, without asking the device.

    Args:
        descent: from `optimizer`.
        finite: bool scalar: whether to.
    """
    if descent.param_groups[0]["fused"]:
        # What torch's own scaler of gradients hands over: kernels that see a 1 there do nothing.
        descent.grad_scale, descent.found_inf = None, (~finite).float()  # type: ignore[attr-defined]
        descent.step()
    elif bool(finite):  # on a CPU, where nobody waits
        descent.step()


def loaded(descent: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Takes over the state of an optimiser that was on any device; how steps are computed stays as it is here."""
    fused = descent.param_groups[0]["fused"]
    groups = [{**group, "fused": fused} for group in state["param_groups"]]
    descent.load_state_dict({**state, "param_groups": groups})
