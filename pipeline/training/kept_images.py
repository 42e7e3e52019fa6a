"""Decoded pictures kept while there is room: small sets are decoded once, of large ones the first that come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

KEPT_BYTES: Final = 2**30  # of one process; 480 pictures of 1024 x 768


class KeptImages:
    """Number to decoded picture; what is kept stays behind when it is pickled."""

    def __init__(self, room: int = KEPT_BYTES) -> None:
        """Starts empty, for `room` bytes of pixels."""
        self._room, self._kept = room, dict[int, Pixels]()

    def get(self, index: int, decoded: Callable[[], Pixels]) -> Pixels:
        """Returns the picture of a number; asks `decoded` for it where it is not kept."""
        if (kept := self._kept.get(index)) is not None:
            return kept
        image = decoded()
        # Two threads may both see the last bit of room: one picture too many, which does no harm.
        if self._room >= image.nbytes:
            self._room -= image.nbytes
            self._kept[index] = image
        return image

    def __reduce__(self) -> tuple[type[KeptImages], tuple[int]]:
        """Returns how to make an empty one with as much room."""
        return KeptImages, (self._room + sum(image.nbytes for image in self._kept.values()),)
