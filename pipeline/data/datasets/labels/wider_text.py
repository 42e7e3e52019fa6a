"""Faces in the text form of WIDER FACE, of your own: any path of an image, decimals, four columns or all ten.

Per image a name line, a count line, and as many lines ``x y w h``, perhaps with WIDER FACE's six attributes. The
official annotation, whose ten columns have to be whole numbers, is read by `wider_face.annotation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from pipeline.data.datasets.labels.form import Form, head_of, number
from pipeline.data.datasets.labels.label_table import EVERY, LabelOptions, LabelTable, LabelTableBuilder, image_name
from pipeline.data.datasets.labels.labelled_files import LabelledFiles
from pipeline.data.file_path import FilePath
from pipeline.data.text_lines import finite_numbers, refuse, stream_lines

_INVALID: Final = 7
_ROW: Final = "4 numbers (x y w h) or 10 (and blur expression illumination invalid occlusion pose)"


def read_wider_text(file: FilePath, options: LabelOptions = EVERY) -> LabelTable:
    """Returns the faces of a file; one whose ``invalid`` is 1 is ignored.

    Blank lines between images, any line ending, and a row of zeros below a count of 0 are allowed.

    Raises OSError: the file cannot be read; ValueError: a line of another form, or a count that does not fit; the
    message gives file, line, expected and found.
    """
    builder, lines = LabelTableBuilder(), _Lines(file)
    for line, text in lines:
        if finite_numbers(text.split()) and len(text.split()) in (4, 10):
            refuse(file, line, "the name of an image (is the count above too small?)", repr(text[:80]))
        name = image_name(text)
        if name in builder:
            refuse(file, line, "an image that no line before names", repr(text[:80]))
        image = builder.image(name)
        below, count = next(lines, (line, ""))
        if not (count.isascii() and count.isdigit()):
            refuse(file, below, f"the number of faces of {name}", repr(count[:80]) if count else "the end of the file")
        for face in range(1, int(count) + 1):
            at, row = next(lines, (0, ""))
            if not at:
                refuse(
                    file, lines.last, f"{count} faces of {name} (line {below})", f"the end of the file after {face - 1}"
                )
            numbers = finite_numbers(row.split())
            if len(numbers) not in (4, 10):
                refuse(file, at, f"{_ROW} as face {face} of {count} of {name}", repr(row[:80]))
            if len(numbers) == 10 and numbers[_INVALID] not in (0, 1):
                refuse(file, at, "invalid of 0 or 1", repr(row.split()[_INVALID]))
            x, y, width, height = numbers[:4]
            builder.face(image, (x, y, x + width, y + height), ignored=len(numbers) == 10 and numbers[_INVALID] == 1)
        if count == "0":
            lines.skip_zeros()
    return builder.build(file, options)


class _Lines(Iterator[tuple[int, str]]):
    """The lines of a file that are not blank, and the next one ahead of its turn."""

    def __init__(self, file: FilePath) -> None:
        self._lines = (each for each in stream_lines(file) if each[1])
        self._held: tuple[int, str] | None = None
        self.last = 0

    def __next__(self) -> tuple[int, str]:
        held, self._held = self._held, None
        held = held or next(self._lines)
        self.last = held[0]
        return held

    def skip_zeros(self) -> None:
        """Skips the next line where it is a row of zeros."""
        self._held = next(self, None)
        words = self._held[1].split() if self._held else []
        if len(words) in (4, 10) and not any(finite_numbers(words) or [1]):
            self._held = None


def write_wider_text(table: LabelTable, folder: Path) -> Path:
    """Writes ``labels.txt``: four columns, or ten where a face is ignored."""
    file, flagged = folder / "labels.txt", bool(table.ignored.any())
    with file.open("w", encoding="utf-8") as stream:
        for position, name in enumerate(table.names):
            rows = table.rows(position)
            stream.write(f"{name}\n{rows.stop - rows.start}\n")
            for row in range(rows.start, rows.stop):
                x1, y1, x2, y2 = table.boxes[row].tolist()
                numbers = " ".join(number(value) for value in (x1, y1, x2 - x1, y2 - y1))
                stream.write(f"{numbers} 0 0 0 {int(table.ignored[row])} 0 0\n" if flagged else f"{numbers}\n")
    return file


def _matches(path: FilePath) -> bool:
    lines = [line.strip() for line in head_of(path, ".txt").splitlines() if line.strip()]
    return len(lines) > 1 and lines[1].isdigit() and not finite_numbers(lines[0].split()) and lines[0][0] != "#"


class WiderText(LabelledFiles):
    """Your own labelled images in the text form of WIDER FACE, see `read_wider_text`."""

    label_form: ClassVar[Form] = Form(
        words="WIDER text",
        matches=_matches,
        read=read_wider_text,
        write=write_wider_text,
        keeps_ignored=True,
        ending=".txt",
    )
