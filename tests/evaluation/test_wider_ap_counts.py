"""Counts that add up: what makes two of them equal, and what their sum is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.wider_ap import STEPS, ApCounts, ScoreRange, average_precision, score_range

ONE = ApCounts(3, 2, 7, np.arange(STEPS), np.arange(STEPS) // 2)


def test_counts_are_equal_where_all_of_them_are() -> None:
    assert replace(ONE, proposals=ONE.proposals.copy()) == ONE
    others = [
        replace(ONE, faces=4), replace(ONE, images=3), replace(ONE, boxes=8),
        replace(ONE, proposals=ONE.proposals + 1), replace(ONE, matches=ONE.matches + 1),
    ]  # fmt: skip
    assert all(other != ONE for other in others)
    assert ONE.__eq__(7) is NotImplemented


def test_each_count_is_added_to_its_own() -> None:
    total = ONE + ApCounts(30, 20, 70, np.full(STEPS, 5), np.full(STEPS, 2))
    assert total == ApCounts(33, 22, 77, ONE.proposals + 5, ONE.matches + 2)
    assert ApCounts.zero() + ONE == ONE


@pytest.mark.parametrize("shapes", [(STEPS, 10), (10, STEPS)])
def test_both_curves_have_one_count_per_threshold(shapes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"\({shapes[0]},\) and \({shapes[1]},\), expected \(1000,\)"):
        ApCounts(0, 0, 0, *(np.zeros(n, np.int64) for n in shapes))


def test_the_area_is_that_of_the_steps() -> None:
    proposals, matches = np.full(STEPS, 10), np.full(STEPS, 4)
    proposals[:500], matches[:500] = 2, 2
    # Two of five faces at precision 1, two more at 0.4, the last never.
    assert average_precision(ApCounts(5, 1, 10, proposals, matches)) == pytest.approx(0.4 * 1 + 0.4 * 0.4)
    assert average_precision(ApCounts(4, 1, 4, np.full(STEPS, 4), np.full(STEPS, 4))) == 1
    assert average_precision(ApCounts(1, 1, 2, np.full(STEPS, 2), np.full(STEPS, 1))) == 0.5
    assert average_precision(ApCounts(4, 1, 0, np.zeros(STEPS, int), np.zeros(STEPS, int))) == 0


def test_a_range_is_of_doubles() -> None:
    scores = np.array([0.1, 0.7], np.float32)
    found = score_range(scores)
    assert (found.low, found.high) == (float(scores[0]), float(scores[1]))
    normal = found.normalise(np.array([0.1, 0.4, 0.7], np.float32))
    assert normal.dtype == np.float64
    assert normal[1] == (float(np.float32(0.4)) - found.low) / (found.high - found.low)
    for nothing_to_map in (ScoreRange(2.0, 2.0), ScoreRange.empty(), ScoreRange.empty("python")):
        assert nothing_to_map.normalise(np.array([1.0, 2.0])).tolist() == [1.0, 1.0]
    assert ScoreRange(2.0, np.nextafter(2.0, 3)).normalise(np.array([2.0])).tolist() == [0.0]
