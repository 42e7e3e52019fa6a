"""The MATLAB annotation of WIDER FACE validation, in the same flat form as the text annotation."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.wider_face.annotation import COLUMNS, WiderAnnotation
from pipeline.data.datasets.wider_face.ground_truth import FACES_FILE, WiderGroundTruth, read_mat
from pipeline.data.schemas import ATTRIBUTES


def mat_annotation(truth: WiderGroundTruth, folder: Path) -> WiderAnnotation:
    """Returns the faces of the .mat files, attributes included, in the order of the .mat file.

    It differs from the text annotation in one box: row 0 of ``39_Ice_Skating_iceskiing_39_583`` is -2 wide here.
    ``truth`` is from `load_ground_truth`, attributes are read from ``wider_face_val.mat`` in ``folder``.

    Raises ValueError: an attribute is missing or its length differs from the number of boxes.
    """
    starts = np.concatenate([[0], np.cumsum([len(boxes) for boxes in truth.boxes])]).astype(np.int64)
    rows = np.zeros((int(starts[-1]), len(COLUMNS)), np.int32)
    corners = np.concatenate(truth.boxes) if truth.boxes else np.zeros((0, 4))
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    if (odd := xywh != np.trunc(xywh)).any():
        found = xywh[odd.any(axis=1)][0].tolist()
        raise ValueError(f"{folder / FACES_FILE}: face_bbx_list: expected whole pixels, found {found}")
    rows[:, :4] = xywh
    for column, values in enumerate(_attributes(folder / FACES_FILE), start=4):
        if len(values) != len(rows):
            raise ValueError(f"{folder / FACES_FILE}: {COLUMNS[column]} has {len(values)} values for {len(rows)} faces")
        rows[:, column] = values
    return WiderAnnotation(tuple(f"{image_id}.jpg" for image_id in truth.image_ids), starts, rows)


def _attributes(file: Path) -> list[NDArray[Any]]:
    lists = read_mat(file, *(f"{name}_label_list" for name in ATTRIBUTES))
    try:
        return [np.concatenate([np.ravel(values) for (event,) in cells for (values,) in event]) for cells in lists]
    except (ValueError, TypeError, IndexError) as error:  # cells nested or filled in another way
        raise ValueError(f"{file}: expected attributes per event and image, found {error}") from None
