"""Size-limited cache in memory, without eviction: small sets are read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

CACHE_BYTES: Final = 2**30  # of one process; 480 decoded images of 1024 x 768


class HasBytes(Protocol):
    """A value that knows its size in memory: an array, a row of boxes."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        ...


T = TypeVar("T", bound=HasBytes)


class SampleCache(Generic[T]):
    """Index to value, such as a decoded image; pickles as an empty cache of the same size."""

    def __init__(self, room: int = CACHE_BYTES) -> None:
        """Starts empty, for `room` bytes."""
        self._room, self._kept = room, dict[int, T]()

    def get(self, index: int, read: Callable[[], T]) -> T:
        """Returns the value of an index; calls `read` for it where it is not cached."""
        if (kept := self._kept.get(index)) is not None:
            return kept
        fresh = read()
        # Two threads may both see the last bit of room: one value too many, which does no harm.
        if self._room >= fresh.nbytes:
            self._room -= fresh.nbytes
            self._kept[index] = fresh
        return fresh

    def __reduce__(self) -> tuple[type[SampleCache[T]], tuple[int]]:
        """Returns how to make an empty one of the same size."""
        return SampleCache, (self._room + sum(each.nbytes for each in self._kept.values()),)
