"""The time limit of items: how long a worker has been without a row, and how long it may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pipeline.engine.delays import Delay, stacks
from pipeline.engine.machine_memory import memory_shortage
from pipeline.engine.stage import Item
from pipeline.engine.tries import Tries

TICK: Final = 0.5
"""Seconds between two checks."""
FIRST_LIMIT: Final = 3600.0
"""Seconds for an item before which this process has finished none. An image in ten passes of `mogface` is 261 TFLOP
(`configs/COSTS.md`): at 0.1 TFLOP/s, of a core or two, three quarters of an hour."""
SHORTEST_LIMIT: Final = 300.0
"""Seconds that an item has at least, unless the config gives other ones."""
TIMES_THE_SLOWEST: Final = 20.0
"""An item may take this many times the longest of those before it."""
_SLOW: Final = (120.0, 30.0, 5.0)  # likewise, from when on it is reported


class Abandoned(BaseException):
    """Raised in a thread whose worker was given up, when it goes on after all. Nothing catches it."""


@dataclass
class _Watched:
    """A shard in work: items, their tries, and what has come of them."""

    shard: str
    host: str
    items: Sequence[Item]
    tries: Tries
    rows: int = 0
    silent: float = 0.0  # seconds since the last row, as far as this process had a turn
    last: float = 0.0
    reported: bool = False
    short: bool = False


class Watch:
    """Shared by the thread that computes the rows of a worker and the one that watches it."""

    def __init__(self, given: float | None = None) -> None:
        """`given` is the limit in seconds, `inf` for none; None: by the items before."""
        self._given, self._slowest, self._abandoned = given, 0.0, False
        self._watched: _Watched | None = None
        self._guard = threading.Lock()

    @property
    def limit(self) -> float:
        """Seconds that the next row may take."""
        if self._given is not None:
            return self._given
        return max(SHORTEST_LIMIT, TIMES_THE_SLOWEST * self._slowest) if self._slowest else FIRST_LIMIT

    @contextmanager
    def over(self, shard: str, host: str, items: Sequence[Item], tries: Tries) -> Iterator[None]:
        """Watches inside: `row` is called for each row of the items, in their order."""
        with self._guard:
            self._watched = _Watched(shard, host, items, tries, last=time.monotonic())
        try:
            yield
        finally:
            with self._guard:
                self._watched = None

    def row(self) -> None:
        """Counts a row. Raises Abandoned in the thread of a worker that was given up."""
        with self._guard:
            if self._abandoned:
                raise Abandoned
            if watched := self._watched:
                now = time.monotonic()
                self._slowest = max(self._slowest, min(now - watched.last, watched.silent + TICK))
                watched.rows, watched.silent, watched.last, watched.reported = watched.rows + 1, 0.0, now, False

    def successor(self) -> Watch:
        """Returns a watch for the worker that replaces this one's: it knows what the items before took."""
        after = Watch(self._given)
        after._slowest = self._slowest
        return after

    def abandon(self) -> None:
        """Makes the thread that computes end at its next row: another worker does its shard."""
        self._abandoned = True

    def check(self, passed: float) -> Delay | None:
        """Returns a report once the limit has passed, written and noted for the next try; the worker is to be ended.

        Before that, an item that takes far longer than the others is reported in the store, once. `passed` are the
        seconds since the last check. Where the whole process had no turn (it was stopped, or the machine was), most of
        them are not the item's, and do not count.
        """
        with self._guard:
            watched, limit = self._watched, self.limit
            if watched is None or watched.rows >= len(watched.items):
                return None
            watched.silent += min(passed, 2 * TICK)
            overdue = watched.silent >= limit
            first, shortest, times = _SLOW
            slow = max(shortest, times * self._slowest) if self._slowest else first
            report = overdue or (watched.silent >= min(slow, limit / 2) and not watched.reported)
            watched.reported |= report
            delay = self._delay(watched, limit, overdue)
        if not watched.short and (shortage := memory_shortage()):
            watched.short = True
            watched.tries.short_of_memory(shortage)
        if report:
            if overdue:  # first: the next try must know, whatever becomes of the report
                watched.tries.ended_overdue(delay.seconds, limit)
            delay.note(watched.tries.store, watched.tries.name)
        return delay if overdue else None

    def _delay(self, watched: _Watched, limit: float, ended: bool) -> Delay:
        return Delay(
            watched.shard, watched.items[watched.rows].key, f"{watched.rows + 1} of {len(watched.items)}",
            round(watched.silent, 1), round(self._slowest, 1), round(limit, 1), watched.host, ended,
            stacks() if ended else "",
        )  # fmt: skip
