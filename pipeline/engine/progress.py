"""Progress of a run: one line while it goes, one line per finished node, and a JSON-lines log in the store."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, TextIO

from pipeline.engine.heartbeat import latest_heartbeats
from pipeline.engine.redaction import redact
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob
from pipeline.engine.storage import Store

SECONDS_BETWEEN_LINES = 10.0  # where the output is a file or a pipe
TERMINAL_WIDTH = 200


@dataclass
class NodeProgress:
    """Counters of one running node."""

    job: ShardJob
    items: int
    shards: int
    started: float = field(default_factory=time.monotonic)
    items_done: int = 0
    shards_done: int = 0
    errors: int = 0
    peak_mb: int = 0
    _first_steps: tuple[int, float] | None = None

    def line(self, now: float) -> str:
        """Returns e.g. ``boxes 120/495 items 3/8 shards 4.1/s 1m32s left 2 errors 812 MB``."""
        lines = latest_heartbeats(self.job.store, self.job.folder, self.job.run_id)
        name, seconds = self.job.ctx.node, now - self.started
        if not self.shards:
            newest = next(iter(lines.values()), "")
            return " ".join(part for part in (name, newest, self._time_left(newest, now)) if part)
        partial = sum(int(text.partition("/")[0]) for text in lines.values() if "/" in text)
        done = min(self.items, self.items_done + partial)
        rate = done / seconds if seconds > 0 else 0.0
        left = duration((self.items - done) / rate) + " left" if done else "no item done yet"
        parts = [name, f"{done}/{self.items} items", f"{self.shards_done}/{self.shards} shards", f"{rate:.3g}/s", left]
        parts += [f"{self.errors} errors"] if self.errors else []
        parts += [f"{self.peak_mb} MB"] if self.peak_mb else []
        return " ".join(parts)

    def _time_left(self, newest: str, now: float) -> str:
        """Returns how long a stage that logs ``... 30/120 ...`` still needs, else how long it has run."""
        steps = re.search(r"(\d+)/(\d+)", newest)
        if steps is None or not int(steps[1]):
            return duration(now - self.started)
        done, total = int(steps[1]), int(steps[2])
        # What a resumed stage had done before took no time of this run: only steps seen in it count.
        self._first_steps = self._first_steps or (done, now)
        before, then = self._first_steps
        pace = (done - before) / (now - then) if done > before else done / (now - self.started)
        return duration((total - done) / pace) + " left"


class ProgressReporter:
    """Prints progress and writes ``runs/<id>.jsonl``; safe to call from several threads.

    A terminal shows one progress line that replaces itself; elsewhere a new line comes every ten seconds at most.
    """

    def __init__(self, store: Store, run_id: str, stream: TextIO | None = None) -> None:
        self._store, self._run_id, self._stream = store, run_id, stream or sys.stderr
        self._active: dict[str, NodeProgress] = {}
        self._events: list[str] = []
        self._guard = threading.RLock()
        self._stop = threading.Event()
        self._width = 0  # of the progress line on the terminal
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> ProgressReporter:
        """Starts the progress line."""
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops the progress line and saves the log."""
        self._stop.set()
        self._ticker.join()
        self._save()

    def log(self, line: str) -> None:
        """Prints one lasting line."""
        with self._guard:
            self._clear_line()
            print(redact(line), file=self._stream, flush=True)

    def node_started(self, job: ShardJob, items: int, shards: int) -> None:
        """Begins a node; `shards` is 0 for a whole stage."""
        with self._guard:
            self._active[job.ctx.node] = NodeProgress(job, items, shards)
        self._event("node started", node=job.ctx.node, items=items, shards=shards)

    def shard_done(self, node: str, record: ShardRecord) -> None:
        """Counts a finished shard."""
        with self._guard:
            progress = self._active[node]
            progress.items_done += record.rows
            progress.shards_done += 1
            progress.errors += len(record.errors)
            progress.peak_mb = max(progress.peak_mb, record.peak_mb)
        self._event(
            "shard done", node=node, shard=record.name, rows=record.rows, errors=record.errors,
            seconds=record.seconds, peak_mb=record.peak_mb, host=record.host,
        )  # fmt: skip

    def node_ended(self, node: str, outcome: str, **facts: Any) -> None:
        """Ends a node with one lasting line, and saves the log so far."""
        with self._guard:
            progress = self._active.pop(node, None)
        seconds = f" in {duration(time.monotonic() - progress.started)}" if progress else ""
        self.log(f"{node}: {outcome}{seconds}")
        self._event("node ended", node=node, outcome=outcome, **facts)
        self._save()

    def _event(self, event: str, **facts: Any) -> None:
        line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, ensure_ascii=False)
        with self._guard:
            self._events.append(redact(line))

    def _save(self) -> None:
        with self._guard:
            text = "".join(f"{line}\n" for line in self._events)
        if text:
            self._store.write(f"runs/{self._run_id}.jsonl", text.encode())

    def _tick(self) -> None:
        terminal, last = self._stream.isatty(), time.monotonic()
        while not self._stop.wait(1.0):
            now = time.monotonic()
            if not terminal and now - last < SECONDS_BETWEEN_LINES:
                continue
            last = now
            with self._guard:
                active = list(self._active.values())
            try:
                line = redact(" | ".join(progress.line(now) for progress in active))
            except OSError:  # a store that does not answer now is no reason to stop the run
                continue
            if line:
                self._show(line[:TERMINAL_WIDTH] if terminal else f"{line}\n", terminal)

    def _show(self, text: str, terminal: bool) -> None:
        with self._guard:
            self._clear_line()
            self._stream.write(text)
            self._stream.flush()
            self._width = len(text) if terminal else 0

    def _clear_line(self) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0


def duration(seconds: float) -> str:
    """Returns e.g. ``0.4s``, ``12s``, ``3m05s`` or ``2h07m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}m"
