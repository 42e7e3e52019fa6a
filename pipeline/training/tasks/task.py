"""What the loop has to know of whatever it trains: a recipe's schedule, a batch's answer, and its losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

Normalise = Callable[[Tensor], Tensor]
"""float32 [K] counts of this process's part of a batch -> their sums over all processes, in the same order."""


def no_reduction(counts: Tensor) -> Tensor:
    """Returns the counts as they are: there is one process, and its batch is the whole batch."""
    return counts


class Losses(Protocol):
    """The losses of a batch, and what they were made of."""

    @property
    def terms(self) -> Mapping[str, Tensor]:
        """Name -> scalar, not yet weighted."""
        ...

    @property
    def total(self) -> Tensor:
        """Scalar, their weighted sum: the gradient starts here."""
        ...

    @property
    def counts(self) -> Mapping[str, Tensor]:
        """Name -> integer scalar or vector, to be summed over processes and told of the step."""
        ...


class Sized(Protocol):
    """A batch on the device: a dataclass whose fields are tuples and tensors of B entries each."""

    @property
    def image_ids(self) -> tuple[str, ...]:
        """B names."""
        ...


B = TypeVar("B", bound=Sized, contravariant=True)


class Task(Protocol[B]):
    """What one network is trained for: batch to answer to losses."""

    @property
    def model(self) -> nn.Module:
        """What is trained, its weights and norms."""
        ...

    @property
    def network(self) -> Callable[..., Any] | None:
        """What a batch is sent through, if not the model itself: the same one compiled or wrapped."""
        ...

    def answer(self, batch: B, *, bf16: bool = False) -> Any:
        """Returns what the network says, float32 at least: a tensor, or a (nested) dataclass of tensors and None.

        Every tensor has B entries.

        Args:
            batch: or a part of one.
            bf16: compute in bfloat16 what bears it; weights, norms' statistics and the answer stay float32.
        """
        ...

    def weigh(self, answer: Any, batch: B, normalise: Normalise) -> Losses:
        """Returns the losses of the answer to a batch.

        Every sum is divided by a count that goes through `normalise` first: if that sums over processes, the sum of
        all processes' losses, and of their gradients, is that of one process with the whole batch.

        Args:
            answer: as `answer` gave it.
            batch: that it belongs to.
            normalise: called once.
        """
        ...
