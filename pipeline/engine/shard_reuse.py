"""Which stored shards cover which items, and how the rest is cut into new shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.engine.shard_record import ReusedShard, ShardRecord
from pipeline.engine.shards import shard_name
from pipeline.engine.stage import Item


@dataclass(frozen=True)
class ShardPlan:
    """The stored shards to use and the new shards to compute; together they hold every item exactly once."""

    kept: tuple[ReusedShard, ...]
    todo: tuple[tuple[Item, ...], ...]


def plan_shards(
    items: Sequence[Item], stored: Sequence[ShardRecord], shard_rows: int, retry_errors: bool = False
) -> ShardPlan:
    """Returns how to get a row for every item at the least cost.

    1. Cut the items as if nothing were stored, and keep the shards of that cut that exist: an interrupted run
       resumes with the shards it had planned.
    2. Take the other items from any stored shard, row by row: items added, removed, limited or re-ordered later cost
       nothing that was computed before.
    3. Cut the remainder into new shards.

    A row that holds an error is used only where no stored shard has a good one, and never with `retry_errors`. `stored`
    are shards of the same row fingerprint. Raises ValueError if a key occurs twice.
    """
    for key, count in Counter(item.key for item in items).items():
        if count > 1:
            raise ValueError(f"two items are called {key!r}; keys must be unique")
    cut = [tuple(items[i : i + shard_rows]) for i in range(0, len(items), shard_rows)]
    planned = {shard_name(part): place for place, part in enumerate(cut)}
    # The planned shards in their order, then the largest first: fewest files to open later.
    ordered = sorted(stored, key=lambda r: (planned.get(r.name, len(cut)), -r.rows, r.name))
    failed = {record.name: {key for key, _ in record.errors} for record in stored}
    good = {pair for record in stored for pair in record.items if pair[0] not in failed[record.name]}
    missing = {(item.key, item.version) for item in items}
    kept = []
    for record in ordered:
        refused = {pair for pair in record.items if pair[0] in failed[record.name] and (retry_errors or pair in good)}
        usable = [pair for pair in record.items if pair in missing and pair not in refused]
        if usable:
            missing.difference_update(usable)
            whole = len(usable) == len(record.items)
            kept.append(ReusedShard(record, None if whole else tuple(key for key, _ in usable)))
    return ShardPlan(tuple(kept), tuple(_cut_rest(cut, missing, shard_rows)))


def _cut_rest(
    cut: Sequence[tuple[Item, ...]], missing: set[tuple[str, str]], shard_rows: int
) -> list[tuple[Item, ...]]:
    whole: list[tuple[Item, ...]] = []
    loose: list[Item] = []
    for part in cut:
        wanted = tuple(item for item in part if (item.key, item.version) in missing)
        if len(wanted) == len(part):
            whole.append(part)
        else:
            loose += wanted
    return whole + [tuple(loose[i : i + shard_rows]) for i in range(0, len(loose), shard_rows)]
