"""Rows of numbers in text: all at once by Arrow where they are plain, else line by line, with the place of an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from pipeline.data.text_lines import finite_numbers, refuse

Float64 = NDArray[np.float64]


def parse_rows(text: bytes, rows: int, columns: int, delimiter: str = " ") -> Float64 | None:
    r"""Returns float64 [rows, columns] of finite numbers; None where the text has anything else in it.

    Args:
        text: lines that end in ``\n`` or ``\r\n``, numbers between single delimiters.
        rows: number of lines.
        columns: numbers of each.
        delimiter: one character.
    """
    if not text:
        return np.zeros((0, columns)) if not rows else None
    names = [str(column) for column in range(columns)]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(text),
            read_options=pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=1 << 24),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, quote_char=False),
            convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64()), null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    # Arrow's own to_numpy imports pandas, a quarter of a second that nothing here needs.
    numbers = np.stack([np.concatenate([np.from_dlpack(c) for c in table[name].chunks]) for name in names], axis=1)
    return numbers if len(numbers) == rows and bool(np.isfinite(numbers).all()) else None


def numbers_of(file: Path | str, numbers: Sequence[int], lines: Sequence[bytes], columns: str) -> Float64:
    """Returns float64 [lines, columns], whatever spaces are between and around the numbers.

    Args:
        file: for a message.
        numbers: of the lines, from 1, for a message.
        lines: none of them blank, with or without line ends.
        columns: the numbers of a line by name, separated by spaces.

    Raises ValueError: a line has other numbers, or one that is not finite; the message gives file, line, expected and
    found.
    """
    count = len(columns.split())
    text = b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines)
    table = parse_rows(text.replace(b" \n", b"\n").replace(b" \r\n", b"\n"), len(lines), count)
    if table is not None:
        return table
    rows = []
    for number, line in zip(numbers, lines, strict=True):
        words = line.decode("utf-8", "replace").split()
        values = finite_numbers(words)
        if len(values) != count:
            shown = " ".join(words)[:80]
            refuse(file, number, f"{count} finite numbers ({columns})", repr(shown) if shown else "nothing")
        rows.append(values)
    return np.array(rows, np.float64).reshape(-1, count)
