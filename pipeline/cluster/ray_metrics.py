"""A run's figures as Prometheus metrics, at the endpoint that Ray has on every machine.

All come from the driver: it sees every shard's record once, so that no worker pays for them, a shard that is computed
twice counts once, and a series is that of a node and not of each of its workers. Ray adds the prefix ``ray_``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.engine.measures import PIECES
from pipeline.engine.node_progress import ProgressState
from pipeline.engine.shard_record import ShardRecord

LABELS: Final = ("run", "node", "stage")
COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "wider8k_images_total": ("rows of finished shards, images where a stage works on images", ()),
    "wider8k_boxes_total": ("boxes in those rows", ()),
    "wider8k_errors_total": ("rows among them that hold an error", ()),
    "wider8k_shards_total": ("finished shards", ()),
    "wider8k_bytes_total": ("bytes of images read, and of shards written", ("direction",)),
    "wider8k_seconds_total": ("seconds of workers by what they were used for", ("piece",)),
    "wider8k_worker_deaths_total": ("workers that died and were replaced", ()),
}
GAUGES: Final[Mapping[str, str]] = {
    "wider8k_time_left_seconds": "estimated seconds until the node has finished; absent before its first row",
    "wider8k_progress_ratio": "finished share of the node's rows or steps in 0..1",
    "wider8k_images_per_second": "rows per second since the node began, unfinished shards included",
    "wider8k_stalled": "1 while the node has finished nothing for several times as long as usual",
    "wider8k_running": "1 while the node runs; then 0, and soon absent",
    "wider8k_worker_memory_bytes": "largest resident memory that a worker of the node has had",
}


class RayMetrics:
    """Publishes a run's figures through `ray.util.metrics`; see `Metrics`."""

    def __init__(self, run_id: str) -> None:
        """Registers the metrics; this process is connected to Ray. Args: run_id: the value of the label ``run``."""
        from ray.util.metrics import Counter, Gauge

        self._run_id, self._guard = run_id, threading.Lock()
        self._stages: dict[str, str] = {}
        self._counters = {name: Counter(name, about, (*LABELS, *more)) for name, (about, more) in COUNTERS.items()}
        self._gauges = {name: Gauge(name, about, LABELS) for name, about in GAUGES.items()}

    def node_started(self, node: str, stage: str) -> None:
        """Begins a node of a stage, by its names."""
        with self._guard:
            self._stages[node] = stage
        self._set(node, wider8k_running=1.0, wider8k_progress_ratio=0.0, wider8k_stalled=0.0)

    def shard_done(self, node: str, record: ShardRecord) -> None:
        """Counts a finished shard."""
        measured = record.measured
        self._add(node, "wider8k_images_total", record.rows)
        self._add(node, "wider8k_boxes_total", measured.get("boxes", 0))
        self._add(node, "wider8k_errors_total", len(record.errors))
        self._add(node, "wider8k_shards_total", 1)
        self._add(node, "wider8k_bytes_total", measured.get("bytes_read", 0), direction="read")
        self._add(node, "wider8k_bytes_total", record.size, direction="written")
        for piece in PIECES:
            self._add(node, "wider8k_seconds_total", measured.get(f"{piece}_seconds", 0), piece=piece)
        self._add(node, "wider8k_seconds_total", record.seconds, piece="all")

    def worker_died(self, node: str) -> None:
        """Counts a worker that another one had to take over from."""
        self._add(node, "wider8k_worker_deaths_total", 1)

    def progress(self, states: Sequence[ProgressState]) -> None:
        """Takes how far each running node is."""
        for each in states:
            known: dict[str, float | None] = {
                "wider8k_running": 1.0,  # Ray drops a gauge that is not set again within its reports
                "wider8k_time_left_seconds": each.seconds_left,
                "wider8k_progress_ratio": each.share,
                "wider8k_images_per_second": each.per_second,
                "wider8k_stalled": float(each.stalled),
                "wider8k_worker_memory_bytes": each.peak_mb * 2**20 or None,
            }
            self._set(each.node, **known)

    def node_ended(self, node: str) -> None:
        """Ends a node, in whatever way: nothing is left of it, until Ray drops its gauges."""
        self._set(
            node, wider8k_running=0.0, wider8k_time_left_seconds=0.0, wider8k_images_per_second=0.0, wider8k_stalled=0.0
        )

    def _labels(self, node: str) -> dict[str, str]:
        with self._guard:
            return {"run": self._run_id, "node": node, "stage": self._stages.get(node, "")}

    def _add(self, node: str, name: str, amount: float, **more: str) -> None:
        if amount > 0:  # Ray refuses zero
            self._counters[name].inc(amount, self._labels(node) | more)

    def _set(self, node: str, **values: float | None) -> None:
        labels = self._labels(node)
        for name, value in values.items():
            if value is not None:
                self._gauges[name].set(value, labels)


def report_often() -> None:
    """Has a local cluster that is started after this report every few seconds, not every minute."""
    os.environ.setdefault("RAY_metrics_report_interval_ms", "5000")


def endpoints() -> list[str]:
    """Returns the address of the metrics of every living machine of the cluster that this process is connected to."""
    import ray

    return _addresses(ray.nodes())


def _addresses(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    living = (node for node in nodes if node["Alive"] and node["MetricsExportPort"])
    return [f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics" for node in living]
