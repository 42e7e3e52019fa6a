"""Lists of predictions: per image a name, a count, and as many rows ``x y w h score``, all images in one file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.data.predictions.row_batch import RowBatch
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder, corners_of, widths_of
from pipeline.data.text_lines import finite_numbers, refuse

COLUMNS: Final = "x y w h score"
_BOM: Final = b"\xef\xbb\xbf"


def read_list(file: Path, builder: PredictionTableBuilder) -> None:
    """Adds the images of a file to a table; blank lines between images and any line ending are allowed.

    Raises OSError: the file cannot be read; ValueError: a line breaks the form, an image comes twice or rows are
    missing; the message gives file, line, expected and found.
    """
    batch = RowBatch(COLUMNS, lambda images, rows: builder.add(images, corners_of(rows[:, :4]), rows[:, 4].copy()))
    with file.open("rb") as stream:
        lines = _Lines(stream)
        for name in lines:
            if name.strip():
                _read_image(file, _text(file, lines.number, name), lines, builder, batch)
    batch.parse()


def _read_image(file: Path, name: str, lines: _Lines, builder: PredictionTableBuilder, batch: RowBatch) -> None:
    line = lines.number
    if name in builder:
        refuse(file, line, "an image that comes once", f"{name} again")
    if len(finite_numbers(name.split())) >= 5:
        refuse(file, line, "the name of an image (is the count above too small?)", repr(name[:80]))
    text = _text(file, line + 1, next(lines, b""))
    if not (text.isascii() and text.isdigit()):
        refuse(file, line + 1, f"the number of rows of {name}", repr(text[:80]) if text else "nothing")
    rows = list(islice(lines, int(text)))
    if len(rows) < int(text):
        expected = f"{text} rows of {name} as line {line + 1} says"
        refuse(file, lines.number, expected, f"the end of the file after {len(rows)}")
    batch.add(builder.image(name), file, range(line + 2, line + 2 + len(rows)), rows)


class _Lines(Iterator[bytes]):
    """The lines of a file, and the number of the last one."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream, self.number = stream, 0

    def __next__(self) -> bytes:
        line = next(self._stream)
        self.number += 1
        return line.removeprefix(_BOM) if self.number == 1 else line


def write_list(table: PredictionTable, file: Path) -> None:
    """Writes one list; single precision numbers read back as the same, others to the last bit or two."""
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for name, boxes, scores in table.by_image():
            stream.write(f"{name}\n{image_rows(boxes, scores)}")


def image_rows(boxes: np.ndarray, scores: np.ndarray) -> str:
    """Returns the count and the rows of one image; ``boxes`` are float64 [N, 4] xyxy, ``scores`` [N]."""
    rows = zip(widths_of(boxes).tolist(), scores.tolist(), strict=True)
    lines = [f"{' '.join(map(short, box))} {score!r}" for box, score in rows]
    return "".join(f"{line}\n" for line in (str(len(scores)), *lines))


def short(number: float) -> str:
    """Returns a number with all its digits, whole ones without a point."""
    return str(int(number)) if number == int(number) else repr(number)


def _text(file: Path, line: int, data: bytes) -> str:
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        refuse(file, line, "text in UTF-8", f"byte 0x{error.object[error.start]:02x}")
