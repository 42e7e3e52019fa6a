"""Heartbeats: small progress files that workers write to the store and a driver anywhere can show."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pipeline.engine.storage import Store

SECONDS_BETWEEN = 2.0
SUFFIX = ".progress"
"""Of the file, after the name of the marker beside it."""


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
