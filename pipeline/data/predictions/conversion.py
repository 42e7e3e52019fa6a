"""Predictions of one form written as those of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.data.datasets.files import shortened
from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.datasets.labels.reader import LabelFile
from pipeline.data.image_names import without_ending
from pipeline.data.predictions.compared_labels import read_compared_labels
from pipeline.data.predictions.form import PredictionForm, WriteOptions
from pipeline.data.predictions.forms import FORMS
from pipeline.data.predictions.matching import PLAIN, FoundPredictions, GivenPredictions, find_predictions
from pipeline.data.predictions.table import PredictionTable


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        images: number of images.
        boxes: number of boxes.
        lines: what was left out or cannot be held, and oddities of what was read, one line each.
    """

    images: int
    boxes: int
    lines: tuple[str, ...]


def is_folder(to: str, out: Path) -> bool:
    """Returns whether a form is written into a folder of this name. Raises ValueError: no such form, or ending."""
    form = FORMS.find(to)
    if any(out.name.lower().endswith(ending) for ending in form.endings):
        return False
    # A form that may be a folder or a file is a folder unless the ending says otherwise.
    if form.folder and (out.is_dir() or not out.suffix or not form.endings):
        return True
    raise ValueError(f"--out {out}: {form.words} is written as {form.target_words}, found {out.name}")


def convert_predictions(
    path: Path,
    to: str,
    out: Path,
    labels: Path | None = None,
    given: GivenPredictions = PLAIN,
    category: str | None = None,
) -> Conversion:
    """Writes predictions in another form.

    Args:
        path: of the predictions.
        to: one of `FORMS`.
        out: file, or a folder that is empty or does not exist.
        labels: whose images are written, each of them, under the names that the labels have; None writes all images
            under their own names.
        given: what is known about the predictions.
        category: of the labels: name of the objects that are faces; None where all have one name.

    Raises FileNotFoundError: something is not there; ValueError: no such form, predictions that are malformed or not of
    the images of the labels, an image whose size is needed and unknown, or a folder that is not empty.
    """
    form = FORMS.find(to)
    _require_empty(to, out)
    file = read_compared_labels(labels, category) if labels else None
    found = find_predictions(path, given, file.ids if file else None)
    sizes = given.sizes(file.sizes if file else None)
    table, lines = _chosen(found, file, form, sizes)
    _require_sizes(table, form, path)
    if form.text_per_image and out.suffix.lower() != ".txt":
        _require_file_names(table, form, path)
    ids = {name: key for key, name in file.ids.items()} if file else {}
    if is_folder(to, out):
        out.mkdir(parents=True, exist_ok=True)
    written = form.write(table, out, WriteOptions(ids))
    return Conversion(len(table), len(table.scores), (*table.remarks, *lines, *written))


def _require_empty(to: str, out: Path) -> None:
    if is_folder(to, out) and out.exists() and (not out.is_dir() or any(out.iterdir())):
        found = "files in it" if out.is_dir() else "a file"
        raise ValueError(f"{out}: expected an empty folder or none, found {found}")


def _chosen(
    found: FoundPredictions, file: LabelFile | None, form: PredictionForm, sizes: Sizes | None
) -> tuple[PredictionTable, list[str]]:
    """Returns the predictions to be written, in pixels, and a line on what is left out."""
    table, lines = found.table, list[str]()
    if file is not None:
        matched = found.of_images(file.labels.image_ids, sizes=sizes)
        table, count = matched.table, len(matched.extra)
        lines += [f"{count} names of no labelled image are left out: {shortened(matched.extra, 3)}"] if count else []
    asked = form.needs_sizes or form.holds_sizes
    if sizes is not None and (table.relative or (asked and (table.sizes <= 0).any())):
        table = table.take(range(len(table)), table.names, sizes(table.names))
    return _in_pixels(table, found.path), lines


def _in_pixels(table: PredictionTable, path: Path) -> PredictionTable:
    try:
        return table.in_pixels("; --image-folder names the folder of the images, --labels labels that have sizes")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _require_sizes(table: PredictionTable, form: PredictionForm, path: Path) -> None:
    """Raises ValueError where sizes are needed and unknown."""
    unknown = np.flatnonzero((np.diff(table.offsets) > 0) & (table.sizes <= 0).any(axis=1)).tolist()
    if form.needs_sizes and unknown:
        raise ValueError(
            f"{path}: expected the sizes of the images, for {form.words} needs them; found none of {len(unknown)} of "
            f"{len(table)} images, the first is {table.names[unknown[0]]}; --image-folder names their "
            "folder, --labels labels that have sizes"
        )


def _require_file_names(table: PredictionTable, form: PredictionForm, path: Path) -> None:
    """Raises ValueError where a name leaves the folder, or two texts would be one."""
    stems: dict[str, str] = {}
    for name in table.names:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or ":" in parts[0]:
            raise ValueError(f"{path}: expected names that are paths below a folder, found {name!r}")
        if (other := stems.setdefault(without_ending(name), name)) != name:
            what = f"{form.words} has a text for each name without its ending"
            raise ValueError(f"{path}: expected different names, for {what}; found {other} and {name}")
