"""Faces in a CSV file: one row per face, a heading with the names of the columns.

Read row by row with Python's own csv module: pyarrow.csv is faster, but refuses a bad cell without its line and field,
and holds the file in memory; pandas would be a dependency for this alone.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from pipeline.data.csv_columns import CATEGORY, CORNERS, BoxColumns, cells_found, read_heading
from pipeline.data.datasets.labels.form import Form, head_of, number
from pipeline.data.datasets.labels.label_table import (
    EVERY,
    POINTS,
    LabelOptions,
    LabelTable,
    LabelTableBuilder,
    image_name,
)
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.file_path import FilePath
from pipeline.data.text_lines import finite_numbers, refuse

_HEADING: Final = "a heading image,x1,y1,x2,y2 or image,x,y,w,h, and perhaps ignore"
LANDMARKS: Final = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns count: places in a row, none of them for what the file does not have."""

    names: tuple[str, ...]
    delimiter: str
    image: int
    box: tuple[int, ...]
    corners: bool
    size: tuple[int, ...]
    landmarks: tuple[int, ...]
    ignore: tuple[int, ...]
    category: tuple[int, ...]

    def named(self, places: Sequence[int]) -> str:
        return ",".join(self.names[place] for place in places)


def read_csv_table(file: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of a file with the columns ``image,x1,y1,x2,y2`` or ``image,x,y,w,h``.

    They may have the other names of `csv_columns`, as ``filename`` and ``xmin``, which count where the first ones are
    absent. Perhaps also ``ignore`` (0 or 1, empty for 0), ``category`` or ``class``, ``width`` and ``height`` of the
    image, and ten columns of landmarks (``left_eye_x``, ``left_eye_y``, .. ``right_mouth_y``, all empty for none).
    Columns may come in any order, others are skipped. A row with a name and an empty box is an image without faces.

    Raises OSError: the file cannot be read; ValueError: no such heading, or a row that does not fit it; the message
    gives file, line, expected and found.
    """
    builder, line = LabelTableBuilder(), 1
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            heading = read_heading(stream.readline())
            columns = _columns(file, heading)
            reader = csv.reader(stream, delimiter=heading.delimiter, skipinitialspace=True, strict=True)
            for row in reader:
                line = reader.line_num + 1
                if row:
                    _add(builder, file, line, [*row, *[""] * (len(columns.names) - len(row))], columns)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file}: expected text in UTF-8, found byte 0x{error.object[error.start]:02x} after line {line}: save it "
            "with that encoding"
        ) from None
    except csv.Error as error:
        raise ValueError(f"{file}: expected CSV, found that {error} after line {line}") from None
    return builder.build(file, _with_advice(options, columns))


def _with_advice(options: LabelOptions, columns: _Columns) -> LabelOptions:
    """Returns the options with a second way out where a column that may be a free one is taken for the category."""
    name = columns.named(columns.category)
    if name in ("", CATEGORY[0]):
        return options
    free = f"the column {name} is taken for the category: where it is none, rename it"
    return replace(options, advice=lambda names: f"{options.advice(names)}; {free}")


def _columns(file: FilePath, heading: BoxColumns) -> _Columns:
    """Returns the columns that count. Raises ValueError: some are missing, or several of them may be the same."""
    many = heading.choices()
    if many or not heading.images or not heading.boxes:
        found = repr(",".join(heading.names)[:80]) + (f" with {many}: leave one" if many else heading.advice)
        refuse(file, 1, _HEADING, found)
    if (some := heading.present(LANDMARKS)) and len(some) < len(LANDMARKS):
        refuse(file, 1, f"all of the columns {','.join(LANDMARKS)}, or none", ",".join(sorted(some)))
    box, corners = heading.boxes[0]
    sides = () if {"width", "height"} & set(box) else heading.present(("width", "height"))

    def places(names: Sequence[str]) -> tuple[int, ...]:
        return tuple(map(heading.names.index, names))

    return _Columns(
        names=heading.names,
        delimiter=heading.delimiter,
        image=heading.names.index(heading.images[0]),
        box=places(box),
        corners=corners,
        size=places(sides) if len(sides) == 2 else (),
        landmarks=places(some),
        ignore=places(heading.present(("ignore",))),
        category=places(heading.categories),
    )


def _add(builder: LabelTableBuilder, file: FilePath, line: int, row: Sequence[str], columns: _Columns) -> None:
    def texts(places: tuple[int, ...]) -> list[str]:
        return [row[place].strip() for place in places]

    name = row[columns.image].strip() or refuse(file, line, "an image", "nothing")
    size = texts(columns.size)
    if any(size) and not all(text.isascii() and text.isdigit() and int(text) < 2**31 for text in size):
        refuse(file, line, "width and height as whole numbers of pixels", repr(",".join(size)[:80]))
    image = builder.image(image_name(name), (int(size[0]), int(size[1])) if any(size) else (0, 0))
    box = texts(columns.box)
    if not any(box):
        return
    numbers = finite_numbers(box)
    if not numbers:
        refuse(file, line, f"four finite numbers {columns.named(columns.box)}", cells_found(box, columns.delimiter))
    x, y, third, fourth = numbers
    marks = texts(columns.landmarks)
    points = finite_numbers(marks) if any(marks) else None
    if points == []:
        found = cells_found(marks, columns.delimiter)
        refuse(file, line, f"ten finite numbers {','.join(LANDMARKS)}, or ten empty cells", found)
    ignore = "".join(texts(columns.ignore))
    if ignore not in ("", "0", "1"):
        refuse(file, line, "ignore of 0 or 1", repr(ignore[:80]))
    corners = numbers if columns.corners else [x, y, x + third, y + fourth]
    builder.face(image, corners, "".join(texts(columns.category)), ignore == "1", points)


def write_csv(table: LabelTable, folder: Path) -> Path:
    """Writes ``labels.csv`` with corners, sizes of images and, where there are some, ``ignore`` and landmarks."""
    file, marked, flagged = folder / "labels.csv", table.landmarks is not None, bool(table.ignored.any())
    heading = [
        "image",
        *CORNERS[0],
        "width",
        "height",
        *(["ignore"] if flagged else []),
        *(LANDMARKS if marked else ()),
    ]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(heading)
        for position, name in enumerate(table.names):
            rows, size = table.rows(position), table.sizes[position].tolist()
            if rows.start == rows.stop:
                writer.writerow([name, "", "", "", "", *size, *[""] * (len(heading) - 7)])
            for row in range(rows.start, rows.stop):
                cells = [name, *map(number, table.boxes[row].tolist()), *size]
                cells += [int(table.ignored[row])] if flagged else []
                writer.writerow([*cells, *_landmark_cells(table, row)])
    return file


def _landmark_cells(table: LabelTable, row: int) -> list[str]:
    if table.landmarks is None:
        return []
    points = table.landmarks[row].ravel()
    return [number(value) for value in points.tolist()] if np.isfinite(points).all() else [""] * 10


def _matches(path: FilePath) -> bool:
    """Returns whether a file has the columns of labels; with a score as well it has predictions."""
    heading = read_heading(head_of(path, ".csv").split("\n")[0])
    return bool(heading.images and heading.boxes) and not heading.scores


class Csv(LabelledFiles):
    """Your own labelled images: a CSV file with named columns, see `read_csv_table`."""

    label_form: ClassVar[Form] = Form(
        words="CSV",
        matches=_matches,
        read=read_csv_table,
        write=write_csv,
        keeps_ignored=True,
        ending=".csv",
        keeps_landmarks=True,
    )
