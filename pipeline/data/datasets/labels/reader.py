"""Reader of boxes in whichever form of labels a path has, as `forms.FORMS` lists them, for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.coco_reader import CocoNumbers, read_coco
from pipeline.data.datasets.labels.forms import FORMS, labels_of_form, recognise
from pipeline.data.datasets.labels.image_files import image_sizes
from pipeline.data.datasets.labels.label_table import LabelOptions
from pipeline.data.file_path import FilePath


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


def read_box_labels(path: Path, category: str | None = None, form: str | None = None) -> LabelFile:
    """Returns the faces of a file or folder, boxes in pixels as they are written there.

    Images are opened, for their size, only where boxes are shares of it (YOLO).

    Args:
        path: of one of the forms, or a folder with labels of one form in it.
        category: name of the objects that are faces; None where all have one name.
        form: one of `FORMS`; None recognises it.

    Raises FileNotFoundError: it does not exist; ValueError: it is of no form, or malformed; the message gives file,
    place, expected and found.
    """
    name, labels = recognise(path) if form is None else (form, labels_of_form(path, form))
    options = LabelOptions((category,) if category else ())
    words = FORMS.find(name).words
    if name == "coco_json":
        return _coco(labels, options, words)
    table = FORMS[name].read(labels, options)
    if table.relative:
        root = labels if labels.is_dir() else labels.parent
        table = table.in_pixels(image_sizes(root, table.paths or table.names))
    return LabelFile(table.box_labels(), words, table.remarks)


def _coco(file: FilePath, options: LabelOptions, words: str) -> LabelFile:
    table = read_coco(file, options, CocoNumbers(sized=False)).without_repeats()
    ids = table.ids or ()
    # By id, as COCO's own tool takes the images; their order decides between equal scores.
    rows = sorted(range(len(ids)), key=lambda row: (isinstance(ids[row], str), ids[row]))
    return LabelFile(table.box_labels().select(rows), words, table.remarks, dict(zip(ids, table.names, strict=True)))
