"""A table of figures as a terminal and a page show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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

    def text(self, width: int | None = None) -> str:
        """Returns title and rows, one line each, aligned: the first column to the left, numbers to the right.

        Args:
            width: characters of a line; a wider table has a line for each text, below the first one of its row.
        """
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        if width is not None and 2 * len(widths) + sum(widths) > width:
            return "\n".join([self.title, *self._below_each_other()])
        aligned = ["  ".join(_cell(line, column, widths[column]) for column in range(len(line))) for line in lines]
        return "\n".join([self.title, *(f"  {line.rstrip()}" for line in aligned)])

    def _below_each_other(self) -> Iterator[str]:
        named = max(map(len, self.header[1:]), default=0)
        for first, *texts in self.rows:
            yield f"  {first}"
            yield from (f"    {name:{named}}  {text}" for name, text in zip(self.header[1:], texts, strict=True))


def shortened(texts: Sequence[str], most: int) -> list[str]:
    """Returns texts of at most so many characters; where different ones would look alike, another part is left out.

    >>> shortened(["/data/a", "/data/b"], 5)
    ['…ta/a', '…ta/b']
    """
    half = (most - 1) // 2
    cuts: tuple[Callable[[str], str], ...] = (
        lambda text: f"{text[: most - 1]}…",
        lambda text: f"…{text[1 - most :]}",
        lambda text: f"{text[:half]}…{text[-half:]}",
    )
    for cut in cuts:
        found = [text if len(text) <= most else cut(text) for text in texts]
        if len(set(found)) == len(set(texts)):
            return found
    return list(texts)


def percent(value: float, digits: int = 2, sign: bool = False) -> str:
    """Returns a share in per cent, with its sign where asked for; a dash for NaN."""
    return NONE if math.isnan(value) else f"{100 * value:{'+' if sign else ''}.{digits}f}"


def _cell(line: Sequence[str], column: int, width: int) -> str:
    return line[column].rjust(width) if column else line[column].ljust(width)
