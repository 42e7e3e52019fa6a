"""Numbers and rows as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

HOUR = 3600.0
GIGA, TERA, PETA = 1e9, 1e12, 1e15


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table; names of columns that begin with a colon are of numbers, to the right."""
    marks = ["---:" if name.startswith(":") else "---" for name in head]
    return [_line([name.removeprefix(":") for name in head]), _line(marks), *map(_line, rows)]


def shown(value: float) -> str:
    """Returns a number of any size with about three digits, "0" for nothing at all."""
    if value == 0:
        return "0"
    if value < 0.001:
        return "<0.001"
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.9995 else 3
    return f"{value:,.{digits}f}"


def basis(measured: bool) -> str:
    """Returns whether seconds are those of a network that was measured, or of another one's operations."""
    return "measured" if measured else "counted"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
