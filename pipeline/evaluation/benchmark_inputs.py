"""Predictions for a benchmark or for labels of one's own, from any form they are published in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.matching import GivenPredictions, find_predictions
from pipeline.data.predictions.sizes import sizes_by_labels, sizes_in_folder


@dataclass(frozen=True, slots=True)
class BenchmarkDetections:
    """Detections of exactly the images of a benchmark, in their order.

    Attributes:
        predictions: rows of one image as they were written.
        positions: int64 [N], place of each row in the source, which orders equal scores.
        source: the form they were in, in words.
        problems: name -> lines, only those that occurred.
        unreadable: images that a dump could not read.
    """

    predictions: PredictionSet
    positions: NDArray[np.int64]
    source: str
    problems: Mapping[str, list[str]] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WantedImages:
    """The images of an evaluation.

    Attributes:
        image_ids: in their order.
        faces: float64 [F, 4] xyxy of each, against which the format of boxes is checked; None checks nothing.
        ids: COCO's id of each image -> its name.
        known: images that exist and are not wanted.
        labels: their file or folder, which may have the sizes of the images.
    """

    image_ids: tuple[str, ...]
    faces: Sequence[NDArray[np.float64]] | None = None
    ids: Mapping[int | str, str] = field(default_factory=dict)
    known: Collection[str] = ()
    labels: Path | None = None

    def sizes(self, folder: Path | None, names: Sequence[str]) -> NDArray[np.int32]:
        """Returns int32 [N, 2], width and height of images, from a folder of them or else by the labels."""
        if folder is not None:
            return sizes_in_folder(folder, names)
        return np.zeros((len(names), 2), np.int32) if self.labels is None else sizes_by_labels(self.labels, names)


def read_detections(path: Path, wanted: WantedImages, given: GivenPredictions | None = None) -> BenchmarkDetections:
    """Returns the detections of the images of a benchmark.

    Args:
        path: predictions of one of `predictions.forms.FORMS`.
        wanted: the images; names are compared as by `NameIndex`.
        given: what a user says about them.

    Raises FileNotFoundError: there is nothing; ValueError: it is malformed, of another box format, or its names cannot
    be those of the images; the message gives file, line or entry, expected and found.
    """
    given = given or GivenPredictions()
    found = find_predictions(path, given.form, wanted.ids, given.category)
    matched = found.of_images(wanted.image_ids, wanted.known, lambda names: wanted.sizes(given.image_folder, names))
    table = matched.table
    if len(table.errors) == len(wanted.image_ids) - len(matched.missing) > 0:
        first, reason = next(iter(table.errors.items()))
        raise ValueError(
            f"{path}: expected detections, found {len(table.errors)} rows that are all errors: {first}: {reason}"
        )
    if wanted.faces is not None:
        matched.require_format(wanted.faces)
    return BenchmarkDetections(
        table.prediction_set(), table.positions, matched.form.words, matched.problems(), table.unreadable
    )
