"""Cumulative shares of faces and of their anchors against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.analysis.level_ranges import LevelSweep
from pipeline.training.analysis.matched_anchors import BORDER, SCALES, shares_below

# At two positions: one anchor on average for a face of 10 px, three of 30 px, on two levels together.
SWEEP = LevelSweep((2, 3), np.array([10.0, 30.0]), 2, np.array([[2, 0], [2, 4]]), np.zeros((2, 2), np.int64))


def test_faces_and_anchors_are_counted_below_each_border() -> None:
    scales = np.array([5.0, 10.0, 20.0, 30.0, 90.0])  # anchors 1, 1, 2, 3, 3
    assert shares_below(scales, None, (6.0, 20.0, 100.0)) == pytest.approx([0.2, 0.4, 1])
    assert shares_below(scales, SWEEP, (6.0, 20.0, 100.0)) == pytest.approx([0.1, 0.2, 1])


def test_without_a_face_there_is_no_share() -> None:
    assert np.isnan(shares_below(np.zeros(0), SWEEP)).all()


def test_the_papers_border_is_among_the_scales_and_they_rise() -> None:
    assert BORDER in SCALES and list(SCALES) == sorted(SCALES)
