"""Windows hold one face wholly and cut no other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.datasets.mosaic.window import inside, touching, visible, window_around


def around(
    boxes: list[list[float]], face: int, most: tuple[int, int], seed: int = 0, size: tuple[int, int] = (100, 80)
):
    return window_around(np.array(boxes, np.float64), face, size, most, np.random.default_rng(seed))


def test_a_lone_face_is_anywhere_in_the_largest_window() -> None:
    windows = {around([[40, 30, 50, 42]], 0, (60, 50), seed) for seed in range(60)}
    assert len(windows) > 20
    for x0, y0, x1, y1 in windows:
        assert (x1 - x0, y1 - y0) == (60, 50)
        assert 0 <= x0 <= 40 and x1 >= 50 and x1 <= 100 and y0 <= 30 and y1 >= 42


def test_the_side_that_cuts_another_face_moves_no_further_than_needed() -> None:
    # As large as the image, with one position only; the second face is cut by its lower border.
    assert around([[10, 10, 20, 20], [60, 70.5, 70, 90]], 0, (100, 80)) == (0, 0, 100, 70)
    assert around([[10, 10, 20, 20], [90.5, 10, 105, 20]], 0, (100, 80)) == (0, 0, 90, 80)


def test_overlapping_faces_stay_together_or_are_refused() -> None:
    chain = [[10, 10, 30, 30], [25, 12, 45, 30], [44, 11, 60, 30], [80, 10, 90, 20]]
    x0, _, x1, _ = around(chain, 0, (55, 40))
    assert x0 <= 10 and x1 >= 60 and around(chain, 0, (49, 40)) is None


def test_touching_borders_are_no_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [10, 0, 20, 10], [np.nan] * 4])
    assert touching(boxes, (10, 0, 20, 10)).tolist() == [False, True, False]
    assert inside(boxes, (0, 0, 20, 10)).tolist() == [True, True, False]


def test_faces_outside_the_image_or_without_area_are_not_there() -> None:
    boxes = visible(np.array([[-5, 2, 5, 8], [3, 3, 3, 9], [101, 1, 120, 9], [99.5, 1, 120, 9]]), 100, 80)
    assert boxes[0].tolist() == [0, 2, 5, 8] and np.isnan(boxes[1:]).all()


@given(
    corners=st.lists(st.tuples(st.floats(-5, 95), st.floats(-5, 75), st.floats(0, 40), st.floats(0, 40)), min_size=1, max_size=9),
    most=st.tuples(st.integers(5, 120), st.integers(5, 90)),
    seed=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_no_window_cuts_any_face(corners: list[tuple[float, ...]], most: tuple[int, int], seed: int) -> None:
    boxes = visible(np.array([[x, y, x + w, y + h] for x, y, w, h in corners]), 100, 80)
    for face in np.flatnonzero(np.isfinite(boxes[:, 0])):
        window = window_around(boxes, int(face), (100, 80), most, np.random.default_rng(seed))
        if window is None:
            continue
        x0, y0, x1, y1 = window
        assert 0 <= x0 < x1 <= 100 and 0 <= y0 < y1 <= 80 and x1 - x0 <= most[0] and y1 - y0 <= most[1]
        assert inside(boxes, window)[face] and not (touching(boxes, window) & ~inside(boxes, window)).any()


@pytest.mark.parametrize("most", [(10, 12), (9, 12), (10, 11)])
def test_a_window_too_small_for_the_face_is_refused(most: tuple[int, int]) -> None:
    found = around([[40, 30, 50, 42]], 0, most)
    assert found == ((40, 30, 50, 42) if most == (10, 12) else None)
