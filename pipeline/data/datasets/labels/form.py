"""What a form of labels consists of: how it is recognised, read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable
from pipeline.data.file_path import FilePath, read_beginning

HEAD: Final = 4096
"""First bytes of a file that determine its form."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of labels.

    Attributes:
        words: its name for people.
        matches: path -> whether it is a file, or a folder, of this form; reads the beginning of a file at most.
        read: (file or folder, options) -> its faces. Raises OSError, ValueError: one line with file, place, expected
            and found.
        write: (faces in pixels, folder) -> the file or folder it wrote; None where it is only read. A
            name of an image is relative to ``images`` in that folder.
        keeps_ignored: whether a face can be marked as one that counts nowhere.
        keeps_landmarks: whether a face can have five landmarks.
        needs_sizes: whether it can only be written where the size of every image is known.
        ending: of its files, "" for folders; a file that does not match is found by it, for a message on what is wrong.
    """

    words: str
    matches: Callable[[FilePath], bool]
    read: Callable[[FilePath, LabelOptions], LabelTable]
    write: Callable[[LabelTable, Path], Path] | None
    keeps_ignored: bool
    keeps_landmarks: bool = False
    needs_sizes: bool = False
    ending: str = ""


def head_of(path: FilePath, *endings: str) -> str:
    """Returns the first characters of a file with one of these endings (any case), without a BOM; else ""."""
    if path.suffix.lower() not in endings or not path.is_file():
        return ""
    return read_beginning(path, HEAD).decode("utf-8-sig", "replace")


def number(value: float) -> str:
    """Returns a number as text: whole ones without a point, others with at most six decimals."""
    return str(int(value)) if value == int(value) else repr(round(value, 6))
