"""The images of each training step and process, decided by seed and step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    import torch

    from pipeline.models.detectors.detector import Normalisation

_ORDER, _SIDE = 0, 2  # Independent random streams under one seed.


Ready = TypeVar("Ready", covariant=True)
Sampled = TypeVar("Sampled")


class Loaded(Protocol[Ready]):
    """A batch as loaders make it, see `collate`."""

    @property
    def image_ids(self) -> tuple[str, ...]:
        """Names of its images."""
        ...

    @property
    def errors(self) -> tuple[str, ...]:
        """Of images that could not be read: "name: reason"."""
        ...

    def to_batch(self, normalisation: Normalisation, device: torch.device | str = "cpu") -> Ready:
        """Returns the batch of a training step on a device; pixels are normalised there."""
        ...


Assembled = TypeVar("Assembled", bound=Loaded[Any], covariant=True)


class Source(Protocol[Sampled, Assembled]):
    """Augmented images by index and epoch; picklable, for loaders in other processes."""

    def __len__(self) -> int:
        """Returns how many images there are."""
        ...

    def __call__(self, index: int, epoch: int, side: int) -> Sampled:
        """Returns an image, always the same for the same three numbers.

        Args:
            index: 0 .. len - 1.
            epoch: how often all images have been used before.
            side: of the result in pixels, unless the source has a size of its own.

        Raises:
            OSError, ValueError: the image cannot be read; the same in every epoch.
        """
        ...

    def name(self, index: int) -> str:
        """Returns the image's name."""
        ...

    def blank(self, index: int, side: int) -> Sampled:
        """Returns the substitute of an image that cannot be read: nothing can be learnt from it."""
        ...

    def assemble(self, step: int, examples: Sequence[Sampled], errors: Sequence[str]) -> Assembled:
        """Returns the batch of images of one size; raises ValueError where they differ in it.

        Args:
            step: that it belongs to.
            examples: results of calls and of `blank`.
            errors: "name: reason" of those that are blank.
        """
        ...


@dataclass(frozen=True)
class BatchSampler(Generic[Assembled]):
    """Step number to the batch of its images.

    Steps may be asked for in any order; a step gives the same bytes every time. Every image is used once before any is
    used again, in a new order each epoch. The images of a step are the same for one process as for the shares of
    several together.

    Attributes:
        source: of the images.
        batch: images per step, over all processes.
        seed: decides the order.
        sides: of the images in pixels; of several, every step samples one.
    """

    source: Source[Any, Assembled]
    batch: int
    seed: int
    sides: tuple[int, ...] = (640,)

    def __post_init__(self) -> None:
        """Raises ValueError where there is nothing to sample from."""
        if not len(self.source) or self.batch < 1:
            raise ValueError(f"a batch of {self.batch} cannot be sampled from {len(self.source)} images")

    def __call__(self, step: int, rank: int = 0, processes: int = 1) -> Assembled:
        """Returns the share of one process in a step; shares differ by one image at most.

        Raises:
            ValueError: images of one batch differ in size, or there are more processes than images.
        """
        if processes > self.batch:
            raise ValueError(f"{processes} processes cannot share a batch of {self.batch}: use fewer workers")
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
