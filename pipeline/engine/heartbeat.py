"""Heartbeats: small progress files that workers write to the store and a driver anywhere can show."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pipeline.engine.storage import Store

SECONDS_BETWEEN = 2.0


@dataclass
class Heartbeat:
    """Writes a worker's newest line to one small file, at most every two seconds. Picklable."""

    store: Store
    name: str
    _last: float = field(default=0.0, compare=False)

    def __call__(self, line: str) -> None:
        """Replaces the line in the file."""
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN:
            self._last = now
            self.store.write(self.name, line.encode())


def latest_heartbeats(store: Store, folder: str, run_id: str) -> dict[str, str]:
    """Returns label -> newest line of the workers of this run in `folder`."""
    inflight = f"{folder}/_inflight"
    names = [n for n in store.sizes(inflight) if n.startswith(f"{run_id}-") and n.endswith(".progress")]
    lines = {n.removeprefix(f"{run_id}-"): store.read_or_none(f"{inflight}/{n}") for n in names}
    return {label.removesuffix(".progress"): line.decode() for label, line in sorted(lines.items()) if line}
