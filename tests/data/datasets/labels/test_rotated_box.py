from __future__ import annotations

import pytest

from pipeline.data.datasets.labels.rotated_box import enclosing


@pytest.mark.parametrize(
    ("degrees", "pivot", "expected"),
    [
        (0, (0, 0), [10, 20, 30, 30]),
        (90, (10, 20), [0, 20, 10, 40]),  # clockwise on a screen, about its upper left corner
        (-90, (10, 20), [10, 0, 20, 20]),
        (180, (20, 25), [10, 20, 30, 30]),
        (90, (20, 25), [15, 15, 25, 35]),
    ],
)
def test_the_rectangle_around_a_turned_one(degrees: float, pivot: tuple[float, float], expected: list[float]) -> None:
    assert enclosing((10, 20, 30, 30), degrees, pivot) == pytest.approx(expected)


def test_half_a_quarter_turn() -> None:
    assert enclosing((-1, -1, 1, 1), 45, (0, 0)) == pytest.approx([-(2**0.5), -(2**0.5), 2**0.5, 2**0.5])
