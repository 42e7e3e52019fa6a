"""A recipe names the number that makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.training.recipe import TrainingRecipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"warmup": -1}, "warmup is -1"),
        ({"crop": 16}, "crop is 16"),
        ({"shares": (0.5, 1.5)}, "shares is"),
    ],
)
def test_refuses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingRecipe(**change)
