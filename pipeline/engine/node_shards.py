"""Computes the shards that a node lacks, and puts them in order with those it has."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.engine.executor import Executor
from pipeline.engine.plan import NodePlan
from pipeline.engine.progress import ProgressReporter
from pipeline.engine.shard_record import TOGETHER, ReusedShard, ShardRecord, compacted
from pipeline.engine.shard_reuse import in_order_of
from pipeline.engine.shards import ShardJob


def compute_shards(
    planned: NodePlan, job: ShardJob, executor: Executor, reporter: ProgressReporter
) -> tuple[list[ReusedShard], dict[str, Any]]:
    """Computes the missing shards; returns all in the order of the items, and what the new ones took."""
    if planned.shard_plan is None:
        reporter.node_started(job, 1, 0)
        record = executor.whole(job)
        facts: dict[str, Any] = {"seconds": record.seconds, "peak_mb": record.peak_mb, "items_computed": 1}
        return [ReusedShard(record, None)], {**facts, "measured": record.measured}
    todo = planned.shard_plan.todo
    count = todo.items
    reporter.node_started(job, count, len(todo))
    kept, new, seconds, peak = list(planned.shard_plan.kept), list[ShardRecord](), 0.0, 0
    measured = Counter[str]()
    for record in executor.shards(job, todo) if todo else ():
        reporter.shard_done(planned.node.name, record)
        new.append(record)
        measured.update(record.measured)
        if len(new) == TOGETHER:
            kept += [ReusedShard(each, None) for each in compacted(new)]
            new.clear()
        seconds, peak = seconds + record.seconds, max(peak, record.peak_mb)
    kept += [ReusedShard(each, None) for each in new]
    kept = in_order_of(planned.items or (), kept, planned.node.resources.shard_rows)
    facts = {"seconds": round(seconds, 3), "peak_mb": peak, "items_computed": count}
    return kept, {**facts, "measured": {name: round(amount, 3) for name, amount in measured.items()}}
