"""Labelled images for a detector's training: read, decoded, augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data.images import decode
from pipeline.data.records import Sample
from pipeline.training.augment.face_scale import FaceScale
from pipeline.training.augment.labelled_image import LabelledImage
from pipeline.training.augment.photometric import Photometric
from pipeline.training.augment.policy import POLICIES, Policy
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.square_crop import SquareCrop
from pipeline.training.augment.sse import SelectiveScale
from pipeline.training.data.batch import Example
from pipeline.training.data.cache import SampleCache
from pipeline.training.data.collate import PixelBatch
from pipeline.training.recipes.detector import DetectorRecipe


@dataclass
class DetectorDataset:
    """A `Source` over samples; decoded images are cached.

    Attributes:
        samples: each image's file and faces.
        read: path -> compressed bytes; raises OSError or ValueError where it cannot.
        recipe: augmentation and seed.
        fill: BGR outside the image: the detector's own mean, zero after normalisation.
    """

    samples: Sequence[Sample]
    read: Callable[[str], bytes]
    recipe: DetectorRecipe
    fill: tuple[float, float, float]
    _images: SampleCache[NDArray[np.uint8]] = field(default_factory=SampleCache, repr=False)

    def __len__(self) -> int:
        """Returns the number of samples."""
        return len(self.samples)

    def name(self, index: int) -> str:
        """Returns a sample's id."""
        return self.samples[index].image_id

    def __call__(self, index: int, epoch: int, side: int) -> Example:
        """Returns one image, `side` pixels wide and high, see `Source`."""
        sample = self.samples[index]
        image = self._images.get(index, lambda: decode(self.read(sample.path)))
        rng = generator_for(self.recipe.seed, epoch, sample.image_id)
        # Every labelled face is learned, as in the published training: those that WIDER FACE marks `invalid` too.
        original = LabelledImage.of(image, sample.boxes, sample.landmarks)
        labelled = policy_of(self.recipe, side, self.fill)(rng, original)
        return Example(sample.image_id, labelled.image, labelled.boxes, labelled.landmarks)

    def blank(self, index: int, side: int) -> Example:
        """Returns a black image without faces."""
        empty = np.zeros((0, 4), np.float32)
        return Example(self.name(index), np.zeros((side, side, 3), np.uint8), empty, np.zeros((0, 5, 2), np.float32))

    def assemble(self, step: int, examples: Sequence[Example], errors: Sequence[str]) -> PixelBatch:
        """Returns the batch of examples, see `PixelBatch.of`."""
        return PixelBatch.of(step, examples, errors)


def policy_of(recipe: DetectorRecipe, side: int, fill: tuple[float, float, float]) -> Policy:
    """Returns the augmentation of a recipe.

    Args:
        recipe: names it.
        side: of the result in pixels.
        fill: BGR outside the image.
    """
    geometry = POLICIES.find(recipe.augmentation)()
    if isinstance(geometry, SquareCrop):
        geometry = SquareCrop(recipe.crop_scales)
    if isinstance(geometry, FaceScale) and isinstance(geometry.target, SelectiveScale):
        geometry = replace(geometry, target=replace(geometry.target, shares=recipe.sse_shares))
    return Policy(
        geometry=geometry,
        side=side,
        photometric=Photometric() if recipe.colour_jitter else None,
        flip_prob=recipe.flip_prob,
        min_face=recipe.min_face,
        fill=fill,
        pixels="uint8" if recipe.uint8_pixels or not recipe.colour_jitter else "float32",
    )
