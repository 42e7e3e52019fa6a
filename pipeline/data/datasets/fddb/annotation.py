"""The annotation of FDDB: ten folds of images, and their faces as ellipses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.dataset import leaves_folder
from pipeline.data.datasets.fddb.blocks import Block, read_blocks
from pipeline.data.file_bytes import NotAFileError, read_file
from pipeline.data.file_path import FilePath
from pipeline.data.images import ImageError, read_header
from pipeline.data.text_lines import read_lines, refuse

COLUMNS: Final = "major minor angle cx cy one"
"""Radii in pixels, the angle of the major one in radians against the x axis, the centre, and a 1."""
LONGEST: Final = 450
"""Pixels that no side of FDDB's photographs seems to exceed: no centre of a face does, nor do MTCNN's boxes, which are
cut at the border. Not checked against the photographs; against no such border, the official curves are nearer."""
_LIST: Final = re.compile(r"FDDB-fold-(\d+)\.txt")
_PHOTOGRAPHS: Final = ("", "originalPics", "../originalPics", "../images", "images")


@dataclass(frozen=True)
class FddbLabels:
    """The images of some folds and their ellipses."""

    folds: Mapping[str, tuple[str, ...]]  # number of the fold as in its file's name, "01" -> its images in order
    ellipses: Mapping[str, NDArray[np.float64]]  # image, such as 2002/08/11/big/img_591 -> float64 [F, 5]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # image -> width, height, where measured

    @property
    def image_ids(self) -> tuple[str, ...]:
        """All images, fold by fold."""
        return tuple(image_id for images in self.folds.values() for image_id in images)

    @property
    def faces(self) -> int:
        """The number of all ellipses."""
        return sum(map(len, self.ellipses.values()))

    def border(self, image_id: str) -> tuple[int, int] | None:
        """Returns the width and height at which shapes are cut off, None where nothing is known.

        Without its photograph an image has `LONGEST` sides, unless the centre of a face is beyond them.
        """
        centres = self.ellipses[image_id][:, 3:5]
        return self.sizes.get(image_id) or ((LONGEST, LONGEST) if (centres <= LONGEST).all() else None)

    def restrict(self, image_ids: Collection[str]) -> FddbLabels:
        """Returns the labels of these images only. Raises ValueError: an image is not known here."""
        wanted = set(image_ids)
        if unknown := sorted(wanted.difference(self.ellipses)):
            raise ValueError(f"{len(unknown)} images are not in the folds: {', '.join(unknown[:5])}")
        return FddbLabels(
            {fold: tuple(name for name in images if name in wanted) for fold, images in self.folds.items()},
            {name: rows for name, rows in self.ellipses.items() if name in wanted},
            {name: size for name, size in self.sizes.items() if name in wanted},
        )


def read_fddb(folder: FilePath, measured: bool = True) -> FddbLabels:
    """Returns the folds of a folder: every ``FDDB-fold-XX.txt`` with its ``FDDB-fold-XX-ellipseList.txt``.

    Args:
        folder: of the folds.
        measured: where the photographs are there too (``<image>.jpg`` in the folder, in ``originalPics`` or ``images``
            in it or next to it), read the sizes of the images from their headers.

    Raises FileNotFoundError: no folder, no list of a fold, or a list without its ellipses; ValueError: a malformed
    line, an image in two folds, or a list and its ellipses that differ; the message gives file, line, expected, found.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: expected the folder of FDDB-fold-XX.txt and -ellipseList.txt")
    files = {match[1]: file for file in sorted([*folder.iterdir()], key=str) if (match := _LIST.fullmatch(file.name))}
    if not files:
        raise FileNotFoundError(f"{folder}: expected FDDB-fold-XX.txt and FDDB-fold-XX-ellipseList.txt, found none")
    folds: dict[str, tuple[str, ...]] = {}
    ellipses: dict[str, NDArray[np.float64]] = {}
    for fold, file in files.items():
        annotation = file.with_name(f"{file.stem}-ellipseList.txt")
        if not annotation.is_file():
            raise FileNotFoundError(f"{file} has no {annotation.name} beside it")
        blocks = read_blocks(annotation, COLUMNS)
        _require_equal(file, annotation, blocks)
        for block in blocks:
            if block.name in ellipses:
                refuse(annotation, block.line, "an image that comes once", f"{block.name} again")
            if leaves_folder(block.name):
                refuse(annotation, block.line, "the name of an image below a folder of photographs", block.name)
            if len(block.rows) and block.rows[:, :2].min() < 0:
                refuse(annotation, block.line, "radii of 0 or more", str(block.rows[:, :2].min()))
            ellipses[block.name] = block.rows[:, :5]
        folds[fold] = tuple(block.name for block in blocks)
    return FddbLabels(folds, ellipses, _sizes(folder, ellipses) if measured else {})


def _require_equal(file: FilePath, annotation: FilePath, blocks: list[Block]) -> None:
    """Refuses a list of a fold whose images are not those of its ellipses, in the same order."""
    listed = [(number, line) for number, line in enumerate(read_lines(file), start=1) if line]
    for (number, name), block in zip(listed, blocks, strict=False):
        if name != block.name:
            refuse(annotation, block.line, f"{name} as in line {number} of {file.name}", block.name)
    if len(listed) != len(blocks):
        last = blocks[-1].line if blocks else 1
        refuse(annotation, last, f"{len(listed)} images as in {file.name}", str(len(blocks)))


def _sizes(folder: FilePath, image_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    """Returns the sizes of the photographs that are there and can be read."""
    first = next(iter(image_ids), "")
    root = next((folder / each for each in _PHOTOGRAPHS if (folder / each / f"{first}.jpg").is_file()), None)
    sizes = {}
    for image_id in image_ids if root else ():
        try:
            sizes[image_id] = read_header(read_file(root / f"{image_id}.jpg"))  # type: ignore[operator]
        except (OSError, ImageError, NotAFileError):
            continue
    return sizes
