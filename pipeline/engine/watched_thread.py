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
        self._job = job
        self._thread = _Thread(job, Watch(job.ctx.resources.item_seconds))

    def compute(self, items: Sequence[Item]) -> ShardRecord:
        """Computes a shard as `compute_shard` does, in a new thread after each one that is overdue.

        Raises what the stage raises.
        """
        while True:
            outcome = self._thread.compute(items)
            if isinstance(outcome, ShardRecord):
                return outcome
            if outcome is not None:
                raise outcome
            self._thread.close()
            self._thread = _Thread(self._job, self._thread.watch.successor())

    def close(self) -> None:
        """Ends the thread, one that is in the middle of an item at its next step in Python."""
        self._thread.close()


class _Thread(threading.Thread):
    """One thread; those that are left behind go on beside the one in use.

    Abandoned is raised in it by `close`, once at most, and `closed` is set after that. `run` waits for `closed`, so the
    exception comes in the lines that expect it: before them or after them it would be a trace on the terminal.
    """

    def __init__(self, job: ShardJob, watch: Watch) -> None:
        super().__init__(name=job.ctx.node, daemon=True)
        self.watch = watch
        self._job = job
        self._todo: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[ShardRecord | BaseException] = queue.SimpleQueue()
        self._begun, self._closed = threading.Event(), threading.Event()
        self._busy = False
        self.start()
        self._begun.wait()

    def compute(self, items: Sequence[Item]) -> ShardRecord | BaseException | None:
        """Returns the record or the error of a shard; None: it is overdue."""
        self._busy = True  # before it has them: an interrupt may come between
        self._todo.put(items)
        last = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                outcome = self._done.get(timeout=TICK)
                self._busy = False
                return outcome
            now = time.monotonic()
            if self.watch.check(now - last):
                return None
            last = now

    def close(self) -> None:
        """Ends it at its next row, and where it is at work at its next step in Python."""
        self.watch.abandon()
        self._todo.put(None)
        if self._busy:
            self._busy = False
            self._raise_abandoned()
        self._closed.set()

    def _raise_abandoned(self) -> None:
        """Raises Abandoned in it, unless threads are about to begin for a whole second.

        In CPython 3.11 a thread that is about to begin still has the ident of the one that starts it, and would be
        ended in its place. Giving up the interpreter's lock first leaves time enough between the look and the call.
        """
        assert self.ident is not None
        for _ in range(1000):
            time.sleep(0.001)
            if all(thread.ident for thread in threading.enumerate()):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(Abandoned))
                return

    def run(self) -> None:
        """Works until it is closed, and hands on the error that ends it sooner."""
        try:
            self._begun.set()
            try:
                self._work()
            except Abandoned:
                pass
            except BaseException as error:  # raised in the thread that waits
                self._done.put(error)
            self._closed.wait()
        except Abandoned:
            pass

    def _work(self) -> None:
        """Opens the stage, then computes one shard after another until there is None."""
        assert isinstance(self._job.stage, MapStage)
        worker = self._job.stage.open(self._job.ctx)
        while (items := self._todo.get()) is not None:
            self._done.put(compute_shard(self._job, worker, items, self.watch))
