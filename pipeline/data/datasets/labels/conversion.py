"""Labels of one form written as those of another, with the images beside them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.dataset import leaves_folder
from pipeline.data.datasets.files import shortened
from pipeline.data.datasets.labels.form import Form
from pipeline.data.datasets.labels.forms import FORMS
from pipeline.data.datasets.labels.found_labels import FoundLabels
from pipeline.data.datasets.labels.image_files import image_sizes
from pipeline.data.datasets.labels.label_table import LabelTable
from pipeline.data.file_path import FilePath, address_of
from pipeline.data.image_kinds import claims_to_be_image
from pipeline.data.object_path import ObjectPath

Files = Literal["link", "copy", "none"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        labels: the file or folder.
        images: number of images with labels.
        faces: number of faces.
        lines: what the form cannot hold, and oddities of what was read, one line each.
    """

    labels: Path
    images: int
    faces: int
    lines: tuple[str, ...]


def convert_labels(found: FoundLabels, to: str, out: Path, files: Files = "link") -> Conversion:
    """Writes labels in another form into an empty folder, the images of these labels below ``images`` in it.

    Args:
        found: the labels.
        to: one of `FORMS`.
        out: folder that is empty or does not exist.
        files: how the images get there: by a symbolic link each, as copies, or not at all.

    Raises FileNotFoundError: images are missing that are linked or copied, or whose size is needed; ValueError: no such
    form, one that is only read, a folder that is not empty, or labels that contradict the sizes of their images.
    """
    if isinstance(found.labels, ObjectPath):
        raise ValueError(f"{found.labels}: expected labels on a disk: what is in a store is read, and not converted")
    form = FORMS.find(to)
    if form.write is None:
        raise ValueError(f"{form.words} is read, and not written: expected {', '.join(_written())}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"{out}: expected an empty folder or none, found {'files in it' if out.is_dir() else 'a file'}"
        )
    table = found.table().without_repeats()
    paths = found.files(table)
    if files != "none":
        _require_all(found, table, paths)
    table = replace(table, names=tuple(map(_portable, table.names, paths)))
    if len(set(table.names)) < len(table):
        raise ValueError(f"{found.labels}: expected images of different names, found two of one")
    table = table.in_pixels(_sizes(found, table, paths, form))
    table, lines = _without_what_is_lost(table, form)
    out.mkdir(parents=True, exist_ok=True)
    written = form.write(table, out)
    if files != "none":
        _place(found.root, table.names, paths, out / "images", files)
    return Conversion(written, len(table), len(table.boxes), (*table.remarks, *lines))


def _written() -> list[str]:
    return [name for name, form in FORMS.items() if form.write]


def _require_all(found: FoundLabels, table: LabelTable, paths: Sequence[str | None]) -> None:
    absent = [name for name, path in zip(table.names, paths, strict=True) if path is None]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of {len(table)} images named by {found.labels} are missing below "
            f"{found.root / found.images}: {shortened(absent, 3)}; --images names their folder, --files none goes on "
            "without them"
        )


def _portable(name: str, path: str | None) -> str:
    """Returns a name that is a path of an image file below a folder."""
    if leaves_folder(name):
        if path is None:
            raise ValueError(f"{name}: expected a path below the folder of the images, found another and no such file")
        return path
    return name if path is None or claims_to_be_image(name) else f"{name}{PurePosixPath(path).suffix}"


def _sizes(found: FoundLabels, table: LabelTable, paths: Sequence[str | None], form: Form) -> NDArray[np.int32]:
    """Returns the sizes of the images, of the files where shares are read or the form needs them."""
    if not (table.relative or form.needs_sizes):
        return table.sizes
    sizes = image_sizes(found.root, [path or "" for path in paths])
    both = (sizes > 0).all(axis=1) & (table.sizes > 0).all(axis=1)
    if differing := np.flatnonzero(both & (sizes != table.sizes).any(axis=1)).tolist():
        row = differing[0]
        (width, height), (w, h) = sizes[row].tolist(), table.sizes[row].tolist()
        raise ValueError(
            f"{found.labels}: expected the widths and heights of the images, found {len(differing)} others: "
            f"{w} x {h} for {table.names[row]} of {width} x {height} pixels"
        )
    sizes = np.where(sizes > 0, sizes, table.sizes).astype(np.int32)
    if unknown := np.flatnonzero((sizes <= 0).any(axis=1)).tolist():
        name = table.names[unknown[0]]
        raise FileNotFoundError(
            f"{name}: expected a readable image, for {form.words} needs its size, found none ({len(unknown)} such)"
        )
    return sizes


def _without_what_is_lost(table: LabelTable, form: Form) -> tuple[LabelTable, list[str]]:
    """Returns the table that a form can hold, and a line on each kind of loss."""
    lines = []
    if not form.keeps_ignored and table.ignored.any():
        kept = np.flatnonzero(~table.ignored)
        lines.append(f"{len(table.ignored) - len(kept)} ignored faces are left out: {form.words} has no mark for them")
        table = table.faces_at(kept)
    if table.landmarks is not None and not np.isfinite(table.landmarks).any():
        table = replace(table, landmarks=None)
    if not form.keeps_landmarks and table.landmarks is not None:
        count = int(np.isfinite(table.landmarks).all(axis=(1, 2)).sum())
        lines.append(f"the landmarks of {count} faces are left out: {form.words} has none here")
        table = replace(table, landmarks=None)
    return table, lines


def _place(root: FilePath, names: Sequence[str], paths: Sequence[str | None], folder: Path, files: Files) -> None:
    for name, path in zip(names, paths, strict=True):
        target, source = folder / name, Path(address_of(root), path or "").absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        if files == "copy":
            shutil.copyfile(source, target)
        else:
            os.symlink(source, target)
