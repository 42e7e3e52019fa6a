"""Publishes a figure of every kind at the endpoint of a Ray of its own, prints the address and waits for its input."""

from __future__ import annotations

import sys

from pipeline.cluster.ray_metrics import RayMetrics, endpoints, report_often
from pipeline.cluster.session import connect
from pipeline.cluster.start import leave
from pipeline.engine.node_progress import ProgressState
from pipeline.engine.shard_record import ShardRecord

MEASURED = {
    "boxes": 70, "bytes_read": 1000, "read_seconds": 0.5, "decode_seconds": 1.0, "network_seconds": 4.0,
    "device_wait_seconds": 2.0, "write_seconds": 0.25,
}  # fmt: skip


def record(number: int) -> ShardRecord:
    return ShardRecord(f"shard-{number}", "r", 4, 300, "h", [], [("a", "bad")], 8.0, 512, "host:1", MEASURED)


if __name__ == "__main__":
    report_often()
    connect(cpus=1)
    print(*endpoints(), flush=True)
    metrics = RayMetrics("run1")
    metrics.node_started("boxes", "predict")
    metrics.node_started("faces", "index")
    for number, line in enumerate(sys.stdin):  # each a further shard
        metrics.shard_done("boxes", record(number))
        metrics.worker_died("boxes")
        state = ProgressState("boxes", "", 0.25, "", True, peak_mb=512, seconds_left=12.5, per_second=0.5)
        metrics.progress([state, ProgressState("faces", "no item yet", None, "")])
        if line.strip() == "end":
            metrics.node_ended("boxes")
    leave()
