"""Detections as COCO's own tool reads them: a JSON list of ``image_id``, ``bbox`` and ``score``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.data.datasets.labels.detection_rows import DetectionRows

_EXPECTED: Final = "an object with image_id, bbox [x, y, width, height] and score"


def read_coco_results(file: Path, image_ids: Sequence[str], ids: Mapping[int | str, str]) -> DetectionRows:
    """Returns the detections of a file; those of every category are taken as faces.

    Args:
        file: JSON.
        image_ids: the wanted images.
        ids: COCO's id of each image -> its name; an ``image_id`` that is none of them is taken as a name.

    Raises OSError: the file cannot be read; ValueError: it is not of this form; the message gives file, entry,
    expected and found.
    """
    try:
        entries = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: expected a JSON list of detections, found that {error}") from None
    if not isinstance(entries, list):
        raise ValueError(f"{file}: expected a JSON list of detections, found {type(entries).__name__}")
    names, numbers = [], []
    for position, entry in enumerate(entries):
        values = _numbers(entry)
        if values is None:
            raise ValueError(f"{file}: [{position}]: expected {_EXPECTED}, found {json.dumps(entry)[:80]}")
        score, x, y, width, height = values
        names.append(ids.get(entry["image_id"], str(entry["image_id"])))
        numbers.append([score, x, y, x + width, y + height])
    return DetectionRows.of(names, np.array(numbers, np.float64).reshape(-1, 5), image_ids)


def _numbers(entry: Any) -> list[float] | None:
    """Returns score, x, y, width and height of an entry, None where it does not have them."""
    if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), int | str):
        return None
    box = entry.get("bbox")
    values = [entry.get("score"), *(box if isinstance(box, list) else ())]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return numbers if len(values) == len(numbers) == 5 and all(map(math.isfinite, numbers)) else None
