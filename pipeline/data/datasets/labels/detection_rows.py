"""Detections as AFW and PASCAL Face publish them: one row ``image score x1 y1 x2 y2`` each, in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.image_names import NameIndex
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.text_lines import read_lines, refuse

COLUMNS: Final = "image score x1 y1 x2 y2"


@dataclass(frozen=True, slots=True)
class DetectionRows:
    """Detections of some images, and the order in which they were written."""

    predictions: PredictionSet  # the rows of the wanted images, in their order; the rows of one image keep theirs
    positions: NDArray[np.int64]  # int64 [N], the place of each row in the source, which decides between equal scores
    missing: tuple[str, ...]  # wanted images without a row
    extra: tuple[str, ...]  # names that belong to no wanted image; their rows are left out

    @classmethod
    def of(cls, names: Sequence[str], numbers: NDArray[np.float64], image_ids: Sequence[str]) -> DetectionRows:
        """Returns rows by image.

        Args:
            names: N names, of any form that `NameIndex` understands.
            numbers: float64 [N, 5]: score, then the box xyxy.
            image_ids: the wanted images.
        """
        index = NameIndex(image_ids)
        row_of = {image_id: row for row, image_id in enumerate(image_ids)}
        found = {name: index.find(name) for name in dict.fromkeys(names)}
        images = np.array([row_of.get(found[name] or "", -1) for name in names], np.int64)
        positions = np.flatnonzero(images >= 0)
        positions = positions[np.argsort(images[positions], kind="stable")]
        counts = np.bincount(images[positions], minlength=len(image_ids))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        chosen = numbers[positions]
        predictions = PredictionSet(tuple(image_ids), offsets, chosen[:, 1:].copy(), chosen[:, 0].copy())
        missing = tuple(image_id for image_id, count in zip(image_ids, counts.tolist(), strict=True) if not count)
        return cls(predictions, positions, missing, tuple(name for name, image in found.items() if image is None))


def read_detection_rows(file: Path, image_ids: Sequence[str]) -> DetectionRows:
    """Returns the detections of a file; names may have an ending or not, scores any range.

    Args:
        file: text; blank lines are skipped.
        image_ids: the wanted images.

    Raises OSError: the file cannot be read; ValueError: a row that is not of this form, or not finite; the message
    gives file, line, expected and found.
    """
    names, numbers = [], []
    for number, line in enumerate(read_lines(file), start=1):
        if not line:
            continue
        # The numbers are the last five words: a name may hold spaces.
        name, *texts = line.rsplit(None, 5)
        values = _numbers(texts)
        if len(values) != 5:
            refuse(file, number, f"a row {COLUMNS} of finite numbers", repr(line[:80]))
        names.append(name)
        numbers.append(values)
    return DetectionRows.of(names, np.array(numbers, np.float64).reshape(-1, 5), image_ids)


def write_detection_rows(predictions: PredictionSet, file: Path) -> None:
    """Writes one row per detection, image by image in falling score, every number so that it reads back the same."""
    with file.open("w", encoding="utf-8") as stream:
        for image_id, (boxes, scores) in predictions.falling().by_image():
            rows = zip(scores.tolist(), boxes.tolist(), strict=True)
            stream.writelines(f"{image_id} {score!r} {' '.join(map(repr, box))}\n" for score, box in rows)


def _numbers(texts: Iterable[str]) -> list[float]:
    try:
        values = [float(text) for text in texts if "_" not in text]  # float() would take 1_0 for ten
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []
