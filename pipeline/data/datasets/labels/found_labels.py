"""Labels at a path that a user gives, with the dataset that reads them and the images they mean."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.data.datasets import DATASETS
from pipeline.data.datasets.dataset import Dataset
from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.form import Form
from pipeline.data.datasets.labels.forms import FORMS, labels_of_form, recognise
from pipeline.data.datasets.labels.image_files import locate_images
from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable
from pipeline.data.file_path import FilePath, common_folder, path_below
from pipeline.data.image_kinds import claims_to_be_image


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """Labels and their images.

    Attributes:
        name: of their form, as in `FORMS`.
        labels: their file or folder.
        root: folder that holds labels and images.
        images: folder of the images, relative to the root.
        category: names of the objects that are faces; empty where all have one name.
    """

    name: str
    labels: FilePath
    root: FilePath
    images: str
    category: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """The form of the labels."""
        return FORMS[self.name]

    def table(self) -> LabelTable:
        """Returns the faces, as they are written. Raises as `Form.read`."""
        return self.form.read(self.labels, LabelOptions(self.category))

    def files(self, table: LabelTable) -> list[str | None]:
        """Returns the file of each image relative to the root, None for one that is not there."""
        files = {path for path, _ in scan(self.root, "" if table.paths else self.images)}
        if table.paths:
            inside = path_below(self.labels if self.labels.is_dir() else self.labels.parent, self.root).as_posix()
            paths = [path if inside == "." else f"{inside}/{path}" for path in table.paths]
        else:
            paths = locate_images(table.names, files, self.images)
        return [path if path in files else None for path in paths]

    def dataset(self) -> Dataset:
        """Returns the dataset of these labels, which leaves out absent images and reports doubts.

        Raises ValueError: the form names no image files.
        """
        if self.name not in DATASETS:
            raise ValueError(
                f"{self.labels}: expected labels of image files, found {self.form.words}: evaluate reads it"
            )
        inside = path_below(self.labels, self.root).as_posix()
        params = {"annotation": inside, "images": self.images, "category": self.category or None}
        return DATASETS[self.name].model_validate({**params, "missing": "skip", "doubts": "report"})


def find_labels(
    path: FilePath, form: str | None = None, images: FilePath | None = None, category: tuple[str, ...] = ()
) -> FoundLabels:
    """Returns the labels at a path.

    Args:
        path: a file or folder of labels, or a folder with labels of one form in it.
        form: one of `FORMS`; None recognises it.
        images: folder of the images; None searches the folder of the labels, or ``path`` where that is a folder.
        category: names of the objects that are faces; empty where all have one name.

    Raises FileNotFoundError: something does not exist; ValueError: no such form, or labels of several forms.
    """
    path = path.expanduser()
    name, labels = recognise(path) if form is None else (form, labels_of_form(path, form))
    if images is not None and not (images := images.expanduser()).is_dir():
        raise FileNotFoundError(f"--images {images}: expected a folder, found none")
    start = path if path.is_dir() else path.parent
    # A folder of nothing but labels, such as VOC2007/Annotations: the images are beside it.
    if labels == path and name == "voc" and not any(claims_to_be_image(each) for each, _ in scan(path)):
        start = path.parent
    within = images or start
    root = common_folder(labels, within)
    inside = path_below(within.absolute(), root).as_posix()
    return FoundLabels(name, labels.absolute(), root, "" if inside == "." else inside, category)
