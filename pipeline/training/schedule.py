"""Optimiser groups, warm-up and decay: how fast the weights move at each step."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Decay = Literal["cosine", "steps"]


def learning_rate(
    step: int,
    steps: int,
    peak: float,
    warmup: int,
    decay: Decay = "cosine",
    milestones: tuple[float, ...] = (0.76, 0.88),
) -> float:
    """Returns the learning rate of one step.

    It climbs in a straight line to `peak` over the first `warmup` steps; then it falls to zero along half a cosine, or
    is divided by ten at each milestone (published RetinaFace: after 190 and 220 of 250 epochs).

    Example: peak 0.01, steps 100, warmup 10, cosine: step 0 gives 0.001, step 9 gives 0.01, step 99 about 3e-6.

    Args:
        step: 0 .. steps - 1.
        steps: length of the training.
        peak: highest rate.
        warmup: steps of the climb; 0 starts at the peak.
        decay: "cosine" or "steps".
        milestones: shares of `steps` at which "steps" divides by ten.

    Raises:
        ValueError: where `step` is outside the training.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is not in 0..{steps - 1}")
    if step < warmup:
        return peak * (step + 1) / warmup
    if decay == "steps":
        return peak * 0.1 ** sum(step >= share * steps for share in milestones)
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step + 1 - warmup) / (steps + 1 - warmup)))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, list[Tensor] | float]]:
    """Returns two optimiser groups: kernels with weight decay, biases and norm parameters (one axis) without."""
    kernels: list[Tensor] = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others: list[Tensor] = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def optimizer(
    model: nn.Module, kind: Literal["adamw", "sgd"], peak: float, weight_decay: float, momentum: float
) -> torch.optim.Optimizer:
    """Returns the optimiser over `parameter_groups`; its rate is to be set before each step.

    Args:
        model: what is trained.
        kind: "adamw", or "sgd" with momentum as in the published training.
        peak: learning rate.
        weight_decay: of the kernels.
        momentum: of SGD, and the first beta of AdamW.
    """
    groups = parameter_groups(model, weight_decay)
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=peak, momentum=momentum)
    return torch.optim.AdamW(groups, lr=peak, betas=(momentum, 0.99))
