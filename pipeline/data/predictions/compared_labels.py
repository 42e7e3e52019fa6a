"""The labels that predictions are compared with or named by: of any form, or the official files of WIDER FACE."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.reader import LabelFile, read_box_labels
from pipeline.data.datasets.wider_face.ground_truth import is_official, load_ground_truth


def read_compared_labels(path: Path, category: str | None = None) -> LabelFile:
    """Returns the faces of labels; of the official files every box is a face, whichever subset it counts in.

    Args:
        path: of labels, or the folder of the official files.
        category: name of the objects that are faces; None where all have one name.

    Raises FileNotFoundError: it does not exist; ValueError: as `read_box_labels` and `load_ground_truth`.
    """
    if not is_official(path):
        return read_box_labels(path, category)
    truth = load_ground_truth(path)
    faces = zip(truth.image_ids, truth.boxes, strict=True)
    labels = BoxLabels.of((image_id, boxes, np.zeros(len(boxes), bool)) for image_id, boxes in faces)
    return LabelFile(labels, "WIDER FACE's .mat files")
