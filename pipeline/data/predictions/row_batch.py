"""Rows of many images that are parsed together: one call of Arrow in place of one for each file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.number_rows import numbers_of

_PARSED: Final = 100_000  # rows at a time


@dataclass(slots=True)
class RowBatch:
    """Collects the lines of images, and hands over their numbers.

    Attributes:
        columns: the numbers of a line by name, separated by spaces.
        take: receives the image of each row, int64 [n], and the numbers, float64 [n, columns].
    """

    columns: str
    take: Callable[[NDArray[np.int64], NDArray[np.float64]], None]
    _lines: list[bytes] = field(default_factory=list)
    _parts: list[tuple[int, Path | str, Sequence[int]]] = field(default_factory=list)  # image, file, line numbers

    def add(self, image: int, file: Path | str, numbers: Sequence[int], lines: list[bytes]) -> None:
        """Adds the lines of an image; ``numbers`` are theirs in the file, from 1.

        Raises ValueError: as `parse`.
        """
        self._lines += lines
        self._parts.append((image, file, numbers))
        if len(self._lines) >= _PARSED:
            self.parse()

    def parse(self) -> None:
        """Hands over what has been collected.

        Raises ValueError: a line does not have these numbers; the message gives file, line, expected and found.
        """
        try:
            rows = numbers_of("", range(len(self._lines)), self._lines, self.columns)
        except ValueError:
            # Again image by image, for the file and the number of the line.
            start = 0
            for _, file, numbers in self._parts:
                numbers_of(file, numbers, self._lines[start : start + len(numbers)], self.columns)
                start += len(numbers)
            raise
        counts = [len(numbers) for *_, numbers in self._parts]
        images = np.repeat(np.array([image for image, *_ in self._parts], np.int64), counts)
        self._lines, self._parts = [], []
        self.take(images, rows)
