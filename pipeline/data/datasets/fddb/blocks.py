"""The text form of FDDB's annotation and of its detections: an image's name, a count, and so many rows of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.file_path import FilePath
from pipeline.data.text_lines import read_lines, refuse


@dataclass(frozen=True, slots=True)
class Block:
    """One image of a file."""

    name: str  # as written, spaces around it removed
    line: int  # 1-based, of the name
    rows: NDArray[np.float64]  # float64 [n, columns]


def read_blocks(file: FilePath, columns: str) -> list[Block]:
    """Returns the images of a file in its order.

    Blank lines between images and spaces at the end of a line are allowed, and any line ending.

    Args:
        file: text.
        columns: the numbers of a row by name, separated by spaces; further numbers are an error.

    Raises OSError: the file cannot be read; ValueError: a line breaks the form, a number is not finite or rows are
    missing; the message gives file, line, expected and found.
    """
    lines = read_lines(file)
    blocks: list[Block] = []
    position = 0
    while position < len(lines):
        if not lines[position]:
            position += 1
            continue
        count = _count(file, lines, position)
        first = position + 2
        if len(lines) < first + count:
            expected = f"{count} rows of {lines[position]} as line {first} says"
            refuse(file, len(lines), expected, f"the end of the file after {len(lines) - first}")
        rows = [_row_of_numbers(file, number + 1, lines[number], columns) for number in range(first, first + count)]
        table = np.array(rows, np.float64).reshape(-1, len(columns.split()))
        blocks.append(Block(lines[position], position + 1, table))
        position = first + count
    return blocks


def _row_of_numbers(file: FilePath, line: int, text: str, columns: str) -> list[float]:
    """Returns the numbers of one line; ``columns`` has their names. Raises ValueError: others, or not finite."""
    names = columns.split()
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != len(names) or "_" in text:  # float() would take 1_0 for ten
        refuse(file, line, f"{len(names)} numbers ({columns})", repr(text[:80]) if text else "nothing")
    if not np.isfinite(values).all():
        refuse(file, line, "finite numbers", repr(text[:80]))
    return values


def _count(file: FilePath, lines: list[str], position: int) -> int:
    text = lines[position + 1] if position + 1 < len(lines) else ""
    if not (text.isascii() and text.isdigit()):
        refuse(file, position + 2, f"the number of rows of {lines[position]}", repr(text[:80]) if text else "nothing")
    return int(text)
