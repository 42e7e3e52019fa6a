"""FDDB as a dataset: the photographs of its folds, each face as the box around its ellipse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import field_validator

from pipeline.data.datasets.dataset import Dataset, Log, Reader, below_root, no_log, require_folder
from pipeline.data.datasets.entries import Entries, Entry, in_order
from pipeline.data.datasets.fddb.annotation import FddbLabels, read_fddb
from pipeline.data.datasets.files import hash_labels, present_images, read_sample, scan, version_of
from pipeline.data.datasets.label_fit import LabelFit, overlaps_image
from pipeline.data.datasets.wider_face.subsets import height_levels
from pipeline.data.file_path import FilePath
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS

_LIST: Final = "FDDB-fold-*.txt"


class Fddb(Dataset):
    """The images of all folds, as they are published: ``FDDB-folds`` beside ``originalPics``.

    The ``image_id`` is the name in the folds, ``2002/08/11/big/img_591``. A face is the upright box around its ellipse,
    graded by height as `coco_json` does; FDDB's own evaluation takes the ellipses (stage `benchmark`).

    Attributes:
        folds: folder of ``FDDB-fold-XX.txt`` and ``-ellipseList.txt``, relative to the root.
        images: folder of the photographs, relative to the root.
        missing: "error" where listed images are absent, or "skip" to use those present.
    """

    levels: ClassVar[tuple[str, ...]] = LEVELS

    folds: str = "FDDB-folds"
    images: str = "originalPics"
    missing: Literal["error", "skip"] = "error"

    _below_root = field_validator("folds", "images")(below_root)

    def entries(self, root: str, log: Log = no_log) -> Entries:
        """Returns the images of the folds, as `Dataset.entries`."""
        folder = require_folder(root)
        names, ellipses = (labels := self._labels(folder)).image_ids, labels.ellipses
        paths = [(PurePosixPath(self.images) / f"{name}.jpg").as_posix() for name in names]
        found = present_images(paths, dict(scan(folder, self.images)), folder / self.folds, self.missing, log)
        return in_order(
            Entry(names[place], path, f"{version}:{hash_labels(ellipses[names[place]].tobytes())}")
            for place, path, version in found
        )

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`; the folds are parsed once."""
        ellipses = self._labels(require_folder(root)).ellipses
        return lambda entry: _with_faces(read_sample(root, entry), boxes_around(ellipses[entry.image_id]))

    def review(self, root: str, samples: Iterable[pa.Table]) -> list[str]:
        """Returns oddities of how boxes fit their images, as `Dataset.review`."""
        fit = LabelFit()
        for table in samples:
            fit.add(table)
        return fit.review(str(require_folder(root) / self.folds), {}, "report", counts_nowhere=True)

    def _labels(self, root: FilePath) -> FddbLabels:
        folder = root / self.folds
        files = sorted([*folder.glob(_LIST)], key=str) if folder.is_dir() else []
        return _parsed(folder, tuple(f"{file.name}:{version_of(file)}" for file in files))


def boxes_around(ellipses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns float64 [F, 4] xyxy in pixels, the upright boxes that touch ellipses [F, 5] on all four sides."""
    major, minor, angle, x, y = ellipses.T
    half_width = np.hypot(major * np.cos(angle), minor * np.sin(angle))
    half_height = np.hypot(major * np.sin(angle), minor * np.cos(angle))
    return np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=1)


@lru_cache(maxsize=4)
def _parsed(folder: FilePath, versions: tuple[str, ...]) -> FddbLabels:
    # Listing and reading in one process parse once; `versions` makes changed folds a new entry.
    return read_fddb(folder, measured=False)


def _with_faces(sample: Sample, boxes: NDArray[np.float64]) -> Sample:
    ignored = ~overlaps_image(boxes, sample.width, sample.height)
    levels = height_levels(boxes[:, 3] - boxes[:, 1], ignored)
    return replace(sample, boxes=boxes.astype(np.float32), levels=levels)
