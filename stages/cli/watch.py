"""Watching a run from another process, possibly on another machine: what its driver writes, until its lock is gone.

Each look costs two small files of the store, however many nodes, shards and workers there are.
"""

from __future__ import annotations

import time
from typing import Any, Final, TextIO

from pipeline.engine.live_state import LiveState, read_live_state
from pipeline.engine.lock import SignsOfLife, describe, lock_holder
from pipeline.engine.node_progress import ProgressState
from pipeline.engine.redaction import redact
from pipeline.engine.run_log import read_run_log
from pipeline.engine.storage import Store
from pipeline.engine.terminal import BottomLines, has_cursor, render, terminal_size

SECONDS_BETWEEN: Final = 2.0


def watch(store: Store, stream: TextIO, seconds: float = SECONDS_BETWEEN) -> None:
    """Shows every node of a run that goes on, until it ends, and how it ended; changes nothing in the store.

    A terminal shows lines that replace themselves; elsewhere a node's line is printed when it changes.

    Args:
        store: of the run.
        stream: what is printed to.
        seconds: between two reads of the store.
    """
    screen, signs, state = _Screen(stream), SignsOfLife(), None
    try:
        while (holder := lock_holder(store)) is not None and not signs.ended(holder):
            found = read_live_state(store)
            state = found if found and found.belongs_to(holder) else state
            screen.show(describe(holder), state)
            time.sleep(seconds)
    finally:
        screen.clear()
    for line in _last_words(store, holder, state):
        print(redact(line), file=stream, flush=True)


class _Screen:
    """Shows the newest state on a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._terminal = stream, has_cursor(stream)
        self._bottom, self._shown = BottomLines(stream), dict[str, str]()

    def show(self, holder: str, state: LiveState | None) -> None:
        """Replaces what is shown; without a terminal prints the lines that have changed."""
        nodes = state.nodes if state else ()
        if self._terminal:
            columns, rows = terminal_size(self._stream)
            first = f"{holder}{'' if state else ': plans, or reuses what is stored'}"
            self._bottom.draw([redact(first)[: columns - 1], *render(nodes, columns, max(1, rows - 1))][: rows - 1])
            return
        lines = {each.node: _line(each) for each in nodes}
        for line in (line for name, line in lines.items() if self._shown.get(name) != line):
            print(redact(line), file=self._stream, flush=True)
        self._shown = lines

    def clear(self) -> None:
        """Erases what replaces itself."""
        self._bottom.clear()


def _line(state: ProgressState) -> str:
    return f"{state.node}: {state.line().removeprefix(state.node).strip()}"


def _last_words(store: Store, holder: dict[str, Any] | None, state: LiveState | None) -> list[str]:
    """Returns how a run ended that is not there any more."""
    if holder is not None:
        state = state or read_live_state(store)
        known = [f"at last: {_line(each)}" for each in state.nodes] if state and state.belongs_to(holder) else []
        return [*known, f"{describe(holder)} ended without a word: run it again, it resumes"]
    if state is None:
        return ["no run holds the store"]
    ended = next((each for each in reversed(read_run_log(store, state.run)) if each["event"] == "run ended"), None)
    return [f"run {state.run} has ended: {ended['outcome']}" if ended else f"run {state.run} is gone"]
