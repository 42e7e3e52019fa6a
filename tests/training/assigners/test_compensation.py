"""Offers by hand: who gets which place, by the rule of the paper and by that of the released code."""

from __future__ import annotations

import pytest
import torch

from pipeline.training.assigners.assignment import FACE, all_background
from pipeline.training.assigners.compensation import CandidateAnchors, PartialAliAms, concatenate
from pipeline.training.assigners.faces import Predicted


def _offer(who: list[int], place: list[int], need: list[int], index: list[int]) -> CandidateAnchors:
    return CandidateAnchors(*(torch.tensor(each) for each in (who, place, need, index)))


def _said(logits: list[float]) -> Predicted:
    return Predicted(torch.tensor([logits]), torch.zeros(1, len(logits), 4))


# Face 3 (the first to choose) may take one of the anchors 0, 1, 2, face 5 two of 1, 2, 4.
OFFER = _offer([0, 0, 0, 1, 1, 1], [0, 1, 2, 1, 2, 4], [1, 2], [3, 5])
SAID = _said([0.0, 9.0, 5.0, 0.0, 1.0, 7.0])


def test_in_turn_the_second_takes_what_the_first_has_left() -> None:
    got = PartialAliAms.of(all_background(1, 6), [OFFER], "ali_ams", sequential=True).complete(SAID)
    assert got.label.tolist() == [[0, 1, 1, 0, 1, 0]]
    assert got.face[0, [1, 2, 4]].tolist() == [3, 5, 5]
    assert got.compensated.tolist() == [[False, True, True, False, True, False]]
    assert got.candidates is not None and set(got.candidates.tolist()) == {0, 1, 2, 4}


def test_as_coded_what_two_have_taken_goes_to_the_lower_and_is_not_replaced() -> None:
    got = PartialAliAms.of(all_background(1, 6), [OFFER], "ali_ams_official", sequential=False).complete(SAID)
    assert got.label.tolist() == [[0, 1, 1, 0, 0, 0]]
    assert got.face[0, [1, 2]].tolist() == [3, 5]


def test_as_coded_what_is_a_face_already_is_dropped_and_not_replaced() -> None:
    matched = all_background(1, 6)
    matched.label[0, 1], matched.face[0, 1] = FACE, 8
    got = PartialAliAms.of(matched, [OFFER], "ali_ams_official", sequential=False).complete(SAID)
    assert got.label.tolist() == [[0, 1, 1, 0, 0, 0]]
    assert got.face[0, [1, 2]].tolist() == [8, 5]
    assert got.compensated.tolist() == [[False, False, True, False, False, False]]


def test_later_offers_find_what_earlier_ones_have_taken() -> None:
    again = _offer([0], [2], [1], [7])
    got = PartialAliAms.of(all_background(1, 6), [OFFER, again], "ali_ams_official", sequential=False).complete(SAID)
    assert got.face[0, 2] == 5


def test_concatenate_offers_are_served_as_one() -> None:
    second = _offer([0, 0], [3, 5], [1], [6])
    (one,) = concatenate([OFFER, second])
    assert one.group.tolist() == [0, 0, 0, 1, 1, 1, 2, 2] and one.need.tolist() == [1, 2, 1]
    got = PartialAliAms.of(all_background(1, 6), [one], "ali_ams", sequential=True).complete(SAID)
    assert got.label.tolist() == [[0, 1, 1, 0, 1, 1]] and got.face[0, 5] == 6
    assert concatenate([]) == []


def test_without_a_prediction_it_says_who_needs_one() -> None:
    with pytest.raises(ValueError, match="the assigner ali_ams needs the detector's logits"):
        PartialAliAms.of(all_background(1, 6), [], "ali_ams", sequential=True).complete(None)
