"""The optimiser and its groups: which weights move how."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


def parameter_groups(
    model: nn.Module, weight_decay: float, decays: Literal["kernels", "all"] = "kernels"
) -> list[dict[str, list[Tensor] | float]]:
    """Returns the optimiser's groups of all trainable parameters.

    Args:
        model: what is trained.
        weight_decay: of the first group.
        decays: "kernels" gives two groups, kernels with weight decay, biases and norm parameters (one axis) without;
            "all" gives one with everything, as MogFace's code.
    """
    if decays == "all":
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
    decays: Literal["kernels", "all"] = "kernels",
) -> torch.optim.Optimizer:
    """Returns the optimiser over `parameter_groups`; its rate is to be set before each step.

    Args:
        model: what is trained.
        kind: "adam" as its authors set it, "adamw" with a second beta of 0.99, or "sgd" with momentum as in the
            published training of detectors.
        peak: learning rate.
        weight_decay: see `parameter_groups`.
        momentum: of SGD, and the first beta of Adam and AdamW.
        decays: see `parameter_groups`.
    """
    groups = parameter_groups(model, weight_decay, decays)
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=peak, momentum=momentum)
    if kind == "adam":
        return torch.optim.Adam(groups, lr=peak, betas=(momentum, 0.999), fused=True)
    return torch.optim.AdamW(groups, lr=peak, betas=(momentum, 0.99), fused=True)
