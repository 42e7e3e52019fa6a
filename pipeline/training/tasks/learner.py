"""What is trained: how it begins, what a step teaches it, and how it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from torch import nn

from pipeline.training.recipes.base import Recipe
from pipeline.training.tasks.task import Task

Model = TypeVar("Model", bound=nn.Module)


class Learner(Protocol[Model]):
    """A kind of network and how it is trained; picklable, the same in every process.

    The model has a `normalisation`, for the pixels of its batches.
    """

    @property
    def name(self) -> str:
        """Its entry in the table of its kind."""
        ...

    @property
    def recipe(self) -> Recipe:
        """Every number that decides the outcome."""
        ...

    def first(self) -> Model:
        """Returns the model to be trained, on the CPU; the process's own random stream is left where it was.

        Raises:
            ValueError: its first weights do not fit.
        """
        ...

    def task(self, model: Model, network: Callable[..., Any] | None = None) -> Task[Any]:
        """Returns what the model is trained for.

        Args:
            model: what `first` gave.
            network: see `Task`.
        """
        ...

    def saved(self, model: Model) -> bytes:
        """Returns the model as a checkpoint with its name and what it was made with; equal weights give equal bytes."""
        ...
