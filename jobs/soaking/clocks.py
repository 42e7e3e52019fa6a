"""Clocks of Python processes that can be moved while these run."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.soaking.clock.sitecustomize import FORMAT

FOLDER = Path(__file__).parent / "clock"


class Clock:
    """The clock of all Python processes that are started with its environment."""

    def __init__(self, file: Path) -> None:
        """Makes a clock that is right; `file` holds by how much it is off."""
        self._file, self.seconds = file, 0.0
        file.write_bytes(FORMAT.pack(0.0))

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this clock needs, for `PYTHONPATH` beside what that holds here."""
        folders = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))
        return {"WIDER8K_CLOCK": str(self._file), "PYTHONPATH": folders}

    def move(self, seconds: float) -> None:
        """Sets by how much it is off, at once and in processes that run."""
        self.seconds = seconds
        with self._file.open("r+b") as file:  # in place: they have it mapped
            file.write(FORMAT.pack(seconds))
