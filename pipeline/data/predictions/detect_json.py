"""Predictions as `wider8k detect --json` writes them: a JSON list with an element an image, its boxes and scores."""

from __future__ import annotations

import json
import math
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.data.datasets.labels.json_array import stream_array
from pipeline.data.json_kind import is_detections
from pipeline.data.predictions.contents import Contents
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder

_EXPECTED: Final = "an object with image, boxes [[x1, y1, x2, y2], ..] and as many scores"


def read_detect_json(file: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of a file, image by image.

    Raises OSError: the file cannot be read; ValueError: it is not of this form, has the frames of a video, or names an
    image twice; the message gives file, element, expected and found.
    """
    builder = PredictionTableBuilder()
    for position, element in enumerate(stream_array(file)):
        where = f"{file}: [{position}]"
        values = _numbers(element)
        if values is None:
            raise ValueError(f"{where}: expected {_EXPECTED}, found {json.dumps(element, default=str)[:80]}")
        if "frame" in element:
            raise ValueError(f"{where}: expected a photograph, found frame {element['frame']} of {element['image']}")
        if element["image"] in builder:
            raise ValueError(f"{where}: expected an image that no element before has, found {element['image']}")
        size = element.get("width", 0), element.get("height", 0)
        if not all(type(side) is int and 0 <= side < 2**31 for side in size):
            found = json.dumps(size, default=str)[:80]
            raise ValueError(f"{where}: expected width and height as whole numbers of pixels, found {found}")
        image = builder.image(element["image"], size)
        builder.add(np.full(len(values), image, np.int64), values[:, :4].copy(), values[:, 4].copy())
    return builder.build()


def _numbers(element: Any) -> np.ndarray | None:
    """Returns boxes and scores [n, 5] of an element, None where it does not have them."""
    try:
        image, boxes, scores = (element[key] for key in ("image", "boxes", "scores"))
        rows = [[*box, score] for box, score in zip(boxes, scores, strict=True)]
    except (TypeError, KeyError, ValueError):
        return None
    flat = list(chain.from_iterable(rows))
    # Exact types: a boolean is an int to isinstance.
    try:
        fits = set(map(type, flat)) <= {int, float} and all(map(math.isfinite, flat))
    except OverflowError:  # of a whole number beyond the range of a float
        return None
    if not isinstance(image, str) or not fits or any(len(row) != 5 for row in rows):
        return None
    return np.array(flat, np.float64).reshape(-1, 5)


def write_detect_json(table: PredictionTable, file: Path, options: WriteOptions) -> list[str]:
    """Writes the list, an image a line, by falling score; width and height are 0 where they are unknown."""
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("[")
        for position, (name, boxes, scores) in enumerate(table.by_image()):
            width, height = table.sizes[position].tolist()
            sizes = {"image": name, "width": width, "height": height}
            row = {**sizes, "boxes": boxes.tolist(), "scores": scores.tolist(), "landmarks": []}
            stream.write(f"{',' if position else ''}\n{json.dumps(row, ensure_ascii=False)}")
        stream.write("\n]\n")
    return []


def is_detect_json(contents: Contents) -> bool:
    """Returns whether a file is of this form, by its first element."""
    return contents.single and is_detections(contents.head)


DETECT_JSON: Final = PredictionForm(
    words="detect's JSON",
    layout="x1 y1 x2 y2",
    matches=is_detect_json,
    read=read_detect_json,
    write=write_detect_json,
    endings=(".json",),
    holds_sizes=True,
)
