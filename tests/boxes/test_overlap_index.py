from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.boxes.iou import iou_matrix
from pipeline.boxes.overlap_index import OverlapIndex

N = 400


def corners(seed: int) -> NDArray[np.float64]:
    """Boxes of all sizes, many of them about the same places."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, 40, N)
    side = np.exp(rng.uniform(1, 6, 40))[of, None] * np.exp(rng.normal(0, 0.3, (N, 2)))
    middle = rng.uniform(0, 1500, (40, 2))[of] + rng.normal(0, 0.2, (N, 2)) * side
    return np.concatenate([middle - side / 2, middle + side / 2], axis=1)


def pairs(index: OverlapIndex, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(*(each.tolist() for each in index.pairs(rows)), strict=True))


@pytest.mark.parametrize("iou", [0.1, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_every_pair_that_overlaps_enough_is_found_once_and_few_others_are(iou: float, seed: int) -> None:
    boxes, rows = corners(seed), np.arange(0, N, 3)
    found = pairs(OverlapIndex(boxes, iou), rows)
    one, other = np.nonzero(iou_matrix(boxes[rows], boxes) >= iou)
    assert len(found) == len(set(found))
    assert set(zip(rows[one].tolist(), other.tolist(), strict=True)) <= set(found)
    assert len(found) < 0.3 * len(rows) * N


def test_forgotten_boxes_are_not_found_and_still_find() -> None:
    boxes = corners(0)
    index, gone = OverlapIndex(boxes, 0.4), np.arange(N) % 2 == 0
    before = pairs(index, np.arange(N))
    index.forget(gone)
    assert pairs(index, np.arange(N)) == [pair for pair in before if not gone[pair[1]]]
    assert any(gone[box] and not gone[row] for box, row in before)


def test_no_boxes_and_boxes_without_area() -> None:
    none = np.zeros(0, np.int64)
    assert pairs(OverlapIndex(np.zeros((0, 4)), 0.4), none) == []
    assert pairs(OverlapIndex(np.zeros((3, 4)), 0.4), none) == []
