"""The log of a run, ``runs/<run id>.jsonl``: one JSON object per line and event, written when it happens.

What each event has beside ``time`` (seconds since the epoch) and ``event``; `node` is the node's name:

| event | facts |
| --- | --- |
| ``run started`` | run, nodes to compute, host, pid, versions |
| ``node started`` | node, stage, items, shards (0 for a whole stage) |
| ``shard done`` | node, shard, rows, errors, bytes, seconds, peak_mb, host |
| ``item error`` | node, key, kind (the message without names and numbers), message |
| ``worker died`` | node, host of the worker that took over, what the dead one was at |
| ``item slow``, ``item ended`` | node, facts of `Delay`, of an ended one with the stacks of its worker |
| ``stalled``, ``goes on`` | node, line (its progress) |
| ``progress`` | node, line; every minute |
| ``message`` | line: what was printed of a run as a whole |
| ``node ended``, ``node failed`` | node, outcome, facts of its manifest or the trace |
| ``run ended`` | outcome, failed (of a run that an error or a signal ended) |

Of one kind and node the first 500 are lines of their own, later ones are added up: see `event_limit`. On a disk a line
is in the file at once and on the device within `SECONDS_BETWEEN_FLUSHES`; on an object store it is there within that
time. A log that cannot be written never stops a run: its lines are kept and tried again.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from pipeline.engine.event_limit import Event, EventLimit
from pipeline.engine.redaction import redact
from pipeline.engine.run_log_file import FOLDER, LineFile, open_lines
from pipeline.engine.storage import Store

SECONDS_BETWEEN_FLUSHES: Final = 5.0
LONGEST_TEXT: Final = 2000  # characters of one field
LONGEST_TRACE: Final = 20_000  # of one of `_TRACES`, of which the end is kept: it names the error
_TRACES: Final = frozenset({"trace", "stack"})
_PART = re.compile(r"(?P<run>.+?)(?:\.part\d{4,})?\.jsonl")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class RunLog:
    """Writes a run's events; safe to call from several threads. A file is made by the first event."""

    def __init__(self, store: Store, run_id: str, warn: Callable[[str], None] = _to_stderr) -> None:
        """Args: the store; the run; what takes the line about a log that cannot be written."""
        self._name, self._warn = f"{store.url}/{FOLDER}/{run_id}.jsonl", warn
        self._file: LineFile = open_lines(store, run_id)
        self._limit, self._guard, self._failing = EventLimit(), threading.Lock(), False
        self._flushing = threading.Lock()
        self._stop = threading.Event()
        self._flusher = threading.Thread(target=self._keep_flushing, name="run-log", daemon=True)

    def __enter__(self) -> RunLog:
        """Starts the thread that flushes."""
        self._flusher.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Writes what is left and closes the file."""
        self._stop.set()
        self._flusher.join()
        self._write(self._limit.due(every=True))
        self._try(self._file.close)

    def event(self, event: str, node: str = "", **facts: Any) -> None:
        """Writes one event, or adds it to those of its kind that get a line later."""
        with self._guard:
            self._write(self._limit.add(event, node, facts))

    def flush(self) -> None:
        """Makes all lines so far last."""
        with self._guard:
            self._write(self._limit.due())
        with self._flushing:  # other threads may write meanwhile
            self._try(self._file.flush)

    def _keep_flushing(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_FLUSHES):
            self.flush()

    def _write(self, events: list[Event]) -> None:
        if events:
            lines = _encoded(events)
            self._try(lambda: self._file.write(lines))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
            self._failing = False
        except OSError as error:
            if not self._failing:  # once for each time that it stops to work
                self._warn(redact(f"{self._name}: the run log cannot be written ({error}); tried again"))
            self._failing = True


def read_run_log(store: Store, run_id: str) -> list[Event]:
    """Returns the events of a run in the order of their writing, of a killed one too; empty where there is no log.

    A line that a kill or a full disk cut off is left out.
    """
    names = [name for name in sorted(store.sizes(FOLDER)) if run_of(name) == run_id]
    events = (_decoded(line) for name in names for line in (store.read_or_none(f"{FOLDER}/{name}") or b"").split(b"\n"))
    return [event for event in events if event is not None]


def run_of(name: str) -> str | None:
    """Returns the run that a file of the log folder belongs to; None for a file that is no log."""
    found = _PART.fullmatch(name)
    return found["run"] if found else None


def _encoded(events: list[Event]) -> bytes:
    return b"".join(f"{redact(json.dumps(_cut(each), ensure_ascii=False))}\n".encode() for each in events)


def _cut(event: Event) -> Event:
    def cut(name: str, value: Any) -> Any:
        if not isinstance(value, str) or len(value) <= (LONGEST_TRACE if name in _TRACES else LONGEST_TEXT):
            return value
        return f"… {value[-LONGEST_TRACE:]}" if name in _TRACES else f"{value[:LONGEST_TEXT]} …"

    return {name: cut(name, value) for name, value in event.items()}


def _decoded(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
