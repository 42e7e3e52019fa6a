"""The labels that predictions are compared with or named by: of any form, or the official files of WIDER FACE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.reader import LabelFile, read_box_labels
from pipeline.data.datasets.wider_face.ground_truth import is_official, load_ground_truth
from pipeline.data.predictions.sizes import Int32, sizes_by_labels


@dataclass(frozen=True, slots=True)
class ComparedLabels:
    """Labels and where they are.

    Attributes:
        path: as given.
        file: the faces.
        category: name of the objects that are faces; None where all have one name.
    """

    path: Path
    file: LabelFile
    category: str | None = None

    def sizes(self, names: Sequence[str]) -> Int32:
        """Returns int32 [N, 2], width and height in pixels of images, zeros where the labels name no image of a size.

        Images are opened where the labels do not have their sizes. Raises as `sizes_by_labels`.
        """
        if is_official(self.path):
            return np.zeros((len(names), 2), np.int32)
        return sizes_by_labels(self.path, names, self.category)


def read_compared_labels(path: Path, category: str | None = None) -> ComparedLabels:
    """Returns the faces of labels; of the official files every box is a face, whichever subset it counts in.

    Args:
        path: of labels, or the folder of the official files.
        category: name of the objects that are faces; None where all have one name.

    Raises FileNotFoundError: it does not exist; ValueError: as `read_box_labels` and `load_ground_truth`.
    """
    if not is_official(path):
        return ComparedLabels(path, read_box_labels(path, category), category)
    truth = load_ground_truth(path)
    faces = zip(truth.image_ids, truth.boxes, strict=True)
    labels = BoxLabels.of((image_id, boxes, np.zeros(len(boxes), bool)) for image_id, boxes in faces)
    return ComparedLabels(path, LabelFile(labels, "WIDER FACE's .mat files"))
