"""Optimiser groups, warm-up and decay: how fast the weights move at each step."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.training.recipe import TrainingRecipe

Decay = Literal["cosine", "steps"]


def learning_rate(
    step: int,
    steps: int,
    peak: float,
    warmup: int,
    decay: Decay = "cosine",
    milestones: tuple[float, ...] = (0.76, 0.88),
    *,
    start: float | None = None,
    returns_at: int | None = None,
) -> float:
    """Returns the learning rate of one step.

    It climbs in a straight line to `peak` over the first `warmup` steps; then it falls to zero along half a cosine, or
    is divided by ten at each milestone (published RetinaFace: after 190 and 220 of 250 epochs).

    Example: peak 0.01, steps 100, warmup 10, cosine: step 0 gives 0.001, step 9 gives 0.01, step 99 about 3e-6. With
    start 1e-6 step 0 gives 1e-6, step 5 0.0050005 and step 10 0.01.

    Args:
        step: 0 .. steps - 1.
        steps: length of the training.
        peak: highest rate.
        warmup: steps of the climb; 0 starts at the peak.
        decay: "cosine" or "steps".
        milestones: where "steps" divides by ten: shares of `steps` up to 1, else numbers of steps.
        start: rate of step 0; None climbs from zero, which would have been the step before.
        returns_at: step from which "steps" gives the peak again, as MogFace's released code does behind its last
            milestone; None for never.

    Raises:
        ValueError: where `step` is outside the training.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is not in 0..{steps - 1}")
    if step < warmup:
        return peak * (step + 1) / warmup if start is None else start + step * (peak - start) / warmup
    if decay == "steps":
        if returns_at is not None and step >= returns_at:
            return peak
        return peak * 0.1 ** sum(step >= (place * steps if place <= 1 else place) for place in milestones)
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step + 1 - warmup) / (steps + 1 - warmup)))


def rate_of(recipe: TrainingRecipe, step: int) -> float:
    """Returns the learning rate of a step of a recipe; see `learning_rate`."""
    return learning_rate(
        step,
        recipe.steps,
        recipe.learning_rate,
        recipe.warmup,
        recipe.decay,
        recipe.milestones,
        start=recipe.warmup_start,
        returns_at=recipe.returns_at,
    )


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
    kind: Literal["adamw", "sgd"],
    peak: float,
    weight_decay: float,
    momentum: float,
    decays: Literal["kernels", "all"] = "kernels",
) -> torch.optim.Optimizer:
    """Returns the optimiser over `parameter_groups`; its rate is to be set before each step.

    Args:
        model: what is trained.
        kind: "adamw", or "sgd" with momentum as in the published training.
        peak: learning rate.
        weight_decay: see `parameter_groups`.
        momentum: of SGD, and the first beta of AdamW.
        decays: see `parameter_groups`.
    """
    groups = parameter_groups(model, weight_decay, decays)
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=peak, momentum=momentum)
    return torch.optim.AdamW(groups, lr=peak, betas=(momentum, 0.99))
