"""The pictures of a data set as training sees them: read, decoded, augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.images import decode
from pipeline.data.records import Sample
from pipeline.training.augment.face_scale import FaceScale
from pipeline.training.augment.photometric import Photometric
from pipeline.training.augment.policy import Policy, policy
from pipeline.training.augment.scene import Scene
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.square_crop import SquareCrop
from pipeline.training.augment.sse import SelectiveScale
from pipeline.training.example import Example
from pipeline.training.recipe import TrainingRecipe

KEPT_BYTES = 256 * 2**20  # of decoded pictures per process: small sets are decoded once, large ones when needed


@dataclass
class Pictures:
    """A `Source` over samples. Decoded pictures are kept as long as there is room, the first that come.

    Attributes:
        samples: each picture's file and faces.
        read: path -> compressed bytes; raises OSError or ValueError where they are gone.
        recipe: augmentation and seed.
        fill: BGR of what lies outside a picture: the detector's own mean, zero after normalisation.
    """

    samples: Sequence[Sample]
    read: Callable[[str], bytes]
    recipe: TrainingRecipe
    fill: tuple[float, float, float]
    _kept: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False)
    _bytes: int = 0

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the decoded pictures behind."""
        return {**self.__dict__, "_kept": {}, "_bytes": 0}

    def __len__(self) -> int:
        """Returns the number of samples."""
        return len(self.samples)

    def name(self, index: int) -> str:
        """Returns a sample's id."""
        return self.samples[index].image_id

    def __call__(self, index: int, epoch: int, side: int) -> Example:
        """Returns one picture, `side` pixels wide and high, see `Source`."""
        sample = self.samples[index]
        rng = generator_for(self.recipe.seed, epoch, sample.image_id)
        seen = policy_of(self.recipe, side, self.fill)(rng, Scene.of_sample(sample, self._decoded(index)))
        return Example(sample.image_id, seen.image, seen.boxes, seen.landmarks)

    def _decoded(self, index: int) -> NDArray[np.uint8]:
        if (kept := self._kept.get(index)) is not None:
            return kept
        image = decode(self.read(self.samples[index].path))
        if self._bytes + image.nbytes <= KEPT_BYTES:
            self._kept[index] = image
            self._bytes += image.nbytes
        return image


def policy_of(recipe: TrainingRecipe, side: int, fill: tuple[float, float, float]) -> Policy:
    """Returns the augmentation that a recipe asks for.

    Args:
        recipe: names it.
        side: of the result in pixels.
        fill: BGR outside the picture.
    """
    changes: dict[str, Any] = {
        "side": side,
        "photometric": Photometric() if recipe.colours else None,
        "smallest": recipe.smallest,
        "fill": fill,
        "pixels": "uint8" if recipe.clipped or not recipe.colours else "float32",
    }
    if recipe.augmentation == "square_crop":
        changes["geometry"] = SquareCrop(recipe.shares)
    found = policy(recipe.augmentation, **changes)
    if isinstance(found.geometry, FaceScale) and isinstance(found.geometry.target, SelectiveScale):
        p5, p6 = recipe.sse_shares
        target = replace(found.geometry.target, share_p5=p5, share_p6=p6)
        found = replace(found, geometry=replace(found.geometry, target=target))
    return found
