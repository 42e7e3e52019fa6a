"""One line of the benchmark's table, and the table itself."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import typer

from stages.cli.outputs import require_files


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure of ours, with that of a peer where there is one.

    Attributes:
        what: what was measured, with its unit.
        ours: the figure, or None where it could not be measured.
        peer: the peer's figure in the same unit, or None.
        ratio: how many times better ours is, or None without a peer.
        command: what measures it again.
    """

    what: str
    ours: float | None
    peer: float | None
    ratio: float | None
    command: str


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of one section, and what a reader must know to judge them."""

    name: str
    rows: Sequence[Measured]
    notes: Sequence[str] = field(default_factory=tuple)


def less_is_better(what: str, ours: float, peer: float, command: str) -> Measured:
    """Returns a line whose ratio is peer / ours (seconds)."""
    return Measured(what, ours, peer, peer / ours, command)


def more_is_better(what: str, ours: float, peer: float, command: str) -> Measured:
    """Returns a line whose ratio is ours / peer (images per second)."""
    return Measured(what, ours, peer, ours / peer, command)


def table(sections: Sequence[Section]) -> str:
    """Returns all sections as one aligned table, the notes of each section below it."""
    header = ("what", "ours", "peer", "ratio", "command")
    lines = [
        (row.what, _number(row.ours), _number(row.peer), _number(row.ratio), row.command)
        for section in sections
        for row in section.rows
    ]
    widths = [max(len(line[column]) for line in [header, *lines]) for column in range(4)]
    drawn = [_line(line, widths) for line in [header, *lines]]
    notes = [f"{section.name}: {note}" for section in sections for note in section.notes]
    rule = "-" * max(map(len, drawn))
    return "\n".join([drawn[0], rule, *drawn[1:], *([""] if notes else []), *notes])


def as_json(sections: Sequence[Section]) -> dict[str, Any]:
    """Returns everything the table says, with all digits, and the machine it was measured on."""
    return {"machine": machine(), "sections": [asdict(section) for section in sections]}


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


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells[1:4], widths[1:], strict=True))
    return f"{cells[0]:<{widths[0]}}  {numbers}  {cells[4]}"


def writable(json: Path | None) -> Path | None:
    """Returns the file given; refuses one that could not be written once everything is measured."""
    try:
        require_files({"--json": json})
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return json
