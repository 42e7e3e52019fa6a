"""Which of several stored shards that hold the same rows is taken."""

from __future__ import annotations

from itertools import permutations

from pipeline.engine.shard_reuse import ShardPlan, plan_shards
from tests.engine.test_shard_reuse import numbered, record


def held(result: ShardPlan) -> list[list[str]]:
    """Keys that count of each kept shard, in order."""
    return [[key for key, _ in k.record.items if k.keys is None or key in k.keys] for k in result.kept]


def test_planned_shards_come_before_a_larger_one() -> None:
    items = numbered(*range(6))
    planned = [record(items[:3]), record(items[3:])]
    for stored in permutations([*planned, record(items[::-1])]):
        result = plan_shards(items, stored, 3)
        assert [k.record for k in result.kept] == planned
        assert [k.keys for k in result.kept] == [None, None]


def test_planned_shards_are_kept_in_the_order_of_the_items() -> None:
    items = numbered(*range(12))
    planned = [record(items[i : i + 2]) for i in range(0, 12, 2)]
    assert [r.name for r in planned] != sorted(r.name for r in planned)
    assert [k.record for k in plan_shards(items, planned[::-1], 2).kept] == planned


def test_of_shards_that_were_not_planned_the_largest_comes_first() -> None:
    items = numbered(*range(6))
    small, large = record(items[:2]), record(items[1:5])
    for stored in ([small, large], [large, small]):
        result = plan_shards(items, stored, 6)
        assert held(result) == [["k0001", "k0002", "k0003", "k0004"], ["k0000"]]
        assert [[i.key for i in part] for part in result.todo] == [["k0005"]]


def test_the_order_in_which_shards_are_found_changes_nothing() -> None:
    items = numbered(*range(8))
    stored = [record(items[i : i + 3]) for i in range(6)]
    results = {str(held(plan_shards(items, some, 8))) for some in permutations(stored)}
    assert len(results) == 1


def test_a_shard_that_has_nothing_to_give_is_not_kept() -> None:
    items = numbered(0, 1, 2)
    assert held(plan_shards(items, [record(items), record(items[:2]), record(numbered(7, 8))], 3)) == [
        ["k0000", "k0001", "k0002"]
    ]


def test_whole_shards_of_the_cut_are_computed_as_planned_and_the_rest_is_put_together() -> None:
    items = numbered(*range(12))
    stored = [record([items[0], items[4], items[5]])]
    parts = [[int(i.key[1:]) for i in part] for part in plan_shards(items, stored, 3).todo]
    assert parts == [[6, 7, 8], [9, 10, 11], [1, 2, 3]]


def test_good_rows_of_a_smaller_shard_come_before_errors_of_a_planned_one() -> None:
    items = numbered(0, 1, 2, 3)
    stored = [record(items, failed=("k0000", "k0001")), record([items[1]])]
    result = plan_shards(items, stored, 4)
    assert held(result) == [["k0000", "k0002", "k0003"], ["k0001"]]
    again = plan_shards(items, stored, 4, retry_errors=True)
    assert held(again) == [["k0002", "k0003"], ["k0001"]]
    assert [[i.key for i in part] for part in again.todo] == [["k0000"]]
