"""One plain training loop: batch, losses, gradient, step; the same seed gives the same weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.models.detectors.detector import Detector
from pipeline.training.assigners import Assigner
from pipeline.training.data.batch import Batch
from pipeline.training.loop.determinism import channels_last, deterministic, set_norms
from pipeline.training.loop.ema import WeightEma
from pipeline.training.loop.micro_batches import compute_losses
from pipeline.training.loop.optimizer import loaded, optimizer, step_if
from pipeline.training.loop.step import PendingStep, Step, StepNumbers
from pipeline.training.recipes.base import Recipe
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask, task_of
from pipeline.training.tasks.task import Normalise, Sized, Task, no_reduction

B = TypeVar("B", bound=Sized)

Progress = Callable[[int, int, dict[str, float]], None]
"""(steps done, steps in all, losses of the last step by name)."""


@dataclass(frozen=True, slots=True)
class History:
    """What the losses did.

    Attributes:
        losses: name ("total" and the terms it is made of, for a detector "box", "face" and what else it has heads for)
            -> float32 [steps].
        rates: float32 [steps], learning rate of each step.
    """

    losses: dict[str, NDArray[np.float32]]
    rates: NDArray[np.float32]


class Trainer:
    """The state of one training, and its next step; the plain loop and trainings of many processes drive it.

    Attributes:
        task: batch to loss.
        recipe: schedule, optimiser, and how a step is computed.
        steps_done: number of the next step.
        descent: the optimiser.
        average: running mean of the weights, or None.
    """

    def __init__(self, task: Task[Any], recipe: Recipe) -> None:
        """Starts at step 0 with the model's present weights, where they are."""
        self.task, self.recipe, self.steps_done = task, recipe, 0
        self.descent = optimizer(
            task.model,
            recipe.optimizer,
            recipe.learning_rate,
            recipe.weight_decay,
            recipe.momentum,
            recipe.decay_biases,
        )
        self.average = None if recipe.ema_decay is None else WeightEma(task.model, recipe.ema_decay)

    def step(self, batch: Sized, normalise: Normalise = no_reduction, processes: int = 1) -> Step:
        """Moves the weights once, and returns what that did when it is done; see `begin`.

        Raises:
            TrainingError: where a loss or the gradient is not finite, naming step and images, in every process alike.
        """
        return self.begin(batch, normalise, processes).read()

    def begin(
        self, batch: Sized, normalise: Normalise = no_reduction, processes: int = 1, aside: Sequence[float] = ()
    ) -> PendingStep:
        """Hands a step to the device and returns without waiting for it: to be read while the next one is at work.

        Where a loss or the gradient turns out not to be finite no parameter moves, but norms have seen the batch; who
        reads it learns so. Steps begun before that stand on what is left, so nothing may be kept of the weights
        before every step has been read.

        Args:
            batch: of this process.
            normalise: sums over processes, see `Task.weigh`; called a second time for what `Step` tells.
            processes: number of those between which a wrapper around the network averages gradients, where their sum
                is wanted.
            aside: whatever the processes want to tell each other: of each number, `Step.aside` has the sum.

        Raises:
            ValueError: behind the last step of the recipe.
        """
        number, rate = self.steps_done, float(np.float32(self.recipe.rate(self.steps_done)))
        for group in self.descent.param_groups:
            group["lr"] = rate
        parts = min(self.recipe.micro_batches, len(batch.image_ids))
        found = compute_losses(self.task, batch, parts=parts, bf16=self.recipe.bf16, normalise=normalise)
        told = StepNumbers.of(found.losses, normalise, aside)
        self.descent.zero_grad(set_to_none=True)
        found.backward(processes)
        longest = math.inf if self.recipe.clip_norm is None else self.recipe.clip_norm
        norm = nn.utils.clip_grad_norm_(self.task.model.parameters(), longest)
        step_if(self.descent, told.finite(norm))
        if self.average is not None:
            self.average.update(self.task.model)
        self.steps_done += 1
        return PendingStep(number, batch.image_ids, rate, norm, told)

    def state_dict(self) -> dict[str, Any]:
        """Returns all that `load_state_dict` needs to go on to the same bytes; shared tensors, to be saved at once."""
        return {
            "step": self.steps_done,
            "weights": self.task.model.state_dict(),
            "optimizer": self.descent.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave.

        Raises:
            ValueError: where the state belongs to another architecture or another recipe.
        """
        own = self.task.model.state_dict()
        if {name: value.shape for name, value in state["weights"].items()} != {n: v.shape for n, v in own.items()}:
            raise ValueError("the checkpoint belongs to another architecture: its tensors have other names or shapes")
        if (state["average"] is None) != (self.average is None):
            raise ValueError("the checkpoint belongs to another recipe: one of the two averages weights")
        self.task.model.load_state_dict(state["weights"])
        loaded(self.descent, state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.steps_done = int(state["step"])


def plain_loop(task: Task[B], batches: Callable[[int], B], recipe: Recipe, progress: Progress | None = None) -> History:
    """Trains the model of a task in place and returns the history of its losses.

    The model ends in evaluation mode, on the device where it was, its kernels in the usual memory layout, with the mean
    of its weights where the recipe averages. Same weights at the start, same batches, same recipe, same machine and
    number of threads: same bytes.

    Args:
        task: whose model may be in any mode, on any device.
        batches: step number -> batch; the images are moved to the model's device.
        recipe: steps, optimiser, schedule.
        progress: called after every step.

    Raises:
        TrainingError: at the first loss or gradient that is not finite, naming the step and the images.
    """
    losses: list[dict[str, float]] = []
    rates = np.zeros(recipe.steps, np.float32)
    set_norms(task.model, recipe.norms)
    with deterministic(), channels_last(task.model):
        trainer = Trainer(task, recipe)
        for step in range(recipe.steps):
            done = trainer.step(batches(step))
            rates[step] = done.rate
            # As they are kept, so that no reader sees more digits than another.
            losses.append({name: float(np.float32(value)) for name, value in done.losses.items()})
            if progress is not None:
                progress(step + 1, recipe.steps, losses[-1])
        if trainer.average is not None:
            trainer.average.copy_to(task.model)
    task.model.eval()
    return History({name: np.array([each[name] for each in losses], np.float32) for name in losses[0]}, rates)


def train(
    detector: Detector,
    batches: Callable[[int], Batch],
    recipe: DetectorRecipe,
    task: DetectorTask | None = None,
    assigner: Assigner | None = None,
    progress: Progress | None = None,
) -> History:
    """Trains `detector` in place and returns the history of its losses, see `plain_loop`.

    Args:
        detector: in any mode, on any device.
        batches: see `plain_loop`.
        recipe: likewise, and names the task.
        task: what the detector is trained for; `task_of` it and the recipe if None.
        assigner: taken instead of the task's, for one with parameters that a recipe cannot name.
        progress: see `plain_loop`.

    Raises:
        TrainingError: see `plain_loop`.
    """
    task = task or task_of(detector, recipe)
    return plain_loop(replace(task, assigner=assigner or task.assigner), batches, recipe, progress)
