"""Which stored rows are used, which of several shards that hold them is taken, and what is left to compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.manifest import Manifest, finish
from pipeline.engine.shard_record import ReusedShard, ShardRecord, item_columns
from pipeline.engine.shard_reuse import ShardPlan, plan_shards
from pipeline.engine.shards import shard_name
from pipeline.engine.stage import Item


def record(items: list[Item], failed: tuple[str, ...] = ()) -> ShardRecord:
    columns = item_columns({"key": [item.key for item in items], "version": [item.version for item in items]})
    return ShardRecord(shard_name(items), "r", len(items), 1, "c", columns, [(k, "bad") for k in failed], 1.0, 1, "h")


def pairs(each: ShardRecord) -> list[tuple[str, str]]:
    return list(zip(*each.items.to_pydict().values(), strict=True))


def numbered(*numbers: int, version: str = "s") -> list[Item]:
    return [Item(f"k{n:04d}", version) for n in numbers]


def covered(result) -> list[tuple[str, str]]:
    stored = [p for k in result.kept for p in pairs(k.record) if k.keys is None or p[0] in k.keys]
    return sorted(stored + [(i.key, i.version) for part in result.todo for i in part])


def held(result: ShardPlan) -> list[list[str]]:
    """Keys that count of each kept shard, in order."""
    return [[key for key, _ in pairs(k.record) if k.keys is None or key in k.keys] for k in result.kept]


def test_nothing_stored_is_cut_into_shards():
    result = plan_shards(numbered(*range(7)), [], 3)
    assert [len(part) for part in result.todo] == [3, 3, 1]


def test_an_interrupted_run_keeps_the_shards_it_had_planned():
    items = numbered(*range(9))
    result = plan_shards(items, [record(items[3:6])], 3)
    assert [part[0].key for part in result.todo] == ["k0000", "k0006"]
    assert {shard_name(p) for p in result.todo} == {shard_name(items[:3]), shard_name(items[6:])}


def test_an_image_added_in_the_middle_costs_one_image():
    before = numbered(0, 1, 3, 4, 5, 6)
    stored = [record(before[:3]), record(before[3:])]
    result = plan_shards(numbered(*range(7)), stored, 3)
    assert [[i.key for i in part] for part in result.todo] == [["k0002"]]
    assert all(k.keys is None for k in result.kept)


def test_a_changed_image_is_computed_and_its_old_row_no_longer_counts():
    items = numbered(0, 1, 2)
    changed = [items[0], Item("k0001", "new"), items[2]]
    result = plan_shards(changed, [record(items)], 3)
    assert tuple(result.todo) == ((changed[1],),)
    assert result.kept[0].keys == ("k0000", "k0002")


def test_a_limited_run_is_part_of_the_full_one_and_the_other_way_round():
    items = numbered(*range(6))
    assert sum(map(len, plan_shards(items, [record(items[:2])], 3).todo)) == 4
    shrunk = plan_shards(items[:2], [record(items[:3]), record(items[3:])], 3)
    assert tuple(shrunk.todo) == ()
    assert [k.keys for k in shrunk.kept] == [("k0000", "k0001")]


def test_errors_can_be_tried_again():
    items = numbered(0, 1, 2)
    stored = [record(items, failed=("k0001",))]
    assert tuple(plan_shards(items, stored, 3).todo) == ()
    assert [i.key for part in plan_shards(items, stored, 3, retry_errors=True).todo for i in part] == ["k0001"]


def test_equal_keys_are_refused():
    with pytest.raises(ValueError, match="k0001"):
        plan_shards(numbered(1, 1), [], 3)


@settings(deadline=None)
@given(st.data())
def test_every_item_is_covered_exactly_once(data):
    wanted = data.draw(st.lists(st.integers(0, 30), unique=True))
    items = [Item(f"k{n:04d}", data.draw(st.sampled_from("ab"))) for n in wanted]
    stored = []
    for _ in range(data.draw(st.integers(0, 5))):
        numbers = data.draw(st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=8))
        stored.append(record([Item(f"k{n:04d}", data.draw(st.sampled_from("ab"))) for n in numbers]))
    result = plan_shards(items, stored, data.draw(st.integers(1, 7)), data.draw(st.booleans()))
    assert covered(result) == sorted((i.key, i.version) for i in items)
    there = {pair for r in stored for pair in pairs(r)}
    assert not there & {(i.key, i.version) for part in result.todo for i in part}


class Passes(list):
    """A list that counts how often it is gone through, and as what."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.passes = 0

    def __iter__(self) -> Iterator:
        self.passes += 1
        return super().__iter__()


def test_the_errors_of_a_shard_are_gone_through_once_and_not_once_per_row():
    items = numbered(*range(200))
    errors = Passes([(f"k{number:04d}", "bad") for number in range(0, 200, 2)])
    result = plan_shards(items, [replace(record(items), errors=errors)], 200)
    assert covered(result) == [(item.key, item.version) for item in items]
    assert errors.passes <= 3


def test_the_rows_that_count_are_gone_through_once_and_not_once_per_error():
    items = numbered(*range(200))
    kept = Passes(item.key for item in items[:100])
    stored = record(items, tuple(f"k{number:04d}" for number in range(0, 200, 2)))
    done = finish(Manifest("n", "f", "r", {}, "image_id"), [ReusedShard(stored, kept, 0)])
    assert [key for key, _ in done.errors] == [f"k{number:04d}" for number in range(0, 100, 2)]
    assert kept.passes <= 2


# Which of several stored shards that hold the same rows is taken.


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


def test_a_kept_shard_says_where_the_first_of_its_items_is() -> None:
    items = numbered(*range(9))
    stored = [record(items[3:6]), record([items[8], items[1], items[7]]), record(items[:3], failed=("k0002",))]
    found = {tuple(key for key, _ in pairs(each.record)): each.first for each in plan_shards(items, stored, 3).kept}
    assert found == {("k0003", "k0004", "k0005"): 3, ("k0008", "k0001", "k0007"): 1, ("k0000", "k0001", "k0002"): 0}


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
