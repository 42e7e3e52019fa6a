"""How busy a GPU is while other processes use it, as its driver counts it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time

_QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]


class DeviceWatch:
    """Reads the share of time with a kernel on the first GPU five times a second, as a context; nothing without one.

    The driver's number is of its own last interval (a sixth of a second to one second): a batch that keeps the device
    at work between two launches counts whole. It is the only one that sees every process.
    """

    def __init__(self) -> None:
        """Reads nothing yet."""
        self.readings: list[tuple[float, float]] = []  # (seconds since the epoch, %)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> DeviceWatch:
        """Starts reading."""
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(_QUERY, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._read, args=(self._process,), name="gpu watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops reading."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def busy(self, begun: float, ended: float) -> float | None:
        """Returns the average between two times (seconds since the epoch), %; None where nothing was read."""
        seen = [share for at, share in self.readings if begun <= at <= ended]
        return sum(seen) / len(seen) if seen else None

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with contextlib.suppress(ValueError):  # "[N/A]" where the driver does not know
                self.readings.append((time.time(), float(line)))
