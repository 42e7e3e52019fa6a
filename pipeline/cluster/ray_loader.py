"""Batches through Ray Data: made by loader processes ahead of the training process that asks for them.

The batch of a step depends on the step alone, however many loaders there are.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from pipeline.cluster.lean_datasets import without_helpers
from pipeline.engine.worker_group import Prefetch, in_threads

# Between two rounds of Ray Data's scheduler, which runs in a thread of the training process and, with enough batches
# ready, loops without waiting: 44 % of a core, and the interpreter's lock with it.
PAUSE_SECONDS = 0.05
LARGE_BYTES = 2**20  # of an array that is not copied into the pickle
SEGMENT = 2000  # numbers of one dataset, so that a long training does not list all its steps at once


class Loader:
    """An actor: makes one batch per call; `make` may keep what it has read between calls."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        import cv2

        cv2.setNumThreads(1)
        self._make = make

    def __call__(self, row: pa.Table) -> pa.Table:
        """Returns the batch of one number, see `packed`."""
        return packed(self._make(row["number"][0].as_py()))


def packed(batch: Any) -> pa.Table:
    """Returns a table of one row: the pickled batch, and its large arrays in columns of their own, not copied."""
    large: list[memoryview] = []

    def in_band(buffer: pickle.PickleBuffer) -> bool:
        if (raw := buffer.raw()).nbytes < LARGE_BYTES:
            return True
        large.append(raw)
        return False

    parts = [memoryview(pickle.dumps(batch, protocol=5, buffer_callback=in_band)), *large]
    return pa.table({str(number): _binary(part) for number, part in enumerate(parts)})


def unpacked(row: pa.Table) -> Any:
    """Returns the batch. Its arrays are copies: a process that writes into the shared memory of the table is killed."""
    head, *large = (_bytes_of(column.chunk(0)) for column in row.columns)
    return pickle.loads(head, buffers=map(bytearray, large))


def _binary(part: memoryview) -> pa.Array:
    ends = pa.array([0, part.nbytes], pa.int64()).buffers()[1]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(part)])


def _bytes_of(value: pa.LargeBinaryArray) -> pa.Buffer:
    # Not value[0].as_buffer(), which copies.
    _, ends, data = value.buffers()
    first, last = pa.Array.from_buffers(pa.int64(), 2, [None, ends], offset=value.offset).to_pylist()
    return data[first:last]


def prefetch_of(loaders: int, ephemeral: bool) -> Prefetch:
    """Returns how a training's process gets its batches: from that many loaders, or from threads of its own for 0.

    Args:
        loaders: processes.
        ephemeral: the cluster ends with this run, so that Ray Data needs no helper actors.
    """
    if loaders and ephemeral:
        without_helpers(lambda: True)
    return stream_with(loaders) if loaders else in_threads


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
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(loaders, len(numbers))),
        num_cpus=0,
    )
    for block in made.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=2):
        yield from (unpacked(block.slice(row, 1)) for row in range(len(block)))


def on_every_round(function: Callable[[Any], None]) -> type[Any]:
    """Returns a callback of Ray Data's scheduler: a function of its executor, called after each round.

    The callback is pickled and sent to the workers: what belongs to this process has a name in it instead.
    """
    from ray.data._internal.execution.execution_callback import ExecutionCallback

    class EveryRound(ExecutionCallback):  # type: ignore[misc]
        def on_execution_step(self, executor: object) -> None:
            function(executor)

    return EveryRound
