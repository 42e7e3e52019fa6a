"""Amounts that a worker process counts and times while it computes: seconds per piece, bytes, boxes.

A count is one addition under a lock, so that it costs about a microsecond; nothing is sent anywhere. What has come
together since the last shard is stored in the record of the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PIECES: Final = ("read", "decode", "network", "device_wait", "write")
"""What a worker's seconds go to.

``read``: files; ``decode``: compressed images to pixels; ``network``: launching it, on a CPU computing it;
``device_wait``: waiting for a GPU's answers; ``write``: rows to a stored shard. A piece within another is not counted
in that one as well. Threads count side by side, so that all pieces together may exceed the time on the clock.
"""

_guard = threading.Lock()
_amounts: dict[str, float] = {}
_open = threading.local()  # pieces that this thread is in, as [name, since when]


def count(name: str, amount: float = 1) -> None:
    """Adds to an amount of this process."""
    with _guard:
        _amounts[name] = _amounts.get(name, 0.0) + amount


@contextmanager
def timed(piece: str) -> Iterator[None]:
    """Adds the seconds of a block to one of `PIECES`, less those of pieces within it."""
    stack: list[list[float | str]] = _open.__dict__.setdefault("stack", [])
    now = time.perf_counter()
    if stack:
        _pause(stack[-1], now)
    stack.append([piece, now])
    try:
        yield
    finally:
        now = time.perf_counter()
        _pause(stack.pop(), now)
        if stack:
            stack[-1][1] = now


def _pause(entry: list[float | str], now: float) -> None:
    count(f"{entry[0]}_seconds", now - float(entry[1]))


def take_measures() -> dict[str, float]:
    """Returns the amounts since the last call, rounded to a microsecond, and begins again at zero."""
    with _guard:
        found = {name: round(amount, 6) for name, amount in _amounts.items() if amount}
        _amounts.clear()
    return found
