"""What workers report to the driver of their run: files beside the marker of their shard, read in one listing.

A heartbeat is replaced while its shard is in work. An event is written once: the death of the worker before, which
nothing else shows, or an item that takes long. Files reach the driver from any machine, also when
their worker is dead by then.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.engine.event_limit import Event
from pipeline.engine.heartbeat import SUFFIX as HEARTBEAT
from pipeline.engine.provenance import this_process
from pipeline.engine.storage import Store

_EVENT: Final = ".event"


def note_event(store: Store, marker: str, event: str, **facts: Any) -> None:
    """Leaves an event for the driver's run log, with this machine, process and time.

    Args:
        store: of the run.
        marker: of the shard, ``<node>/<row fingerprint>/_inflight/<run>-<shard>``.
        event: its kind, see `run_log`.
        facts: what is known of it; values that JSON can hold.
    """
    # To the microsecond: two of one process may be less than a millisecond apart.
    fields = {"event": event, "host": this_process(), "noticed": round(time.time(), 6), **facts}
    store.write(f"{marker}.{uuid.uuid4().hex[:12]}{_EVENT}", json.dumps(fields).encode())


@dataclass(frozen=True)
class Reports:
    """What is new of a node's workers.

    Attributes:
        heartbeats: newest line of each shard in work, by its name.
        events: those that were not read before, in the order of their times.
    """

    heartbeats: dict[str, str]
    events: list[Event]


@dataclass
class WorkerReports:
    """Reads the reports of a run's workers; safe to call from several threads."""

    store: Store
    run_id: str
    _read: set[str] = field(default_factory=set)  # events
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def new(self, folder: str) -> Reports:
        """Returns the heartbeats of a node, and each event once, from one listing.

        Args:
            folder: of the node's rows, ``<node>/<row fingerprint>``.

        Raises:
            OSError: the store does not answer; the events are in the next call's result.
        """
        inflight, start = f"{folder}/_inflight", f"{self.run_id}-"
        with self._guard:
            names = [name for name in self.store.sizes(inflight) if name.startswith(start)]
            events = [f"{inflight}/{name}" for name in names if name.endswith(_EVENT)]
            unread = [name for name in events if name not in self._read]
            labels = [name[len(start) : -len(HEARTBEAT)] for name in sorted(names) if name.endswith(HEARTBEAT)]
            lines = self.store.read_all(f"{inflight}/{start}{label}{HEARTBEAT}" for label in labels)
            heartbeats = {label: line.decode() for label, line in zip(labels, lines, strict=True) if line}
            found = [json.loads(data) for data in self.store.read_all(unread) if data]
            self._read.update(unread)
        return Reports(heartbeats, sorted(found, key=lambda event: float(event["noticed"])))
