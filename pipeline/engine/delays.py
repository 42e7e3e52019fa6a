"""What a worker knows of an item that takes long: a line for people, and the facts of an event for the run log."""

from __future__ import annotations

import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from typing import Final

from pipeline.engine.run_log import LONGEST_TRACE
from pipeline.engine.storage import Store
from pipeline.engine.worker_reports import note_event

MOST_STACK: Final = LONGEST_TRACE
"""Characters of the stacks of one report, of which the run log holds all."""


@dataclass(frozen=True)
class Delay:
    """An item that takes far longer than those before it.

    Attributes:
        shard: its name.
        key: of the item whose row is due; in a batch it may be another one of the batch.
        place: of that row, e.g. ``6 of 100``.
        seconds: without a row so far.
        usual: longest time between two rows before, in seconds; 0: it is the first one.
        limit: seconds after which the worker is ended.
        host: ``machine:process``.
        ended: whether the limit has passed and the worker is replaced.
        stack: of every thread of the worker, then; "" before.
    """

    shard: str
    key: str
    place: str
    seconds: float
    usual: float
    limit: float
    host: str
    ended: bool = False
    stack: str = ""

    def line(self) -> str:
        """Returns the report in one line, without the stack."""
        where = f"{self.key} (row {self.place} of {self.shard}) on {self.host}"
        if self.ended:
            return f"no row for {where} in {self.seconds:.0f} s, and the limit is {self.limit:.0f}: worker replaced"
        usual = f"the longest before it was {self.usual:.1f} s" if self.usual else "none was finished before it"
        return f"waiting for {where} for {self.seconds:.0f} s; {usual}, the limit is {self.limit:.0f}"

    def note(self, store: Store, marker: str) -> None:
        """Reports it to the driver, beside the marker of its shard; see `note_event`."""
        note_event(store, marker, "item ended" if self.ended else "item slow", line=self.line(), **asdict(self))


def stacks() -> str:
    """Returns the Python stacks of all threads of this process but the one that asks, innermost call last.

    Those that compute a shard come last: where all are too long together, their end is kept.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = {ident: frame for ident, frame in sys._current_frames().items() if ident != threading.get_ident()}
    parts = [f"thread {names.get(ident, ident)}\n{''.join(traceback.format_stack(f))}" for ident, f in frames.items()]
    return "\n".join(sorted(parts, key=lambda part: "in compute_shard" in part))[-MOST_STACK:]
