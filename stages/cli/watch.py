"""Watching a run from another process: what is stored and in work, until the run's lock is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from pipeline.engine.heartbeat import latest_heartbeats
from pipeline.engine.lock import SignsOfLife, describe, lock_holder
from pipeline.engine.plan import NodePlan
from pipeline.engine.redaction import redact
from pipeline.engine.storage import Store
from pipeline.engine.terminal import BottomLines, has_cursor, terminal_size
from stages.cli.stored import status_line

SECONDS_BETWEEN: Final = 2.0


def watch(
    store: Store, make_plans: Callable[[], Mapping[str, NodePlan]], stream: TextIO, seconds: float = SECONDS_BETWEEN
) -> None:
    """Shows every node of a run that goes on, until it ends; changes nothing in the store.

    A terminal shows lines that replace themselves; elsewhere a node's line is printed when it changes.

    Args:
        store: of the run.
        make_plans: gives back what is stored of every node now.
        stream: what is printed to.
        seconds: between two reads of the store.
    """
    bottom, shown = BottomLines(stream), dict[str, str]()
    terminal, signs = has_cursor(stream), SignsOfLife()
    try:
        while (holder := lock_holder(store)) is not None and not signs.ended(holder):
            lines = {name: _line(store, planned) for name, planned in make_plans().items()}
            if terminal:
                columns, rows = terminal_size(stream)
                bottom.draw([line[: columns - 1] for line in [describe(holder), *lines.values()]][: rows - 1])
            else:
                for line in (line for name, line in lines.items() if shown.get(name) != line):
                    print(line, file=stream, flush=True)
                shown = lines
            time.sleep(seconds)
    finally:
        bottom.clear()
    if holder is None:
        print("no run holds the store", file=stream)
    else:
        print(f"{describe(holder)} ended without a word: run it again, it resumes", file=stream)


def _line(store: Store, planned: NodePlan) -> str:
    """Returns what is stored of a node, and what its workers wrote last."""
    line = f"{planned.node.name}: {status_line(store, planned)}"
    if planned.artifact is not None or planned.row_fingerprint is None:
        return redact(line)
    found = latest_heartbeats(store, f"{planned.node.name}/{planned.row_fingerprint}", "")
    # One of a shard counts its items; that of a whole stage is what the stage logs.
    counts = [text.split("/") for text in found.values() if text.replace("/", "").isdigit() and "/" in text]
    words = [" ".join(text.split()) for text in found.values() if not text.replace("/", "").isdigit()]
    parts = [f"{sum(int(count[0]) for count in counts)} items of {len(counts)} shards in work"] if counts else []
    return redact("; ".join([line, *parts, *words]))
