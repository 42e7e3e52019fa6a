"""Ends the Ray Data datasets of this process from another thread than the one that reads them."""

from __future__ import annotations

import logging
from typing import Any

STOPPING = "the run is being stopped"
_asked: set[str] = set()


def halt(name: str) -> None:
    """Ends every dataset that runs under `callback(name)`, within a fraction of a second."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it would report the end as an error of its own
    _asked.add(name)


def halted(name: str) -> bool:
    """Returns whether `halt(name)` was called in this process."""
    return name in _asked


def callback(name: str) -> type[Any]:
    """Returns a callback of Ray Data's scheduler that ends its dataset after `halt(name)`.

    The thread that reads a dataset waits, and Ray Data has no other way to end it. The class is pickled and sent to the
    workers, so it holds a name instead of an event.
    """
    from ray.data._internal.execution.execution_callback import ExecutionCallback

    class Halting(ExecutionCallback):  # type: ignore[misc]
        def on_execution_step(self, executor: object) -> None:
            if halted(name):
                raise RuntimeError(STOPPING)

    return Halting
