from typing import get_args

import numpy as np
import pytest

from pipeline.inference.score_format import ScoreFormat, format_scores

SPREAD = np.sort(np.random.default_rng(0).normal(0.5, 3, 5000).astype(np.float32))[::-1]


def test_worked_numbers() -> None:
    refined = np.float32([-1.5, 0, 0.5, 1, 2])
    np.testing.assert_allclose(format_scores(refined, "squash"), [0.0625, 0.25, 0.5, 0.75, 0.75 + 1 / 6], atol=1e-7)
    np.testing.assert_array_equal(format_scores(refined, "clip"), np.float32([0, 0, 0.5, 1, 1]))
    np.testing.assert_array_equal(format_scores(refined, "sum"), refined)


@pytest.mark.parametrize("how", ["sum", "squash"])
def test_scores_that_differ_stay_apart_and_in_their_order(how: ScoreFormat) -> None:
    """Far outside 0..1 too, where a clip makes them equal."""
    far = np.float32([12, 11.999, 3.001, 3, 1.0001, 1, 0.9999, 1e-4, 0, -1e-4, -2, -2.001, -11.999, -12])
    for refined in (np.unique(SPREAD)[::-1][::7], far):
        found = format_scores(refined, how)
        assert (np.diff(found) < 0).all() and found.dtype == np.float32
        assert len(np.unique(format_scores(refined, "clip"))) < len(refined)


def test_squashed_scores_lie_in_the_range() -> None:
    found = format_scores(np.float32([-1e30, -40, 40, 1e30]), "squash")
    assert found.min() >= 0 and found.max() <= 1 and (np.diff(format_scores(SPREAD, "squash")) <= 0).all()


@pytest.mark.parametrize("how", get_args(ScoreFormat))
def test_nothing_to_write(how: ScoreFormat) -> None:
    assert format_scores(np.zeros(0, np.float32), how).shape == (0,)


def test_a_way_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no score format 'cut'; there are sum, squash, clip"):
        format_scores(SPREAD, "cut")  # type: ignore[arg-type]
