"""Which rows of the table a pyramid level reads, and so which rows the box branch has to compute at all.

Nearest resizing lets a level of H rows read H of the N rows only (CRFace section 3.4), and nine convolutions widen
each by nine rows. At 1024 x 768 that is 1,095 of 5,000: computing no others gives the same numbers in an eighth of the
time and memory, forwards and backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What is computed, in as many groups of layers as there are levels; each array rises.

    Attributes:
        taken: per group int64 [R], the rows that its first layer is given, by their positions among the rows of the
            group before; of the first group: in the table.
        reads: per group int64 [H], positions of the rows that its level reads among its own.
    """

    taken: tuple[Indices, ...]
    reads: tuple[Indices, ...]


def nearest_rows(count: int, height: int) -> Indices:
    """Returns int64 [height], which of ``count`` rows each output row of nearest resizing reads: floor(r * N / H)."""
    return np.arange(height, dtype=np.int64) * count // height


@lru_cache(maxsize=256)
def row_plan(count: int, heights: tuple[int, ...], reach: int) -> RowPlan:
    """Returns the plan for a table of ``count`` rows.

    Args:
        count: N.
        heights: of the levels, in the order of the groups.
        reach: rows on each side that one group of layers sees.
    """
    wanted = [nearest_rows(count, height) for height in heights]
    needed: list[Indices] = []
    later = np.zeros(0, np.int64)
    for rows in reversed(wanted):
        later = _widened(np.union1d(rows, later), reach, count)
        needed.insert(0, later)
    # Rows are computed as if their neighbours in the list were their neighbours in the table. Where that is wrong, at
    # the ends of a run, the error moves inwards by one row a layer, and the runs are that much wider than what is read.
    above = [np.arange(count, dtype=np.int64), *needed]
    return RowPlan(
        taken=tuple(_positions(few, many) for few, many in zip(needed, above, strict=False)),
        reads=tuple(_positions(rows, own) for rows, own in zip(wanted, needed, strict=True)),
    )


def _widened(rows: Indices, reach: int, count: int) -> Indices:
    around = rows[:, None] + np.arange(-reach, reach + 1)
    return np.unique(around[(around >= 0) & (around < count)])


def _positions(few: Indices, many: Indices) -> Indices:
    return np.searchsorted(many, few).astype(np.int64)
