"""How far `detect` is: a bar at the bottom of a terminal, elsewhere a line from time to time."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from pipeline.engine.node_progress import ProgressState, duration
from pipeline.engine.terminal import BottomLines, has_cursor, render, terminal_size

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_DRAWINGS = 0.1


@dataclass(slots=True)
class DetectProgress:
    """Prints the lines of a run, and below them what is done.

    Attributes:
        lines: whether a line is due from time to time, where there is no terminal.
    """

    lines: bool = True
    _last: float = field(default_factory=time.monotonic)
    _drawn: float = 0.0
    _bottom: BottomLines | None = field(default_factory=lambda: BottomLines(sys.stdout) if _bar() else None)

    def say(self, line: str, error: bool = False) -> None:
        """Prints a line above the bar, ``error`` to the stream of errors."""
        self.clear()
        print(line, file=sys.stderr if error else sys.stdout, flush=self._bottom is not None)

    def show(
        self, what: str, unit: str, done: int, of: int, begun: tuple[float, int], faces: int, failed: int = 0
    ) -> None:
        """Shows what is done of one thing, where that is due.

        Args:
            what: the thing.
            unit: what is counted of it.
            done: how many.
            of: of how many, 0 where it is not known.
            begun: the monotonic time of its beginning, and what was done before.
            faces: found so far.
            failed: what had an error so far.
        """
        now = time.monotonic()
        rate = (done - begun[1]) / max(now - begun[0], 1e-9)
        left = f"{duration((of - done) / rate)} left" if of > done and rate else ""
        if self._bottom is not None:
            if now - self._drawn >= SECONDS_BETWEEN_DRAWINGS or done == of:
                self._drawn = now
                count = f"{done}{f'/{of}' if of else ''} {unit} {faces} faces"
                share = done / of if of else None
                state = ProgressState(what, count, share, left, rate=f"{rate:.3g}/s", errors=failed)
                self._bottom.draw(render([state], *terminal_size(sys.stdout)))
        elif self.lines and now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            words = (f"{done}{f'/{of}' if of else ''} {unit}", f"{faces} faces", f"{rate:.3g}/s", left)
            print(f"{what}: {' '.join(filter(None, words))}", flush=True)

    def clear(self) -> None:
        """Erases the bar."""
        if self._bottom is not None:
            self._bottom.clear()


def _bar() -> bool:
    return has_cursor(sys.stdout)
