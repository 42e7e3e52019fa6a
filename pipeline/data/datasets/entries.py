"""The images of a dataset as they are listed: one entry per image, kept as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, overload

import pyarrow as pa
import pyarrow.compute as pc

_AT_ONCE: Final = 16_384  # entries that are Python objects while all are gone through


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a dataset, known without opening it."""

    image_id: str  # unique name within the dataset
    path: str  # file relative to the root, forward slashes (a name only, where there are no files)
    version: str  # changes when the image file or its own labels change; compares equal as long as neither did


class Entries(Sequence[Entry]):
    """A sequence of entries: a million of them are 100 MB of columns, and an `Entry` is made when it is asked for.

    Attributes:
        table: columns ``image_id`` and ``path``, binary as `name_bytes`, and ``version``, text.
    """

    def __init__(self, table: pa.Table) -> None:
        """Takes the columns."""
        self.table = table

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Entries:
        """Returns entries as columns; a generator's are never all there as objects."""
        if isinstance(entries, Entries):
            return entries
        rest, parts = iter(entries), [_columns([])]
        while part := list(islice(rest, _AT_ONCE)):
            parts.append(_columns(part))
        return cls(pa.concat_tables(parts).combine_chunks())

    def __len__(self) -> int:
        """Number of entries."""
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Entries: ...
    def __getitem__(self, place: int | slice) -> Entry | Entries:
        """Returns one entry, or some as columns."""
        numbers = range(len(self))[place]
        if isinstance(numbers, range):
            part = self.table[place] if numbers.step == 1 else self.table.take(pa.array(numbers, pa.int64()))
            return Entries(part)
        return next(iter(self[numbers : numbers + 1]))

    def __iter__(self) -> Iterator[Entry]:
        """Yields the entries in order."""
        for start in range(0, len(self), _AT_ONCE):
            columns = [column.to_pylist() for column in self.table[start : start + _AT_ONCE].columns]
            yield from map(_entry, *columns)

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same entries."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Entry.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # as of any sequence that is compared by its content


def in_order(entries: Iterable[Entry]) -> Entries:
    """Returns the entries sorted by ``image_id``. Raises ValueError: two entries share an ``image_id``."""
    listed = Entries.of(entries)
    # Bytes of UTF-8 sort as the characters do.
    found = Entries(listed.table.take(pc.sort_indices(listed.table["image_id"])).combine_chunks())
    names = found.table["image_id"]
    equal = pc.equal(names[1:], names[:-1]) if len(found) > 1 else pa.chunked_array([], pa.bool_())
    if (place := pc.index(equal, True).as_py()) >= 0:
        first, second = found[place], found[place + 1]
        raise ValueError(f"image {first.image_id!r} is listed twice: as {first.path} and as {second.path}")
    return found


def name_bytes(name: str) -> bytes:
    """Returns a file's name as bytes, also one that is no UTF-8, see `os.fsdecode`; `name_of` takes it back."""
    return name.encode("utf-8", "surrogatepass")


def name_of(data: bytes) -> str:
    """Returns the name that `name_bytes` was given."""
    return data.decode("utf-8", "surrogatepass")


def _columns(entries: Sequence[Entry]) -> pa.Table:
    ids, paths = [name_bytes(each.image_id) for each in entries], [name_bytes(each.path) for each in entries]
    versions = pa.array([each.version for each in entries], pa.string())
    return pa.table({"image_id": pa.array(ids, pa.binary()), "path": pa.array(paths, pa.binary()), "version": versions})


def _entry(image_id: bytes, path: bytes, version: str) -> Entry:
    return Entry(name_of(image_id), name_of(path), version)
