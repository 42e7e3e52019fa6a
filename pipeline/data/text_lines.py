"""The lines of a text file, and the message on one of them."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn


def read_lines(file: Path) -> list[str]:
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


def refuse(file: Path, line: int, expected: str, found: str) -> NoReturn:
    """Raises ValueError on one line of a file, counted from 1."""
    raise ValueError(f"{file}:{line}: expected {expected}, found {found}")
