from __future__ import annotations

from typing import Any

import pytest

from pipeline.training.recipes.agreement import AgreementRecipe


def test_the_rate_falls_by_half_a_cosine() -> None:
    recipe = AgreementRecipe(steps=4, learning_rate=0.8)
    assert [recipe.rate(step) for step in range(5)] == pytest.approx([0.8, 0.68284, 0.4, 0.11716, 0], abs=1e-4)


@pytest.mark.parametrize(
    "fields", [{"steps": 0}, {"batch": 0}, {"learning_rate": 0}, {"weight_decay": -1}, {"width": 0}, {"seed": -1}]
)
def test_numbers_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        AgreementRecipe(**fields)
