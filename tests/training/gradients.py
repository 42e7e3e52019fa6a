"""Losses and gradient of a batch, whole or in parts, without a step; parts of batches and outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.loop.micro_batches import forward_in_parts
from pipeline.training.tasks.task import Losses, Normalise, Task, no_reduction


def gradient_of(
    task: Task,  # type: ignore[type-arg]
    model: nn.Module,
    batch: Any,
    *,
    parts: int = 0,
    normalise: Normalise = no_reduction,
    scale: float = 1.0,
    network: Callable[..., Any] | None = None,
) -> tuple[Losses, Tensor]:
    """Returns the losses of a batch and the flat gradient of `scale` times their total; parts 0 takes it whole."""
    forward, go_on = partial(task.forward, model, network=network), None
    if parts:
        outputs, go_on = forward_in_parts(forward, batch, parts, model, network)
    else:
        outputs = forward(batch)
    losses = task.loss(model, outputs, batch, normalise)
    (losses.total * scale).backward()  # type: ignore[no-untyped-call]
    if go_on is not None:
        go_on()
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    model.zero_grad()
    return losses, torch.cat([slope.flatten() for slope in found])


def part_of(value: Any, part: slice) -> Any:
    """Returns the entries of some images: of a tensor or tuple, or of all fields of a (nested) dataclass."""
    if value is None:
        return None
    if not is_dataclass(value):
        return value[part]
    return replace(value, **{each.name: part_of(getattr(value, each.name), part) for each in fields(value)})  # type: ignore[type-var]
