"""What makes one verdict better than another."""

from __future__ import annotations

import math

import pytest

from pipeline.training.loop.validator import mean_ap


def test_levels_without_a_face_are_left_out_of_the_mean() -> None:
    assert mean_ap({"easy": 0.5, "medium": 0.7, "hard": math.nan}) == pytest.approx(0.6)
    assert mean_ap({"hard": math.nan}) == mean_ap({}) == 0
