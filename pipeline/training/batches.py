"""Batches: the images of each training step, told by the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.models.detectors.detector import Normalisation
from pipeline.training.augment.mirror import mirror
from pipeline.training.augment.square_crop import square_crop
from pipeline.training.example import Batch, Example, Faces

Draw = Callable[[int], tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]
"""index -> (BGR uint8 [H, W, 3], boxes [F, 4], landmarks [F, 5, 2]), always the same for one index."""

_ORDER, _CHANGE = 0, 1  # Two independent random streams under one seed.


def render(draw: Draw, count: int, name: str = "image") -> list[Example]:
    """Returns the examples 0 .. count - 1 of `draw`, held in memory so that each is drawn once only.

    Args:
        draw: gives one image and its faces.
        count: how many; 256 x 256 pixels take 0.2 MB each.
        name: image ids are "<name> <index>".
    """
    return [Example(f"{name} {index}", *draw(index)) for index in range(count)]


@dataclass(frozen=True)
class Batches:
    """Step number to `Batch`; any step can be asked for, in any order, and gives the same bytes every time.

    Attributes:
        pool: the examples; every one is seen once before any is seen again.
        batch: images per step.
        seed: decides order, crops and mirroring.
        normalisation: the detector's.
        mirrored: share of images that are mirrored.
        crop: side of the random square crop in pixels; None takes the images as they are (all of one size then).
        shares: sides of the crop as shares of the image's short side.
    """

    pool: Sequence[Example]
    batch: int
    seed: int
    normalisation: Normalisation
    mirrored: float = 0.5
    crop: int | None = None
    shares: tuple[float, ...] = (0.3, 0.45, 0.6, 0.8, 1.0)

    def __post_init__(self) -> None:
        """Raises ValueError where there is nothing to draw from."""
        if not self.pool or self.batch < 1:
            raise ValueError(f"a batch of {self.batch} cannot be drawn from {len(self.pool)} images")

    def __call__(self, step: int) -> Batch:
        """Returns the batch of a step.

        Raises:
            ValueError: where images of one batch differ in size and no crop brings them to one.
        """
        examples = [self._example(position) for position in range(step * self.batch, (step + 1) * self.batch)]
        sizes = {example.image.shape for example in examples}
        if len(sizes) > 1:
            raise ValueError(f"images of one batch differ in size: {sorted(sizes)}; set a crop")
        pixels = torch.from_numpy(np.stack([example.image for example in examples]))
        # A permuted view of H x W x 3 is channels-last already, which is the faster layout for the convolutions.
        images = self.normalisation(pixels).permute(0, 3, 1, 2)
        return Batch(
            image_ids=tuple(example.image_id for example in examples),
            images=images,
            faces=tuple(_faces(example) for example in examples),
        )

    def _example(self, position: int) -> Example:
        """Returns the example at a position of the endless, reshuffled sequence, changed at random."""
        epoch, place = divmod(position, len(self.pool))
        order = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(len(self.pool))
        rng = np.random.default_rng((self.seed, _CHANGE, position))
        example = self.pool[int(order[place])]
        if self.crop is not None:
            example = square_crop(example, self.crop, self.shares, rng)
        return mirror(example) if rng.random() < self.mirrored else example


def _faces(example: Example) -> Faces:
    marked = np.isfinite(example.landmarks).all(axis=(1, 2))
    return Faces(
        boxes=torch.from_numpy(np.ascontiguousarray(example.boxes, np.float32)),
        landmarks=torch.from_numpy(np.ascontiguousarray(example.landmarks, np.float32)),
        marked=torch.from_numpy(marked),
    )
