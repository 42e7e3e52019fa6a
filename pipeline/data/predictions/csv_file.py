"""Predictions in a CSV file: one row per box, a heading with the names of the columns, in any order.

Arrow parses it block by block, a million rows a second; a file that it does not take is read again row by row, which
either succeeds or finds the place of the error.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.data.csv_columns import CORNERS, cells_found, read_heading
from pipeline.data.predictions.contents import Contents
from pipeline.data.predictions.form import PLAIN, PredictionForm, ReadOptions, WriteOptions
from pipeline.data.predictions.table import PredictionTable, PredictionTableBuilder, corners_of, require_category
from pipeline.data.text_lines import finite_numbers, refuse

_HEADING: Final = "a heading image,x1,y1,x2,y2,score or image,x,y,w,h,score"
_PARSED: Final = 100_000  # rows at a time


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a heading count, by position."""

    heading: tuple[str, ...]
    delimiter: str
    image: int
    box: tuple[int, ...]
    score: int
    corners: bool
    category: int | None

    @property
    def numbers(self) -> tuple[int, ...]:
        return (*self.box, self.score)


def read_csv_predictions(file: Path, options: ReadOptions = PLAIN) -> PredictionTable:
    """Returns the predictions of a file with columns of the image, the box and the score; others are skipped.

    The columns may be called ``image`` (or ``filename`` and the like), ``x1,y1,x2,y2`` (or ``xmin``.., ``left``..) or
    ``x,y,w,h``, ``score`` (or ``confidence``), and perhaps ``category`` or ``class``. A row with a name and nothing
    else is an image without a box.

    Raises OSError: the file cannot be read; ValueError: no such heading, a row that does not fit it, or detections of
    several categories and none is chosen; the message gives file, line, expected and found.
    """
    columns = _columns(file)
    if options.category is not None and columns.category is None:
        refuse(file, 1, "a column category, class or label for --class", repr(",".join(columns.heading)[:80]))
    try:
        return _together(file, columns, options.category)
    except (pa.ArrowInvalid, _OddRowError):
        return _row_by_row(file, columns, options.category)


class _OddRowError(ValueError):
    """A row that Arrow reads, and that is not a whole one."""


def _columns(file: Path) -> _Columns:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8, found {error}: save it with that encoding") from None
    heading = read_heading(first)
    many = heading.choices(heading.scores)
    if many or not heading.boxes or not heading.images or not heading.scores:
        what = f"{','.join(heading.names)[:80]!r}" + (f" with {many}" if many else heading.advice)
        refuse(file, 1, f"{_HEADING}, each once", what)
    box, corners = heading.boxes[0]
    return _Columns(
        heading=heading.names,
        delimiter=heading.delimiter,
        image=heading.names.index(heading.images[0]),
        box=tuple(map(heading.names.index, box)),
        score=heading.names.index(heading.scores[0]),
        corners=corners,
        category=heading.names.index(heading.categories[0]) if heading.categories else None,
    )


def _together(file: Path, columns: _Columns, category: str | None) -> PredictionTable:
    names = [str(place) for place in range(len(columns.heading))]
    texts = [columns.image, *([] if columns.category is None else [columns.category])]
    types = {names[place]: pa.string() for place in texts} | {names[place]: pa.float64() for place in columns.numbers}
    reader = pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False, block_size=1 << 22),
        parse_options=pa.csv.ParseOptions(delimiter=columns.delimiter),
        convert_options=pa.csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
        ),
    )
    collected = _Collected(file, columns, category)
    for batch in reader:
        images, numbers = batch[names[columns.image]], [batch[names[place]] for place in columns.numbers]
        empty = np.array([column.null_count for column in numbers])
        if images.null_count or pc.any(pc.equal(images, "")).as_py():
            raise _OddRowError
        values = np.stack([column.to_numpy(zero_copy_only=False) for column in numbers], axis=1).astype(np.float64)
        absent = np.isnan(values).all(axis=1)
        if not np.isfinite(values[~absent]).all() or (empty != absent.sum()).any():
            raise _OddRowError
        coded = images.dictionary_encode()
        kinds = None if columns.category is None else batch[names[columns.category]].fill_null("").to_pylist()
        codes = np.array(coded.indices.to_numpy(zero_copy_only=False), np.int64)
        collected.add(coded.dictionary.to_pylist(), codes, values, kinds)
    return collected.table()


def _row_by_row(file: Path, columns: _Columns, category: str | None) -> PredictionTable:
    collected = _Collected(file, columns, category)
    rows = _rows(file, columns)
    while part := list(islice(rows, _PARSED)):
        values = np.array([numbers or [np.nan] * 5 for _, numbers, _ in part], np.float64)
        kinds = None if columns.category is None else [kind for *_, kind in part]
        collected.add([name for name, *_ in part], np.arange(len(part)), values, kinds)
    return collected.table()


def _rows(file: Path, columns: _Columns) -> Iterator[tuple[str, list[float], str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=columns.delimiter, skipinitialspace=True, strict=True)
            next(reader, None)
            for row in reader:
                if not row:
                    continue
                line = reader.line_num
                if len(row) != len(columns.heading):
                    refuse(file, line, f"{len(columns.heading)} cells as in the heading", str(len(row)))
                cells = [row[place].strip() for place in columns.numbers]
                numbers = finite_numbers(cells) if any(cells) else []
                if any(cells) and not numbers:
                    named = ",".join(columns.heading[place] for place in columns.numbers)
                    refuse(file, line, f"five finite numbers {named}", cells_found(cells, columns.delimiter))
                name = row[columns.image].strip() or refuse(file, line, "an image", "nothing")
                yield name, numbers, "" if columns.category is None else row[columns.category].strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8, found {error}: save it with that encoding") from None
    except csv.Error as error:
        raise ValueError(f"{file}: expected CSV, found that {error}") from None


class _Collected:
    """The rows of the chosen category."""

    def __init__(self, file: Path, columns: _Columns, category: str | None) -> None:
        self._file, self._columns, self._category = file, columns, category
        self._builder, self._categories = PredictionTableBuilder(), Counter[str]()

    def add(self, names: Sequence[str], codes: np.ndarray, values: np.ndarray, kinds: Sequence[str] | None) -> None:
        """Adds rows: names, the place of each row's name among them, box and score [n, 5], and categories."""
        images = np.array([self._builder.image(name) for name in names], np.int64)[codes]
        kept = ~np.isnan(values[:, 0])
        if kinds is not None:
            present = [kind for kind, there in zip(kinds, kept.tolist(), strict=True) if there]
            self._categories.update(present)
            if self._category is not None:
                kept &= np.array([kind == self._category for kind in kinds], bool)
        boxes = values[kept, :4]
        self._builder.add(images[kept], boxes if self._columns.corners else corners_of(boxes), values[kept, 4])

    def table(self) -> PredictionTable:
        require_category(self._file, self._categories, self._category)
        return self._builder.build()


def write_csv_predictions(table: PredictionTable, file: Path, options: WriteOptions) -> list[str]:
    """Writes ``image,x1,y1,x2,y2,score``, every number so that it reads back the same."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["image", *CORNERS[0], "score"])
        for name, boxes, scores in table.by_image():
            rows = zip(boxes.tolist(), scores.tolist(), strict=True)
            writer.writerows([name, *map(repr, box), repr(score)] for box, score in rows)
            if not len(scores):
                writer.writerow([name, *[""] * 5])
    return []


def _matches(contents: Contents) -> bool:
    if not contents.single:
        return False
    heading = read_heading(contents.head.split("\n")[0])
    fits = bool(heading.images and heading.scores and heading.boxes)
    # A heading that does not fit is named when it is read.
    return fits or contents.path.suffix.lower() == ".csv"


CSV: Final = PredictionForm(
    words="CSV",
    layout="x1 y1 x2 y2",
    matches=_matches,
    read=read_csv_predictions,
    write=write_csv_predictions,
    has_classes=True,
    endings=(".csv",),
    one_sequence=True,
)
