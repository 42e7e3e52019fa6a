"""Predictions for a benchmark or for labels of one's own, from any form they are published in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.datasets.labels.reader import LabelFile
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.matching import PLAIN, GivenPredictions, find_predictions


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
        sizes: of images, by their labels; None where these have none.
    """

    image_ids: tuple[str, ...]
    faces: Sequence[NDArray[np.float64]] | None = None
    ids: Mapping[int | str, str] = field(default_factory=dict)
    known: Collection[str] = ()
    sizes: Sizes | None = None

    @classmethod
    def of(cls, file: LabelFile) -> WantedImages:
        """Returns all images of labels."""
        return cls(file.labels.image_ids, file.labels.boxes, file.ids, sizes=file.sizes)


def read_detections(path: Path, wanted: WantedImages, given: GivenPredictions = PLAIN) -> BenchmarkDetections:
    """Returns the detections of the images of a benchmark.

    Args:
        path: predictions of one of `predictions.forms.FORMS`.
        wanted: the images; names are compared as by `NameIndex`.
        given: what a user says about them.

    Raises FileNotFoundError: there is nothing; ValueError: it is malformed, of another box format, or its names cannot
    be those of the images; the message gives file, line or entry, expected and found.
    """
    found = find_predictions(path, given, wanted.ids)
    matched = found.of_images(wanted.image_ids, wanted.known, given.sizes(wanted.sizes))
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
