"""The lines of a text file, and the message on one of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import NoReturn

from pipeline.data.file_path import FilePath


def read_lines(file: FilePath) -> list[str]:
    """Returns the lines of a text file without spaces around them; blank ones at the end are left out.

    Raises OSError: the file cannot be read; ValueError: it is not UTF-8.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        refuse(file, line, "text in UTF-8", f"byte 0x{error.object[error.start]:02x}")
    lines = [line.strip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def stream_lines(file: FilePath, data: bytes | None = None) -> Iterator[tuple[int, str]]:
    """Yields (number counted from 1, line without spaces around it), blank ones too; one line is in memory at a time.

    ``data`` is what the file holds, where it was read before.

    Raises OSError: the file cannot be read; ValueError: a line is not UTF-8.
    """
    with file.open("rb") if data is None else BytesIO(data) as stream:
        for number, data in enumerate(stream, start=1):
            try:
                yield number, data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                refuse(file, number, "text in UTF-8", f"byte 0x{error.object[error.start]:02x}")


def finite_numbers(words: Iterable[str]) -> list[float]:
    """Returns words as numbers; nothing where one is no number or not finite."""
    texts = list(words)
    try:
        numbers = list(map(float, texts))
    except ValueError:
        return []
    if any("_" in text for text in texts):  # float() would take 1_0 for ten
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def refuse(file: FilePath | str, line: int, expected: str, found: str) -> NoReturn:
    """Raises ValueError on one line of a file, counted from 1."""
    raise ValueError(f"{file}:{line}: expected {expected}, found {found}")
