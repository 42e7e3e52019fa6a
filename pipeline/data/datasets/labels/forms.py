"""The forms of labels by the name of their dataset: an explicit table. A new one is a file and a line in `LABELLED`."""

from __future__ import annotations

from typing import Final

from pipeline.data.datasets.dataset import Dataset
from pipeline.data.datasets.labels.coco_json import CocoJson
from pipeline.data.datasets.labels.csv_file import Csv
from pipeline.data.datasets.labels.cvat_xml import CvatXml
from pipeline.data.datasets.labels.face_eval_mat import FACE_EVAL_MAT
from pipeline.data.datasets.labels.form import Form
from pipeline.data.datasets.labels.label_studio import LabelStudio
from pipeline.data.datasets.labels.labelled_files import LabelledFiles, labels_in, only_labels_in
from pipeline.data.datasets.labels.retinaface_text import RetinafaceText
from pipeline.data.datasets.labels.unrecognised import unrecognised
from pipeline.data.datasets.labels.voc_xml import VocXml
from pipeline.data.datasets.labels.wider_text import WiderText
from pipeline.data.datasets.labels.yolo_text import YoloText
from pipeline.data.file_path import FilePath, file_path, path_below
from pipeline.engine.registry import Registry
from pipeline.engine.stage import NODE

LABELLED: Final[dict[str, type[LabelledFiles]]] = {
    "coco_json": CocoJson,
    "yolo": YoloText,
    "voc": VocXml,
    "csv": Csv,
    "retinaface": RetinafaceText,
    "wider_text": WiderText,
    "label_studio": LabelStudio,
    "cvat": CvatXml,
}
"""The datasets whose labels are of one form each."""

FORMS: Registry[Form] = Registry(
    "form of labels",
    {**{name: kind.label_form for name, kind in LABELLED.items()}, "face_eval_mat": FACE_EVAL_MAT},
)
"""The form of each dataset of labelled files, and MATLAB files, which name no image file."""


class NoLabelsError(ValueError):
    """A path holds no labels of any form; `found` says what it holds."""

    def __init__(self, expected: str, found: str) -> None:
        """Takes what was expected, the path first, and what was found."""
        super().__init__(f"{expected}; found {found}")
        self.found = found


def recognise(path: FilePath) -> tuple[str, FilePath]:
    """Returns the form of labels, as in `FORMS`, and their file or folder: ``path`` itself, or what is inside it.

    Raises FileNotFoundError: ``path`` does not exist; NoLabelsError: it is of no form; ValueError: it has labels of
    several ones.
    """
    if not path.exists():
        raise FileNotFoundError(f"no labels at {path}: expected {_choices()}")
    if path.is_file():
        found = [(name, path) for name, form in FORMS.items() if form.matches(path)]
        # A heading that does not fit is named when it is read.
        found = found or [(name, path) for name, form in FORMS.items() if form.ending == path.suffix.lower() == ".csv"]
    else:
        found = [(name, labels) for name, form in FORMS.items() for labels in labels_in(path, form)]
        # The folder of YOLO's texts alone is its dataset's, which has the images.
        around = path.parent if path.name else path.absolute().parent
        if not found and path.absolute().name.lower() == "labels" and (around / "images").is_dir():
            found = [("yolo", around)] if FORMS["yolo"].matches(around) else []
    if not found:
        raise NoLabelsError(f"{path}: expected {_choices()}", unrecognised(path))
    if len(found) > 1:
        shown = ", ".join(
            f"{path_below(labels, path) if labels != path else labels} ({name})" for name, labels in found
        )
        raise ValueError(
            f"{path}: expected labels of one form, found {shown}; give the path of one of them "
            "(wider8k dataset: or --form)"
        )
    return found[0]


def advice_on_form(dataset: Dataset, root: str) -> str:
    """Returns which parameter reads the labels of a folder, where they are of one form and not of the dataset's.

    Where the dataset has labels and the folder none, what it has instead. ``""`` otherwise: for the end of a message.
    """
    try:
        name, labels = recognise(file_path(root))
    except NoLabelsError as error:
        if not isinstance(dataset, LabelledFiles):
            return ""
        # A file of the form's ending has a message of its own.
        named = any(labels_in(file_path(root), dataset.label_form, by_ending=True))
        return "" if named else f"; there: {error.found}"
    except (ValueError, OSError):
        return ""
    if not isinstance(dataset, LabelledFiles) or isinstance(dataset, LABELLED.get(name, LabelledFiles)):
        return ""
    return f"; {labels} is {FORMS[name].words}: --set {NODE}.dataset={name} reads it"


def labels_of_form(path: FilePath, name: str) -> FilePath:
    """Returns the labels of a known form: ``path`` itself where it is a file, else the only ones inside it.

    Raises FileNotFoundError: there are none; ValueError: no such form, or several labels.
    """
    form = FORMS.find(name)
    if not path.exists():
        raise FileNotFoundError(f"no labels at {path}: expected {form.words}")
    if path.is_file():
        return path
    return only_labels_in(path, form, "give the path of one of them")


def _choices() -> str:
    return ", ".join(f"{form.words} ({name})" for name, form in FORMS.items())
