"""Progress of a run: bars or lines while it goes, a line per finished node, the run log and the live state."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TextIO

from pipeline.engine.error_kind import error_kind
from pipeline.engine.live_state import LIVE_FILE, LiveState
from pipeline.engine.metrics import Metrics, NoMetrics
from pipeline.engine.node_progress import NodeProgress, ProgressState, duration
from pipeline.engine.redaction import redact
from pipeline.engine.run_log import RunLog
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob
from pipeline.engine.spans import Listener
from pipeline.engine.storage import Store
from pipeline.engine.terminal import BottomLines, has_cursor, render, terminal_size
from pipeline.engine.worker_reports import WorkerReports

SECONDS_BETWEEN_TURNS: Final = 1.0  # of the thread that shows and writes all of it
SECONDS_BETWEEN_LINES: Final = 10.0  # where the output is a file or a pipe
SECONDS_BETWEEN_STATES: Final = 2.0  # of the live state; as often as workers write their heartbeats
SECONDS_BETWEEN_REMOTE_STATES: Final = 5.0  # each is a listing and a request per worker
SECONDS_BETWEEN_PROGRESS_EVENTS: Final = 60.0


class ProgressReporter:
    """Prints progress, writes the run log and the live state; safe to call from several threads.

    A terminal shows a bar per running node, below all lasting lines; elsewhere a new line comes every ten seconds at
    most. A `quiet` one prints only what failed or was found damaged; its log holds everything.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        stream: TextIO | None = None,
        quiet: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        """Args: the store; the run; what is printed to; whether little is; what publishes the figures, if anything."""
        self._store, self._run_id, self._stream = store, run_id, stream or sys.stderr
        self._metrics = metrics or NoMetrics()
        self._listeners: list[Listener] = []
        self._active: dict[str, NodeProgress] = {}
        self._nodes: dict[str, ProgressState] = {}  # of all selected nodes, for the live state
        self._stalled: set[str] = set()
        self._guard = threading.RLock()
        self._stop = threading.Event()
        self._quiet, self._terminal = quiet, has_cursor(self._stream)
        self._bottom = BottomLines(self._stream)
        self._run_log, self._reports = RunLog(store, run_id, self._print), WorkerReports(store, run_id)
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> ProgressReporter:
        """Starts to show progress."""
        self._run_log.__enter__()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clears the bars, ends the log with how the run ended, and takes back the live state."""
        self._stop.set()
        self._ticker.join()
        with self._guard:
            self._bottom.clear()
        if error is not None:
            self.event("run ended", outcome=f"ended by {type(error).__name__}: {error}", failed=True)
        self._run_log.__exit__(kind, error, trace)
        try:
            self._store.delete(LIVE_FILE)
        except OSError:  # the store's trouble is none of the run's, which has ended
            return

    def log(self, line: str) -> None:
        """Prints one lasting line, and adds it to the run log."""
        self._print(line)
        self.event("message", line=line)

    def event(self, event: str, node: str = "", **facts: Any) -> None:
        """Adds an event to the run log, and hands it to those that listen."""
        self._run_log.event(event, node, **facts)
        for listener in self._listeners:
            listener(event, node, facts)

    def listen(self, listener: Listener) -> None:
        """Hands every event from now on to a listener as well."""
        self._listeners.append(listener)

    def selected(self, nodes: Sequence[ProgressState]) -> None:
        """Sets what the live state shows of each selected node until it runs; what has run stays as it is."""
        with self._guard:
            self._nodes = {each.node: self._nodes.get(each.node, each) for each in nodes}

    def node_started(self, job: ShardJob, items: int, shards: int) -> None:
        """Begins a node; `shards` is 0 for a whole stage."""
        with self._guard:
            self._active[job.ctx.node] = NodeProgress(job, items, shards)
        self._metrics.node_started(job.ctx.node, job.stage.name)
        self.event("node started", job.ctx.node, stage=job.stage.name, items=items, shards=shards)

    def shard_done(self, node: str, record: ShardRecord) -> None:
        """Counts a finished shard."""
        with self._guard:
            progress = self._active[node]
            progress.items_done += record.rows
            progress.shards_done += 1
            progress.errors += len(record.errors)
            progress.peak_mb = max(progress.peak_mb, record.peak_mb)
        self._metrics.shard_done(node, record)
        self.event(
            "shard done", node, shard=record.name, rows=record.rows, errors=len(record.errors), bytes=record.size,
            seconds=record.seconds, peak_mb=record.peak_mb, host=record.host, **record.measured,
        )  # fmt: skip
        for key, message in record.errors:
            self.event("item error", node, key=key, kind=error_kind(message), message=message)

    def node_ended(self, node: str, outcome: str, **facts: Any) -> None:
        """Ends a node with one lasting line, unless `quiet`; the log has it for good when this returns."""
        self._end("node ended", node, outcome, not self._quiet, facts)

    def node_failed(self, node: str, message: str, trace: str) -> None:
        """Ends a node that failed with one lasting line; the trace is in the log only."""
        self._end("node failed", node, f"failed: {message}", True, {"trace": trace})

    def _print(self, line: str) -> None:
        with self._guard:
            self._bottom.clear()
            print(redact(line), file=self._stream, flush=True)

    def _end(self, event: str, node: str, outcome: str, lasting: bool, facts: Mapping[str, Any]) -> None:
        with self._guard:
            progress = self._active.get(node)
        if progress:
            with suppress(OSError):  # a store that does not answer does not keep the node from ending
                self._take_reports(progress)
        with self._guard:
            self._active.pop(node, None)
            seconds = f" in {duration(time.monotonic() - progress.started)}" if progress else ""
            share = 1.0 if event == "node ended" else None
            self._nodes[node] = ProgressState(node, f"{outcome}{seconds}", share, "", stalled=share is None)
        if lasting:
            self._print(f"{node}: {outcome}{seconds}")
        self._metrics.node_ended(node)
        self.event(event, node, outcome=outcome, **facts)
        self._run_log.flush()

    def _take_reports(self, progress: NodeProgress) -> Mapping[str, str]:
        """Prints and logs what the node's workers noted since the last call, and returns their heartbeats."""
        node, reports = progress.job.ctx.node, self._reports.new(progress.job.folder)
        for each in reports.events:
            event = each.pop("event")
            if event == "worker died":
                self._metrics.worker_died(node)
            if event == "item ended" or (event == "item slow" and not self._quiet):
                self._print(f"{node}: {each['line']}")
            self.event(event, node, **each)
        return reports.heartbeats

    def _tick(self) -> None:
        last_line = last_event = time.monotonic()
        last_state = 0.0
        between = SECONDS_BETWEEN_STATES if self._store.local else SECONDS_BETWEEN_REMOTE_STATES
        while not self._stop.wait(SECONDS_BETWEEN_TURNS):
            now = time.monotonic()
            due = now - last_state >= between
            if not due and not (self._terminal and not self._quiet and self._store.local):
                continue
            try:
                states = self._states(now)
                if due:
                    last_state = now
                    self._write(states)
            except OSError:  # a store that does not answer now is no reason to stop the run
                continue
            self._note_stalls(states)
            if now - last_event >= SECONDS_BETWEEN_PROGRESS_EVENTS:
                last_event = now
                for each in states:
                    self.event("progress", each.node, line=each.line())
            if not self._quiet and (self._terminal or now - last_line >= SECONDS_BETWEEN_LINES):
                last_line = now
                self._show(states)

    def _states(self, now: float) -> list[ProgressState]:
        with self._guard:
            active = list(self._active.values())
        states = [progress.state(now, self._take_reports(progress)) for progress in active]
        with self._guard:
            # One that ended meanwhile has its lasting line.
            return [each for each in states if each.node in self._active]

    def _write(self, states: Sequence[ProgressState]) -> None:
        """Writes the live state and publishes it."""
        self._metrics.progress(states)
        with self._guard:
            nodes = {**self._nodes, **{each.node: each for each in states}}
        LiveState.here(self._run_id, list(nodes.values())).write(self._store)

    def _note_stalls(self, states: Sequence[ProgressState]) -> None:
        for each in states:
            if each.stalled != (each.node in self._stalled):
                (self._stalled.add if each.stalled else self._stalled.discard)(each.node)
                self.event("stalled" if each.stalled else "goes on", each.node, line=each.line())

    def _show(self, states: Sequence[ProgressState]) -> None:
        with self._guard:
            shown = [each for each in states if each.node in self._active]
            if self._terminal:
                self._bottom.draw(render(shown, *terminal_size(self._stream)) if shown else [])
            elif shown:
                self._stream.write(redact(" | ".join(each.line() for each in shown)) + "\n")
                self._stream.flush()
