"""Notes for the next try where memory is short while this one runs: what it may die of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pipeline.engine.machine_memory import memory_shortage
from pipeline.engine.tries import Tries

SECONDS_BETWEEN: Final = 0.5


@contextmanager
def noting_shortage(tries: Tries) -> Iterator[None]:
    """Has a thread look while inside, and note the first shortage; a store that fails is left to what is inside."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(SECONDS_BETWEEN):
            if shortage := memory_shortage():
                with suppress(OSError):
                    tries.short_of_memory(shortage)
                return

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
