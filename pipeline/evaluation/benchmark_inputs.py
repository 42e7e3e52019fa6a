"""Detections for a benchmark other than WIDER FACE, from any form they are published in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.fddb.detections import read_fddb_detections
from pipeline.data.datasets.labels.coco_results import read_coco_results
from pipeline.data.datasets.labels.detection_rows import DetectionRows, read_detection_rows
from pipeline.data.datasets.wider_face.prediction_files import text_files
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.image_names import NameIndex
from pipeline.data.prediction_names import NameMatch
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.dump_reader import dump_shards, read_dump


@dataclass(frozen=True, slots=True)
class BenchmarkDetections:
    """Detections of exactly the images of a benchmark, in their order.

    Attributes:
        predictions: rows of one image as they were written.
        positions: int64 [N], place of each row in the source, which orders equal scores.
        source: the form they were in, in words.
        problems: name -> lines.
    """

    predictions: PredictionSet
    positions: NDArray[np.int64]
    source: str
    problems: Mapping[str, list[str]] = field(default_factory=dict)


def read_detections(
    path: Path, image_ids: tuple[str, ...], ids: Mapping[int | str, str] | None = None
) -> BenchmarkDetections:
    """Returns the detections of AFW, PASCAL Face or a COCO set.

    Args:
        path: rows ``image score x1 y1 x2 y2`` (.txt), COCO's list of results (.json), a dump's folder, or a folder or
            .tar.gz of WIDER FACE text.
        image_ids: the images of the benchmark; names are compared as by `NameIndex`.
        ids: COCO's id of each image -> its name.

    Raises FileNotFoundError: there is nothing; ValueError: it is malformed, or none of its names is of an image of the
    benchmark; the message gives file, line or entry, expected and found.
    """
    if path.is_dir() and dump_shards(path):
        return _of_dump(path, image_ids)
    if path.suffix == ".json":
        return _of_rows(path, read_coco_results(path, image_ids, ids or {}), image_ids, "COCO results")
    if path.is_file() and path.suffix in (".txt", ".csv", ""):
        return _of_rows(path, read_detection_rows(path, image_ids), image_ids, "rows")
    return _of_wider_text(path, image_ids)


def read_fddb_lists(path: Path, image_ids: tuple[str, ...]) -> BenchmarkDetections:
    """Returns the detections of FDDB: one list, a folder of ``fold-XX-out.txt``, or a dump's folder.

    Raises FileNotFoundError, ValueError: as `read_detections`.
    """
    if path.is_dir() and dump_shards(path):
        return _of_dump(path, image_ids)
    listed = read_fddb_detections(path, image_ids)
    NameMatch(image_ids, listed.missing, listed.extra, suffix="").require(path)
    problems = {"missing": list(listed.missing), "extra": list(listed.extra)}
    return BenchmarkDetections(listed.predictions, np.arange(len(listed.predictions.scores)), "FDDB lists", problems)


def _of_rows(path: Path, rows: DetectionRows, image_ids: Sequence[str], source: str) -> BenchmarkDetections:
    if len(rows.missing) == len(image_ids) and rows.extra:
        NameMatch(image_ids, rows.missing, rows.extra, suffix="").require(path)
    # An image without a row has no detections: rows cannot say so otherwise.
    return BenchmarkDetections(rows.predictions, rows.positions, source, {"extra": list(rows.extra)})


def _of_dump(path: Path, image_ids: tuple[str, ...]) -> BenchmarkDetections:
    dump = read_dump(path)
    problems = {"errors": [f"{image_id}: {reason}" for image_id, reason in dump.errors.items()]}
    return _renamed(path, dump.predictions, image_ids, "dump", problems)


def _of_wider_text(path: Path, image_ids: tuple[str, ...]) -> BenchmarkDetections:
    text = read_wider_text(path, list(text_files(path, [])))
    problems = {"disagreeing": list(text.disagreeing)}
    return _renamed(path, text.predictions, image_ids, "WIDER text", problems)


def _renamed(
    path: Path, found: PredictionSet, image_ids: tuple[str, ...], source: str, problems: Mapping[str, list[str]]
) -> BenchmarkDetections:
    """Returns the detections of a set that names images in its own way."""
    index = NameIndex(image_ids)
    names = {name: index.find(name) for name in found.image_ids}
    own: dict[str, str] = {}
    for name, image_id in names.items():
        if image_id is not None and own.setdefault(image_id, name) != name:
            raise ValueError(f"{path}: {own[image_id]} and {name} are both detections of {image_id}")
    missing = [image_id for image_id in image_ids if image_id not in own]
    extra = [name for name, image_id in names.items() if image_id is None]
    NameMatch(image_ids, missing, extra, suffix="").require(path)
    # A name that no source has means an image without detections.
    chosen = found.select([own.get(image_id, f"\0{image_id}") for image_id in image_ids])
    predictions = PredictionSet(image_ids, chosen.offsets, chosen.boxes, chosen.scores)
    lines = {"missing": missing, "extra": extra, **problems}
    return BenchmarkDetections(predictions, np.arange(len(predictions.scores)), source, lines)
