"""Batches through Ray Data: made by loader processes ahead of the training process that asks for them.

The batch of a step depends on the step alone, however many loaders there are.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipeline.engine.worker_group import Prefetch

# Between two rounds of Ray Data's scheduler, which runs in a thread of the training process and, with enough batches
# ready, loops without waiting: 44 % of a core, and the interpreter's lock with it.
PAUSE_SECONDS = 0.05
SEGMENT = 2000  # numbers of one dataset, so that a long training does not list all its steps at once


class Loader:
    """An actor: makes one batch per call; `make` may keep what it has read between calls."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        import cv2

        cv2.setNumThreads(1)
        self._make = make

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        """Returns the pickled batches of some numbers."""
        batches = [pickle.dumps(self._make(int(number)), protocol=5) for number in rows["number"]]
        return {"batch": np.array(batches, dtype=object)}


def stream_with(loaders: int) -> Prefetch:
    """Returns a `Prefetch` of that many loader processes. They reserve no CPU, so that they never wait for one."""

    def stream(make: Callable[[int], Any], numbers: range) -> Iterator[Any]:
        for start in range(0, len(numbers), SEGMENT):
            yield from _segment(make, numbers[start : start + SEGMENT], loaders)

    return stream


def _pause(executor: object) -> None:
    time.sleep(PAUSE_SECONDS)


def _segment(make: Callable[[int], Any], numbers: range, loaders: int) -> Iterator[Any]:
    # A worker of a cluster that was joined lacks what `connect` sets: one more process that gathers usage.
    os.environ.setdefault("RAY_DATA_USAGE_DISABLED", "1")
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    context.custom_execution_callback_classes = [on_every_round(_pause)]
    rows = [{"number": number} for number in numbers]
    made = ray.data.from_items(rows, override_num_blocks=len(numbers)).map_batches(
        Loader,
        fn_constructor_args=(make,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(loaders, len(numbers))),
        num_cpus=0,
    )
    for batch in made.iter_batches(batch_size=None, prefetch_batches=2):
        yield from map(pickle.loads, batch["batch"])


def on_every_round(function: Callable[[Any], None]) -> type[Any]:
    """Returns a callback of Ray Data's scheduler: a function of its executor, called after each round.

    The callback is pickled and sent to the workers: what belongs to this process has a name in it instead.
    """
    from ray.data._internal.execution.execution_callback import ExecutionCallback

    class EveryRound(ExecutionCallback):  # type: ignore[misc]
        def on_execution_step(self, executor: object) -> None:
            function(executor)

    return EveryRound
