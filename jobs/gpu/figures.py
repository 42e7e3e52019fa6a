"""Figures as they are measured, one JSON line each, on disk at once: an interrupted run keeps them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

FILE = "figures.jsonl"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a part: a number in a unit, or a word where there is none ("out of memory"), and its conditions."""

    part: str
    what: str
    value: float | str
    unit: str = ""
    note: str = ""


class Figures:
    """Writes the figures of one part."""

    def __init__(self, folder: Path, part: str) -> None:
        """Takes the folder of the whole day."""
        self._file, self._part = folder / FILE, part

    def add(self, what: str, value: float | str, unit: str = "", note: str = "") -> None:
        """Writes a figure; it is on disk when this returns."""
        line = json.dumps(asdict(Figure(self._part, what, value, unit, note)))
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(f"{self._part}: {what} {_shown(value)} {unit} {note}".rstrip(), flush=True)


def read_figures(folder: Path) -> list[Figure]:
    """Returns all figures of a folder, of equal ones the newest; an incomplete line is left out."""
    found: dict[tuple[str, str, str], Figure] = {}
    if (folder / FILE).exists():
        for line in (folder / FILE).read_text(encoding="utf-8").splitlines():
            try:
                figure = Figure(**json.loads(line))
            except ValueError:
                continue
            found[figure.part, figure.what, figure.unit] = figure
    return list(found.values())


def as_table(figures: Sequence[Figure], about: Mapping[str, str]) -> str:
    """Returns Markdown, ready for `configs/RESULTS.md`: the machine, then one line per figure."""
    head = ", ".join(f"{name} {value}" for name, value in about.items())
    rows = [f"| {each.part} | {each.what} | {_shown(each.value)} | {each.unit} | {each.note} |" for each in figures]
    return "\n".join(
        [f"{head}.", "", "| part | what | value | unit | |", "| --- | --- | ---: | --- | --- |", *rows, ""]
    )


def machine(device: str) -> dict[str, str]:
    """Returns device, driver and versions."""
    about = {"Python": platform.python_version(), "PyTorch": version("torch"), "CPU cores": str(os.cpu_count())}
    if device != "cuda":
        return {"device": "cpu", **about}
    import torch

    driver = Path("/proc/driver/nvidia/version")
    version_line = driver.read_text(encoding="utf-8").splitlines()[0].split("  ")[1] if driver.exists() else "unknown"
    return {
        "device": torch.cuda.get_device_name(),
        "driver": version_line.strip(),
        "CUDA": torch.version.cuda or "",
        **about,
    }


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
