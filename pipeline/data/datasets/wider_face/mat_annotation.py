"""The MATLAB annotation of WIDER FACE validation, in the same flat form as the text annotation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.wider_face.annotation import COLUMNS, WiderAnnotation
from pipeline.data.datasets.wider_face.ground_truth import FACES_FILE, WiderGroundTruth, read_mat
from pipeline.data.file_path import FilePath
from pipeline.data.schemas import ATTRIBUTES


def mat_annotation(truth: WiderGroundTruth, folder: FilePath) -> WiderAnnotation:
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


def read_attributes(folder: FilePath, image_ids: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Returns attribute -> int64 [F], one value per face of these images, image by image; none that the file lacks.

    Args:
        folder: with ``wider_face_val.mat``.
        image_ids: "<event>/<name>" of any of its images, in any order.

    Raises ValueError: the file does not have the official structure, or lacks an image.
    """
    file = folder / FACES_FILE
    events, names, *lists = read_mat(
        file, "event_list", "file_list", optional=tuple(f"{name}_label_list" for name in ATTRIBUTES)
    )
    try:
        known = [f"{event[0]}/{name[0]}" for (event,), (rows,) in zip(events, names, strict=True) for (name,) in rows]
        row = {image_id: number for number, image_id in enumerate(known)}
        wanted = [row[image_id] for image_id in image_ids]
        found = {}
        for attribute, cells in zip(ATTRIBUTES, lists, strict=True):
            if cells is not None:
                values = [np.ravel(each).astype(np.int64) for (event,) in cells for (each,) in event]
                found[attribute] = np.concatenate([np.zeros(0, np.int64), *(values[number] for number in wanted)])
    except (ValueError, TypeError, IndexError, KeyError) as error:  # cells nested or filled in another way
        raise ValueError(f"{file}: expected attributes per event and image, found {error}") from None
    return found


def _attributes(file: FilePath) -> list[NDArray[Any]]:
    lists = read_mat(file, *(f"{name}_label_list" for name in ATTRIBUTES))
    try:
        return [np.concatenate([np.ravel(values) for (event,) in cells for (values,) in event]) for cells in lists]
    except (ValueError, TypeError, IndexError) as error:  # cells nested or filled in another way
        raise ValueError(f"{file}: expected attributes per event and image, found {error}") from None
