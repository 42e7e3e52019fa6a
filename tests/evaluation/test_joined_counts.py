from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.joined_counts import JoinedCounts


@dataclass(frozen=True, slots=True, eq=False)
class Some(JoinedCounts):
    rows: ClassVar[tuple[str, ...]] = ("scores",)

    images: int
    faces: NDArray[np.int64]
    scores: NDArray[np.float64]


def some(images: int, faces: list[int], scores: list[float]) -> Some:
    return Some(images, np.array(faces, np.int64), np.array(scores, np.float64))


def test_rows_are_joined_and_numbers_are_added() -> None:
    assert some(1, [2, 3], [0.5]) + some(4, [5, 6], [0.7, 0.1]) == some(5, [7, 9], [0.5, 0.7, 0.1])


def test_equal_are_those_whose_every_number_is() -> None:
    one = some(1, [2, 3], [0.5])
    assert one == some(1, [2, 3], [0.5])
    for other in (some(2, [2, 3], [0.5]), some(1, [2, 4], [0.5]), some(1, [2, 3], [0.5, 0.5]), "text"):
        assert one != other
