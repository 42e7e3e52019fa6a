"""Faces in a CSV file: one row per face, a heading with the names of the columns."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.text_lines import refuse

_CORNERS: Final = ("x1", "y1", "x2", "y2")
_SIZES: Final = ("x", "y", "w", "h")
_HEADING: Final = f"a heading image,{','.join(_CORNERS)} or image,{','.join(_SIZES)}, and perhaps ignore"


def read_csv_labels(file: Path) -> BoxLabels:
    """Returns the faces of a file with the columns ``image,x1,y1,x2,y2`` or ``image,x,y,w,h``, and perhaps ``ignore``.

    Columns may come in any order, others are skipped. A row with a name and an empty box is an image without faces;
    ``ignore`` is 0 or 1, empty for 0.

    Raises OSError: the file cannot be read; ValueError: no such heading, or a row that does not fit it; the message
    gives file, line, expected and found.
    """
    rows: dict[str, list[tuple[list[float], bool]]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True, strict=True)
            heading = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = heading
            form = next((form for form in (_CORNERS, _SIZES) if {"image", *form} <= set(heading)), None)
            if form is None:
                refuse(file, 1, _HEADING, repr(",".join(heading)[:80]))
            for row in reader:
                values = {name: (row[name] or "").strip() for name in ("image", *form)}
                faces = rows.setdefault(values.pop("image") or refuse(file, reader.line_num, "an image", "nothing"), [])
                if any(values.values()):
                    box = _box(file, reader.line_num, list(values.values()), form)
                    faces.append((box, _flag(file, reader.line_num, row.get("ignore") or "")))
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8, found {error}") from None
    except csv.Error as error:
        raise ValueError(f"{file}: expected CSV, found that {error}") from None
    return BoxLabels.of(
        (name, np.array([box for box, _ in faces], np.float64), np.array([flag for _, flag in faces], bool))
        for name, faces in rows.items()
    )


def _box(file: Path, line: int, texts: list[str], form: tuple[str, ...]) -> list[float]:
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)) or any("_" in text for text in texts):
        refuse(file, line, f"four finite numbers {','.join(form)}", repr(",".join(texts)[:80]))
    x, y, third, fourth = numbers
    return [x, y, x + third, y + fourth] if form == _SIZES else numbers


def _flag(file: Path, line: int, text: str) -> bool:
    if text.strip() not in ("", "0", "1"):
        refuse(file, line, "ignore of 0 or 1", repr(text[:80]))
    return text.strip() == "1"
