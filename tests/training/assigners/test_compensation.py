"""Compensation by hand: which face gets which anchor, in turn (the paper) and all at once (the released code)."""

from __future__ import annotations

import pytest
import torch

from pipeline.training.assigners.assignment import FACE, all_background
from pipeline.training.assigners.compensation import (
    CandidateAnchors,
    sequential_compensation,
    simultaneous_compensation,
)
from pipeline.training.assigners.faces import Predicted


def _candidates(group: list[int], index: list[int], need: list[int], column: list[int]) -> CandidateAnchors:
    return CandidateAnchors.of(*(torch.tensor(each) for each in (group, index, need, column)))


# Face 3 (the first to choose) may take one of the anchors 0, 1, 2, face 5 two of 1, 2, 4.
CANDIDATES = _candidates([0, 0, 0, 1, 1, 1], [0, 1, 2, 1, 2, 4], [1, 2], [3, 5])
PREDICTED = Predicted(torch.tensor([[0.0, 9.0, 5.0, 0.0, 1.0, 7.0]]), torch.zeros(1, 6, 4))


def test_in_turn_the_second_takes_what_the_first_has_left() -> None:
    got = sequential_compensation(all_background(1, 6), [CANDIDATES], "ali_ams").complete(PREDICTED)
    assert got.label.tolist() == [[0, 1, 1, 0, 1, 0]]
    assert got.face[0, [1, 2, 4]].tolist() == [3, 5, 5]
    assert got.compensated.tolist() == [[False, True, True, False, True, False]]
    assert got.candidates is not None and set(got.candidates.tolist()) == {0, 1, 2, 4}


def test_all_at_once_an_anchor_of_two_faces_goes_to_the_lower_and_is_not_replaced() -> None:
    got = simultaneous_compensation(all_background(1, 6), [CANDIDATES], "official").complete(PREDICTED)
    assert got.label.tolist() == [[0, 1, 1, 0, 0, 0]]
    assert got.face[0, [1, 2]].tolist() == [3, 5]


def test_all_at_once_a_face_anchor_is_dropped_and_not_replaced() -> None:
    matched = all_background(1, 6)
    matched.label[0, 1], matched.face[0, 1] = FACE, 8
    got = simultaneous_compensation(matched, [CANDIDATES], "official").complete(PREDICTED)
    assert got.label.tolist() == [[0, 1, 1, 0, 0, 0]]
    assert got.face[0, [1, 2]].tolist() == [8, 5]
    assert got.compensated.tolist() == [[False, False, True, False, False, False]]


def test_later_candidates_find_what_earlier_ones_have_taken() -> None:
    again = _candidates([0], [2], [1], [7])
    got = simultaneous_compensation(all_background(1, 6), [CANDIDATES, again], "official").complete(PREDICTED)
    assert got.face[0, 2] == 5


def test_in_turn_all_candidates_are_served_together() -> None:
    second = _candidates([0, 0], [3, 5], [1], [6])
    both = sequential_compensation(all_background(1, 6), [CANDIDATES, second], "ali_ams")
    (one,) = both.candidates
    assert one.group.tolist() == [0, 0, 0, 1, 1, 1, 2, 2] and one.need.tolist() == [1, 2, 1]
    got = both.complete(PREDICTED)
    assert got.label.tolist() == [[0, 1, 1, 0, 1, 1]] and got.face[0, 5] == 6


def test_without_a_prediction_the_message_names_the_assigner() -> None:
    with pytest.raises(ValueError, match="the assigner ali_ams needs the detector's logits"):
        sequential_compensation(all_background(1, 6), [], "ali_ams").complete(None)
