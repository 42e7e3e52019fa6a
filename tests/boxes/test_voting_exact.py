"""Voting where numbers lie close together, and the shapes it gives."""

from __future__ import annotations

import numpy as np

from pipeline.boxes.voting import vote

BOXES = np.array([[0.0, 0, 9, 9], [0, 0, 9, 11], [50, 0, 59, 9]])


def test_what_is_not_there_is_not_averaged() -> None:
    found = vote(BOXES, np.array([0.5, 0.5, 0.5]))
    assert found.extras.shape == (2, 0)
    assert found.boxes.shape == (2, 4)
    empty = vote(BOXES[:0], np.zeros(0), extras_NE=np.zeros((0, 10)))
    assert (empty.boxes.shape, empty.scores.shape, empty.extras.shape) == ((0, 4), (0,), (0, 10))


def test_the_better_leads_however_little_better_it_is() -> None:
    # In float32 both scores are 0.5 and the first would lead; the group's score shows which did.
    scores = np.array([0.5, 0.5 + 1e-12, 0.1])
    assert vote(BOXES, scores).scores.tolist() == [0.5 + 1e-12, 0.1]
    assert vote(BOXES[[0, 2]], scores[:2]).boxes.tolist() == [[50, 0, 59, 9], [0, 0, 9, 9]]
