"""Batches: the pictures of each training step and process, told by the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.training.example import Batch, Example
from pipeline.training.pixel_batch import PixelBatch

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    from pipeline.models.detectors.detector import Normalisation

_ORDER, _SIDE = 0, 2  # Independent random streams under one seed.


class Source(Protocol):
    """Pictures by number, as training sees them in an epoch; picklable, so that loaders elsewhere can have it."""

    def __len__(self) -> int:
        """Returns how many pictures there are."""
        ...

    def __call__(self, index: int, epoch: int, side: int) -> Example:
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


@dataclass(frozen=True)
class Batches:
    """Step number to `PixelBatch`; any step can be asked for, in any order, and gives the same bytes every time.

    Every picture is seen once before any is seen again, in a new order each epoch. Who asks does not matter: the
    pictures of a step are the same for one process as for the shares of several together.

    Attributes:
        source: of the pictures.
        batch: pictures per step, over all processes.
        seed: decides the order.
        sides: of the pictures in pixels; of several, every step draws one.
    """

    source: Source
    batch: int
    seed: int
    sides: tuple[int, ...] = (640,)

    def __post_init__(self) -> None:
        """Raises ValueError where there is nothing to draw from."""
        if not len(self.source) or self.batch < 1:
            raise ValueError(f"a batch of {self.batch} cannot be drawn from {len(self.source)} images")

    def __call__(self, step: int, rank: int = 0, processes: int = 1) -> PixelBatch:
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
                examples.append(_blank(self.source.name(index), side))
        return PixelBatch.of(step, examples, errors)

    def _at(self, position: int) -> tuple[int, int]:
        """Returns index and epoch at a position of the endless, reshuffled sequence."""
        epoch, place = divmod(position, len(self.source))
        order = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(len(self.source))
        return int(order[place]), epoch


def normalised(batches: Batches, normalisation: Normalisation) -> Callable[[int], Batch]:
    """Returns step -> whole batch, ready for a detector on the CPU: what `loop.train` takes."""
    return lambda step: batches(step).to_batch(normalisation)


def _blank(name: str, side: int) -> Example:
    empty = np.zeros((0, 4), np.float32)
    return Example(name, np.zeros((side, side, 3), np.uint8), empty, np.zeros((0, 5, 2), np.float32))
