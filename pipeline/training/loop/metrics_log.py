"""Log of a training: JSON lines and TensorBoard events in a store, every step exactly once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.engine.checksummed_json import verified, with_checksum
from pipeline.engine.storage import Store

Entry = dict[str, Any]


class MetricsLog:
    """Entries in parts: ``log/<first step>.jsonl`` and an events file beside, each covering up to the next part.

    A part is written right before the checkpoint at its end. A training that resumes from a checkpoint drops the parts
    behind it, so that every step is logged once however often it was computed.
    """

    def __init__(self, store: Store, folder: str, step: int) -> None:
        """Opens the log to go on at `step`: parts from there on are dropped."""
        self._store, self._folder, self._begun = store, folder, step
        self._new: list[Entry] = []
        for first in self._parts():
            if first >= step:
                store.delete(self._part(first))
                store.delete(self._events(first))

    def add(self, step: int, entry: Mapping[str, Any]) -> None:
        """Adds an entry: numbers, lists of numbers, or mappings of names to numbers or None."""
        self._new.append({"step": step, **entry})

    def part(self, step: int) -> Callable[[], None]:
        """Returns a function that writes the entries since the last part, for any thread; none writes nothing."""
        first, entries = self._begun, self._new
        self._begun, self._new = step, []
        return partial(self._write, first, entries)

    def _write(self, first: int, entries: list[Entry]) -> None:
        if entries:
            lines = b"".join(with_checksum(dict(sorted(entry.items()))) + b"\n" for entry in entries)
            self._store.write(self._events(first), _tensorboard(entries))
            self._store.write(self._part(first), lines)

    def entries(self) -> list[Entry]:
        """Returns all written entries in order; for a damaged line ``{"damaged": "<file>, line <n>"}``."""
        files = [(self._part(first), self._store.read(self._part(first))) for first in self._parts()]
        return [_entry(name, number, line) for name, data in files for number, line in enumerate(data.splitlines(), 1)]

    def _parts(self) -> list[int]:
        return sorted(
            int(name.removesuffix(".jsonl"))
            for name in self._store.sizes(f"{self._folder}/log")
            if name.endswith(".jsonl")
        )

    def _part(self, first: int) -> str:
        return f"{self._folder}/log/{first:010d}.jsonl"

    def _events(self, first: int) -> str:
        # TensorBoard reads every file of a folder whose name holds "tfevents", in the order of their names.
        return f"{self._folder}/log/events.out.tfevents.{first:010d}"


def _entry(part: str, number: int, line: bytes) -> Entry:
    damaged: Entry = {"damaged": f"{part}, line {number}"}  # no reason to stop a training
    try:
        entry = verified(line)
    except ValueError:
        return damaged
    # An entry has no text: a text is a checksum whose key is damaged.
    return damaged if any(isinstance(value, str) for value in entry.values()) else entry


def _tensorboard(entries: list[Entry]) -> bytes:
    from tensorboardX import SummaryWriter

    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder, write_to_disk=True) as writer:
            for entry in entries:
                for name, value in _flat(entry):
                    writer.add_scalar(name, value, entry["step"])
        (file,) = Path(folder).iterdir()
        return file.read_bytes()


def _flat(entry: Entry) -> list[tuple[str, float]]:
    flat: list[tuple[str, float]] = []
    for name, value in entry.items():
        if name == "step":
            continue
        if isinstance(value, Mapping):
            flat += [(f"{name}/{key}", float(each)) for key, each in value.items() if each is not None]
        elif isinstance(value, list):
            flat += [(f"{name}/{place}", float(each)) for place, each in enumerate(value)]
        elif isinstance(value, (int, float)):
            flat.append((name, float(value)))
    return flat
