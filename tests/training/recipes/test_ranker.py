"""The defaults are the paper's; ranges of a ranker's recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.training.recipes.ranker import RankerRecipe


def test_defaults_are_the_papers() -> None:
    """CRFace, section 4.2, and 5.1 for the pairs."""
    recipe = RankerRecipe()
    assert (recipe.steps, recipe.batch, recipe.num_candidates, recipe.pairs) == (100_000, 32, 5000, 10)
    assert (recipe.loss, recipe.offsets, recipe.ties) == ("rank", "all", "skip")
    assert (recipe.optimizer, recipe.weight_decay, recipe.clip_norm) == ("adam", 0.0, None)
    assert recipe.rate(0) == 1e-3
    assert recipe.rate(50_000) == pytest.approx(1e-3 * 10**-1.5)
    assert recipe.rate(33_333) / recipe.rate(33_334) == pytest.approx(1000 ** (1 / 100_000), rel=1e-9)
    assert recipe.rate(99_999) == pytest.approx(1e-6, rel=1e-4) and recipe.rate(99_999) > 1e-6
    assert recipe.sides == (640,)


def test_the_rate_is_climb_times_decay() -> None:
    recipe = RankerRecipe(steps=4, warmup=2, learning_rate=1.0, final_rate=1e-4)
    assert [recipe.rate(step) for step in range(4)] == pytest.approx([0.5, 0.1, 0.01, 0.001])
    with pytest.raises(ValueError, match=r"step 4 is not in 0\.\.3"):
        recipe.rate(4)
    plain, climbing = (RankerRecipe(steps=10, warmup=warmup, learning_rate=1e-2, final_rate=1e-4) for warmup in (0, 4))
    ratios = [climbing.rate(step) / plain.rate(step) for step in range(10)]
    assert ratios == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 7)


def test_a_constant_rate_stays() -> None:
    recipe = RankerRecipe(steps=7, learning_rate=0.1, final_rate=0.1)
    assert {recipe.rate(step) for step in range(7)} == {0.1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 0.0}, "temperature is 0.0, expected greater than 0"),
        ({"final_rate": 0.0}, "final_rate is 0.0, expected greater than 0"),
        ({"final_rate": 0.1}, r"final_rate is 0.1, expected at most learning_rate, 0\.001"),
        ({"num_candidates": 1}, "num_candidates is 1, expected greater than or equal to 2"),
        ({"num_candidates": 10}, "pairs is 10, expected less than the 10 rows"),
        ({"iou_floor": -0.5}, r"iou_floor is -0\.5, expected greater than or equal to 0"),
        ({"iou_cap": 1.5}, r"iou_cap is 1\.5, expected less than or equal to 1"),
        ({"iou_floor": 0.6, "iou_cap": 0.5}, r"iou_floor is 0\.6, expected at most iou_cap, 0\.5"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(RankerRecipe(), **change)


def test_small_overlaps_are_none_and_large_ones_whole_only_where_asked_for() -> None:
    overlaps = np.float32([0.9, 0.5, 0.49, 0])
    np.testing.assert_array_equal(RankerRecipe().truths(overlaps), overlaps)
    np.testing.assert_array_equal(RankerRecipe(iou_floor=0.5).truths(overlaps), np.float32([0.9, 0.5, 0, 0]))
    np.testing.assert_array_equal(RankerRecipe(iou_cap=0.5).truths(overlaps), np.float32([1, 1, 0.49, 0]))
    np.testing.assert_array_equal(RankerRecipe(iou_floor=0.5, iou_cap=0.5).truths(overlaps), np.float32([1, 1, 0, 0]))
