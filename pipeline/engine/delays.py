"""Reports of workers on items that take long: written beside the shard, read by the driver for lines and run log."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Container
from dataclasses import asdict, dataclass
from typing import Final

from pipeline.engine.storage import Store

SUFFIX: Final = ".delay"
MOST_STACK: Final = 20_000
"""Characters of the stacks of one report."""


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

    def save(self, store: Store, marker: str, number: int) -> None:
        """Writes the report beside the marker of a shard, where `new_delays` finds it; `number` is that of the try."""
        row, state = self.place.partition(" ")[0], "ended" if self.ended else "slow"
        store.write(f"{marker}.{number}-{row}-{state}{SUFFIX}", json.dumps(asdict(self)).encode())


def new_delays(store: Store, folder: str, run_id: str, seen: Container[str]) -> dict[str, Delay]:
    """Returns file name -> report of those of this run in `folder` that are not among the `seen` names."""
    inflight = f"{folder}/_inflight"
    names = [n for n in store.sizes(inflight) if n.startswith(run_id) and n.endswith(SUFFIX) and n not in seen]
    # Of one row, that it is slow before that its worker was ended.
    found = {name: store.read_or_none(f"{inflight}/{name}") for name in sorted(names, key=_row_and_state)}
    return {name: Delay(**json.loads(data)) for name, data in found.items() if data}


def _row_and_state(name: str) -> tuple[str, bool]:
    row, _, state = name.rpartition("-")
    return row, state.startswith("ended")


def stacks() -> str:
    """Returns the Python stacks of all threads of this process but the one that asks, innermost call last.

    Those that compute a shard come last: where all are too long together, their end is kept.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = {ident: frame for ident, frame in sys._current_frames().items() if ident != threading.get_ident()}
    parts = [f"thread {names.get(ident, ident)}\n{''.join(traceback.format_stack(f))}" for ident, f in frames.items()]
    return "\n".join(sorted(parts, key=lambda part: "in compute_shard" in part))[-MOST_STACK:]
