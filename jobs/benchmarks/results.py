"""One line of the benchmark's table, and the table itself."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from stages.cli.outputs import require_files


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table: our figure, the peer's in the same unit (None without one), and how much better ours is.

    Attributes:
        ours: the figure, or None where it could not be measured.
    """

    what: str
    ours: float | None
    peer: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of one section, the conditions under which they were measured, and the command that repeats it."""

    name: str
    rows: Sequence[Measured]
    notes: Sequence[str] = ()
    command: str = ""


def less_is_better(what: str, ours: float, peer: float) -> Measured:
    """Returns a line whose ratio is peer / ours (seconds)."""
    return Measured(what, ours, peer, peer / ours)


def more_is_better(what: str, ours: float, peer: float) -> Measured:
    """Returns a line whose ratio is ours / peer (images per second)."""
    return Measured(what, ours, peer, ours / peer)


def table(sections: Sequence[Section]) -> str:
    """Returns all sections as one aligned table, with their notes below."""
    cells = [("what", "ours", "peer", "ratio", "command")]
    for section in sections:
        for row in section.rows:
            cells.append((row.what, _number(row.ours), _number(row.peer), _number(row.ratio), section.command))
    a, b, c, d, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = [f"{w:<{a}}  {x:>{b}}  {y:>{c}}  {z:>{d}}  {command}" for w, x, y, z, command in cells]
    notes = [f"{section.name}: {note}" for section in sections for note in section.notes]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], *([""] if notes else []), *notes])


def as_json(sections: Sequence[Section]) -> dict[str, Any]:
    """Returns everything the table says, with all digits, and the machine it was measured on."""
    found = []
    for section in sections:
        rows = [{**asdict(row), "command": section.command} for row in section.rows]
        found.append({"name": section.name, "rows": rows, "notes": section.notes})
    return {"machine": machine(), "sections": found}


def machine() -> Mapping[str, Any]:
    """Returns the processor, the cores this process may use, and the load of the last minute."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
    }


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def writable(json: Path | None) -> Path | None:
    """Returns the file given; refuses one that cannot be written."""
    try:
        require_files({"--json": json})
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return json
