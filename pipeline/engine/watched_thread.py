"""The worker of a run without a cluster: a thread that is left behind where an item does not end."""

from __future__ import annotations

import contextlib
import ctypes
import queue
import threading
import time
from collections.abc import Sequence

from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, compute_shard
from pipeline.engine.stage import Item, MapStage
from pipeline.engine.watch import TICK, Abandoned, Watch


class WatchedThread:
    """Opens a stage in a thread of this process and computes shards there, one at a time.

    A thread cannot be killed. One that is overdue is left behind: it ends as soon as the call that holds it comes back,
    writes nothing more, and does not keep the process from ending. Code that never gives back the interpreter's lock
    would hold this thread too; only a process of its own, as on Ray, can be ended then.
    """

    def __init__(self, job: ShardJob) -> None:
        """Starts the thread, in which the stage is opened at once."""
        assert isinstance(job.stage, MapStage)
        self._job, self._watch = job, Watch(job.ctx.resources.item_seconds)
        self._start()

    def compute(self, items: Sequence[Item]) -> ShardRecord:
        """Computes a shard as `compute_shard` does, in a new thread after each one that is overdue.

        Raises what the stage raises.
        """
        while True:
            self._busy = True  # before it has them: an interrupt may come between
            self._todo.put(items)
            outcome = self._outcome()
            if isinstance(outcome, ShardRecord):
                return outcome
            if outcome is not None:
                raise outcome
            self.close()
            self._watch = self._watch.successor()
            self._start()

    def close(self) -> None:
        """Ends the thread, one that is in the middle of an item at its next step in Python."""
        self._watch.abandon()
        self._todo.put(None)
        if self._thread.ident is not None and self._busy:
            self._busy = False
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), ctypes.py_object(Abandoned))
        self._closed.set()

    def _start(self) -> None:
        # The thread has these as arguments: one that is left behind keeps its own.
        self._todo: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[ShardRecord | BaseException] = queue.SimpleQueue()
        self._busy = False
        self._closed = threading.Event()
        arguments = (self._job, self._watch, self._todo, self._done, self._closed)
        self._thread = threading.Thread(target=_work, args=arguments, name=self._job.ctx.node, daemon=True)
        self._thread.start()

    def _outcome(self) -> ShardRecord | BaseException | None:
        """Returns the record or the error of the shard in work; None: it is overdue."""
        last = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                outcome = self._done.get(timeout=TICK)
                self._busy = False
                return outcome
            now = time.monotonic()
            if self._watch.check(now - last):
                return None
            last = now


def _work(
    job: ShardJob,
    watch: Watch,
    todo: queue.SimpleQueue[Sequence[Item] | None],
    done: queue.SimpleQueue[ShardRecord | BaseException],
    closed: threading.Event,
) -> None:
    """Runs in the thread, and leaves only after `close`: an Abandoned that comes later is a trace on the terminal.

    `close` raises it once at most, and sets `closed` after that, so it comes in the lines that expect it here.
    """
    try:
        try:
            _compute(job, watch, todo, done)
        except Abandoned:
            pass
        except BaseException as error:  # raised in the thread that waits
            done.put(error)
        closed.wait()
    except Abandoned:
        pass


def _compute(
    job: ShardJob,
    watch: Watch,
    todo: queue.SimpleQueue[Sequence[Item] | None],
    done: queue.SimpleQueue[ShardRecord | BaseException],
) -> None:
    """Opens the stage, then computes one shard after another until there is None."""
    assert isinstance(job.stage, MapStage)
    worker = job.stage.open(job.ctx)
    while (items := todo.get()) is not None:
        done.put(compute_shard(job, worker, items, watch))
