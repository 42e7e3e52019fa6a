"""Reader of boxes in whichever published form a path has: COCO JSON, VOC XML, MATLAB, CSV or WIDER FACE text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.data.datasets.coco_file import read_coco
from pipeline.data.datasets.files import file_version
from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.csv_file import read_csv_labels
from pipeline.data.datasets.labels.face_eval_mat import read_face_eval_mat
from pipeline.data.datasets.labels.voc_xml import read_voc_xml
from pipeline.data.datasets.wider_face.annotation import COLUMNS, read_wider_annotation

_FORMS: Final = "COCO .json, .mat of face-eval, .csv, WIDER FACE .txt, or a folder of VOC .xml"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """Faces, and what belongs to their file.

    Attributes:
        labels: the faces.
        form: of the file, in words.
        remarks: oddities, one line each.
        ids: COCO's id of each image -> its name; empty for other forms.
    """

    labels: BoxLabels
    form: str
    remarks: tuple[str, ...] = ()
    ids: Mapping[int | str, str] = field(default_factory=dict)


def read_box_labels(path: Path, category: str | None = None) -> LabelFile:
    """Returns the faces of a file or folder, by its ending.

    Args:
        path: of one of the forms named at the top.
        category: name of the objects that are faces, of COCO and VOC; None where all have one name.

    Raises FileNotFoundError: it does not exist; ValueError: it is of no such form, or malformed; the message gives
    file, place, expected and found.
    """
    if path.is_dir():
        return LabelFile(read_voc_xml(path, category), "VOC XML")
    if not path.is_file():
        raise FileNotFoundError(f"no labels at {path}: expected {_FORMS}")
    ending = path.suffix.lower()
    if ending == ".json":
        return _coco(path, category)
    if ending == ".mat":
        return LabelFile(read_face_eval_mat(path), "MATLAB of face-eval")
    if ending == ".csv":
        return LabelFile(read_csv_labels(path), "CSV")
    if ending == ".txt":
        return LabelFile(_wider(path), "WIDER FACE text")
    raise ValueError(f"{path}: expected {_FORMS}, found the ending {ending!r}")


def _coco(file: Path, category: str | None) -> LabelFile:
    coco = read_coco(file, (category,) if category else (), False, False, file_version(file.stat()))
    # By id, as COCO's own tool takes the images; their order decides between equal scores.
    ids = sorted(coco.names, key=lambda key: (isinstance(key, str), key))
    images = {coco.names[key]: coco.images[coco.names[key]] for key in ids}
    boxes = [np.array(image.boxes, np.float64).reshape(-1, 4) for image in images.values()]
    for each in boxes:
        each[:, 2:] += each[:, :2]
    labels = BoxLabels(
        image_ids=tuple(images),
        boxes=tuple(boxes),
        ignored=tuple(np.array(image.ignored, bool) for image in images.values()),
        crowds=tuple(np.array(image.crowds, bool) for image in images.values()),
        areas=tuple(np.array(image.areas, np.float64) for image in images.values()),
    )
    return LabelFile(labels, "COCO JSON", coco.remarks, coco.names)


def _wider(file: Path) -> BoxLabels:
    annotation = read_wider_annotation(file)
    invalid = COLUMNS.index("invalid")
    images = []
    for position, name in enumerate(annotation.names):
        rows = annotation.faces(position)
        corners = rows[:, :4].astype(np.float64)
        corners[:, 2:] += corners[:, :2]
        images.append((name, corners, rows[:, invalid] == 1))
    return BoxLabels.of(images)
