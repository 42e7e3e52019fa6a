"""Checks before the first step that there is something to learn: faces that anchors can match, boxes with an order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.boxes.anchors import AnchorGrid
from pipeline.data.labelled_candidates import LabelledCandidateReader
from pipeline.data.records import Sample
from pipeline.training.augment.labelled_image import Float32, has_area
from pipeline.training.augment.seeds import generator_for
from pipeline.training.data.detector_dataset import policy_of
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe

MAX_SAMPLES = 500  # of the check, evenly spread
MIN_IOU = 0.1  # S3FD's second stage matches nothing below it


def require_matchable(samples: Sequence[Sample], grid: AnchorGrid, recipe: DetectorRecipe) -> None:
    """Checks that anchors can match some face of the training images.

    The faces of up to 500 samples go through the augmentation of the first epoch, without their pixels.

    Args:
        samples: that would be trained on.
        grid: the detector's anchors.
        recipe: augmentation, sides and seed.

    Raises:
        ValueError: there is no face; none is left in the training images; or no anchor, were it centred on a face,
            would overlap it by an IoU of 0.1.
    """
    checked = samples[:: max(1, len(samples) // MAX_SAMPLES)]
    if not any(has_area(sample.boxes).any() for sample in samples):
        raise ValueError(f"no labelled face with an area in {len(samples)} readable images; nothing to train on")
    augmented = [box for sample in checked for side in recipe.sides for box in _augmented(sample, recipe, side)]
    if not augmented:
        raise ValueError(
            f"no face of {len(checked)} images is left after augmentation {recipe.augmentation} at crop {recipe.crop} "
            f"(min_face {recipe.min_face:g} px): use a larger crop or a smaller min_face"
        )
    sizes = np.array([(x2 - x1, y2 - y1) for x1, y1, x2, y2 in augmented])
    sides = np.array(sorted({side for level in grid.sizes for side in level}))
    shared = np.minimum(sizes[:, None, 0], sides) * np.minimum(sizes[:, None, 1], sides)
    best = (shared / (sizes.prod(axis=1)[:, None] + sides**2 - shared)).max()
    if best < MIN_IOU:
        across = np.sqrt(sizes.prod(axis=1))
        raise ValueError(
            f"anchors of {sides.min():g} to {sides.max():g} px cannot match any face: those of the training images "
            f"are {across.min():.3g} to {across.max():.3g} px across; expected an IoU of {MIN_IOU:g} at least, found "
            f"{best:.2g}: use another anchor_scale, augmentation or crop"
        )


def require_rankable(candidates: LabelledCandidateReader, recipe: RankerRecipe) -> None:
    """Checks that in some image two boxes of one detector have truths that differ.

    Rows are read one by one up to the first such image.

    Args:
        candidates: rows that hold no error.
        recipe: defines the truths.

    Raises:
        ValueError: there is no such image: no row, no box, or the same truth everywhere, as tables of zeros have.
    """
    boxes = 0
    for number in range(len(candidates)):
        row = candidates[number]
        for place in range(len(row.valid)):
            truths = recipe.truths(row.of_detector(place)[2])
            if len(truths) and truths.max() > truths.min():
                return
        boxes += sum(row.valid)
    found = f"{len(candidates)} readable images with {boxes} boxes"
    floor = f", overlaps below {recipe.iou_floor:g} counted as none" if recipe.iou_floor else ""
    why = f"none overlaps a face more than another{floor}" if boxes else "there is nothing to rank"
    raise ValueError(f"{found}: {why}; nothing to train on (are the dumps and the labels of these images?)")


def _augmented(sample: Sample, recipe: DetectorRecipe, side: int) -> Float32:
    """Returns the faces of one sample in its first training image, float32 [F, 4] xyxy."""
    usable = sample.boxes[has_area(sample.boxes)]
    if not len(usable) or not sample.width:
        return np.zeros((0, 4), np.float32)
    rng = generator_for(recipe.seed, 0, sample.image_id)
    plan = policy_of(recipe, side, (0, 0, 0)).sample(rng, sample.width, sample.height, usable)
    boxes, visible = plan.view.visible(usable)
    return boxes[visible]
