"""How far one running node is: counts, pace, time left, and whether it has stalled."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.engine.shards import ShardJob

USUAL_GAPS: Final = 5.0
"""A node has stalled once nothing was finished for this many times the usual."""
SHORTEST_STALL: Final = 15.0
"""Seconds: heartbeats come every two seconds at most, so that a shorter silence says nothing."""
SHORTEST_STALL_OF_STEPS: Final = 60.0
"""Seconds, for a stage that logs its steps: a training is silent while it validates or saves."""


@dataclass(frozen=True, slots=True)
class ProgressState:
    """A node's progress at one moment, as it is shown.

    Attributes:
        node: its name.
        count: what is finished, e.g. ``120/495 items``, or the line a whole stage logged last; may be empty.
        share: finished share in 0..1, None where it is not known.
        left: e.g. ``1m32s left``, ``no item finished for 40s``, ``stalled for 1m05s`` of a whole stage, or how long it
            has run.
        stalled: nothing was finished for several times the usual.
        shards: e.g. ``3/8 shards``, empty for a whole stage.
        rate: e.g. ``4.1/s``, empty for a whole stage.
        errors: rows that hold an error.
        peak_mb: largest memory of a worker in MB, 0 where not known.
        seconds_left: until it has finished, None where that is not known.
        per_second: finished items per second since it began, None for a whole stage.
    """

    node: str
    count: str
    share: float | None
    left: str
    stalled: bool = False
    shards: str = ""
    rate: str = ""
    errors: int = 0
    peak_mb: int = 0
    seconds_left: float | None = None
    per_second: float | None = None

    def line(self) -> str:
        """Returns e.g. ``boxes 120/495 items 3/8 shards 4.1/s 1m32s left 2 errors 812 MB``."""
        return " ".join(filter(None, (self.node, self.count, self.shards, self.rate, self.left, *self.extras())))

    def extras(self) -> list[str]:
        """Returns errors and memory, where there are any."""
        errors = [f"{self.errors} errors"] if self.errors else []
        return errors + ([f"{self.peak_mb} MB"] if self.peak_mb else [])


@dataclass
class NodeProgress:
    """Counters of one running node; `shards` is 0 for a whole stage. Times are of the monotonic clock, in seconds."""

    job: ShardJob
    items: int
    shards: int
    started: float = field(default_factory=time.monotonic)
    items_done: int = 0
    shards_done: int = 0
    errors: int = 0
    peak_mb: int = 0
    _first_steps: tuple[int, float] | None = None
    _seen: object = None  # what was finished when last asked
    _advances: int = 0
    _last_advance: float | None = None

    def state(self, now: float, lines: Mapping[str, str]) -> ProgressState:
        """Returns the progress at `now`; `lines` are the newest ones of its shards in work, by their names."""
        return self._of_items(lines, now) if self.shards else self._of_steps(next(iter(lines.values()), ""), now)

    def _of_items(self, lines: Mapping[str, str], now: float) -> ProgressState:
        name, seconds = self.job.ctx.node, now - self.started
        partial = sum(int(text.partition("/")[0]) for text in lines.values() if "/" in text)
        done = min(self.items, self.items_done + partial)
        rate = done / seconds if seconds > 0 else 0.0
        left = duration((self.items - done) / rate) + " left" if done else f"no item finished for {duration(seconds)}"
        silent = self._silent(done, bool(done), SHORTEST_STALL, now)
        return ProgressState(
            name, f"{done}/{self.items} items", done / self.items if self.items else None,
            f"no item finished for {duration(silent)}" if silent else left, silent > 0,
            f"{self.shards_done}/{self.shards} shards", f"{rate:.3g}/s", self.errors, self.peak_mb,
            (self.items - done) / rate if done else None, rate,
        )  # fmt: skip

    def _of_steps(self, newest: str, now: float) -> ProgressState:
        steps = re.search(r"(\d+)/(\d+)", newest)
        share = min(1.0, int(steps[1]) / int(steps[2])) if steps and int(steps[2]) else None
        silent = self._silent(newest, bool(steps), SHORTEST_STALL_OF_STEPS, now)
        seconds = self._seconds_left(steps, now)
        left = f"{duration(seconds)} left" if seconds is not None else duration(now - self.started)
        shown = f"stalled for {duration(silent)}" if silent else left
        return ProgressState(self.job.ctx.node, newest, share, shown, silent > 0, seconds_left=seconds)

    def _silent(self, seen: object, begun: bool, shortest: float, now: float) -> float:
        """Returns for how many seconds nothing was finished, 0 where that is no longer than usual or nothing is yet."""
        if not begun:
            return 0.0
        if seen != self._seen:
            self._seen, self._last_advance, self._advances = seen, now, self._advances + 1
        assert self._last_advance is not None
        usual = (self._last_advance - self.started) / self._advances
        silent = now - self._last_advance
        return silent if silent > max(shortest, USUAL_GAPS * usual) else 0.0

    def _seconds_left(self, steps: re.Match[str] | None, now: float) -> float | None:
        """Returns how long a stage that logs ``... 30/120 ...`` still needs; None where that is not known."""
        if steps is None or not int(steps[2]):
            return None
        done, total = int(steps[1]), int(steps[2])
        # What a resumed stage had done before took no time of this run: only steps seen in it count.
        self._first_steps = self._first_steps or (done, now)
        before, then = self._first_steps
        pace = (done - before) / (now - then) if done > before else done / (now - self.started)
        return (total - done) / pace if pace else None


def duration(seconds: float) -> str:
    """Returns e.g. ``0.4s``, ``12s``, ``3m05s`` or ``2h07m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}m"
