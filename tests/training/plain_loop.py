"""A plain training loop on batches in memory: an independent reference of a session, and short trainings in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from pipeline.models.detectors.detector import Normalisation
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.loop.determinism import channels_last, deterministic, set_norms
from pipeline.training.loop.trainer import Trainer
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask
from pipeline.training.tasks.task import Losses, Task


@dataclass(frozen=True)
class History:
    """Losses by name ("total" and its terms) and learning rates of all steps, float32 [steps]."""

    losses: dict[str, np.ndarray]
    rates: np.ndarray


def plain_loop(task: Task, model: nn.Module, batches: Callable[[int], Any]) -> History:  # type: ignore[type-arg]
    """Trains a model in place, with the mean of its weights where the recipe averages; returns its history."""
    recipe = task.recipe
    set_norms(model, recipe.norms)
    with deterministic(), channels_last(model):
        trainer = Trainer(task, model)
        done = [trainer.begin(batches(step)).read() for step in range(recipe.steps)]
        if trainer.ema is not None:
            trainer.ema.copy_to(model)
    model.eval()
    losses = {name: np.array([each.losses[name] for each in done], np.float32) for name in done[0].losses}
    return History(losses, np.array([each.rate for each in done], np.float32))


def train(model: nn.Module, batches: Callable[[int], Any], recipe: DetectorRecipe, assigner: Any = None) -> History:
    """Trains any detector in place, see `plain_loop`; `assigner` replaces the recipe's."""
    return plain_loop(DetectorTask("", recipe, assigner=assigner), model, batches)


def normalised(batches: BatchSampler[Any], normalisation: Normalisation) -> Callable[[int], Any]:
    """Returns step -> whole batch on the CPU."""
    return lambda step: batches(step).to_batch(normalisation)


def losses_of(task: Task, model: nn.Module, batch: Any, **normalise: Any) -> Losses:  # type: ignore[type-arg]
    """Returns the losses of a batch."""
    return task.loss(model, task.forward(model, batch), batch, **normalise)


def numbers(losses: Losses) -> dict[str, float]:
    """Returns terms and "total" as plain numbers."""
    return {name: value.item() for name, value in {**losses.terms, "total": losses.total}.items()}
