"""What a loader has read, kept while there is room: small sets are read once, of large ones the first that come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

CACHE_BYTES: Final = 2**30  # of one process; 480 decoded pictures of 1024 x 768


class HasBytes(Protocol):
    """Whatever says how much memory it takes: an array, a row of boxes."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        ...


T = TypeVar("T", bound=HasBytes)


class SampleCache(Generic[T]):
    """Number to thing, a decoded picture for instance; what is kept stays behind when it is pickled."""

    def __init__(self, room: int = CACHE_BYTES) -> None:
        """Starts empty, for `room` bytes."""
        self._room, self._kept = room, dict[int, T]()

    def get(self, index: int, read: Callable[[], T]) -> T:
        """Returns the thing of a number; asks `read` for it where it is not kept."""
        if (kept := self._kept.get(index)) is not None:
            return kept
        fresh = read()
        # Two threads may both see the last bit of room: one thing too many, which does no harm.
        if self._room >= fresh.nbytes:
            self._room -= fresh.nbytes
            self._kept[index] = fresh
        return fresh

    def __reduce__(self) -> tuple[type[SampleCache[T]], tuple[int]]:
        """Returns how to make an empty one with as much room."""
        return SampleCache, (self._room + sum(each.nbytes for each in self._kept.values()),)
