"""Parser of one file of the WIDER submission format, line by line: slow, with the exact place of an error.

The readings follow the two public tools. The MATLAB tool drops blank lines and outer spaces, believes the count on
line 2 and takes a row's last number as its score. The Python tool (in the form the RetinaFace repositories carry)
ignores line 2, splits on single spaces, silently skips rows that are empty or begin with a space, and takes the fifth.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

Reading = Literal["matlab", "python"]
Row = tuple[float, float, float, float, float]
_ROW = "a row 'x y w h score' of five numbers"


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """One file's content: line 1, the number on line 2 (None where it was not read), the rows, the number present.

    `wide` has all numbers of the rows where each has the same number of them, above five; else it is empty.
    """

    name: str
    stated: int | None
    rows: list[Row]
    present: int
    wide: list[list[float]] = field(default_factory=list)


def parse_lines(file: str, data: bytes, reading: Reading) -> ParsedFile:
    """Returns the rows `x y w h score` of one file's bytes as the named tool reads them, in file order.

    ``file`` is its name in an error. Raises ValueError: the tool could not read this file, or a number is not finite;
    the message says file, line, expected and found.
    """
    lines = data.decode("utf-8", errors="replace").split("\n")
    numbered = [(number, line.rstrip("\r")) for number, line in enumerate(lines, start=1)]
    return _matlab(file, numbered) if reading == "matlab" else _python(file, numbered)


def _matlab(file: str, lines: list[tuple[int, str]]) -> ParsedFile:
    kept = [(number, text) for number, line in lines if (text := line.replace(",", " ").strip())]
    end = lines[-1][0]
    if not kept:
        raise _error(file, 1, "the image's name", "the end of the file")
    if len(kept) < 2:
        raise _error(file, end, "the number of rows", "the end of the file")
    stated = _count(file, *kept[1])
    if len(kept) - 2 < stated:
        raise _error(file, end, f"{stated} rows as line {kept[1][0]} says", f"{len(kept) - 2} rows")
    values = [_numbers(file, number, text.split(), text) for number, text in kept[2 : 2 + stated]]
    rows = [(each[0], each[1], each[2], each[3], each[-1]) for each in values]
    alike = {len(each) for each in values}
    return ParsedFile(kept[0][1], stated, rows, len(kept) - 2, values if len(alike) == 1 and alike != {5} else [])


def _python(file: str, lines: list[tuple[int, str]]) -> ParsedFile:
    if len(lines) == 1 and not lines[0][1]:
        raise _error(file, 1, "the image's name", "the end of the file")
    rows = []
    for number, line in lines[2:]:
        if not line or line.startswith(" "):
            continue
        values = _numbers(file, number, line.split(" ")[:5], line)
        rows.append((values[0], values[1], values[2], values[3], values[4]))
    return ParsedFile(lines[0][1], None, rows, len(rows))


def _count(file: str, number: int, text: str) -> int:
    try:
        value = float(text)
        if value == int(value) and value >= 0 and "_" not in text:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise _error(file, number, "the number of rows", repr(text))


def _numbers(file: str, number: int, words: list[str], line: str) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) < 5 or "_" in line:  # float() would take 1_0 for ten
        raise _error(file, number, _ROW, repr(line))
    if not all(map(math.isfinite, values)):
        raise _error(file, number, "finite numbers", repr(line))
    return values


def _error(file: str, line: int, expected: str, found: str) -> ValueError:
    return ValueError(f"{file}:{line}: expected {expected}, found {found}")
