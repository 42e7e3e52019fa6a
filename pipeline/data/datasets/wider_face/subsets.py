"""Which faces of WIDER FACE count as easy, medium and hard: the official lists, or by height where there are none."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.wider_face.annotation import WiderAnnotation
from pipeline.data.datasets.wider_face.ground_truth import OFFICIAL_FILES, WiderGroundTruth
from pipeline.data.schemas import LEVELS

MIN_HEIGHT: Final = {"easy": 50, "medium": 30, "hard": 10}
"""Pixels; the official validation lists keep to these to within a few faces, and never keep an invalid one."""

Levels = Mapping[str, NDArray[np.bool_]]


def official_levels(truth: WiderGroundTruth, annotation: WiderAnnotation) -> Levels:
    """Returns subset -> bool [faces] from the official lists, in the order of ``annotation.rows``.

    Raises ValueError: an image is not in the lists, or has another number of faces there.
    """
    position_of = {image_id: position for position, image_id in enumerate(truth.image_ids)}
    positions = []
    for index, name in enumerate(annotation.names):
        image_id, faces = name.rpartition(".")[0], len(annotation.faces(index))
        position = position_of.get(image_id)
        if position is None:
            raise ValueError(f"{image_id} is not in the official lists ({', '.join(OFFICIAL_FILES)})")
        if len(truth.boxes[position]) != faces:
            listed = len(truth.boxes[position])
            raise ValueError(f"{image_id} has {faces} faces in the annotation but {listed} in the official lists")
        positions.append(position)
    empty = np.zeros(0, bool)
    return {
        level: np.concatenate([empty, *(truth.counts[level][position] for position in positions)]) for level in LEVELS
    }


def height_levels(
    heights: NDArray[np.number], ignored: NDArray[np.bool_], least: Mapping[str, float] = MIN_HEIGHT
) -> Levels:
    """Returns subset -> bool [F] by face height, as the dataset's paper grades detection difficulty (section 3).

    It replaces the official lists, which exist for validation only: an AP on it is no official AP. ``heights`` [F] are
    in pixels of the original, ``ignored`` [F] faces count nowhere (``invalid`` in WIDER FACE), ``least`` has the
    smallest height that counts in each subset.
    """
    return {level: (heights >= least[level]) & ~ignored for level in LEVELS}
