"""Predictions as AFW and PASCAL Face publish them: one row ``image score x1 y1 x2 y2`` each, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.data.predictions.contents import Contents
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder
from pipeline.data.text_lines import finite_numbers, refuse, stream_lines

COLUMNS: Final = "image score x1 y1 x2 y2"
_PARSED: Final = 100_000  # rows at a time


def read_detection_rows(file: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of a file; a name may hold spaces, blank lines are skipped.

    Raises OSError: the file cannot be read; ValueError: a row that is not of this form, or not finite; the message
    gives file, line, expected and found.
    """
    builder = PredictionTableBuilder()
    rows = _rows(file)
    while part := list(islice(rows, _PARSED)):
        images = np.array([builder.image(name) for name, _ in part], np.int64)
        numbers = np.array([values for _, values in part], np.float64)
        builder.add(images, numbers[:, 1:].copy(), numbers[:, 0].copy())
    return builder.build()


def _rows(file: Path) -> Iterator[tuple[str, list[float]]]:
    for number, line in stream_lines(file):
        if not line:
            continue
        # The numbers are the last five words: a name may hold spaces.
        name, *words = line.rsplit(None, 5)
        values = finite_numbers(words)
        if len(values) != 5:
            refuse(file, number, f"a row {COLUMNS} of finite numbers", repr(line[:80]))
        yield name, values


def write_detection_rows(table: PredictionTable, file: Path, options: WriteOptions) -> list[str]:
    """Writes one row per box, image by image in falling score, every number so that it reads back the same."""
    empty = 0
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for name, boxes, scores in table.by_image():
            rows = zip(scores.tolist(), boxes.tolist(), strict=True)
            stream.writelines(f"{name} {score!r} {' '.join(map(repr, box))}\n" for score, box in rows)
            empty += not len(scores)
    return [f"{empty} images without a box are left out: rows cannot name them"] if empty else []


def _matches(contents: Contents) -> bool:
    if not contents.single:
        return False
    lines = next(iter(contents.lines()), [])
    return bool(lines) and all(len(finite_numbers(line.rsplit(None, 5)[1:])) == 5 for line in lines[:3])


DETECTION_ROWS: Final = PredictionForm(
    words=f"rows '{COLUMNS}'",
    layout="x1 y1 x2 y2",
    matches=_matches,
    read=read_detection_rows,
    write=write_detection_rows,
    endings=(".txt",),
    names_empty=False,
    one_sequence=True,
)
