"""Computes the shards that a node lacks, and puts them in order with those it has."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.engine.executor import Executor
from pipeline.engine.plan import NodePlan
from pipeline.engine.progress import ProgressReporter
from pipeline.engine.row_spool import RowSpool
from pipeline.engine.shard_record import ReusedShard
from pipeline.engine.shards import ShardJob, shard_name


def compute_shards(
    planned: NodePlan, job: ShardJob, executor: Executor, reporter: ProgressReporter, rows: RowSpool
) -> tuple[list[ReusedShard], dict[str, Any]]:
    """Computes the missing shards; returns all in the order of the items, and what the new ones took.

    The rows of a map stage's shards are in `rows` then, and no longer in their records.
    """
    if planned.shard_plan is None:
        reporter.node_started(job, 1, 0)
        record = executor.whole(job)
        facts: dict[str, Any] = {"seconds": record.seconds, "peak_mb": record.peak_mb, "items_computed": 1}
        return [ReusedShard(record, None, 0)], {**facts, "measured": record.measured}
    todo = planned.shard_plan.todo
    count = todo.items
    reporter.node_started(job, count, len(todo))
    first = {shard_name(part): place for part, place in todo.columns()}
    kept, seconds, peak = [rows.taken(each) for each in planned.shard_plan.kept], 0.0, 0
    measured = Counter[str]()
    for record in executor.shards(job, todo) if todo else ():
        reporter.shard_done(planned.node.name, record)
        kept.append(rows.taken(ReusedShard(record, None, first[record.name])))
        measured.update(record.measured)
        seconds, peak = seconds + record.seconds, max(peak, record.peak_mb)
    facts = {"seconds": round(seconds, 3), "peak_mb": peak, "items_computed": count}
    kept.sort(key=lambda each: each.first)
    return kept, {**facts, "measured": {name: round(amount, 3) for name, amount in measured.items()}}
