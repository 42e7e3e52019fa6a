"""CPU seconds of this process and all its children over time, for machines that are not quiet."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import psutil

SECONDS_BETWEEN = 2.0


@dataclass
class CpuWatch:
    """Reads every process's CPU clock once a second, as a context.

    Attributes:
        readings: (seconds since the epoch, process id -> CPU seconds since its start).
    """

    readings: list[tuple[float, dict[int, float]]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> CpuWatch:
        """Starts reading."""
        self._thread = threading.Thread(target=self._watch, name="cpu watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops reading."""
        self._stop.set()
        self._thread.join()

    def cores(self, begun: float, ended: float, only: Collection[int] = (), but: Collection[int] = ()) -> float | None:
        """Returns the average of busy cores between two times (since the epoch), None where that is too short.

        Of the process ids in `only` (empty: all) without those in `but`.
        """
        inside = [reading for reading in self.readings if begun <= reading[0] <= ended]
        if len(inside) < 2:
            return None
        (first, before), (last, _) = inside[0], inside[-1]
        # Not the last reading alone: a worker that has no shard left is gone by then, what it spent is not.
        after = {pid: spent for _, clocks in inside for pid, spent in clocks.items()}
        chosen = [pid for pid in after if pid not in but and (not only or pid in only)]
        return sum(after[pid] - before.get(pid, 0.0) for pid in chosen) / (last - first)

    def _watch(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN):
            self.readings.append((time.time(), _clocks()))


def _clocks() -> dict[int, float]:
    found = {}
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        try:
            spent = process.cpu_times()
        except psutil.Error:  # it has just ended
            continue
        found[process.pid] = spent.user + spent.system
    return found
