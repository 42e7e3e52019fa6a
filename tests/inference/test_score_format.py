from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from pipeline.inference.score_format import Written, written

SPREAD = np.sort(np.random.default_rng(0).normal(0.5, 3, 5000).astype(np.float32))[::-1]


def test_worked_numbers() -> None:
    refined = np.float32([-1.5, 0, 0.5, 1, 2])
    np.testing.assert_allclose(written(refined, "squash"), [0.0625, 0.25, 0.5, 0.75, 0.75 + 1 / 6], atol=1e-7)
    np.testing.assert_array_equal(written(refined, "clip"), np.float32([0, 0, 0.5, 1, 1]))
    np.testing.assert_array_equal(written(refined, "sum"), refined)


@pytest.mark.parametrize("how", ["sum", "squash"])
def test_scores_that_differ_stay_apart_and_in_their_order(how: Written) -> None:
    """Far outside 0..1 too, where a clip makes them equal."""
    far = np.float32([12, 11.999, 3.001, 3, 1.0001, 1, 0.9999, 1e-4, 0, -1e-4, -2, -2.001, -11.999, -12])
    for refined in (np.unique(SPREAD)[::-1][::7], far):
        found = written(refined, how)
        assert (np.diff(found) < 0).all() and found.dtype == np.float32
        assert len(np.unique(written(refined, "clip"))) < len(refined)


def test_squashed_scores_lie_in_the_range() -> None:
    found = written(np.float32([-1e30, -40, 40, 1e30]), "squash")
    assert found.min() >= 0 and found.max() <= 1
    assert (np.diff(written(SPREAD, "squash")) <= 0).all()


@pytest.mark.parametrize("how", get_args(Written))
def test_nothing_to_write(how: Written) -> None:
    assert written(np.zeros(0, np.float32), how).shape == (0,)


def test_a_way_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no way 'cut' to write scores; there are sum, squash, clip"):
        written(SPREAD, "cut")  # type: ignore[arg-type]
