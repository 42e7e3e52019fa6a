"""Reader of boxes in whichever form of labels a path has, as `forms.FORMS` lists them, for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.datasets.labels.coco_reader import CocoNumbers, read_coco
from pipeline.data.datasets.labels.found_labels import FoundLabels, LabelledSizes, find_labels
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable


@dataclass(frozen=True, slots=True)
class LabelFile:
    """Faces, and what belongs to their file.

    Attributes:
        labels: the faces.
        form: of the file, in words.
        remarks: oddities, one line each.
        ids: COCO's id of each image -> its name; empty for other forms.
        sizes: of the images, by name; None where neither the labels nor files beside them have any.
    """

    labels: BoxLabels
    form: str
    remarks: tuple[str, ...] = ()
    ids: Mapping[int | str, str] = field(default_factory=dict)
    sizes: Sizes | None = None


def read_box_labels(
    path: Path, category: str | None = None, form: str | None = None, sizes: Sizes | None = None
) -> LabelFile:
    """Returns the faces of a file or folder, boxes in pixels as they are written there; of equal boxes one counts.

    Images are opened, for their size, only where boxes are shares of it (YOLO) and `sizes` is not given.

    Args:
        path: of one of the forms, or a folder with labels of one form in it.
        category: name of the objects that are faces; None where all have one name.
        form: one of `FORMS`; None recognises it.
        sizes: of the images, by the names that the labels have.

    Raises FileNotFoundError: it does not exist; ValueError: it is of no form, or malformed; the message gives file,
    place, expected and found.
    """
    found = find_labels(path, form, category=(category,) if category else ())
    table = _table(found)
    if table.relative:
        table = table.in_pixels(sizes(table.names) if sizes else found.sizes(table))
    labels, ids = table.box_labels(), table.ids or ()
    if ids:
        # By id, as COCO's own tool takes the images; their order decides between equal scores.
        labels = labels.select(sorted(range(len(ids)), key=lambda row: (isinstance(ids[row], str), ids[row])))
    named = dict(zip(ids, table.names, strict=True)) if ids else {}
    return LabelFile(labels, found.form.words, table.remarks, named, LabelledSizes(found, table))


def _table(found: FoundLabels) -> LabelTable:
    if found.name == "coco_json":
        return read_coco(found.labels, LabelOptions(found.category), CocoNumbers(sized=False)).without_repeats()
    table = found.table()
    # Published figures count every face of these files.
    return table if found.name == "face_eval_mat" else table.without_repeats()
