"""Ranges of a detector's recipe; its choices are those of the tables."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from pipeline.training.assigners import ASSIGNERS
from pipeline.training.augment.policy import POLICIES
from pipeline.training.recipes.detector import AssignerName, Augmentation, DetectorRecipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": ()}, r"crop is \(\)"),
        ({"crop": (64, 31)}, r"crop is \(64, 31\)"),
        ({"sse_shares": (0.8, 0.3)}, "sse_shares: shares 0.8, 0.3 add up to 1.1"),
        ({"sse_shares": (0.2,)}, "sse_shares: 1 shares, expected two"),
        ({"sse_shares": (0.2, 0.2, 0.2, 0.2, 0.1, 0.0)}, "sse_shares: .* add up to 0.9, expected 1"),
        ({"sse_shares": (0.2, float("nan"))}, r"sse_shares is \(0.2, nan\), expected a finite number"),
        ({"augmentation": "sse_official", "sse_shares": (0.5, 0.1, 0.1, 0.1, 0.1, 0.1)}, "two for sse_official"),
        ({"milestones": (0.8, 0.5)}, r"milestones is \(0.8, 0.5\), expected rising numbers"),
        ({"milestones": (0.0, 0.5)}, "milestones is"),
        ({"warmup_start": 0.0}, "warmup_start is 0.0"),
        ({"context_weight": float("nan")}, "context_weight is nan"),
        ({"first_shot_weight": -1.0}, "first_shot_weight is -1.0"),
        ({"min_face": -1.0}, "min_face is -1.0"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectorRecipe(**change)


def test_one_side_or_several() -> None:
    assert DetectorRecipe(crop=96).sides == (96,)
    assert DetectorRecipe(crop=(64, 96)).sides == (64, 96)


def test_choices_written_out_are_those_of_the_tables() -> None:
    assert set(get_args(Augmentation)) == set(POLICIES)
    assert set(get_args(AssignerName)) == {"auto", *ASSIGNERS}
