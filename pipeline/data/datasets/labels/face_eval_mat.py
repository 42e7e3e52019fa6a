"""Faces in the MATLAB files of AFW and PASCAL Face, as the toolbox face-eval and AFW's authors publish them.

* ``Annotations``: a struct array with ``imgname`` and ``objects``, a matrix of rows ``x1 y1 x2 y2``, or of six columns
  whose last one is 1 for a face to be ignored (``new_annotations_AFW.mat``,
  ``Annotations_Face_PASCALLayout_large_fixed.mat``).
* ``anno``: a cell array of rows ``name, boxes, ..``, the boxes as cells ``[x1 y1; x2 y2]`` (AFW's ``anno.mat``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.form import Form
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder
from pipeline.data.datasets.wider_face.ground_truth import read_mat
from pipeline.data.file_path import FilePath

_IGNORED: Final = 5

Image = tuple[str, NDArray[np.float64], NDArray[np.bool_]]


def read_face_eval_mat(file: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of a MATLAB file of one of these forms, which have no categories.

    Raises ValueError: it is no MATLAB file, or of another form; the message gives file, variable and image.
    """
    structs, cells = read_mat(file, optional=("Annotations", "anno"))
    if structs is not None and structs.dtype.names and {"imgname", "objects"} <= set(structs.dtype.names):
        structs = structs.ravel()
        return _table(file, (_read(file, "Annotations", row, each, _of_struct) for row, each in enumerate(structs)))
    if cells is not None and cells.ndim == 2 and cells.shape[1] >= 2:
        return _table(file, (_read(file, "anno", row, each, _of_cells) for row, each in enumerate(cells)))
    raise ValueError(f"{file}: expected a variable Annotations with imgname and objects, or anno, found neither")


def _table(file: FilePath, images: Iterable[Image]) -> LabelTable:
    builder = LabelTableBuilder()
    for name, boxes, ignored in images:
        if name in builder:
            raise ValueError(f"{file}: expected each image once, found {name} twice")
        image = builder.image(name)
        for box, flag in zip(boxes.tolist(), ignored.tolist(), strict=True):
            builder.face(image, box, ignored=flag)
    return builder.build(file, LabelOptions())


def _read(file: FilePath, variable: str, row: int, entry: Any, read: Any) -> Image:
    try:
        name, boxes, ignored = read(entry)
        if boxes.shape != (len(ignored), 4) or not np.isfinite(boxes).all() or not name:
            raise ValueError(f"name {name!r} and boxes of shape {boxes.shape}")
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        expected = "the name of an image and its boxes"
        raise ValueError(f"{file}: {variable}({row + 1}): expected {expected}, found {error}") from None
    return name, boxes, ignored


def _of_struct(entry: Any) -> Image:
    rows = np.asarray(entry["objects"], np.float64)
    rows = rows.reshape(-1, rows.shape[-1]) if rows.size else np.zeros((0, 4))
    ignored = rows[:, _IGNORED] != 0 if rows.shape[1] > _IGNORED else np.zeros(len(rows), bool)
    return str(np.ravel(entry["imgname"])[0]), rows[:, :4], ignored


def _of_cells(entry: Any) -> Image:
    boxes = [np.asarray(each, np.float64).reshape(4) for each in np.ravel(entry[1])]
    return str(np.ravel(entry[0])[0]), np.array(boxes, np.float64).reshape(-1, 4), np.zeros(len(boxes), bool)


FACE_EVAL_MAT: Final = Form(
    words="MATLAB of face-eval",
    matches=lambda path: path.suffix.lower() == ".mat" and path.is_file(),
    read=read_face_eval_mat,
    write=None,
    keeps_ignored=True,
)
