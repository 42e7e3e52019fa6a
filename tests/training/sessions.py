"""Runs trainings to their end or up to a step, and reads what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pipeline.engine.worker_group import Prefetch, in_threads
from pipeline.training.loop.metrics_log import Entry, MetricsLog
from pipeline.training.loop.session import FINAL, Training, run
from stages.base_training import MEASURED


class Killed(Exception):
    """Ends a process between two steps."""


def quiet(line: str) -> None:
    """Prints nothing."""


def trained(one: Training, prefetch: Prefetch = in_threads) -> bytes:
    """Returns the final file."""
    run(one, prefetch, log=quiet)
    return one.store.read(f"{one.folder}/{FINAL}")


def log(one: Training) -> list[Entry]:
    """Returns the entries of the log without measured times and memory."""
    entries = MetricsLog(one.store, one.folder, 10**9).entries()
    return [{name: value for name, value in entry.items() if name not in MEASURED} for entry in entries]


def until(step: int) -> Prefetch:
    """Returns a prefetch that ends the training when it asks for the batch of that step."""

    def prefetch(make: Callable[[int], Any], numbers: range) -> Iterator[Any]:
        for number in numbers:
            if number == step:
                raise Killed
            yield make(number)

    return prefetch
