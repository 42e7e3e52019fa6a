"""Ends a worker's process when an item exceeds its time; Ray starts another one."""

from __future__ import annotations

import faulthandler
import math
import os
import signal
import threading
import time
from typing import Final

from pipeline.engine.watch import TICK, Watch

SECONDS_WITHOUT_A_TURN: Final = 60.0
"""Beyond the limit of an item, after which a process is ended in which no Python code runs any more."""


class ProcessWatch(threading.Thread):
    """A thread that ends its process by SIGKILL: a call that hangs in a driver or a library heeds nothing else.

    Code that never gives back the interpreter's lock stops this thread as well, and a store that hangs would keep it
    from writing its report. Then a timer outside Python writes the stacks to the worker's log (``worker-*.err`` among
    Ray's own) and ends the process, which counts as a death of its item.
    """

    def __init__(self, watch: Watch) -> None:
        """Watches what `watch` is over, once started, until the process ends."""
        super().__init__(name="time limit", daemon=True)
        self._watch = watch

    def run(self) -> None:
        """Checks twice a second."""
        last = time.monotonic()
        while True:
            limit = self._watch.limit
            if math.isfinite(limit):
                faulthandler.dump_traceback_later(limit + SECONDS_WITHOUT_A_TURN, exit=True)
            time.sleep(TICK)
            now = time.monotonic()
            if self._watch.check(now - last):
                os.kill(os.getpid(), signal.SIGKILL)
            last = now
