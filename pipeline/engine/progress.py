"""Progress of a run: bars or lines while it goes, a line per finished node, and a JSON-lines log in the store."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from dataclasses import asdict
from typing import Any, TextIO

from pipeline.engine.node_progress import NodeProgress, ProgressState, duration
from pipeline.engine.redaction import redact
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob
from pipeline.engine.storage import Store
from pipeline.engine.terminal import BottomLines, has_cursor, render, terminal_size

SECONDS_BETWEEN_LINES = 10.0  # where the output is a file or a pipe


class ProgressReporter:
    """Prints progress and writes ``runs/<id>.jsonl``; safe to call from several threads.

    A terminal shows a bar per running node, below all lasting lines; elsewhere a new line comes every ten seconds at
    most. A `quiet` one prints only what failed or was found damaged; its log holds everything.
    """

    def __init__(self, store: Store, run_id: str, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._store, self._run_id, self._stream = store, run_id, stream or sys.stderr
        self._active: dict[str, NodeProgress] = {}
        self._events: list[str] = []
        self._guard = threading.RLock()
        self._stop = threading.Event()
        self._quiet, self._terminal = quiet, has_cursor(self._stream)
        self._bottom = BottomLines(self._stream)
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> ProgressReporter:
        """Starts to show progress."""
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clears the bars and saves the log."""
        self._stop.set()
        self._ticker.join()
        with self._guard:
            self._bottom.clear()
        self._save()

    def log(self, line: str) -> None:
        """Prints one lasting line."""
        with self._guard:
            self._bottom.clear()
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
        """Ends a node with one lasting line, unless `quiet`, and saves the log so far."""
        self._end(node, outcome, not self._quiet, facts)

    def node_failed(self, node: str, message: str, trace: str) -> None:
        """Ends a node that failed with one lasting line, and saves the log so far; the trace is in the log only."""
        self._end(node, f"failed: {message}", True, {"trace": trace})

    def _end(self, node: str, outcome: str, lasting: bool, facts: dict[str, Any]) -> None:
        with self._guard:
            progress = self._active.get(node)
        if progress:
            self._report_delays(progress)
        with self._guard:
            self._active.pop(node, None)
        seconds = f" in {duration(time.monotonic() - progress.started)}" if progress else ""
        if lasting:
            self.log(f"{node}: {outcome}{seconds}")
        self._event("node ended", node=node, outcome=outcome, **facts)
        self._save()

    def _report_delays(self, progress: NodeProgress) -> None:
        """Prints a line for each new report of an item that takes long; the log has the stack of what was ended too."""
        with contextlib.suppress(OSError):  # a store that does not answer now is asked again
            for delay in progress.new_delays():
                if delay.ended or not self._quiet:
                    self.log(f"{progress.job.ctx.node}: {delay.line()}")
                self._event("item ended" if delay.ended else "item slow", node=progress.job.ctx.node, **asdict(delay))

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
        last = time.monotonic()
        while not self._stop.wait(1.0):
            now = time.monotonic()
            if now - last < SECONDS_BETWEEN_LINES and (self._quiet or not self._terminal):
                continue
            last = now
            with self._guard:
                active = list(self._active.values())
            for progress in active:
                self._report_delays(progress)
            if self._quiet:
                continue
            try:
                states = [progress.state(now) for progress in active]
            except OSError:  # a store that does not answer now is no reason to stop the run
                continue
            with self._guard:
                # One that ended meanwhile has its lasting line.
                states = [each for each in states if each.node in self._active]
                self._show(states)

    def _show(self, states: list[ProgressState]) -> None:
        if self._terminal:
            self._bottom.draw(render(states, *terminal_size(self._stream)) if states else [])
        elif states:
            self._stream.write(redact(" | ".join(each.line() for each in states)) + "\n")
            self._stream.flush()
