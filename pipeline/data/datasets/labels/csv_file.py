"""Faces in a CSV file: one row per face, a heading with the names of the columns.

Read row by row with Python's own csv module: pyarrow.csv is faster, but refuses a bad cell without its line and field,
and holds the file in memory; pandas would be a dependency for this alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

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

_CORNERS: Final = ("x1", "y1", "x2", "y2")
_SIZES: Final = ("x", "y", "w", "h")
_HEADING: Final = f"a heading image,{','.join(_CORNERS)} or image,{','.join(_SIZES)}, and perhaps ignore"
LANDMARKS: Final = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")


def read_csv_table(file: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of a file with the columns ``image,x1,y1,x2,y2`` or ``image,x,y,w,h``.

    Perhaps also ``ignore`` (0 or 1, empty for 0), ``category``, ``width`` and ``height`` of the image, and ten columns
    of landmarks (``left_eye_x``, ``left_eye_y``, .. ``right_mouth_y``, all empty for none). Columns may come in any
    order, others are skipped. A row with a name and an empty box is an image without faces.

    Raises OSError: the file cannot be read; ValueError: no such heading, or a row that does not fit it; the message
    gives file, line, expected and found.
    """
    builder = LabelTableBuilder()
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True, strict=True)
            heading = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = heading
            if (form := _form_of(heading)) is None:
                refuse(file, 1, _HEADING, repr(",".join(heading)[:80]))
            if (some := set(LANDMARKS) & set(heading)) and len(some) < len(LANDMARKS):
                refuse(file, 1, f"all of the columns {','.join(LANDMARKS)}, or none", ",".join(sorted(some)))
            sized = {"width", "height"} <= set(heading)
            for row in reader:
                _add(builder, file, reader.line_num, row, (form, sized, bool(some)))
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8, found {error}") from None
    except csv.Error as error:
        raise ValueError(f"{file}: expected CSV, found that {error}") from None
    return builder.build(file, options)


def _form_of(heading: Iterable[str]) -> tuple[str, ...] | None:
    """Returns the columns of the box that a heading has."""
    names = {name.strip().strip('"') for name in heading}
    return next((form for form in (_CORNERS, _SIZES) if {"image", *form} <= names), None)


def _add(
    builder: LabelTableBuilder,
    file: FilePath,
    line: int,
    row: Mapping[str, str | None],
    columns: tuple[tuple[str, ...], bool, bool],
) -> None:
    form, sized, marked = columns

    def texts(names: tuple[str, ...]) -> list[str]:
        return [(row.get(name) or "").strip() for name in names]

    name = texts(("image",))[0] or refuse(file, line, "an image", "nothing")
    size = texts(("width", "height")) if sized else []
    if any(size) and not all(text.isascii() and text.isdigit() and int(text) < 2**31 for text in size):
        refuse(file, line, "width and height as whole numbers of pixels", repr(",".join(size)[:80]))
    image = builder.image(image_name(name), (int(size[0]), int(size[1])) if any(size) else (0, 0))
    box = texts(form)
    if not any(box):
        return
    numbers = finite_numbers(box)
    if not numbers:
        refuse(file, line, f"four finite numbers {','.join(form)}", repr(",".join(box)[:80]))
    x, y, third, fourth = numbers
    marks = texts(LANDMARKS) if marked else []
    points = finite_numbers(marks) if any(marks) else None
    if points == []:
        refuse(file, line, f"ten finite numbers {','.join(LANDMARKS)}, or ten empty cells", ",".join(marks)[:80])
    ignore, category = texts(("ignore", "category"))
    if ignore not in ("", "0", "1"):
        refuse(file, line, "ignore of 0 or 1", repr(ignore[:80]))
    corners = [x, y, x + third, y + fourth] if form == _SIZES else numbers
    builder.face(image, corners, category, ignore == "1", points)


def write_csv(table: LabelTable, folder: Path) -> Path:
    """Writes ``labels.csv`` with corners, sizes of images and, where there are some, ``ignore`` and landmarks."""
    file, marked, flagged = folder / "labels.csv", table.landmarks is not None, bool(table.ignored.any())
    heading = ["image", *_CORNERS, "width", "height", *(["ignore"] if flagged else []), *(LANDMARKS if marked else ())]
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


class Csv(LabelledFiles):
    """Your own labelled images: a CSV file with named columns, see `read_csv_table`."""

    label_form: ClassVar[Form] = Form(
        words="CSV",
        matches=lambda path: _form_of(head_of(path, ".csv").split("\n")[0].split(",")) is not None,
        read=read_csv_table,
        write=write_csv,
        keeps_ignored=True,
        ending=".csv",
        keeps_landmarks=True,
    )
