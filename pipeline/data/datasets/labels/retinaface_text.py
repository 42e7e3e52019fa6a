"""Faces with five landmarks in RetinaFace's ``label.txt``: ``# image`` lines, each followed by its faces, one a line.

No library on PyPI reads this form by itself; it is read line by line.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from pipeline.data.datasets.labels.form import Form, head_of, number
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder, image_name
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.file_path import FilePath
from pipeline.data.text_lines import finite_numbers, refuse, stream_lines

_COUNTS: Final = (4, 19, 20)
_EXPECTED: Final = (
    "x y w h, then nothing, or five landmarks (x y visibility) and perhaps a blur score: 4, 19 or 20 numbers"
)


def read_retinaface_text(file: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of a ``label.txt``; an image's name is relative to the folder of images.

    A point of ``-1 -1 -1`` is no landmark. A face of which a point is missing has none, as in RetinaFace's training;
    how many have only some is a remark. Visibility and blur are not read.

    Raises OSError: the file cannot be read; ValueError: a line of another form; the message gives file, line, expected
    and found.
    """
    builder, image, partial = LabelTableBuilder(), -1, 0
    for line, text in stream_lines(file):
        if not text:
            continue
        if text.startswith("#"):
            name = image_name(text[1:])
            if name in (".", ""):
                refuse(file, line, "the path of an image after #", repr(text[:80]))
            if name in builder:
                refuse(file, line, "an image that no line before names", repr(text[:80]))
            image = builder.image(name)
            continue
        if image < 0:
            refuse(file, line, "# and the path of an image", repr(text[:80]))
        numbers = finite_numbers(text.split())
        if len(numbers) not in _COUNTS:
            refuse(file, line, _EXPECTED, repr(text[:80]))
        x, y, width, height = numbers[:4]
        points = np.array(numbers[4:19]).reshape(-1, 3)
        absent = (points[:, 2] < 0) | (points[:, :2] == -1).all(axis=1)
        partial += 0 < int(absent.sum()) < 5
        marks = points[:, :2].ravel().tolist() if len(points) and not absent.any() else None
        builder.face(image, (x, y, x + width, y + height), landmarks=marks)
    few = f"{partial} faces have only some of the five landmarks, and are taken as faces without any"
    return builder.build(file, options, [few] if partial else [])


def write_retinaface_text(table: LabelTable, folder: Path) -> Path:
    """Writes ``label.txt`` with 20 numbers per face; visibility and blur are 0, and -1 where there are no landmarks."""
    file = folder / "label.txt"
    with file.open("w", encoding="utf-8") as stream:
        for position, name in enumerate(table.names):
            stream.write(f"# {name}\n")
            rows = table.rows(position)
            for row in range(rows.start, rows.stop):
                x1, y1, x2, y2 = table.boxes[row].tolist()
                words = [number(value) for value in (x1, y1, x2 - x1, y2 - y1)]
                points = None if table.landmarks is None else table.landmarks[row]
                if points is None or not np.isfinite(points).all():
                    words += ["-1"] * 15
                else:
                    words += [text for x, y in points.tolist() for text in (number(x), number(y), "0")]
                stream.write(f"{' '.join(words)} 0\n")
    return file


class RetinafaceText(LabelledFiles):
    """WIDER FACE or your own images with RetinaFace's ``label.txt``, see `read_retinaface_text`."""

    label_form: ClassVar[Form] = Form(
        words="RetinaFace's label.txt",
        matches=lambda path: head_of(path, ".txt").lstrip().startswith("#"),
        read=read_retinaface_text,
        write=write_retinaface_text,
        keeps_ignored=False,
        ending=".txt",
        keeps_landmarks=True,
    )
