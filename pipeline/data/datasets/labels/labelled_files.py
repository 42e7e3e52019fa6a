"""Base of the datasets whose labels are a file or a folder of one form, beside the images they name."""

from __future__ import annotations

from abc import ABC
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from pipeline.data.datasets.dataset import (
    Dataset,
    Log,
    Reader,
    below_root,
    category_names,
    no_log,
    require_folder,
    set_option,
)
from pipeline.data.datasets.entries import Entries, Entry, in_order
from pipeline.data.datasets.files import hash_labels, present_images, read_sample, scan, version_of
from pipeline.data.datasets.label_fit import LabelFit, overlaps_image
from pipeline.data.datasets.labels.form import Form
from pipeline.data.datasets.labels.image_files import locate_images
from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable
from pipeline.data.datasets.wider_face.subsets import height_levels
from pipeline.data.file_path import FilePath, address_of, file_path, path_below
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS

_LABEL_FOLDERS: Final = ("", "annotations", "Annotations", "labels", "wider_face_split")
_MANY: Final = 100  # files of one ending in a folder: from here on they belong to one image each
LABEL_ENDINGS: Final = (".txt", ".xml", ".yaml", ".yml", ".json", ".csv")
"""Of the files in a folder that may be labels."""


class LabelledFiles(Dataset, ABC):
    """Images and faces of a labels file or folder; the ``image_id`` is the image's name in there.

    A name means the file of that path below ``images``, below ``images`` in it, or the one file whose path ends alike.
    An ignored face counts in no subset, nor does a box without an area or outside its image; the others are graded by
    height (easy from 50 px, medium from 30, hard from 10). Of boxes of one image that are equal, one counts. The labels
    are read once as long as they do not change, and checked against the images once those are read.

    Attributes:
        annotation: the file or folder of the labels, relative to the root; "" finds the only one of the form.
        images: folder of the images, relative to the root.
        category: name or names of the objects that are faces; None where all have one name.
        missing: "error" where labelled images are absent, or "skip" to use those present.
        sizes: "check" refuses widths and heights other than the image's, "scale" scales boxes by them, "ignore".
        doubts: "refuse" boxes that seem to be of other images or of another form, or "report" (a remark).
    """

    label_form: ClassVar[Form]
    box_forms: ClassVar[Mapping[str, str]] = {}
    """Advice on the parameter that reads boxes of another form, as `LabelFit.contradiction` takes it."""
    levels: ClassVar[tuple[str, ...]] = LEVELS

    annotation: str = ""
    images: str = ""
    category: str | tuple[str, ...] | None = None
    missing: Literal["error", "skip"] = "error"
    sizes: Literal["check", "scale", "ignore"] = "check"
    doubts: Literal["refuse", "report"] = Field("refuse", exclude=True)

    _below_root = field_validator("annotation", "images")(below_root)
    _category_names = field_validator("category", mode="before")(category_names)

    def entries(self, root: str, log: Log = no_log) -> Entries:
        """Returns the labelled images, as `Dataset.entries`."""
        folder = require_folder(root)
        labels = self.labels_path(folder)
        table, files = self._table(folder, labels), dict(scan(folder, self.images))
        paths = list(table.paths or locate_images(table.names, files, self.images))
        found = present_images(paths, files, labels, self.missing, log)
        return in_order(
            Entry(table.names[position], path, f"{version}:{hash_labels(table.label_bytes(position))}")
            for position, path, version in found
        )

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`."""
        labels_of = self._opened(require_folder(root))
        return lambda entry: self._sample(root, entry, *labels_of(entry))

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns oddities of the labels, and of how they fit the images, as `Dataset.review`."""
        folder, fit = require_folder(root), LabelFit()
        labels = self.labels_path(folder)
        table = self._table(folder, labels)
        position_of = {name: position for position, name in enumerate(table.names)}
        differing: list[str] = []
        for part in samples:
            fit.add(part)
            if self.sizes == "check":
                differing += _differing(part, table, position_of)
        if differing:
            scale, ignore = set_option("sizes", "scale"), set_option("sizes", "ignore")
            raise ValueError(
                f"{labels}: expected the widths and heights of the images, found {len(differing)} others: "
                f"{', '.join(differing[:3])}; {scale} scales their boxes, {ignore} takes them as they are"
            )
        return [*fit.review(str(labels), self.box_forms, self.doubts, counts_nowhere=True), *table.remarks]

    def table(self, root: str) -> LabelTable:
        """Returns the faces of the labels, boxes as they are in there; read once as long as the labels do not change.

        Raises as `entries`.
        """
        folder = require_folder(root)
        return self._table(folder, self.labels_path(folder))

    def _table(self, folder: FilePath, labels: FilePath) -> LabelTable:
        return _cached(self, address_of(folder), address_of(labels), labels_version(labels))

    def labels_path(self, folder: FilePath) -> FilePath:
        """Returns the file or folder of the labels. Raises FileNotFoundError: none, ValueError: several."""
        if self.annotation:
            if not (folder / self.annotation).exists():
                raise FileNotFoundError(f"no annotation {folder / self.annotation}")
            return folder / self.annotation
        return only_labels_in(folder, self.label_form, f"{set_option('annotation', 'FILE')} takes one, such as {{}}")

    def read_labels(self, folder: FilePath, labels: FilePath) -> LabelTable:
        """Returns the faces of a file or folder of the form, without a cache; ``folder`` is the dataset's."""
        return self.label_form.read(labels, self._options())

    def _options(self) -> LabelOptions:
        names = (self.category,) if isinstance(self.category, str) else self.category or ()
        return LabelOptions(names, _choose_category)

    def _opened(self, folder: FilePath) -> Callable[[Entry], tuple[LabelTable, int]]:
        """Returns what gives the table and position of an image; forms with a file per image read that one only."""
        table = self._table(folder, self.labels_path(folder))
        position_of = {name: position for position, name in enumerate(table.names)}
        return lambda entry: (table, position_of[entry.image_id])

    def _sample(self, root: str, entry: Entry, table: LabelTable, position: int) -> Sample:
        sample, rows = read_sample(root, entry), table.rows(position)
        size = np.array([sample.width, sample.height], np.float64)
        labelled = table.sizes[position].astype(np.float64)
        scale = np.ones(2)
        if table.relative:
            scale = size if size.all() else np.maximum(labelled, 1)
        elif self.sizes == "scale" and size.all() and labelled.all():
            scale = size / labelled
        boxes = table.boxes[rows] * np.tile(scale, 2)
        ignored = table.ignored[rows] | ~overlaps_image(boxes, sample.width, sample.height)
        # The difference of two edges may fall below a limit that the labelled height reaches.
        levels = height_levels(np.round(boxes[:, 3] - boxes[:, 1], 6), ignored)
        marks = None if table.landmarks is None else (table.landmarks[rows] * scale).astype(np.float32)
        if marks is not None and not np.isfinite(marks).any():
            marks = None
        return replace(sample, boxes=boxes.astype(np.float32), levels=levels, landmarks=marks)


def _choose_category(names: Sequence[str]) -> str:
    every = f", {set_option('category', '[' + ', '.join(names) + ']')} all of them" if len(names) > 1 else ""
    return f"{set_option('category', names[0])} takes one{every}"


def labels_in(folder: FilePath, form: Form, by_ending: bool = False) -> Iterator[FilePath]:
    """Yields the labels of one form in a folder: the folder itself, or files in it and in folders usual for labels.

    ``by_ending`` takes every file of the form's ending, whatever is in it.
    """
    if form.matches(folder):
        yield folder
        return
    seen = set()
    for each in _LABEL_FOLDERS:
        inside = folder / each
        if not inside.is_dir() or (key := inside.resolve()) in seen:
            continue
        seen.add(key)
        if each and form.matches(inside):
            yield inside
            continue
        for file in _single_files(inside):
            if form.matches(file) or (by_ending and file.suffix.lower() == form.ending):
                yield file


def _single_files(folder: FilePath) -> Iterator[FilePath]:
    """Yields the files of a folder that may have the labels of many images, by name."""
    by_ending = defaultdict[str, list[FilePath]](list)
    for file in folder.iterdir():
        by_ending[file.suffix.lower()].append(file)
    found = (files for ending in LABEL_ENDINGS if len(files := by_ending[ending]) < _MANY)
    yield from sorted(file for files in found for file in files if file.is_file())


def only_labels_in(folder: FilePath, form: Form, advice: str) -> FilePath:
    """Returns the only labels of one form in a folder.

    Where none match, the only file of the form's ending is taken, so that reading it says what is wrong with it.
    ``advice``, where it is several, has their first one as ``{}``.

    Raises FileNotFoundError: there are none; ValueError: there are several.
    """
    found = list(labels_in(folder, form))
    if not found and len(alike := list(labels_in(folder, form, by_ending=True))) == 1:
        return alike[0]
    if not found:
        raise FileNotFoundError(f"{folder}: expected labels as {form.words}, found none")
    if len(found) > 1:
        names = [str(path_below(each, folder)) for each in found[:5]]
        raise ValueError(f"{folder}: expected one {form.words}, found {', '.join(names)}; {advice.format(names[0])}")
    return found[0]


def labels_version(labels: FilePath) -> str:
    """Returns a text that changes whenever a label file is written again; of a folder, of every label file below it."""
    if labels.is_file():
        return version_of(labels)
    files = sorted(each for each in scan(labels) if each[0].lower().endswith(LABEL_ENDINGS))
    return hash_labels(repr(files).encode("utf-8", "surrogateescape"))


# Planning, reading and reviewing in one process parse once. A path would keep the listings that it came from.
@lru_cache(maxsize=2)
def _cached(dataset: LabelledFiles, folder: str, labels: str, version: str) -> LabelTable:
    return dataset.read_labels(file_path(folder), file_path(labels)).without_repeats()


def _differing(part: pa.Table, table: LabelTable, position_of: dict[str, int]) -> Iterator[str]:
    """Yields the images whose size differs from that of the labels."""
    columns = (part[name].to_pylist() for name in ("image_id", "width", "height"))
    for name, width, height in zip(*columns, strict=True):
        if not width or name not in position_of:  # unreadable; its name may differ from that of the labels too
            continue
        size = tuple(table.sizes[position_of[name]].tolist())
        if all(size) and size != (width, height):
            turned = ", its sides exchanged (turned by an orientation tag?)" if size == (height, width) else ""
            yield f"{size[0]} x {size[1]} for {name} of {width} x {height} pixels{turned}"
