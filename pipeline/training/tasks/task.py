"""Interface of a trainable network: build it, compute its outputs and its loss, save it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from pipeline.models.checkpoint import FIRST_WEIGHTS
from pipeline.models.weights import save_bytes
from pipeline.training.recipes.base import Recipe

Normalise = Callable[[Tensor], Tensor]
"""float32 [K] counts of this process's part of a batch -> their sums over all processes, in the same order."""


def no_reduction(counts: Tensor) -> Tensor:
    """Returns the counts as they are: one process has the whole batch."""
    return counts


def map_tensors(outputs: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Returns the outputs of a network, see `Task.forward`, with every tensor changed, in the order of the fields."""
    if outputs is None or isinstance(outputs, Tensor):
        return None if outputs is None else change(outputs)
    return replace(outputs, **{each.name: map_tensors(getattr(outputs, each.name), change) for each in fields(outputs)})


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses of a batch.

    Attributes:
        terms: name -> scalar, not yet weighted.
        total: scalar, their weighted sum: the gradient starts here.
        counts: name -> integer scalar or vector; summed over processes and logged.
    """

    terms: Mapping[str, Tensor]
    total: Tensor
    counts: Mapping[str, Tensor]


class Sized(Protocol):
    """A batch on the device: a dataclass whose fields are tuples and tensors of B entries each."""

    @property
    def image_ids(self) -> tuple[str, ...]:
        """B names."""
        ...


M = TypeVar("M", bound=nn.Module)
B = TypeVar("B", bound=Sized)


@dataclass(frozen=True)
class Task(ABC, Generic[M, B]):
    """A kind of network and how it is trained; picklable, the same in every process.

    The model has a `normalisation` for the pixels of its batches.

    Attributes:
        name: entry of `DETECTORS` or `RANKERS`.
        recipe: every number that decides the outcome.
        model_args: arguments of the network's factory.
        weights: checkpoint to start from, None for random weights.
    """

    name: str
    recipe: Recipe
    model_args: Mapping[str, Any] = field(default_factory=dict)
    weights: bytes | None = None

    @abstractmethod
    def build(self) -> M:
        """Returns the model with its first weights, on the CPU; the process's random state is left as it was.

        Raises:
            ValueError: no such network or argument, or a checkpoint that does not fit.
        """

    @abstractmethod
    def forward(self, model: M, batch: B, *, network: Callable[..., Any] | None = None, bf16: bool = False) -> Any:
        """Returns the outputs of the network, float32 at least: a tensor, or a nested dataclass of tensors and None.

        Every tensor has B entries.

        Args:
            model: from `build`.
            batch: moved to the model's device and type.
            network: called instead of the model: the same one compiled, or wrapped for several processes.
            bf16: compute in bfloat16 where `mixed` allows it; weights, norms' statistics and outputs stay float32.
        """

    @abstractmethod
    def loss(self, model: M, outputs: Any, batch: B, normalise: Normalise = no_reduction) -> Losses:
        """Returns the losses of a batch.

        Every sum is divided by a count that goes through `normalise` first: if that sums over processes, the sum of
        all processes' losses, and of their gradients, is that of one process with the whole batch.

        Args:
            model: from `build`.
            outputs: from `forward`.
            batch: that they belong to.
            normalise: called once.
        """

    def save(self, model: M) -> bytes:
        """Returns a checkpoint with weights, name, model args and recipe; equal weights give equal bytes."""
        return save_bytes(self.name, model, {"model_args": self._arguments, "recipe": asdict(self.recipe)})

    @property
    def _arguments(self) -> dict[str, Any]:
        return dict(self.model_args)

    def _seeded(self, build: Callable[..., M]) -> M:
        """Returns build(**model_args) with the random weights of the recipe's seed."""
        # Pretrained weights that a checkpoint replaces at once need not be fetched.
        skipped = set() if self.weights is None else {FIRST_WEIGHTS}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            return build(**{name: value for name, value in self._arguments.items() if name not in skipped})
