"""Interface of what publishes a run's figures while it goes; nothing is published where there is no endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.engine.node_progress import ProgressState
from pipeline.engine.shard_record import ShardRecord


class Metrics(Protocol):
    """Takes what has happened; called by the driver, from several threads, and never raises."""

    def node_started(self, node: str, stage: str) -> None:
        """Begins a node of a stage, by its names."""

    def shard_done(self, node: str, record: ShardRecord) -> None:
        """Counts a finished shard."""

    def worker_died(self, node: str) -> None:
        """Counts a worker that another one had to take over from."""

    def progress(self, states: Sequence[ProgressState]) -> None:
        """Takes how far each running node is."""

    def node_ended(self, node: str) -> None:
        """Ends a node, in whatever way."""


class NoMetrics:
    """Publishes nothing, at no cost."""

    def node_started(self, node: str, stage: str) -> None:
        """Does nothing."""

    def shard_done(self, node: str, record: ShardRecord) -> None:
        """Does nothing."""

    def worker_died(self, node: str) -> None:
        """Does nothing."""

    def progress(self, states: Sequence[ProgressState]) -> None:
        """Does nothing."""

    def node_ended(self, node: str) -> None:
        """Does nothing."""
