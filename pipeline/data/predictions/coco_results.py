"""Predictions as COCO's own tool reads them: a JSON list of ``image_id``, ``bbox`` [x, y, width, height] and ``score``.

An ``image_id`` is the id of an image in the labels, where they are COCO JSON, or a name. Without such labels a number
is a name too: it means the image that is called by that number, with zeros before it or not, as YOLO's programs write
it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.data.datasets.labels.json_array import stream_array
from pipeline.data.predictions.detect_json import is_detect_json
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.table import (
    PredictionTable,
    PredictionTableBuilder,
    corners_of,
    require_category,
    widths_of,
)

_EXPECTED: Final = "an object with image_id, bbox [x, y, width, height] and score"
_PARSED: Final = 100_000  # entries at a time


def read_coco_results(file: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of a file, entry by entry.

    Raises OSError: the file cannot be read; ValueError: it is not of this form, or has detections of several categories
    and none is chosen; the message gives file, entry, expected and found.
    """
    builder, categories = PredictionTableBuilder(), Counter[str]()
    entries = _entries(file, options, categories)
    while part := list(islice(entries, _PARSED)):
        images = np.array([builder.image(name) for name, _ in part], np.int64)
        numbers = np.array([values for _, values in part], np.float64)
        builder.add(images, corners_of(numbers[:, 1:]), numbers[:, 0].copy())
    require_category(file, categories, options.category)
    return builder.build()


def _entries(file: Path, options: ReadOptions, categories: Counter[str]) -> Iterator[tuple[str, list[float]]]:
    """Yields name and numbers of the detections that are faces, and counts those of every category."""
    for position, entry in enumerate(stream_array(file)):
        values = _numbers(entry)
        if values is None:
            found = json.dumps(entry, default=str)[:80]
            raise ValueError(f"{file}: [{position}]: expected {_EXPECTED}, found {found}")
        category = str(entry.get("category_id", ""))
        categories[category] += 1
        if options.category in (None, category):
            yield _name(entry["image_id"], options), values


def _name(image_id: int | str, options: ReadOptions) -> str:
    if image_id in options.ids:
        return options.ids[image_id]
    # Where ids are known, another number is no name: it is of an image that the labels do not have.
    return f"image_id {image_id}" if options.ids and isinstance(image_id, int) else str(image_id)


def _numbers(entry: Any) -> list[float] | None:
    """Returns score, x, y, width and height of an entry, None where it does not have them."""
    try:
        values = [entry["score"], *entry["bbox"]]
        named = type(entry["image_id"]) in (int, str)
    except (TypeError, KeyError):
        return None
    # Exact types: a boolean is an int to isinstance.
    fits = named and len(values) == 5 and set(map(type, values)) <= {int, float} and all(map(math.isfinite, values))
    return values if fits else None


def write_coco_results(table: PredictionTable, file: Path, options: WriteOptions) -> list[str]:
    """Writes the list, an entry a line; the id of an image is that of the options, or else its name."""
    first, named, empty = True, 0, 0
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("[")
        for name, boxes, scores in table.by_image():
            image_id = options.ids.get(name, name)
            named += isinstance(image_id, str) and len(scores) > 0
            empty += not len(scores)
            start = f'{{"image_id": {json.dumps(image_id, ensure_ascii=False)}, "category_id": 1, "bbox": '
            for box, score in zip(widths_of(boxes).tolist(), scores.tolist(), strict=True):
                # Finite numbers and lists of them read alike in JSON and in Python, which writes them in half the time.
                stream.write(f'{"" if first else ","}\n{start}{box}, "score": {score}}}')
                first = False
        stream.write("\n]\n")
    lines = [f"{empty} images without a box are left out: the list cannot name them"] if empty else []
    if named:
        lines.append(
            f"the image_id of {named} images is their name: --labels takes the COCO JSON that has their numbers"
        )
    return lines


COCO_RESULTS: Final = PredictionForm(
    words="COCO results",
    layout="x y w h",
    matches=lambda contents: contents.single and contents.head.lstrip()[:1] == "[" and not is_detect_json(contents),
    read=read_coco_results,
    write=write_coco_results,
    has_classes=True,
    endings=(".json",),
    names_empty=False,
    one_sequence=True,
)
