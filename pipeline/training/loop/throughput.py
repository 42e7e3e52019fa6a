"""How fast a training goes, and when its state was last kept."""

from __future__ import annotations

import time


class Throughput:
    """Looks at the clock whenever a step has been read."""

    def __init__(self) -> None:
        """Begins now."""
        self._begun = self._ended = self._kept = time.monotonic()
        self._steps = 0

    def tick(self) -> tuple[float, float]:
        """Returns the seconds since the step before was read, and steps per second since the beginning."""
        before, self._ended, self._steps = self._ended, time.monotonic(), self._steps + 1
        return self._ended - before, self._steps / (self._ended - self._begun)

    def due(self, every: float) -> bool:
        """Returns whether more than `every` seconds have gone by since `kept` was called, or since the beginning."""
        return time.monotonic() - self._kept > every

    def kept(self) -> None:
        """Notes that the state has just been kept."""
        self._kept = time.monotonic()
