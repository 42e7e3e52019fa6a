from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.closest_faces import NEAR, closest_faces
from tests.evaluation.small_sets import slow_rows, small_set


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_face_of_highest_overlap_down_to_a_tenth(seed: int) -> None:
    data = small_set(seed)
    matches = data.matches
    closest = closest_faces(matches)
    first = np.cumsum([0, *map(len, data.truth.boxes)])
    rows = list(slow_rows(data))
    near = [row.overlap >= NEAR for row in rows]
    assert closest.iou_N == pytest.approx([row.overlap * there for row, there in zip(rows, near, strict=True)])
    faces = [first[row.image] + row.face if there else -1 for row, there in zip(rows, near, strict=True)]
    assert closest.face_N.tolist() == faces
    assert 0 < sum(near) < len(near)
    # From one half on it is the protocol's own face.
    assert np.array_equal(matches.face_N, np.where(closest.iou_N >= 0.5, closest.face_N, -1))


def test_nothing_has_no_face() -> None:
    data = small_set(0, images=3)
    closest = closest_faces(data.part(1, 2))
    assert set(closest.face_N.tolist()) == {-1}
    assert closest.iou_N.tolist() == [0.0] * len(closest.face_N)
