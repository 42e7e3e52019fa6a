"""The text annotation of WIDER FACE: per image a name line, a count line and ``x y w h`` with six attributes per face.

The official files end each row with a space, and give an image without faces the count 0 and one row of ten zeros.
Boxes are kept as published: some have zero width or height.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from pipeline.data.file_path import FilePath
from pipeline.data.schemas import ATTRIBUTES

COLUMNS: Final = ("x", "y", "w", "h", *ATTRIBUTES)
_ROW: Final = re.compile(rb" *(?:-?\d{1,9} +){9}-?\d{1,9} *")
_GREATEST: Final = {"invalid": 1}  # the others may have any value: they decide nothing
_EXPECTED: Final = f"ten whole numbers ({' '.join(COLUMNS)})"


@dataclass(frozen=True, slots=True)
class WiderAnnotation:
    """The faces of many images, flat."""

    names: tuple[str, ...]  # per image "<event>/<name>.jpg", in the order of the file
    starts: NDArray[np.int64]  # int64 [images + 1], the first row of each image and, last, the number of rows
    rows: NDArray[np.int32]  # int32 [faces, 10], the numbers of one face in the order of `COLUMNS`

    def faces(self, position: int) -> NDArray[np.int32]:
        """Returns int32 [F, 10], the rows of the image at ``position``."""
        return self.rows[self.starts[position] : self.starts[position + 1]]


def read_wider_annotation(file: FilePath) -> WiderAnnotation:
    """Returns the content of a ``wider_face_{train,val}_bbx_gt.txt`` (12,880 images in about 0.2 s).

    Raises OSError: the file cannot be read; ValueError: a malformed line or a count that does not fit; the message
    gives file, line, expected and found.
    """
    lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    names: dict[str, int] = {}
    rows: list[bytes] = []
    numbers: list[int] = []
    starts = [0]
    position = 0
    while position < len(lines):
        name, count = _heading(file, lines, position)
        first = position + 2
        block = lines[first : first + count]
        if len(block) < count:
            expected = f"{count} faces of {name} (line {first})"
            _refuse(file, len(lines), expected, f"the end of the file after {len(block)}")
        for offset, row in enumerate(block):
            if _ROW.fullmatch(row) is None:
                _refuse(file, first + offset + 1, f"{_EXPECTED} as face {offset + 1} of {count} of {name}", _shown(row))
        if (before := names.setdefault(name, position + 1)) != position + 1:
            _refuse(file, position + 1, f"an image that line {before} does not name", _shown(lines[position]))
        rows += block
        numbers += range(first + 1, first + count + 1)
        starts.append(len(rows))
        empty = count == 0 and first < len(lines) and _ROW.fullmatch(lines[first]) is not None
        if empty and any(lines[first].translate(None, b" 0-")):
            expected = f"ten zeros or another image, for line {first} says that {name} has no face"
            _refuse(file, first + 1, expected, _shown(lines[first]))
        position = first + count + empty
    table = np.fromstring(b" ".join(rows), np.int32, sep=" ").reshape(-1, len(COLUMNS))
    _check_attributes(file, table, numbers)
    return WiderAnnotation(tuple(names), np.array(starts, np.int64), table)


def _check_attributes(file: FilePath, table: NDArray[np.int32], lines: Sequence[int]) -> None:
    """Refuses impossible attributes: a column shifted by one would decide which faces count."""
    for column, name in enumerate(COLUMNS[4:], start=4):
        values = table[:, column]
        odd = (values < 0) | (values > _GREATEST.get(name, 127))
        if odd.any():
            row = int(odd.argmax())
            _refuse(file, lines[row], f"{name} from 0 to {_GREATEST.get(name, 127)}", str(values[row]))


def _heading(file: FilePath, lines: list[bytes], position: int) -> tuple[str, int]:
    """Returns the image name and face count at ``position`` and below."""
    name = lines[position].strip()
    if not name.lower().endswith((b".jpg", b".jpeg")) or b"/" not in name:
        _refuse(file, position + 1, "an image name <event>/<name>.jpg (is the count above too small?)", _shown(name))
    count = lines[position + 1].strip() if position + 1 < len(lines) else b""
    if not count.isdigit():
        _refuse(file, position + 2, f"the number of faces of {name.decode(errors='replace')}", _shown(count))
    try:
        return name.decode(), int(count)
    except UnicodeDecodeError:
        _refuse(file, position + 1, "an image name in UTF-8", repr(name[:60]))


def _shown(line: bytes) -> str:
    return repr(line[:60].decode(errors="replace")) if line else "nothing"


def _refuse(file: FilePath, line: int, expected: str, found: str) -> NoReturn:
    raise ValueError(f"{file}:{line}: expected {expected}, found {found}")
