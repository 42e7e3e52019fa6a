"""A table of figures as a terminal and a page show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

NONE = "–"


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Texts in rows and columns.

    Attributes:
        title: one line.
        header: name of every column; the first one names the rows.
        rows: one text per column each.
        note: a sentence or two on what the figures mean, "" for none.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError where a row has another number of columns than the header."""
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"{self.title}: a row of {len(row)} columns, expected {len(self.header)}")

    def text(self) -> str:
        """Returns title and rows, one line each, aligned: the first column to the left, numbers to the right."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        aligned = ["  ".join(_cell(line, column, widths[column]) for column in range(len(line))) for line in lines]
        return "\n".join([f"{self.title}", *(f"  {line.rstrip()}" for line in aligned)])


def percent(value: float, digits: int = 2, sign: bool = False) -> str:
    """Returns a share in per cent, with its sign where asked for; a dash for NaN."""
    return NONE if math.isnan(value) else f"{100 * value:{'+' if sign else ''}.{digits}f}"


def _cell(line: Sequence[str], column: int, width: int) -> str:
    return line[column].rjust(width) if column else line[column].ljust(width)
