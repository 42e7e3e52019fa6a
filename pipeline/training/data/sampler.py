"""Batches: the pictures of each training step and process, told by the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    import torch

    from pipeline.models.detectors.detector import Normalisation

_ORDER, _SIDE = 0, 2  # Independent random streams under one seed.


Ready = TypeVar("Ready", covariant=True)
Seen = TypeVar("Seen")


class Loaded(Protocol[Ready]):
    """A batch as loaders make it: NumPy only, so that it travels cheaply."""

    @property
    def image_ids(self) -> tuple[str, ...]:
        """Names of its pictures."""
        ...

    @property
    def errors(self) -> tuple[str, ...]:
        """Of pictures that could not be read: "name: reason"."""
        ...

    def to_batch(self, normalisation: Normalisation, device: torch.device | str = "cpu") -> Ready:
        """Returns what a training step takes, on a device; pixels are normalised there."""
        ...


Assembled = TypeVar("Assembled", bound=Loaded[Any], covariant=True)


class Source(Protocol[Seen, Assembled]):
    """Pictures by number, as training sees them in an epoch; picklable, so that loaders elsewhere can have it."""

    def __len__(self) -> int:
        """Returns how many pictures there are."""
        ...

    def __call__(self, index: int, epoch: int, side: int) -> Seen:
        """Returns a picture, always the same for the same three numbers.

        Args:
            index: 0 .. len - 1.
            epoch: how often all pictures have been seen before.
            side: of the result in pixels, unless the source has a size of its own.

        Raises:
            OSError, ValueError: the picture cannot be read; it does so in every epoch.
        """
        ...

    def name(self, index: int) -> str:
        """Returns the picture's name."""
        ...

    def blank(self, index: int, side: int) -> Seen:
        """Returns what stands for a picture that cannot be read: nothing can be learnt from it."""
        ...

    def assemble(self, step: int, examples: Sequence[Seen], errors: Sequence[str]) -> Assembled:
        """Returns the batch of pictures of one size; raises ValueError where they differ in it.

        Args:
            step: that it belongs to.
            examples: what calls and `blank` gave.
            errors: "name: reason" of those that are blank.
        """
        ...


@dataclass(frozen=True)
class BatchSampler(Generic[Assembled]):
    """Step number to what the source assembles of its pictures.

    Any step can be asked for, in any order, and gives the same bytes every time.

    Every picture is seen once before any is seen again, in a new order each epoch. Who asks does not matter: the
    pictures of a step are the same for one process as for the shares of several together.

    Attributes:
        source: of the pictures.
        batch: pictures per step, over all processes.
        seed: decides the order.
        sides: of the pictures in pixels; of several, every step draws one.
    """

    source: Source[Any, Assembled]
    batch: int
    seed: int
    sides: tuple[int, ...] = (640,)

    def __post_init__(self) -> None:
        """Raises ValueError where there is nothing to draw from."""
        if not len(self.source) or self.batch < 1:
            raise ValueError(f"a batch of {self.batch} cannot be drawn from {len(self.source)} images")

    def __call__(self, step: int, rank: int = 0, processes: int = 1) -> Assembled:
        """Returns the share of one process in a step; shares differ by one picture at most.

        Raises:
            ValueError: where pictures of one batch differ in size, or there are more processes than pictures.
        """
        if processes > self.batch:
            raise ValueError(f"{processes} processes cannot share a batch of {self.batch}: take fewer workers")
        first, last = (self.batch * place // processes for place in (rank, rank + 1))
        side = self.sides[int(np.random.default_rng((self.seed, _SIDE, step)).integers(len(self.sides)))]
        examples, errors = [], []
        for position in range(step * self.batch + first, step * self.batch + last):
            index, epoch = self._at(position)
            try:
                examples.append(self.source(index, epoch, side))
            except (OSError, ValueError) as error:
                errors.append(f"{self.source.name(index)}: {error}")
                examples.append(self.source.blank(index, side))
        return self.source.assemble(step, examples, errors)

    def _at(self, position: int) -> tuple[int, int]:
        """Returns index and epoch at a position of the endless, reshuffled sequence."""
        epoch, place = divmod(position, len(self.source))
        order = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(len(self.source))
        return int(order[place]), epoch


def normalised(batches: BatchSampler[Loaded[Ready]], normalisation: Normalisation) -> Callable[[int], Ready]:
    """Returns step -> whole batch, ready for a network on the CPU: what `loop.train` takes."""
    return lambda step: batches(step).to_batch(normalisation)
