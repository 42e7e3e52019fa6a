"""WIDER FACE in its official layout: ``WIDER_{split}/images/<event>/<name>.jpg`` and an annotation beside it.

The annotation (``wider_face_{split}_bbx_gt.txt``, and for validation the four .mat files of the official evaluation
tools) is looked for in the root itself, in ``wider_face_split/`` and ``ground_truth/`` below it, and in
``wider_val_gt/`` next to it; the first folder that has the file wins.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from pipeline.data.datasets.dataset import Dataset, Log, Reader, no_log, require_folder
from pipeline.data.datasets.entries import Entries, Entry, in_order
from pipeline.data.datasets.files import hash_labels, present_images, read_sample, scan, version_of
from pipeline.data.datasets.label_fit import LabelFit
from pipeline.data.datasets.wider_face.annotation import WiderAnnotation, read_wider_annotation
from pipeline.data.datasets.wider_face.ground_truth import OFFICIAL_FILES, load_ground_truth
from pipeline.data.datasets.wider_face.mat_annotation import mat_annotation
from pipeline.data.datasets.wider_face.subsets import Levels, height_levels, official_levels
from pipeline.data.file_path import FilePath, read_all
from pipeline.data.records import Sample
from pipeline.data.schemas import ATTRIBUTES, LEVELS

_BESIDE = ("", "wider_face_split", "ground_truth", "../wider_val_gt")


class WiderFace(Dataset):
    """WIDER FACE, training or validation.

    The ``image_id`` is "<event>/<name>" without ".jpg". Boxes are kept as published, x2 = x + w, zero-size ones too.

    Attributes:
        split: "val" (3,226 images, 39,708 faces) or "train" (12,880 images, 159,420 faces).
        annotation: "text", or "mat" for validation only; they differ in one box.
        subsets: by "official" lists (validation), by "height" (50, 30, 10 px, valid faces), or "auto": lists if any.
        missing: "error" where listed images are absent, or "skip" to use those present.
        doubts: "refuse" boxes that seem to be of other images or of another form, or "report" (a remark).
        only: text file with one "<event>/<name>.jpg" per line: the images to use; no part of the dataset's identity.
    """

    levels: ClassVar[tuple[str, ...]] = LEVELS

    split: Literal["val", "train"] = "val"
    annotation: Literal["text", "mat"] = "text"
    subsets: Literal["auto", "official", "height"] = "auto"
    missing: Literal["error", "skip"] = "error"
    doubts: Literal["refuse", "report"] = Field("refuse", exclude=True)
    only: str | None = Field(None, exclude=True)

    @model_validator(mode="after")
    def _lists_exist(self) -> Self:
        if self.split == "train" and (self.annotation == "mat" or self.subsets == "official"):
            raise ValueError("split 'train' has no .mat evaluation files: use annotation 'text' and subsets 'height'")
        return self

    def entries(self, root: str, log: Log = no_log) -> Entries:
        """Returns the annotated images, as `Dataset.entries` (12,880 images in about 0.4 s)."""
        folder = require_folder(root)
        source = self._source(folder)
        annotation, graded_by = source.annotation(), source.levels_hash()
        images = f"WIDER_{self.split}/images"
        if not (folder / images).is_dir():
            raise FileNotFoundError(f"{folder} has no folder {images}")
        events = {f"{images}/{name.split('/', 1)[0]}" for name in annotation.names}
        item_versions = dict(scan(folder, images, events.__contains__))
        names = annotation.names if self.only is None else _chosen(folder / self.only, annotation.names)
        position_of = {name: position for position, name in enumerate(annotation.names)}
        listed = [f"{images}/{name}" for name in names]
        return in_order(
            Entry(
                image_id=_image_id(names[place]),
                path=path,
                version=f"{version}:{hash_labels(annotation.faces(position_of[names[place]]).tobytes(), graded_by)}",
            )
            for place, path, version in present_images(listed, item_versions, source.file, self.missing, log)
        )

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`; the annotation is parsed once."""
        source = self._source(require_folder(root))
        annotation, levels = source.annotation(), source.levels()
        position_of = {_image_id(name): position for position, name in enumerate(annotation.names)}
        return lambda entry: _with_faces(read_sample(root, entry), annotation, levels, position_of[entry.image_id])

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns oddities of how boxes fit their images, as `Dataset.review`."""
        fit = LabelFit()
        for table in samples:
            fit.add(table)
        return fit.review(str(self._source(require_folder(root)).file), {}, self.doubts, counts_nowhere=False)

    def _source(self, root: FilePath) -> _Source:
        name = f"wider_face_{self.split}_bbx_gt.txt" if self.annotation == "text" else OFFICIAL_FILES[0]
        file = _find(root, name)
        if self.annotation == "mat":
            return _Source(file, None if self.subsets == "height" else file.parent)
        lists = None if self.split == "train" or self.subsets == "height" else _find_lists(root)
        if lists is None and self.subsets == "official":
            raise FileNotFoundError(f"no folder with {', '.join(OFFICIAL_FILES)}; looked in {_searched(root)}")
        return _Source(file, lists)


@dataclass(frozen=True, slots=True)
class _Source:
    file: FilePath  # the annotation, text or MATLAB
    lists: FilePath | None  # folder of the official lists; None grades by height

    def annotation(self) -> WiderAnnotation:
        return _annotation(self.file, version_of(self.file))

    def levels(self) -> Levels:
        annotation = self.annotation()
        if self.lists is not None:
            return official_levels(load_ground_truth(self.lists), annotation)
        invalid = annotation.rows[:, 4 + ATTRIBUTES.index("invalid")] == 1
        return height_levels(annotation.rows[:, 3], invalid)

    def levels_hash(self) -> bytes:
        # A hash of the files' bytes, so that planning needs no scipy.
        if self.lists is None:
            return b"height"
        return hash_labels(*read_all([self.lists / name for name in OFFICIAL_FILES])).encode()


def _chosen(file: FilePath, names: Sequence[str]) -> list[str]:
    """Returns the names that a list has, in its order."""
    if not file.is_file():
        raise FileNotFoundError(f"no list of images {file}")
    try:
        lines = enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected UTF-8 text, found {error}") from None
    chosen = {line.strip(): number for number, line in lines if line.strip()}
    known = set(names)
    if unknown := [name for name in chosen if name not in known]:
        where = f"{file}, line {chosen[unknown[0]]}"
        raise ValueError(f"{where}: expected an annotated image <event>/<name>.jpg, found {unknown[0]!r}")
    return list(chosen)


@lru_cache(maxsize=4)
def _annotation(file: FilePath, version: str) -> WiderAnnotation:
    # Listing and reading in one process parse once; `version` makes a changed file a new entry.
    if file.suffix == ".mat":
        return mat_annotation(load_ground_truth(file.parent), file.parent)
    return read_wider_annotation(file)


def _with_faces(sample: Sample, annotation: WiderAnnotation, levels: Levels, position: int) -> Sample:
    faces = annotation.faces(position)
    rows = slice(annotation.starts[position], annotation.starts[position + 1])
    boxes = faces[:, :4].astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return replace(
        sample,
        boxes=boxes,
        attributes={name: faces[:, 4 + column].astype(np.int8) for column, name in enumerate(ATTRIBUTES)},
        levels={name: level[rows] for name, level in levels.items()},
    )


def _image_id(name: str) -> str:
    return name.rpartition(".")[0]


def _find(root: FilePath, name: str) -> FilePath:
    for folder in _BESIDE:
        if (file := root / folder / name).is_file():
            return file
    raise FileNotFoundError(f"no annotation {name}; looked in {_searched(root)}")


def _find_lists(root: FilePath) -> FilePath | None:
    folders = (root / each for each in _BESIDE)
    return next((folder for folder in folders if all((folder / name).is_file() for name in OFFICIAL_FILES)), None)


def _searched(root: FilePath) -> str:
    folders = (root / folder for folder in _BESIDE)
    return ", ".join(os.path.normpath(each) if isinstance(each, Path) else str(each) for each in folders)
