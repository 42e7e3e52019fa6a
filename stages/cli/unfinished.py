"""What a `detect` that was stopped has done: a log beside its first output, until the run ends by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

SUFFIX = ".unfinished"


@dataclass(frozen=True, slots=True)
class Done:
    """An input whose rows are written: numbers of faces and frames shown, and the actions that failed for it."""

    path: str  # absolute
    stem: str  # of its drawings, blurred copies and crops
    size: int  # bytes and time of the file, by which a changed one is known
    modified: int
    faces: int = 0
    frames: int = 0
    failed: tuple[str, ...] = ()


@dataclass(slots=True)
class Unfinished(AbstractContextManager["Unfinished"]):
    """The log of a run: its settings, then a line for each input that is done, with the sizes of the outputs by then.

    The outputs of a killed run end anywhere. They are cut off where the last logged input ended, so that no row is lost
    and none is there twice. The log is removed at the end of a run, and stays where one is stopped.

    Attributes:
        file: the log; None where there is no output.
        done: inputs of the run that was stopped.
        sizes: bytes of each output after these, by the output's name in the settings.
    """

    file: Path | None
    settings: Mapping[str, Any]
    done: dict[str, Done] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    _opened: TextIO | None = None

    @classmethod
    def open(
        cls,
        files: Mapping[str, Path],
        folders: Sequence[Path],
        settings: Mapping[str, Any],
        *,
        fresh: bool = False,
    ) -> Unfinished:
        """Returns what was done of a run with these outputs and settings.

        Args:
            files: outputs that grow row by row, by name, no pipes; the first is what the log is named after.
            folders: outputs of a file per input; the first one has the log in it where there are no ``files``.
            settings: JSON values that decide what is written.
            fresh: what was done is forgotten.

        Raises ValueError: the log is of other settings, or of an input that has changed since.
        """
        log = cls(_log_file(files, folders), settings)
        if log.file is None or fresh or not log.file.exists():
            return log
        first, *lines = log.file.read_bytes().split(b"\n")
        before = _parsed(first)
        if before is None:
            return log  # killed before it was written: nothing is done
        _require_same(log.file, before, settings)
        for line in lines:
            row = _parsed(line)
            if row is None or any(state_of(file)[0] < row["sizes"][name] for name, file in files.items()):
                break  # cut off by the kill, or of rows that a machine's end has lost
            log.sizes = row.pop("sizes")
            done = Done(**{**row, "failed": tuple(row["failed"])})
            log.done[done.path] = done
        _require_unchanged(log.file, log.done.values())
        return log

    def __enter__(self) -> Unfinished:
        """Writes the log again with what is done; raises OSError where it cannot be written."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            kept = self.file.with_name(self.file.name + ".new")
            self._opened = kept.open("w", encoding="utf-8")
            self._write(self.settings)
            for done in self.done.values():
                self._write({**asdict(done), "sizes": self.sizes})
            os.replace(kept, self.file)
        return self

    def add(self, done: Done, sizes: Mapping[str, int]) -> None:
        """Logs an input whose rows have been written through; ``sizes`` are the bytes of each output by now."""
        self.done[done.path] = done
        if self._opened is not None:
            self._write({**asdict(done), "sizes": dict(sizes)})

    def _write(self, row: Mapping[str, Any]) -> None:
        assert self._opened is not None
        self._opened.write(json.dumps(row) + "\n")
        self._opened.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Removes the log, unless the run was stopped before its end."""
        if self._opened is not None and self.file is not None:
            self._opened.close()
            if error is None:
                self.file.unlink()


def state_of(path: Path) -> tuple[int, int]:
    """Returns size in bytes and time of change in nanoseconds; zeros where the file is gone."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _log_file(files: Mapping[str, Path], folders: Sequence[Path]) -> Path | None:
    for file in files.values():
        return file.with_name(file.name + SUFFIX)
    return folders[0] / f".detect{SUFFIX}" if folders else None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _require_same(log: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        name = changed[0]
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise ValueError(
            f"{log}: a run that was stopped had {name} {before.get(name)}, found {now.get(name)}{more}: "
            "its own options go on with it, --fresh starts over"
        )


def _require_unchanged(log: Path, done: Any) -> None:
    for each in done:
        if os.path.exists(each.path) and state_of(Path(each.path)) != (each.size, each.modified):
            raise ValueError(f"{each.path} has changed since {log.name} was begun: --fresh starts over")
