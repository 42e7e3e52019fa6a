"""Events that only a worker sees, such as the death of the one before it: files in the store that the driver takes.

A worker has no connection of its own to the driver that outlives it, and the driver lists this folder anyway.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from typing import Any

from pipeline.engine.storage import Store

_SUFFIX = ".event"


def note_event(store: Store, folder: str, run_id: str, event: str, **facts: Any) -> None:
    """Leaves an event for the driver's run log, with this machine, process and time.

    Args:
        store: of the run.
        folder: of the node's rows, ``<node>/<row fingerprint>``.
        run_id: of the run.
        event: its kind, see `run_log`.
        facts: what is known of it; values that JSON can hold.
    """
    fields = {
        "event": event,
        "host": f"{socket.gethostname()}:{os.getpid()}",
        "noticed": round(time.time(), 3),
        **facts,
    }
    store.write(f"{folder}/_inflight/{run_id}-{uuid.uuid4().hex[:12]}{_SUFFIX}", json.dumps(fields).encode())


def take_events(store: Store, folder: str, run_id: str) -> list[dict[str, Any]]:
    """Returns the events that the workers of a run left, in the order of their times, and deletes them."""
    inflight = f"{folder}/_inflight"
    names = [name for name in store.sizes(inflight) if name.startswith(f"{run_id}-") and name.endswith(_SUFFIX)]
    found = [json.loads(data) for name in names if (data := store.read_or_none(f"{inflight}/{name}"))]
    for name in names:
        store.delete(f"{inflight}/{name}")
    return sorted(found, key=lambda event: float(event["noticed"]))
