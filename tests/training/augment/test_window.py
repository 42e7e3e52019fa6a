"""Windows hold a face, or the image, or are anywhere in it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.augment.window import window_anywhere, window_around


def _all(count: int, *args: object) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(2)
    return np.array([window_around(rng, *args) for _ in range(count)])  # type: ignore[arg-type]


def test_holds_the_face_and_may_pass_the_border() -> None:
    boxes = np.array([[10.5, 20.25, 60.5, 90.25]], np.float32)
    corners = _all(2000, 1000, 800, boxes, 0, 300)
    assert (corners <= [10, 20]).all() and (corners + 300 >= [60.5, 90.25]).all()
    assert corners.min(axis=0).tolist() <= [-235, -205]
    np.testing.assert_allclose(corners.mean(axis=0), [(10.5 + 60.5 - 300) / 2, (20.25 + 90.25 - 300) / 2], atol=8)


def test_is_inside_a_face_that_is_larger() -> None:
    corners = _all(500, 1000, 800, np.array([[100, 100, 450, 430]], np.float32), 0, 300)  # 0.78 of the face at most
    assert (corners >= [100, 100]).all() and (corners + 300 <= [450, 430]).all()


def test_another_face_may_make_a_window_good_and_none_may() -> None:
    rng = np.random.default_rng(0)
    huge = np.array([[0, 0, 900, 800]], np.float32)
    assert window_around(rng, 1000, 800, huge, 0, 300) is None
    both = np.concatenate([huge, np.array([[400, 300, 420, 320]], np.float32)])
    x, y = window_around(rng, 1000, 800, both, 0, 300) or (-1, -1)
    assert 0 <= x <= 400 and 0 <= y <= 300 and x + 300 >= 420 and y + 300 >= 320


def test_an_overlap_of_seven_tenths_is_not_yet_good() -> None:
    """A window of 7 x 7 inside a face of 7 x 10 or 7 x 9.5: 49 of 70, and of 66.5."""
    rng = np.random.default_rng(0)
    assert window_around(rng, 1000, 1000, np.array([[100, 100, 107, 110]], np.float32), 0, 7) is None
    assert window_around(rng, 1000, 1000, np.array([[100, 100, 107, 109.5]], np.float32), 0, 7) is not None


def test_holds_the_image_where_that_is_smaller() -> None:
    corners = _all(2000, 200, 120, np.array([[150, 100, 190, 119]], np.float32), 0, 300)
    assert corners.min(axis=0).tolist() == [-100, -180] and (corners <= 0).all()
    np.testing.assert_allclose(corners.mean(axis=0), [-50.5, -90.5], atol=6)


def test_an_image_just_as_long_as_the_window_is_held_whole() -> None:
    corners = _all(200, 300, 200, np.array([[150, 100, 190, 119]], np.float32), 0, 300)
    assert set(corners[:, 0]) == {0}
    assert corners[:, 1].min() >= -100 and corners[:, 1].max() <= 0


@pytest.mark.parametrize(("length", "low", "high"), [(500, 0, 200), (301, 0, 1), (300, 0, 0), (120, -180, 0)])
def test_anywhere(length: int, low: int, high: int) -> None:
    rng = np.random.default_rng(0)
    xs, ys = zip(*[window_anywhere(rng, length, 300, 300) for _ in range(3000)], strict=True)
    assert (min(xs), max(xs)) == (low, high) and set(ys) == {0}
    assert np.mean(xs) == pytest.approx((low + high) / 2, abs=0.02 * (high - low) + 1e-9)


def test_one_direction_larger_than_the_window_is_enough_to_go_by_the_face() -> None:
    corners = _all(400, 500, 200, np.array([[10, 20, 30, 50]], np.float32), 0, 300)
    assert corners.min(axis=0).tolist() == pytest.approx([-270, -250], abs=4)
    assert corners.max(axis=0).tolist() == pytest.approx([10, 20], abs=4)
