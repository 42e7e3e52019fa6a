"""What is in predictions, and whether they fit labels: counts, remarks, and why they cannot be meant for these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.boxes.matching import match_faces
from pipeline.data.datasets.files import shortened
from pipeline.data.datasets.labels.reader import LabelFile
from pipeline.data.predictions.compared_labels import read_compared_labels
from pipeline.data.predictions.forms import FORMS
from pipeline.data.predictions.matching import (
    PLAIN,
    FoundPredictions,
    GivenPredictions,
    MatchedPredictions,
    find_predictions,
)
from pipeline.data.predictions.table import PredictionTable

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class PredictionInspection:
    """The findings.

    Attributes:
        counts: (what, number and more) in the order of a page.
        remarks: oddities, one line each.
        problem: why predictions and labels contradict each other, or None.
    """

    counts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    problem: str | None


def inspect_predictions(
    path: Path, labels: Path | None = None, given: GivenPredictions = PLAIN, category: str | None = None
) -> PredictionInspection:
    """Returns what is in predictions, all of which are read.

    Args:
        path: of the predictions.
        labels: of the same images; None compares with nothing.
        given: what is known about the predictions.
        category: of the labels: name of the objects that are faces; None where all have one name.

    Raises FileNotFoundError: something is not there; ValueError: predictions or labels are malformed.
    """
    file = read_compared_labels(labels, category) if labels else None
    found = find_predictions(path, given, file.ids if file else None)
    counts, remarks = list(_counts(found)), list(_remarks(found.table))
    if file is None:
        return PredictionInspection(tuple(counts), tuple(remarks), None)
    try:
        matched = found.of_images(file.labels.image_ids, sizes=given.sizes(file.sizes))
        matched.require_format(file.labels.boxes)
    except ValueError as error:
        return PredictionInspection(tuple(counts), tuple(remarks), str(error))
    counts += _fit(matched, file)
    for what, names in (("are missing", matched.missing), ("belong to no labelled image", matched.extra)):
        if names:
            remarks.append(f"{len(names)} images {what}: {shortened(names, _SHOWN)}")
    return PredictionInspection(tuple(counts), tuple(remarks), None)


def _counts(found: FoundPredictions) -> Iterator[tuple[str, str]]:
    table = found.table
    name = next(name for name, form in FORMS.items() if form is found.form)
    yield "form", f"{found.form.words} (--form {name})"
    yield "path", str(found.path)
    lengths = np.diff(table.offsets)
    yield "images", f"{len(table):,}, {int((lengths == 0).sum()):,} of them without a box"
    most = f", at most {int(lengths.max()):,} in an image" if len(table) else ""
    yield "boxes", f"{len(table.scores):,}{most}"
    if len(table.scores):
        low, median, high = np.percentile(table.scores, (0, 50, 100)).tolist()
        yield "scores", f"{low:g} to {high:g}, half of them below {median:g}"
        sides = table.boxes[:, 2:] - table.boxes[:, :2]
        small, middle, large = np.percentile(sides[:, 1], (5, 50, 95)).tolist()
        unit = "of the image's height" if table.relative else "px"
        shown = [f"{value:.3g}" for value in (small, middle, large)]
        yield "heights", f"5 % of the boxes are below {shown[0]} {unit}, half below {shown[1]}, 5 % above {shown[2]}"


def _remarks(table: PredictionTable) -> Iterator[str]:
    yield from table.remarks[:_SHOWN]
    if len(table.remarks) > _SHOWN:
        yield f"{len(table.remarks) - _SHOWN} more of these"
    if table.errors:
        name, reason = next(iter(table.errors.items()))
        yield f"{len(table.errors)} images have an error in place of boxes: {name}: {reason}"
    if flat := int((table.boxes[:, 2:] <= table.boxes[:, :2]).any(axis=1).sum()):
        yield f"{flat:,} boxes have no area"
    if len(table.scores) > 1 and table.scores.min() == table.scores.max():
        yield "all scores are equal: there is no order, and no AP that means something"
    elif len(table.scores) and len(np.unique(table.scores)) < min(50, len(table.scores) / 2):
        yield f"scores have {len(np.unique(table.scores))} different values only: were they rounded?"


def _fit(matched: MatchedPredictions, file: LabelFile) -> Iterator[tuple[str, str]]:
    table, labels = matched.table, file.labels
    named = len(labels.image_ids) - len(matched.missing)
    yield "labels", f"{file.form}: {len(labels.image_ids):,} images, {named:,} of them among the predictions"
    faces = np.concatenate([np.zeros((0, 4)), *labels.boxes])
    image_of_face = np.repeat(np.arange(len(labels.boxes)), [len(each) for each in labels.boxes])
    image_of_row = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    met = match_faces(table.boxes, image_of_row, faces, image_of_face)
    yield (
        "faces",
        f"{len(faces):,}, {len(np.unique(met[met >= 0])):,} of them met by a box at IoU 0.5, whatever its score",
    )
