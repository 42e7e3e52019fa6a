"""What the rows of a node are computed from: one item per row, kept as columns.

A million items are a few Arrow buffers of about 100 bytes an item; an `Item` is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_AT_ONCE: Final = 4096  # items that are Python objects while all are gone through


@dataclass(frozen=True, slots=True)
class Item:
    """What one row is computed from.

    Attributes:
        key: unique within the node; the value of the output's key column.
        version: hash of the content the row is computed from.
        data: what the worker needs beside the key (a path, a shard's name); never hashed.
    """

    key: str
    version: str
    data: Mapping[str, Any] = field(default_factory=dict, compare=False)


class Items(Sequence[Item]):
    """A sequence of items in columns.

    Attributes:
        keys, versions: of every item, as `pa.StringArray` without nulls.
    """

    def __init__(self, keys: Any, versions: Any, data: pa.Table | Sequence[Mapping[str, Any]] | None = None) -> None:
        """Takes the columns of all items.

        Args:
            keys: text, as an array of any layout.
            versions: likewise.
            data: a column per field of `Item.data`, or one mapping per item; None where no item has data.

        Raises:
            ValueError: a key or version is null.
        """
        self.keys, self.versions = _text(keys, "key"), _text(versions, "version")
        self._data = data

    @classmethod
    def of(cls, items: Sequence[Item]) -> Items:
        """Returns a sequence of items as columns; those that are columns stay as they are."""
        if isinstance(items, Items):
            return items
        data = [item.data for item in items]
        keys, versions = (pa.array(texts, pa.string()) for texts in _texts(items))
        return cls(keys, versions, data if any(data) else None)

    def __len__(self) -> int:
        """Number of items."""
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Items: ...
    def __getitem__(self, place: int | slice) -> Item | Items:
        """Returns one item, or some as columns: a slice without a step shares their memory."""
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return self.take(np.arange(start, stop, step))
            part = slice(start, max(start, stop))
            return Items(self.keys[part], self.versions[part], None if self._data is None else self._data[part])
        number = range(len(self))[place]
        return next(iter(self[number : number + 1]))

    def __iter__(self) -> Iterator[Item]:
        """Yields the items in order."""
        for start in range(0, len(self), _AT_ONCE):
            part = self[start : start + _AT_ONCE]
            keys, versions = part.keys.to_pylist(), part.versions.to_pylist()
            yield from map(Item, keys, versions, _mappings(part._data, len(part)))

    def take(self, places: NDArray[np.int64]) -> Items:
        """Returns the items at these places, in their order; neighbours share the memory of these."""
        if len(places) and bool((np.diff(places) == 1).all()):
            return self[int(places[0]) : int(places[-1]) + 1]
        index = pa.array(places)
        data = self._data
        if isinstance(data, pa.Table):
            data = data.take(index)
        elif data is not None:
            data = [data[place] for place in places.tolist()]
        return Items(self.keys.take(index), self.versions.take(index), data)


class Parts(Sequence[tuple[Item, ...]]):
    """Parts of a set of items, each made when it is asked for."""

    def __init__(self, items: Items, places: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Takes the items, int64 places in them, part after part, and where in `places` each part ends."""
        self._items, self._places, self._ends = items, places, ends

    def __len__(self) -> int:
        """Number of parts."""
        return len(self._ends)

    @property
    def items(self) -> int:
        """Number of items in all parts."""
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> tuple[Item, ...]: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[tuple[Item, ...], ...]: ...
    def __getitem__(self, place: int | slice) -> tuple[Item, ...] | tuple[tuple[Item, ...], ...]:
        """Returns the items of one part, or those of several."""
        numbers = range(len(self))[place]
        return tuple(map(self._part, numbers)) if isinstance(numbers, range) else self._part(numbers)

    def columns(self) -> Iterator[tuple[Items, int]]:
        """Yields every part, none of which is empty, as columns, and the place of its first item in the set."""
        for number in range(len(self)):
            places = self._of(number)
            yield self._items.take(places), int(places[0])

    def _part(self, number: int) -> tuple[Item, ...]:
        return tuple(self._items.take(self._of(number)))

    def _of(self, number: int) -> NDArray[np.int64]:
        """Returns the places of the items of a part."""
        start = int(self._ends[number - 1]) if number else 0
        return self._places[start : int(self._ends[number])]


def _texts(items: Sequence[Item]) -> tuple[list[str], list[str]]:
    return [item.key for item in items], [item.version for item in items]


def _text(column: Any, name: str) -> pa.StringArray:
    """Returns a column as one array of text."""
    if pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count:
        raise ValueError(f"expected a {name} of every item, found {column.null_count} of {len(column)} without one")
    return column


def _mappings(data: pa.Table | Sequence[Mapping[str, Any]] | None, count: int) -> Sequence[Mapping[str, Any]]:
    if data is None:
        return [{}] * count
    return data.to_pylist() if isinstance(data, pa.Table) else data
