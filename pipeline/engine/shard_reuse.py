"""Which stored shards cover which items, and how the rest is cut into new shards."""

from __future__ import annotations

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

    First the items are cut as if nothing were stored: a shard of that cut that exists is used, so an interrupted run
    goes on with the very shards it had planned. What is left is taken from any other stored shard row by row, so
    items added, removed, limited or re-ordered later cost nothing that was computed before. Only the remainder is
    computed. A row that holds an error serves only where no stored shard has a good one.

    Args:
        items: what is wanted, keys unique.
        stored: finished shards of this recipe.
        shard_rows: size of a new shard.
        retry_errors: treat stored rows that hold an error as not stored.

    Raises:
        ValueError: if a key occurs twice.
    """
    _check_unique(items)
    cut = [tuple(items[i : i + shard_rows]) for i in range(0, len(items), shard_rows)]
    planned = {shard_name(part): place for place, part in enumerate(cut)}
    # The planned shards in their order, then the largest first: fewest files to open later.
    ordered = sorted(stored, key=lambda r: (planned.get(r.name, len(cut)), -r.rows, r.name))
    good = {pair for record in stored for pair in _good(record)}
    missing = {(item.key, item.version) for item in items}
    kept = []
    for record in ordered:
        failed = _failed(record)
        refused = {pair for pair in record.items if pair[0] in failed and (retry_errors or pair in good)}
        usable = [pair for pair in record.items if pair in missing and pair not in refused]
        if usable:
            missing.difference_update(usable)
            kept.append(
                ReusedShard(record, None if len(usable) == len(record.items) else tuple(key for key, _ in usable))
            )
    return ShardPlan(tuple(kept), tuple(_cut_rest(cut, missing, shard_rows)))


def _failed(record: ShardRecord) -> set[str]:
    return {key for key, _ in record.errors}


def _good(record: ShardRecord) -> list[tuple[str, str]]:
    failed = _failed(record)
    return [pair for pair in record.items if pair[0] not in failed]


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


def _check_unique(items: Sequence[Item]) -> None:
    seen: set[str] = set()
    for item in items:
        if item.key in seen:
            raise ValueError(f"two items are called {item.key!r}; keys must be unique")
        seen.add(item.key)
