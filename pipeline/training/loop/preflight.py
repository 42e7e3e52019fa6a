"""Whether anchors and training pictures go together at all, seen before the first step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.boxes.anchors import AnchorGrid
from pipeline.data.records import Sample
from pipeline.training.augment.scene import Float32, has_area
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.view import View
from pipeline.training.data.detector_dataset import policy_of
from pipeline.training.recipes.detector import DetectorRecipe

LOOKED_AT = 500  # samples, evenly spread
LEAST_IOU = 0.1  # S3FD's second stage looks no further down


def require_matchable(samples: Sequence[Sample], grid: AnchorGrid, recipe: DetectorRecipe) -> None:
    """Makes sure that some face can be learnt.

    The faces of up to 500 samples are followed through the augmentation of the first epoch, without their pixels.

    Args:
        samples: that would be trained on.
        grid: the detector's anchors.
        recipe: augmentation, sides and seed.

    Raises:
        ValueError: there is no face; none is left in the training pictures; or no anchor, were it centred on a face,
            would overlap it by an IoU of 0.1.
    """
    looked = samples[:: max(1, len(samples) // LOOKED_AT)]
    faces = sum(int(has_area(sample.boxes).sum()) for sample in samples)
    if not faces:
        raise ValueError(f"no labelled face with an area in {len(samples)} readable images; nothing to train on")
    seen = [box for sample in looked for side in recipe.sides for box in _seen(sample, recipe, side)]
    if not seen:
        raise ValueError(
            f"no face of {len(looked)} images is left after augmentation {recipe.augmentation} at crop {recipe.crop} "
            f"(smallest {recipe.min_face:g} px): take a larger crop or a smaller `smallest`"
        )
    sizes = np.array([(x2 - x1, y2 - y1) for x1, y1, x2, y2 in seen])
    sides = np.array(sorted({side for level in grid.sizes for side in level}))
    shared = np.minimum(sizes[:, None, 0], sides) * np.minimum(sizes[:, None, 1], sides)
    best = (shared / (sizes.prod(axis=1)[:, None] + sides**2 - shared)).max()
    if best < LEAST_IOU:
        across = np.sqrt(sizes.prod(axis=1))
        raise ValueError(
            f"anchors of {sides.min():g} to {sides.max():g} px cannot match any face: those of the training pictures "
            f"are {across.min():.3g} to {across.max():.3g} px across; expected an IoU of {LEAST_IOU:g} at least, found "
            f"{best:.2g}: take another anchor_scale, augmentation or crop"
        )


def _seen(sample: Sample, recipe: DetectorRecipe, side: int) -> Float32:
    """Returns the faces of one sample in its first training picture, float32 [F, 4] xyxy."""
    usable = sample.boxes[has_area(sample.boxes)]
    if not len(usable) or not sample.width:
        return np.zeros((0, 4), np.float32)
    rng = generator_for(recipe.seed, 0, sample.image_id)
    view: View = policy_of(recipe, side, (0, 0, 0)).sample(rng, sample.width, sample.height, usable).view
    placed = view.place(usable)
    centres = (placed[:, :2] + placed[:, 2:]) / 2
    clipped = np.clip(placed, 0, np.float32(side))
    return clipped[((centres > 0) & (centres < side)).all(axis=1) & has_area(clipped)]
