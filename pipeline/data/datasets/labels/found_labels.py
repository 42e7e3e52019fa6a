"""Labels at a path that a user gives, with the dataset that reads them and the images they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets import DATASETS
from pipeline.data.datasets.dataset import Dataset
from pipeline.data.datasets.files import scan
from pipeline.data.datasets.labels.form import Form
from pipeline.data.datasets.labels.forms import FORMS, labels_of_form, recognise
from pipeline.data.datasets.labels.image_files import image_sizes, locate_images
from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable
from pipeline.data.file_path import FilePath, common_folder, path_below
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.image_names import NameIndex


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """Labels and their images.

    Attributes:
        name: of their form, as in `FORMS`.
        labels: their file or folder, as it is given.
        root: folder that holds labels and images, absolute.
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
            folder = self.labels if self.labels.is_dir() else self.labels.parent
            inside = path_below(folder.absolute(), self.root).as_posix()
            paths = [path if inside == "." else f"{inside}/{path}" for path in table.paths]
        else:
            paths = locate_images(table.names, files, self.images)
        return [path if path in files else None for path in paths]

    def sizes(self, table: LabelTable) -> NDArray[np.int32]:
        """Returns int32 [N, 2], width and height in pixels of the images of a table; zeros where unknown.

        Images are opened where the labels do not have their sizes, and all of them where boxes are shares of these.
        """
        sizes = table.sizes.copy()
        asked = np.flatnonzero(table.relative | (sizes <= 0).any(axis=1)).tolist()
        if asked and self.name in DATASETS:
            paths = self.files(table)
            read = image_sizes(self.root, [paths[place] or "" for place in asked])
            sizes[asked] = np.where(read > 0, read, sizes[asked])
        return sizes

    def dataset(self) -> Dataset:
        """Returns the dataset of these labels, which leaves out absent images and reports doubts.

        Raises ValueError: the form names no image files.
        """
        if self.name not in DATASETS:
            raise ValueError(
                f"{self.labels}: expected labels of image files, found {self.form.words}: evaluate reads it"
            )
        inside = path_below(self.labels.absolute(), self.root).as_posix()
        params = {"annotation": inside, "images": self.images, "category": self.category or None}
        return DATASETS[self.name].model_validate({**params, "missing": "skip", "doubts": "report"})


class LabelledSizes:
    """Sizes of labelled images by name; images whose sizes the labels do not have are opened when first asked for."""

    def __init__(self, found: FoundLabels, table: LabelTable) -> None:
        """Takes labels and what was read of them."""
        self._found, self._table = found, table

    def __call__(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Returns int32 [N, 2], width and height in pixels; zeros where a name is of no image or its size is unknown.

        Args:
            names: of images, compared as by `NameIndex`.
        """
        places = [self._place_of.get(self._index.find(name) or "", -1) for name in names]
        return self._sizes[places].reshape(-1, 2)

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self._table.names)}

    @cached_property
    def _index(self) -> NameIndex:
        return NameIndex(self._table.names)

    @cached_property
    def _sizes(self) -> NDArray[np.int32]:
        """Those of the table, and zeros behind them."""
        return np.concatenate([self._found.sizes(self._table), np.zeros((1, 2), np.int32)])


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
    if labels in (path.parent, path.absolute().parent):  # a folder of labels alone was given
        start = labels
    # A folder of nothing but labels, such as VOC2007/Annotations or COCO's annotations: the images are beside it.
    of_labels = name == "voc" if path.is_dir() else start.absolute().name.lower() == "annotations"
    if labels == path and of_labels and not any(claims_to_be_image(each) for each, _ in scan(start)):
        start = start.absolute().parent if path.is_file() else path.parent
    within = images or start
    root = common_folder(labels, within)
    inside = path_below(within.absolute(), root).as_posix()
    return FoundLabels(name, labels, root, "" if inside == "." else inside, category)
