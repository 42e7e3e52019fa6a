"""Items as columns: the same items as a list of them, in slices, parts and whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.items import Item, Items, Parts

KEYS = [f"k{number}" for number in range(10)]
LISTED = [Item(key, str(number % 3), {"path": f"{key}.png", "width": number}) for number, key in enumerate(KEYS)]


def columns() -> Items:
    data = pa.table({"path": [f"{key}.png" for key in KEYS], "width": list(range(10))})
    versions = pa.array([str(number % 3) for number in range(10)]).dictionary_encode()
    return Items(pa.chunked_array([KEYS[:4], KEYS[4:]]), versions, data)


def whole(items: Sequence[Item]) -> list[tuple[str, str, dict[str, object]]]:
    return [(item.key, item.version, dict(item.data)) for item in items]


@pytest.mark.parametrize("items", [columns(), Items.of(LISTED)], ids=["columns", "objects"])
def test_columns_are_the_items(items: Items) -> None:
    assert whole(items) == whole(LISTED)
    assert len(items) == 10
    for place in (0, 3, -1):
        assert whole([items[place]]) == whole([LISTED[place]])
    for part in (slice(2, 5), slice(None, 3), slice(7, 99), slice(5, 2), slice(None, None, -2), slice(-4, None)):
        assert whole(items[part]) == whole(LISTED[part])
    assert whole(items.take(np.array([7, 0, 7]))) == whole([LISTED[7], LISTED[0], LISTED[7]])
    with pytest.raises(IndexError):
        items[10]


def test_items_that_are_columns_stay_as_they_are() -> None:
    items = columns()
    assert Items.of(items) is items
    assert whole(Items.of([])) == []
    assert whole(Items(pa.array(["a"]), pa.array(["1"]))) == [("a", "1", {})]


@pytest.mark.parametrize(("keys", "versions", "word"), [(["a", None], ["1", "2"], "key"), (["a"], [None], "version")])
def test_an_item_without_key_or_version_is_refused(
    keys: list[str | None], versions: list[str | None], word: str
) -> None:
    with pytest.raises(ValueError, match=f"expected a {word} of every item, found 1 of"):
        Items(pa.array(keys, pa.string()), pa.array(versions, pa.string()))


def test_more_items_than_are_objects_at_once() -> None:
    count = 9000
    items = Items(pa.array(range(count)).cast(pa.string()), pa.nulls(count, pa.string()).fill_null("v"))
    assert [item.key for item in items] == [str(number) for number in range(count)]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=5))
def test_parts_are_the_items_at_their_places(places: list[list[int]]) -> None:
    ends = np.cumsum([len(part) for part in places], dtype=np.int64)
    parts = Parts(columns(), np.array(list(chain(*places)), np.int64), ends)
    assert [whole(part) for part in parts] == [whole([LISTED[place] for place in part]) for part in places]
    assert (len(parts), parts.items) == (len(places), sum(map(len, places)))
    assert parts[1:] == tuple(parts)[1:]


def test_parts_as_columns_come_with_the_place_of_their_first_item() -> None:
    parts = Parts(columns(), np.array([2, 3, 4, 1, 7]), np.array([3, 5]))
    found = list(parts.columns())
    assert [whole(part) for part, _ in found] == [whole(LISTED[2:5]), whole([LISTED[1], LISTED[7]])]
    assert [place for _, place in found] == [2, 1]


def test_neighbours_share_the_memory_of_all() -> None:
    items, before = columns(), pa.total_allocated_bytes()
    assert whole(items.take(np.arange(3, 9))) == whole(LISTED[3:9])
    neighbours = items.take(np.arange(3, 9))
    assert pa.total_allocated_bytes() == before
    assert whole(neighbours) == whole(LISTED[3:9])
    assert whole(items.take(np.array([], np.int64))) == []
