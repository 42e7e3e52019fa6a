"""What one training step did, asked for when the step is handed to the device and read when the numbers are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.engine.worker_group import WorkersStopped
from pipeline.training.loop.readback import Readback
from pipeline.training.tasks.task import Losses, Normalise


class TrainingError(WorkersStopped):
    """Training cannot go on, for a reason that all processes see at once: a loss that is no number, bad pictures."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did.

    Attributes:
        losses: name -> value before the step, "total" among them; of all processes' images together.
        rate: learning rate.
        gradient_norm: L2 over all weights, before it was cut.
        counts: what the losses were made of, over all processes: name -> number, or numbers (of each pyramid level).
        aside: what the processes told each other by the way, see `Trainer.begin`.
    """

    losses: dict[str, float]
    rate: float
    gradient_norm: float
    counts: dict[str, int | list[int]]
    aside: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class StepNumbers:
    """The numbers of a step on its device, the losses first.

    Attributes:
        names: of the losses, "total" among them.
        counts: name -> how many numbers, None for one that is no list.
        numbers: float32 [K], losses, counts, and what is told aside, of all processes together.
    """

    names: tuple[str, ...]
    counts: Mapping[str, int | None]
    numbers: Tensor

    @classmethod
    def of(cls, losses: Losses, normalise: Normalise, aside: Sequence[float]) -> StepNumbers:
        """Returns the numbers, summed over processes in one go.

        Args:
            losses: of this process's part of the batch.
            normalise: see `Normalise`; called once.
            aside: any number of numbers, each to be summed as well.
        """
        values, counts = torch.stack([*losses.terms.values(), losses.total]).detach(), losses.counts
        flat = [count.reshape(-1).to(values) for count in counts.values()]
        # Filled in on the device: a copy from the host would have it wait.
        by_the_way = [values.new_full((1,), each) for each in aside]
        numbers = normalise(torch.cat([values, *flat, *by_the_way]))
        lengths = {name: len(count) if count.ndim else None for name, count in counts.items()}
        return cls((*losses.terms, "total"), lengths, numbers)

    def finite(self, norm: Tensor) -> Tensor:
        """Returns bool scalar on the device: whether losses and gradient norm are numbers."""
        return torch.isfinite(self.numbers[: len(self.names)]).all() & torch.isfinite(norm)


class PendingStep:
    """A step that has been handed to the device."""

    def __init__(self, number: int, image_ids: tuple[str, ...], rate: float, norm: Tensor, told: StepNumbers) -> None:
        """Asks for the step's numbers, and does not wait for them.

        Args:
            number: of the step.
            image_ids: of this process.
            rate: learning rate.
            norm: of the gradient, scalar.
            told: all else.
        """
        self.number, self.image_ids, self._rate, self._told = number, image_ids, rate, told
        self._back = Readback(torch.cat([norm.detach().reshape(1).to(told.numbers), told.numbers]))

    def read(self) -> Step:
        """Returns what the step did; waits for the device to have done it.

        Raises:
            TrainingError: a loss or the gradient is not finite, naming step and images; no parameter has moved then.
        """
        norm, *numbers = self._back.numbers()
        losses = dict(zip(self._told.names, numbers, strict=False))
        self._check("the loss", losses)
        self._check("the gradient", {"norm": norm})
        rest = iter(numbers[len(losses) :])
        counts: dict[str, int | list[int]] = {
            name: int(next(rest)) if length is None else [int(next(rest)) for _ in range(length)]
            for name, length in self._told.counts.items()
        }
        return Step(losses, self._rate, norm, counts, tuple(rest))

    def _check(self, what: str, values: Mapping[str, float]) -> None:
        if all(math.isfinite(value) for value in values.values()):
            return
        named = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise TrainingError(
            f"{what} of step {self.number} is not finite ({named}); its images: {', '.join(self.image_ids)}; "
            "look at their boxes, or lower the learning rate"
        )
