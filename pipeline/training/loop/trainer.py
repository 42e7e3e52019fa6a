"""One training step: forward, loss, backward, clipping, optimizer, running mean; and the state it changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.engine.worker_group import WorkersStopped
from pipeline.training.loop.ema import WeightEma
from pipeline.training.loop.micro_batches import forward_in_parts
from pipeline.training.loop.optimizer import load_optimizer, make_optimizer, step_if
from pipeline.training.tasks.task import Losses, Normalise, Sized, Task, no_reduction


class TrainingError(WorkersStopped):
    """Training cannot go on, for a reason that all processes see at once: a loss that is not finite, bad images."""


@dataclass(frozen=True, slots=True)
class Step:
    """The numbers of one step, over all processes.

    Attributes:
        losses: name -> value before the step, "total" among them.
        rate: learning rate.
        gradient_norm: L2 over all weights, before clipping.
        counts: see `Losses`: name -> number, or numbers (of each pyramid level).
        aside: sums of what the processes gave to `Trainer.begin`.
    """

    losses: dict[str, float]
    rate: float
    gradient_norm: float
    counts: dict[str, int | list[int]]
    aside: tuple[float, ...] = ()


class Trainer:
    """The state of one training, and its next step.

    Attributes:
        task: forward pass and loss.
        model: what is trained.
        network: what batches go through, if not the model itself: the same one compiled or wrapped.
        optimizer: see `make_optimizer`.
        ema: running mean of the weights, or None.
        steps_done: number of the next step.
    """

    def __init__(self, task: Task[Any, Any], model: nn.Module, network: Callable[..., Any] | None = None) -> None:
        """Starts at step 0 with the model's present weights, on their device."""
        self.task, self.model, self.network, self.steps_done = task, model, network, 0
        self.optimizer = make_optimizer(model, task.recipe)
        self.ema = None if task.recipe.ema_decay is None else WeightEma(model, task.recipe.ema_decay)

    def begin(
        self, batch: Sized, normalise: Normalise = no_reduction, processes: int = 1, aside: Sequence[float] = ()
    ) -> PendingStep:
        """Queues a step on the device and returns without waiting for it, to be read while the next one runs.

        Where a loss or the gradient is not finite no parameter moves, but norms have seen the batch; reading the step
        raises then. Steps begun before that depend on the state it left, so weights may be kept only once every step
        has been read.

        Args:
            batch: of this process.
            normalise: sums over processes, see `Task.loss`; called a second time for the numbers of the step.
            processes: number of those between which a wrapper around the network averages gradients, where their sum
                is wanted.
            aside: numbers to be summed over processes by the way, see `Step.aside`.

        Raises:
            ValueError: behind the last step of the recipe.
        """
        recipe, number = self.task.recipe, self.steps_done
        rate = float(np.float32(recipe.rate(number)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

        forward = partial(self.task.forward, self.model, network=self.network, bf16=recipe.bf16)
        parts, continue_backward = min(recipe.micro_batches, len(batch.image_ids)), None
        if parts == 1:
            outputs = forward(batch)
        else:
            outputs, continue_backward = forward_in_parts(forward, batch, parts, self.model, self.network)
        losses = self.task.loss(self.model, outputs, batch, normalise)

        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.total if processes == 1 else losses.total * processes)
        if continue_backward is not None:
            continue_backward()
        longest = math.inf if recipe.clip_norm is None else recipe.clip_norm
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), longest)

        pending = PendingStep(number, batch.image_ids, rate, losses, norm, normalise, aside)
        step_if(self.optimizer, pending.finite)
        if self.ema is not None:
            self.ema.update(self.model)
        self.steps_done += 1
        return pending

    def state_dict(self) -> dict[str, Any]:
        """Returns all that `load_state_dict` needs to go on to the same bytes; shared tensors, to be saved at once."""
        return {
            "step": self.steps_done,
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave.

        Raises:
            ValueError: the state belongs to another architecture or another recipe.
        """
        own = self.model.state_dict()
        if {name: value.shape for name, value in state["weights"].items()} != {n: v.shape for n, v in own.items()}:
            raise ValueError("the checkpoint belongs to another architecture: its tensors have other names or shapes")
        if (state["ema"] is None) != (self.ema is None):
            raise ValueError("the checkpoint belongs to another recipe: one of the two averages weights")
        self.model.load_state_dict(state["weights"])
        load_optimizer(self.optimizer, state["optimizer"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.steps_done = int(state["step"])


class PendingStep:
    """A step that has been queued on the device; its numbers are on their way to the host.

    Attributes:
        number: of the step.
        image_ids: of this process.
        finite: bool scalar on the device: whether losses and gradient norm are finite.
    """

    def __init__(
        self,
        number: int,
        image_ids: tuple[str, ...],
        rate: float,
        losses: Losses,
        norm: Tensor,
        normalise: Normalise = no_reduction,
        aside: Sequence[float] = (),
    ) -> None:
        """Sums the numbers over processes in one call of `normalise` and requests them, without waiting.

        This is the only transfer of a step from the device to the host.
        """
        self.number, self.image_ids, self._rate = number, image_ids, rate
        self._names = (*losses.terms, "total")
        self._counts = {name: len(count) if count.ndim else None for name, count in losses.counts.items()}
        values = torch.stack([*losses.terms.values(), losses.total]).detach()
        counts = [count.reshape(-1).to(values) for count in losses.counts.values()]
        # Filled in on the device: a copy from the host would wait for it.
        numbers = normalise(torch.cat([values, *counts, *(values.new_full((1,), each) for each in aside)]))
        self.finite = torch.isfinite(numbers[: len(self._names)]).all() & torch.isfinite(norm)
        self._host = torch.cat([norm.detach().reshape(1).to(numbers), numbers])
        self._ready: torch.cuda.Event | None = None
        if numbers.is_cuda:
            pinned = torch.empty(self._host.shape, dtype=self._host.dtype, pin_memory=True)
            self._host = pinned.copy_(self._host, non_blocking=True)
            self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._ready.record()

    def read(self) -> Step:
        """Returns the step's numbers; waits for the device to have computed them.

        Raises:
            TrainingError: a loss or the gradient is not finite, naming step and images; no parameter has moved then.
        """
        if self._ready is not None:
            self._ready.synchronize()
        norm, *numbers = self._host.tolist()
        losses = dict(zip(self._names, numbers, strict=False))
        self._check("the loss", losses)
        self._check("the gradient", {"norm": norm})
        rest = iter(numbers[len(losses) :])
        counts: dict[str, int | list[int]] = {
            name: int(next(rest)) if length is None else [int(next(rest)) for _ in range(length)]
            for name, length in self._counts.items()
        }
        return Step(losses, self._rate, norm, counts, tuple(rest))

    def _check(self, what: str, values: Mapping[str, float]) -> None:
        if all(math.isfinite(value) for value in values.values()):
            return
        named = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise TrainingError(
            f"{what} of step {self.number} is not finite ({named}); its images: {', '.join(self.image_ids)}; "
            "check their boxes, or lower the learning rate"
        )
