"""Keeps a run's log short: the first events of a kind one by one, later ones as one line per interval.

A million shards would be a million lines. Intervals grow with the run, one percent of its time so far, so that each
kind of a node costs `SINGLE` lines, and about a hundred more whenever the run has become three times as long.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SINGLE: Final = 500
"""Events of one kind and node that are lines of their own."""
SHORTEST_INTERVAL: Final = 10.0
"""Seconds that one line covers, at least."""
INTERVAL_SHARE: Final = 0.01
"""Share of a run's time so far that one line covers."""
_KINDS: Final = 20  # different texts of one field that a line counts
_MAXIMA: Final = frozenset({"peak_mb"})  # fields of which a line holds the largest; of other numbers the sum

Event = dict[str, Any]


@dataclass
class _Group:
    """Events of one kind and node that have no line yet."""

    since: float
    begun: float  # of the clock that only counts on
    count: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    maxima: dict[str, float] = field(default_factory=dict)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    def add(self, facts: Mapping[str, Any]) -> None:
        self.count += 1
        for name, value in facts.items():
            if isinstance(value, bool | None):
                continue
            if name in _MAXIMA:
                self.maxima[name] = max(self.maxima.get(name, value), value)
            elif isinstance(value, int | float):
                self.sums[name] = round(self.sums.get(name, 0) + value, 3)
            elif name == "kind":
                counts = self.kinds.setdefault(name, Counter())
                counts[value if value in counts or len(counts) < _KINDS else "other"] += 1
            else:
                self.last[name] = value

    def facts(self) -> Event:
        return {
            "count": self.count,
            "since": round(self.since, 3),
            **self.sums,
            **self.maxima,
            **self.kinds,
            **self.last,
        }


class EventLimit:
    """Decides which events become lines now, and makes one of those that do not."""

    def __init__(self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        """Args: clock: seconds since the epoch, of the lines; steady: of the intervals, which no set clock changes."""
        self._clock, self._steady, self._started = clock, steady, steady()
        self._seen: Counter[tuple[str, str]] = Counter()
        self._groups: dict[tuple[str, str], _Group] = {}

    def add(self, event: str, node: str, facts: Mapping[str, Any]) -> list[Event]:
        """Returns the lines to write now: that of the event, or none, and those that `due` returns."""
        now, key = self._clock(), (event, node)
        self._seen[key] += 1
        if self._seen[key] <= SINGLE:
            return [*self.due(), _line(now, event, node, facts)]
        self._groups.setdefault(key, _Group(now, self._steady())).add(facts)
        return self.due()

    def due(self, every: bool = False) -> list[Event]:
        """Returns a line for each group of events whose interval is over; with `every` for all of them.

        A line has the `time` of its writing, the `count` of its events, the time `since` the first of them, and their
        numbers added up; of ``peak_mb`` it has the largest, of ``kind`` how many of each, of other facts the last.
        """
        now, steady = self._clock(), self._steady()
        interval = max(SHORTEST_INTERVAL, INTERVAL_SHARE * (steady - self._started))
        over = [key for key, group in self._groups.items() if every or steady - group.begun >= interval]
        return [_line(now, event, node, self._groups.pop((event, node)).facts()) for event, node in over]


def _line(now: float, event: str, node: str, facts: Mapping[str, Any]) -> Event:
    named = {"node": node} if node else {}
    return {"time": round(now, 3), "event": event, **named, **facts}
