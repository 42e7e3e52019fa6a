"""A pool without threads: what is submitted runs at once, where Ctrl-C reaches it."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class SerialPool(concurrent.futures.Executor):
    """Runs what is submitted at once, in this thread."""

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Returns a future that is done: its result, or the error to be raised by whoever asks for it."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # kept for whoever asks for the result, as a pool does
            future.set_exception(error)
        return future
