"""Interface of what carries out the shards of a node, and the executor that needs nothing but this process."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any, Protocol, TypeVar

from pipeline.engine.capacity import FIXED, UNLIMITED, Machine, Outlook
from pipeline.engine.measures import take_measures
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import ShardJob, compute_whole
from pipeline.engine.stage import Item, to_stdout
from pipeline.engine.watched_thread import WatchedThread

T = TypeVar("T")


class Executor(Protocol):
    """Carries out the shards of a node, in any order.

    Attributes:
        log: takes a line on what it waits for; a run sets it to where its own lines go.
    """

    log: Callable[[str], None]

    def machines(self) -> Sequence[Machine]:
        """Returns what each machine has that takes work now; `UNLIMITED` for an executor without parallelism."""

    def outlook(self) -> Outlook:
        """Returns what machines may join."""

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Computes shards of a map stage; yields each one's record once it is safely stored."""

    def whole(self, job: ShardJob) -> ShardRecord:
        """Runs a whole stage."""

    def stop(self) -> None:
        """Makes every `shards` and `whole` that runs in another thread raise soon: the run ends early."""

    def close(self) -> None:
        """Releases everything."""


class LocalExecutor:
    """Runs every stage in this process, one after another: the reference for the cluster, and the way to debug.

    A node with several workers is still one worker here; threads per worker are the same, so bytes are the same. The
    worker is a thread, so that an item that does not end can be given up.
    """

    log: Callable[[str], None] = staticmethod(to_stdout)

    def machines(self) -> Sequence[Machine]:
        """Returns `UNLIMITED`: nothing runs in parallel here."""
        return UNLIMITED

    def outlook(self) -> Outlook:
        """Returns that no machine joins."""
        return FIXED

    def shards(self, job: ShardJob, todo: Sequence[tuple[Item, ...]]) -> Iterator[ShardRecord]:
        """Opens the stage once, and again after an item that exceeded its time, and computes shard after shard."""
        take_measures()  # of what ended early in this process
        with closing(WatchedThread(job)) as worker:
            for items in todo:
                yield worker.compute(items)

    def whole(self, job: ShardJob) -> ShardRecord:
        """Runs the stage in this thread."""
        return compute_whole(job)

    def stop(self) -> None:
        """Does nothing: the work is done in the thread that asks for it."""

    def close(self) -> None:
        """Does nothing."""


class SerialPool(concurrent.futures.Executor):
    """A pool without threads: runs what is submitted at once, in this thread, where Ctrl-C reaches it."""

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Returns a finished future with the result or the error."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # raised by `result()`, as in any pool
            future.set_exception(error)
        return future
