from __future__ import annotations

import math
from functools import reduce
from itertools import combinations
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.ranking_accuracy import PairCounts, count_pairs, falling_pairs, places_of

SETTING = settings(max_examples=80, deadline=None)
BOXES = st.integers(0, 14).flatmap(
    lambda m: st.tuples(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7]), min_size=m, max_size=m), st.permutations(range(m)))
)  # fmt: skip


def slowly(truth: list[float], place: list[int], pairs: list[tuple[int, int]]) -> tuple[int, int, int]:
    """Pair by pair: how many there are, how many differ in truth, how many of those stand in the right order."""
    untied = [(i, j) for i, j in pairs if truth[i] != truth[j]]
    right = [(i, j) for i, j in untied if (truth[i] > truth[j]) == (place[i] < place[j])]
    return len(pairs), len(untied), len(right)


@given(boxes=BOXES, offsets=st.integers(1, 6))
@SETTING
def test_counts_are_those_of_every_pair_looked_at(boxes: tuple[list[float], list[int]], offsets: int) -> None:
    truth, place = boxes
    found = count_pairs(np.array(truth), np.array(place, np.int64), offsets)
    for k in range(1, offsets + 1):
        expected = slowly(truth, place, [(i, i + k) for i in range(len(truth) - k)])
        assert (found.pairs[k - 1], found.untied[k - 1], found.right[k - 1]) == expected
    assert (found.all_pairs, found.all_untied, found.all_right) == slowly(
        truth, place, list(combinations(range(len(truth)), 2))
    )
    assert (found.images, found.boxes) == (1, len(truth))


def test_the_worked_numbers_of_the_docstring() -> None:
    truth = np.array([0.7, 0, 0.6])
    before, after = (count_pairs(truth, np.array(place), 2) for place in ([0, 1, 2], [0, 2, 1]))
    assert (before.neighbours, after.neighbours) == (0.5, 1.0)
    assert (before.near, before.every) == (2 / 3, 2 / 3)
    assert (after.near, after.every) == (1.0, 1.0)


def test_the_papers_example_in_the_detectors_order() -> None:
    """Five boxes of which the second is closer to the face than the first; pairs of two zeros are no pairs."""
    counts = count_pairs(np.array([0.70, 0.85, 0, 0.60, 0]), np.arange(5), 3)
    assert counts.untied.tolist() == [4, 2, 2]
    assert counts.right.tolist() == [2, 2, 2]
    assert (counts.all_untied, counts.all_right) == (9, 7)


def test_images_add_up() -> None:
    random = np.random.default_rng(0)
    parts = [count_pairs(random.integers(0, 4, m) / 4, random.permutation(m), 4) for m in (0, 1, 2, 9, 30)]
    total = reduce(add, parts, PairCounts.zero(4))
    assert (total.images, total.boxes) == (5, 42)
    assert total.right.tolist() == np.sum([part.right for part in parts], axis=0).tolist()
    assert total.all_right == sum(part.all_right for part in parts)


@pytest.mark.parametrize("truth", [[], [0.3], [0.0, 0.0, 0.0]])
def test_without_an_untied_pair_there_is_no_share(truth: list[float]) -> None:
    counts = count_pairs(np.array(truth), np.arange(len(truth)), 3)
    assert all(math.isnan(share) for share in (counts.neighbours, counts.near, counts.every))


@given(st.lists(st.integers(0, 40), max_size=40))
@SETTING
def test_falling_pairs_are_inversions(ranks: list[int]) -> None:
    assert falling_pairs(np.array(ranks, np.int64)) == sum(a > b for a, b in combinations(ranks, 2))


def test_places_of_boxes_that_moved() -> None:
    boxes = np.array([[0, 0, 5, 5], [1, 0, 5, 5], [0, 0, 5, 5], [9, 9, 9.5, 12]], np.float32)
    order = [3, 2, 1, 0]
    assert places_of(boxes, boxes[order]).tolist() == [1, 2, 3, 0]  # twins keep their order
    assert places_of(boxes[:0], boxes[:0]).tolist() == []


def test_other_boxes_are_told() -> None:
    boxes = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="2 boxes, expected the same 3 in another order"):
        places_of(boxes, boxes[:2])
    with pytest.raises(ValueError, match="1 of 3 boxes are others"):
        places_of(boxes, np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], np.float32))


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"truth has shape \(3,\), places \(2,\)"):
        count_pairs(np.zeros(3), np.arange(2), 1)
    with pytest.raises(ValueError, match="offsets is 0, expected 1 or more"):
        count_pairs(np.zeros(3), np.arange(3), 0)
